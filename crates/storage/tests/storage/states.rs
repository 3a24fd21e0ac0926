//! States are put together again as they were.

use quartet_storage::{Database, DatabaseError};
use quartet_types::State;
use tree_hash::TreeHash as _;

use crate::support::{Made, network, put_all, started};

fn check(database: &Database, made: &Made, like: Option<&State>) {
    let state = database.state(made.root, like).unwrap();
    let state = state.unwrap_or_else(|| panic!("no state of {}", made.checkpoint()));
    assert_eq!(state.tree_hash_root(), made.block.block().state_root);
    assert_eq!(state, *made.state);
}

/// Genesis, a chain with gaps, and branches off it, every state stored.
fn branched() -> (Database, Vec<Made>) {
    let database = started();
    let genesis = Made::genesis();
    let mut blocks = genesis.chain(6);
    blocks.push(blocks[5].child(12, 4));
    blocks.extend(blocks[6].chain(4));
    let branch = blocks[2].child(9, 1);
    blocks.extend(branch.chain(3));
    blocks.push(branch);
    blocks.push(genesis.child(40, 0));
    put_all(&database, &blocks, 1);
    blocks.push(genesis);
    (database, blocks)
}

#[test]
fn every_state_is_rebuilt_with_and_without_the_help_of_any_other() {
    let (database, blocks) = branched();
    for flushed in [false, true] {
        for made in &blocks {
            check(&database, made, None);
            for like in &blocks {
                check(&database, made, Some(&like.state));
            }
        }
        if !flushed {
            database.flush().unwrap();
        }
    }
}

#[test]
fn states_are_rebuilt_the_same_when_the_chain_is_final_and_its_entries_are_gone() {
    let (database, blocks) = branched();
    let chain: Vec<_> = blocks[..11].iter().map(Made::checkpoint).collect();
    database.finalize(chain[8], &chain[..9], 30).unwrap();
    for made in &blocks {
        check(&database, made, None);
        for like in &blocks {
            check(&database, made, Some(&like.state));
        }
    }
}

#[test]
fn a_state_can_be_put_later_and_needs_its_block() {
    let database = started();
    let blocks = Made::genesis().chain(2);
    let early = database.put_state(blocks[0].root, &blocks[0].state);
    assert!(
        matches!(early, Err(DatabaseError::Refused { .. })),
        "{early:?}"
    );
    database.put(blocks[0].stored(false)).unwrap();
    assert_eq!(database.state(blocks[0].root, None).unwrap(), None);
    database
        .put_state(blocks[0].root, &blocks[0].state)
        .unwrap();
    check(&database, &blocks[0], None);
}

#[test]
fn a_history_is_shared_with_a_state_of_the_same_chain() {
    // 20,000 blocks of an invented history: no transition is needed to rebuild one.
    let genesis = Made::genesis();
    let mut long = (*genesis.state).clone();
    for slot in 0..20_000_u64 {
        let root = quartet_types::B256::from(ethereum_hashing::hash_fixed(&slot.to_le_bytes()));
        long.historical_block_hashes.push(root).unwrap();
        long.justified_slots.push(false).unwrap();
    }
    let mut stored = genesis.child(20_000, 0).stored(false);
    long.slot = 20_000;
    long.latest_block_header = stored.block.block().header();
    long.latest_block_header.state_root = quartet_types::Root::ZERO;
    stored.state = Some(long.clone().into());
    let database = Database::in_memory(network()).unwrap();
    database.start_from(&stored).unwrap();
    let rebuilt = database.state(stored.root, Some(&long)).unwrap().unwrap();
    assert_eq!(rebuilt, long);

    let places = [&long, &rebuilt].map(|state| &state.historical_block_hashes);
    let [one, other] = places.map(|roots| roots.get(7).unwrap());
    assert!(std::ptr::eq(one, other), "the same roots twice in memory");
}
