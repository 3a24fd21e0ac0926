//! What of a chain is in memory, and what goes to the database.
// A test that unwraps fails as it should.
#![allow(clippy::unwrap_used)]

use quartet_storage::Database;

use super::*;
use crate::MemoryLimits;

#[test]
fn the_first_block_of_a_branch_in_an_interval_is_stored_with_its_state() {
    let mut world = World::new(4);
    let first = world.propose(0, 1, &[]).unwrap();
    let late = world.propose(first, 127, &[]).unwrap();
    let next = world.propose(late, 129, &[]).unwrap();
    let after = world.propose(next, 130, &[]).unwrap();
    let beside = world.propose(first, 131, &[]).unwrap();
    let much_later = world.propose(after, 512, &[]).unwrap();
    let mut chain = genesis_chain(&world);
    let cases = [
        (first, false),
        (late, false),
        (next, true),
        (after, false),
        (beside, true),
        (much_later, true),
    ];
    for (block, has_state) in cases {
        let stored = chain.to_store(&importable(&world, block));
        let made = &world.made[block];
        assert_eq!((stored.root, &stored.block), (made.root, &made.block));
        let state = has_state.then(|| made.state.clone());
        assert_eq!(stored.state, state, "slot {}", made.slot());
        import(&mut chain, &world, block);
    }
    let (world, head) = gappy();
    let stored = genesis_chain(&world).to_store(&importable(&world, head));
    assert_eq!(stored.justified, world.justified(head));
    assert_eq!(stored.finalized, world.made[head].state.latest_finalized);
    assert!(stored.finalized.slot > 0);
}

#[test]
fn a_database_begins_with_the_oldest_block_of_the_tree() {
    let (world, head) = gappy();
    let genesis = world.genesis();
    let mut chain = genesis_chain(&world);
    let database = Database::in_memory(genesis.root).unwrap();
    chain.write_anchor(&database).unwrap();
    assert_eq!(database.anchor().unwrap(), Some(genesis.checkpoint()));
    for block in 1..=head {
        import(&mut chain, &world, block);
    }
    let oldest = chain.fork_choice().oldest_block();
    assert!(oldest.slot > 6);
    let database = Database::in_memory(genesis.root).unwrap();
    chain.write_anchor(&database).unwrap();
    assert_eq!(database.anchor().unwrap(), Some(oldest.checkpoint()));
    let state = database.state(oldest.root, None).unwrap();
    assert_eq!(
        state.as_ref(),
        world.find(&oldest.root).map(|made| &*made.state)
    );
    let entry = database.entry(oldest.root).unwrap().unwrap();
    let of_oldest = world.position(&oldest.root).unwrap();
    assert_eq!(entry.justified, world.justified(of_oldest));
}

#[test]
fn memory_is_counted_by_what_it_is_for() {
    let (world, head) = gappy();
    let limits = MemoryLimits {
        states: 1,
        blocks: 1 << 20,
        unwritten: 9,
    };
    let mut chain = genesis_chain(&world).with_memory_limits(limits);
    assert_eq!(chain.memory_limits(), limits);
    for block in 1..=head {
        import(&mut chain, &world, block);
    }
    // Eight states are kept whatever their size, but for those that finality leaves behind.
    let oldest = chain.fork_choice().oldest_block().slot;
    let states = (0..=head).filter(|block| chain.state(world.made[*block].root).is_some());
    let newest = (head - 7..=head).filter(|block| world.made[*block].slot() >= oldest);
    assert!(states.eq(newest));
    let count = world
        .made
        .iter()
        .filter(|made| chain.state(made.root).is_some())
        .count();
    assert_eq!(chain.states.places(), count);
    let roots: Vec<Root> = world.made.iter().map(|made| made.root).collect();
    let before = chain.memory();
    assert!(before.states > 0 && before.unwritten > 0);
    assert_eq!(before.blocks, 0);
    assert!(chain.mark_written(&roots[..3]).is_empty());
    let after = chain.memory();
    assert_eq!(after.blocks + after.unwritten, before.unwritten);
    assert!(after.blocks > 0 && after.unwritten > after.blocks);
    assert!(chain.mark_written(&roots[3..]).is_empty());
    assert_eq!(
        (chain.memory().blocks, chain.memory().unwritten),
        (before.unwritten, 0)
    );
    // With less room they make way, and are not here any more.
    let small = MemoryLimits {
        blocks: 1,
        ..limits
    };
    let mut chain = genesis_chain(&world).with_memory_limits(small);
    import(&mut chain, &world, 1);
    let evicted = chain.mark_written(&roots[..2]);
    assert_eq!(evicted.len(), 2);
    assert_eq!(chain.block(roots[1]), None);
    // A state that was rebuilt is kept, and the oldest makes way for it.
    let other = Root::repeat_byte(5);
    for block in 2..=9 {
        import(&mut chain, &world, block);
    }
    let state = world.genesis().state.clone();
    chain.insert_state(other, state.clone());
    assert_eq!(chain.state(other), Some(state));
}
