//! Blocks, entries and votes.

use quartet_storage::{Database, StoredBlock};
use quartet_types::{B256, Slot};
use tempfile::tempdir;

use crate::support::{Made, START, VALIDATORS, killed, network, open, put_all, started};

fn filled(directory: &std::path::Path, blocks: &[Made]) -> Database {
    let database = open(directory);
    put_all(&database, blocks, 2);
    database
}

#[test]
fn flushed_blocks_are_there_after_a_restart() {
    let directory = tempdir().unwrap();
    let blocks = Made::genesis().chain(3);
    let database = filled(directory.path(), &blocks);
    database.flush().unwrap();
    drop(database);

    let database = open(directory.path());
    for block in &blocks {
        assert_eq!(
            database.get(block.root).unwrap().as_ref(),
            Some(&*block.block)
        );
        let message = database.message(block.root).unwrap();
        assert_eq!(message.as_ref(), Some(&block.block.message));
        assert_eq!(database.entry(block.root).unwrap(), Some(block.entry()));
        assert_eq!(database.slot(block.root).unwrap(), Some(block.slot()));
        assert!(database.contains(block.root).unwrap());
    }
    let unknown = B256::repeat_byte(9);
    assert_eq!(database.get(unknown).unwrap(), None);
    assert_eq!(database.message(unknown).unwrap(), None);
    assert_eq!(database.entry(unknown).unwrap(), None);
    assert!(!database.contains(unknown).unwrap());
    let entries: Vec<_> = blocks.iter().map(Made::entry).collect();
    assert_eq!(database.entries_after(START, 9).unwrap(), entries);
}

#[test]
fn blocks_that_wait_are_found_like_written_ones() {
    let database = started();
    let blocks = Made::genesis().chain(4);
    put_all(&database, &blocks, 2);
    for flushed in [false, true] {
        if flushed {
            database.flush().unwrap();
        }
        let last = &blocks[3];
        assert_eq!(
            database.get(last.root).unwrap().as_ref(),
            Some(&*last.block)
        );
        assert_eq!(database.entry(last.root).unwrap(), Some(last.entry()));
        let state = database.state(last.root, None).unwrap();
        assert_eq!(state.as_ref(), Some(&*last.state));
        assert_eq!(database.entries_after(START, 99).unwrap().len(), 5);
        let genesis = Made::genesis().checkpoint();
        let keys = [genesis, blocks[1].checkpoint(), last.checkpoint()];
        assert_eq!(database.states_after(START, 99).unwrap(), keys);
        assert_eq!(database.votes().unwrap().len() as u64, VALIDATORS);
    }
}

#[test]
fn a_kill_loses_what_was_not_flushed_and_nothing_else() {
    let directory = tempdir().unwrap();
    let blocks = Made::genesis().chain(4);
    let database = filled(directory.path(), &blocks[..3]);
    database.flush().unwrap();
    let last = &blocks[3];
    database.put(last.stored(true)).unwrap();
    let votes = database.votes().unwrap();

    let survivor = killed(&directory);
    let survivor = open(survivor.path());
    assert_eq!(survivor.entries_after(START, 9).unwrap().len(), 3);
    assert_eq!(survivor.get(last.root).unwrap(), None);
    assert_eq!(
        survivor.states_after(START, 9).unwrap(),
        [blocks[1].checkpoint()]
    );
    assert_ne!(survivor.votes().unwrap(), votes);
    let third = survivor.get(blocks[2].root).unwrap();
    assert_eq!(third.as_ref(), Some(&*blocks[2].block));
}

#[test]
fn blocks_do_not_wait_in_memory_without_bound() {
    let directory = tempdir().unwrap();
    let database = open(directory.path());
    let mut parent = Made::genesis();
    for slot in 1..130 {
        parent = parent.child(slot, 0);
        database.put(parent.stored(false)).unwrap();
    }
    let survivor = killed(&directory);
    let entries = open(survivor.path()).entries_after(START, 999).unwrap();
    assert_eq!(entries.len(), 128);
}

