// A test that unwraps fails as it should.
#![allow(clippy::unwrap_used)]

use quartet_storage::StoredBlock;
use quartet_types::Checkpoint;
use quartet_world::World;

use super::*;
use crate::{ChainWriter, LeanChain, verification::tests::chain_of};

/// A reader of a chain that has nothing but genesis, and of a database with these blocks, of which these have their states.
fn reader(world: &World, states: &[usize]) -> ChainReader {
    let genesis = world.genesis();
    let store = Database::in_memory(genesis.root).unwrap();
    let stored = |block: usize| {
        let made = &world.made[block];
        StoredBlock {
            root: made.root,
            block: made.block.clone(),
            justified: Checkpoint::default(),
            finalized: Checkpoint::default(),
            state: states.contains(&block).then(|| made.state.clone()),
        }
    };
    store.start_from(&stored(0)).unwrap();
    for block in 1..world.made.len() {
        store.put(stored(block)).unwrap();
    }
    let mut chain = LeanChain::from_genesis(State::clone(&genesis.state));
    // As if it had come so far without any state in memory.
    chain.advance(9_000);
    ChainReader::new(ChainWriter::new(chain).reader(), Arc::new(store))
}

#[test]
fn a_state_is_rebuilt_from_the_nearest_one_below_it() {
    let mut world = World::new(4);
    let trunk = world.grow(0, 1..=5);
    let left = world.grow(trunk, [7, 8, 10]);
    let right = world.grow(trunk, [6, 9]);
    let reader = reader(&world, &[0, 3]);
    for block in [
        left,
        right,
        trunk,
        3,
        2,
        left - 1,
        left,
        right - 1,
        0,
        1,
        left,
    ] {
        let made = &world.made[block];
        let state = reader.state(made.root).unwrap();
        assert_eq!(state.as_ref(), Some(&made.state), "block {block}");
        assert_eq!(reader.parent_state(made.root), Ok(made.state.clone()));
        assert_eq!(reader.block(made.root).unwrap().as_ref(), Some(&made.block));
    }
    let unknown = Root::repeat_byte(1);
    assert_eq!(reader.state(unknown), Ok(None));
    assert_eq!(reader.block(unknown), Ok(None));
    assert!(matches!(
        reader.parent_state(unknown),
        Err(ImportError::Store(_))
    ));
}

#[test]
fn a_state_is_rebuilt_over_no_more_blocks_than_lie_between_two_stored_ones() {
    let mut world = World::new(4);
    let mut head = 0;
    for slot in 1..=4 * 128 + 1 {
        head = world.propose(head, slot, &[]).unwrap();
    }
    let reader = reader(&world, &[0]);
    assert_eq!(reader.state(world.made[head].root), Ok(None));
    let last = &world.made[head - 1];
    assert_eq!(reader.state(last.root), Ok(Some(last.state.clone())));
    // It is remembered, so that its neighbour can be rebuilt now.
    let state = reader.state(world.made[head].root);
    assert_eq!(state, Ok(Some(world.made[head].state.clone())));
}

#[test]
fn the_roots_of_a_range_are_those_of_the_heads_chain() {
    let mut world = World::new(4);
    let head = world.grow(0, [1, 2, 4, 5, 6, 9, 10]);
    world.grow(1, [3]);
    let blocks: Vec<usize> = (1..=head).collect();
    let chain = ChainWriter::new(chain_of(&world, &blocks)).reader();
    let store = Database::in_memory(world.genesis().root).unwrap();
    let reader = ChainReader::new(chain, Arc::new(store));
    let slots = |start, count| {
        let roots = reader.canonical_roots(start, count);
        let made = roots.iter().map(|root| world.find(root).unwrap());
        made.map(|made| made.slot()).collect::<Vec<_>>()
    };
    assert_eq!(slots(0, 99), [0, 1, 2, 4, 5, 6, 9, 10]);
    assert_eq!(slots(2, 3), [2, 4]);
    assert_eq!(slots(3, 1), [0; 0]);
    assert_eq!(slots(10, 1), [10]);
    assert_eq!(slots(9, u64::MAX), [9, 10]);
    assert_eq!(slots(11, 5), [0; 0]);
    assert_eq!(slots(4, 0), [0; 0]);
}

#[test]
fn the_four_states_that_were_rebuilt_last_are_remembered() {
    let mut world = World::new(4);
    world.grow(0, 1..=7);
    let reader = reader(&world, &[0]);
    for block in [7, 3, 3, 6, 2, 5] {
        let state = reader.state(world.made[block].root);
        assert_eq!(state, Ok(Some(world.made[block].state.clone())));
    }
    let rebuilt = reader.rebuilt.lock();
    let remembered = rebuilt
        .iter()
        .map(|(root, _)| world.position(root).unwrap());
    assert_eq!(remembered.collect::<Vec<_>>(), [3, 6, 2, 5]);
}

#[test]
fn when_finality_moved_is_read_from_the_database() {
    let mut world = World::new(4);
    world.grow(0, 1..=4);
    let reader = reader(&world, &[0]);
    let [first, second, third] = [1, 2, 3].map(|block| world.made[block].checkpoint());
    reader.store().finalize(first, &[first], 4).unwrap();
    reader.store().finalize(third, &[second, third], 6).unwrap();
    let moves = |start, limit| {
        let moves = reader.finality(start, limit).unwrap();
        moves
            .iter()
            .map(|moved| moved.checkpoint)
            .collect::<Vec<_>>()
    };
    assert_eq!(moves(0, 9), [first, third]);
    assert_eq!(moves(2, 9), [third]);
    assert_eq!(moves(0, 1), [first]);
}
