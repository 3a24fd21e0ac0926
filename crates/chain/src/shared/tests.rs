// A test that unwraps fails as it should.
#![allow(clippy::unwrap_used)]

use quartet_types::INTERVALS_PER_SLOT;
use quartet_world::World;

use super::*;
use crate::verification::tests::{chain_of, importable};

fn import(writer: &ChainWriter, world: &World, block: usize) -> Changes {
    let (imported, changes) = writer.change_and_compare(|chain| {
        chain.advance(world.made[block].slot() * INTERVALS_PER_SLOT);
        chain.import_block(importable(world, block))
    });
    imported.unwrap();
    changes
}

/// A world of four whose chain forks after a block: three blocks on one side, two on the other. None carries votes.
fn forked() -> (World, [usize; 3], [usize; 2]) {
    let mut world = World::new(4);
    let trunk = world.propose(0, 1, &[]).unwrap();
    let mut on = |parent, slot| world.propose(parent, slot, &[]).unwrap();
    let first = on(trunk, 2);
    let second = on(first, 5);
    let left = [first, second, on(second, 7)];
    let first = on(trunk, 3);
    let right = [first, on(first, 4)];
    (world, left, right)
}

#[test]
fn a_change_says_where_the_head_went_and_what_it_left_behind() {
    let (mut world, left, [first, _]) = forked();
    let writer = ChainWriter::new(chain_of(&world, &[1]));
    for (block, parent) in left.into_iter().zip([1, left[0], left[1]]) {
        let changes = import(&writer, &world, block);
        assert_eq!(changes.before.head, world.made[parent].checkpoint());
        assert_eq!(changes.after.head, world.made[block].checkpoint());
        assert_eq!(changes.reorg_depth, 0);
    }
    // Votes for the other side take the head there.
    let votes = [0, 1, 2].map(|validator| world.vote(validator, first, 3));
    let right = world.propose(first, 8, &votes).unwrap();
    let changes = import(&writer, &world, first);
    assert_eq!((changes.before, changes.reorg_depth), (changes.after, 0));
    let changes = import(&writer, &world, right);
    assert_eq!(changes.after.head, world.made[right].checkpoint());
    assert_eq!(changes.after.justified, world.made[first].checkpoint());
    assert_eq!(changes.reorg_depth, 3);
}

#[test]
fn a_reorg_to_a_branch_that_becomes_final_with_the_same_block_leaves_as_much_behind() {
    let (mut world, left, [first, second]) = forked();
    // All votes of the other side come in one block.
    let earlier = [0, 1, 2].map(|validator| world.vote(validator, first, 3));
    let justified = world.propose(second, 5, &earlier).unwrap();
    let target = world.vote(0, second, 4).data.target;
    let source = world.justified(justified);
    let later = [0, 1, 2].map(|validator| {
        let mut vote = world.vote(validator, second, 4);
        (vote.data.source, vote.data.target) = (source, target);
        vote
    });
    let votes = [earlier, later].concat();
    let right = world.propose(second, 9, &votes).unwrap();
    let writer = ChainWriter::new(chain_of(&world, &[1, left[0], first, second]));
    for block in left.into_iter().skip(1) {
        let _ = import(&writer, &world, block);
    }
    writer.change(|chain| chain.advance(8 * INTERVALS_PER_SLOT));
    let head = writer.read().head();
    assert_eq!(head, world.made[left[2]].checkpoint());
    let changes = import(&writer, &world, right);
    assert_eq!(changes.after.finalized, world.made[first].checkpoint());
    assert!(!writer.read().contains(&head.root));
    assert_eq!(changes.after.head, world.made[right].checkpoint());
    assert_eq!(changes.reorg_depth, 3);
    // Nothing is left behind by what follows.
    let next = world.propose(right, 10, &[]).unwrap();
    assert_eq!(import(&writer, &world, next).reorg_depth, 0);
}