#[test]
fn entries_come_in_pages_by_slot_then_root() {
    let genesis = Made::genesis();
    let database = started();
    let mut keys = vec![genesis.key()];
    for (slot, voters) in [(300, 1), (2, 2), (2, 1), (70_000, 0), (1, 3)] {
        let block = genesis.child(slot, voters);
        database.put(block.stored(false)).unwrap();
        keys.push(block.key());
        if slot == 300 {
            // Some on disk, some waiting: the order is the same.
            database.flush().unwrap();
        }
    }
    keys.sort();

    let mut paged = Vec::new();
    let mut last = START;
    loop {
        let page = database.entries_after(last, 2).unwrap();
        let Some(end) = page.last() else { break };
        assert!(page.len() <= 2);
        last = (end.slot, end.root);
        paged.extend(page.iter().map(|entry| (entry.slot, entry.root)));
    }
    assert_eq!(paged, keys);
    assert_eq!(database.entries_after(START, 0).unwrap(), []);
}

#[test]
fn a_block_put_again_keeps_its_state() {
    let database = started();
    let block = Made::genesis().child(1, 2);
    for (with_state, flush) in [(true, false), (false, true), (false, true)] {
        database.put(block.stored(with_state)).unwrap();
        if flush {
            database.flush().unwrap();
        }
        let state = database.state(block.root, None).unwrap();
        assert_eq!(state.as_ref(), Some(&*block.state));
    }
    assert_eq!(database.entries_after((1, B256::ZERO), 9).unwrap().len(), 1);
}

/// A block whose proposer votes in `slot` and which carries nothing.
fn voting(slot: Slot, validator: u64, head: u8) -> StoredBlock {
    let mut stored = Made::genesis().child(slot, 0).stored(false);
    let mut block = (*stored.block).clone();
    let vote = &mut block.message.proposer_attestation;
    vote.validator_id = validator;
    vote.data.slot = slot;
    vote.data.head.root = B256::repeat_byte(head);
    stored.root = B256::repeat_byte(head);
    stored.block = block.into();
    stored
}

#[test]
fn the_newest_vote_of_each_validator_counts_and_of_one_slot_the_first() {
    for flush in [false, true] {
        let database = Database::in_memory(network()).unwrap();
        let blocks = [
            voting(5, 0, 1),
            voting(5, 0, 2),
            voting(4, 0, 3),
            voting(9, 3, 4),
            voting(7, 3, 5),
            voting(8, 4096, 6),
        ];
        for block in blocks {
            database.put(block).unwrap();
            if flush {
                database.flush().unwrap();
            }
        }
        let votes = database.votes().unwrap();
        let heads: Vec<_> = votes
            .iter()
            .map(|vote| (vote.validator_id, vote.data.slot, vote.data.head.root[0]))
            .collect();
        // Nobody is validator 4,096: a registry ends before.
        assert_eq!(heads, [(0, 5, 1), (3, 9, 4)], "flush {flush}");
    }
}

#[test]
fn signatures_of_any_length_survive() {
    let directory = tempdir().unwrap();
    let database = open(directory.path());
    let signature = |byte| quartet_types::Signature::from([byte; 3112]);
    let mut blocks = Vec::new();
    for (slot, count) in [(1, 0), (2, 1), (3, 5), (4, 6), (5, 700)] {
        let mut stored = Made::genesis().child(slot, 0).stored(false);
        let mut block = (*stored.block).clone();
        let signatures: Vec<_> = (0..count).map(|i| signature(i as u8)).collect();
        block.signature = signatures.try_into().unwrap();
        stored.block = block.into();
        database.put(stored.clone()).unwrap();
        blocks.push(stored);
    }
    database.flush().unwrap();
    for stored in blocks {
        assert_eq!(
            database.get(stored.root).unwrap().as_ref(),
            Some(&*stored.block)
        );
    }
}
