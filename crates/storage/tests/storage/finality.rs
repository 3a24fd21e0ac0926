//! Starts, finality, what is deleted and what is filled in.

use std::sync::Arc;

use quartet_storage::{Database, DatabaseError, Missing, PruneReport, Retention, Started};
use quartet_types::{Checkpoint, Slot, State};

use crate::support::{Made, START, network, put_all, started};

fn checkpoints(blocks: &[Made]) -> Vec<Checkpoint> {
    blocks.iter().map(Made::checkpoint).collect()
}

/// Puts and finalizes a chain of so many blocks.
fn finalized(database: &Database, length: usize, state_every: u64) -> Vec<Made> {
    let blocks = Made::genesis().chain(length);
    put_all(database, &blocks, state_every);
    let chain = checkpoints(&blocks);
    database.finalize(chain[length - 1], &chain, 99).unwrap();
    blocks
}

fn prune_all(database: &Database) -> PruneReport {
    let mut all = PruneReport::default();
    for _ in 0..1000 {
        let pruned = database.prune().unwrap();
        all.blocks += pruned.blocks;
        all.states += pruned.states;
        if !pruned.more {
            return all;
        }
    }
    panic!("it never ends");
}

#[test]
fn a_start_from_genesis_has_anchor_state_and_chain() {
    let database = Database::in_memory(network()).unwrap();
    assert_eq!(database.anchor().unwrap(), None);
    let genesis = Made::genesis();
    assert_eq!(
        database.start_from(&genesis.stored(true)).unwrap(),
        Started::Here
    );
    let anchor = Some(genesis.checkpoint());
    assert_eq!(database.anchor().unwrap(), anchor);
    assert_eq!(database.finalized().unwrap(), anchor);
    assert_eq!(database.kept_from().unwrap(), Some(0));
    assert_eq!(database.canonical(0, 9).unwrap(), [genesis.checkpoint()]);
    assert_eq!(
        database.state(genesis.root, None).unwrap().as_ref(),
        Some(&*genesis.state)
    );
}

#[test]
fn a_start_needs_the_state_of_the_block() {
    let database = Database::in_memory(network()).unwrap();
    let blocks = Made::genesis().chain(2);
    let mut stored = blocks[1].stored(true);
    stored.state = Some(blocks[0].state.clone());
    for stored in [stored, blocks[1].stored(false)] {
        let refused = database.start_from(&stored);
        assert!(
            matches!(refused, Err(DatabaseError::Refused { .. })),
            "{refused:?}"
        );
    }
    assert_eq!(database.anchor().unwrap(), None);
}

#[test]
fn a_checkpoint_brings_the_roots_of_its_history() {
    let database = Database::in_memory(network()).unwrap();
    let mut blocks = Made::genesis().chain(4);
    blocks.push(blocks[3].child(9, 4));
    let last = blocks.last().unwrap().clone();
    database.start_from(&last.stored(true)).unwrap();
    let mut chain = vec![Made::genesis().checkpoint()];
    chain.extend(checkpoints(&blocks));
    assert_eq!(database.canonical(0, 99).unwrap(), chain);
    assert_eq!(database.canonical(3, 2).unwrap(), chain[3..5]);
    assert_eq!(database.canonical_root(7).unwrap(), None);
    assert_eq!(database.kept_from().unwrap(), Some(9));
    assert_eq!(
        database.state(last.root, None).unwrap().as_ref(),
        Some(&*last.state)
    );
    assert_eq!(database.get(blocks[0].root).unwrap(), None);
}

#[test]
fn a_second_start_says_where_it_lies_or_that_it_conflicts() {
    let genesis = Made::genesis();
    let blocks = genesis.chain(8);
    let database = Database::in_memory(network()).unwrap();
    database.start_from(&blocks[4].stored(true)).unwrap();
    let start = |made: &Made| database.start_from(&made.stored(true));
    assert_eq!(start(&blocks[4]).unwrap(), Started::Behind);
    assert_eq!(start(&blocks[1]).unwrap(), Started::Behind);
    assert_eq!(start(&genesis).unwrap(), Started::Behind);
    assert_eq!(start(&blocks[7]).unwrap(), Started::Ahead);
    for other in [blocks[1].child(3, 1), blocks[3].child(12, 0)] {
        let error = start(&other).unwrap_err();
        assert!(
            matches!(error, DatabaseError::CheckpointConflicts { checkpoint, own, .. }
                if checkpoint == other.checkpoint() && own == blocks[4].checkpoint()),
            "{error}"
        );
    }
    assert_eq!(database.anchor().unwrap(), Some(blocks[4].checkpoint()));
}

#[test]
fn finality_moves_the_anchor_to_the_newest_stored_state() {
    let database = started();
    let blocks = Made::genesis().chain(9);
    put_all(&database, &blocks, 3);
    let chain = checkpoints(&blocks);
    // A state off the chain is no anchor.
    database.put(blocks[3].child(5, 1).stored(true)).unwrap();
    assert_eq!(
        database.finalize(chain[4], &chain[..5], 8).unwrap(),
        chain[2]
    );
    assert_eq!(database.finalized().unwrap(), Some(chain[4]));
    assert_eq!(
        database.finalize(chain[5], &chain[5..6], 9).unwrap(),
        chain[5]
    );
    assert_eq!(database.finalize(chain[5], &[], 10).unwrap(), chain[5]);
    let moves = database.finality(0, 9).unwrap();
    let moves: Vec<_> = moves
        .iter()
        .map(|step| (step.checkpoint, step.at))
        .collect();
    assert_eq!(moves, [(chain[4], 8), (chain[5], 9)]);
    assert_eq!(database.finality(6, 9).unwrap().len(), 1);
    // A state that comes later moves it too.
    database.finalize(chain[7], &chain[6..8], 11).unwrap();
    database.put_state(chain[7].root, &blocks[7].state).unwrap();
    assert_eq!(database.anchor().unwrap(), Some(chain[7]));
}

#[test]
fn a_chain_may_begin_with_what_is_final_already() {
    let database = started();
    let blocks = Made::genesis().chain(9);
    put_all(&database, &blocks, 1);
    let chain = checkpoints(&blocks);
    database.finalize(chain[4], &chain[..5], 8).unwrap();
    database.finalize(chain[3], &chain[1..4], 9).unwrap();
    assert_eq!(database.finalized().unwrap(), Some(chain[4]));
    database.finalize(chain[6], &chain[2..7], 10).unwrap();
    assert_eq!(database.finalized().unwrap(), Some(chain[6]));
    let moves = database.finality(0, 9).unwrap();
    let moves: Vec<_> = moves
        .iter()
        .map(|step| (step.checkpoint, step.at))
        .collect();
    assert_eq!(moves, [(chain[4], 8), (chain[6], 10)]);
    // Not with others in their place.
    let other = blocks[4].child(6, 1);
    database.put(other.stored(false)).unwrap();
    let error = database
        .finalize(chain[7], &[other.checkpoint(), chain[7]], 11)
        .unwrap_err();
    assert!(matches!(error, DatabaseError::Refused { .. }), "{error}");
}

#[test]
fn only_a_chain_that_is_there_becomes_final() {
    let database = started();
    let blocks = Made::genesis().chain(6);
    put_all(&database, &blocks[..5], 9);
    let chain = checkpoints(&blocks);
    let refused = |finalized, chain: &[Checkpoint]| {
        let error = database.finalize(finalized, chain, 9).unwrap_err();
        assert!(matches!(error, DatabaseError::Refused { .. }), "{error}");
    };
    refused(chain[5], &chain);
    refused(chain[3], &chain[1..4]);
    refused(chain[3], &[chain[0], chain[2], chain[3]]);
    refused(chain[3], &chain[..3]);
    assert_eq!(database.canonical(0, 99).unwrap().len(), 1);
    let empty = Database::in_memory(network()).unwrap();
    assert!(empty.finalize(chain[0], &chain[..1], 9).is_err());
    assert_eq!(empty.prune().unwrap(), PruneReport::default());
}

#[test]
fn abandoned_blocks_go_when_nobody_names_them_any_more() {
    let database = started();
    let genesis = Made::genesis();
    let early = genesis.child(3, 1);
    let late = genesis.child(400, 1);
    let mut blocks = genesis.chain(2);
    for slot in [100, 399, 1300, 1424, 1425] {
        blocks.push(blocks.last().unwrap().child(slot, 0));
    }
    for block in [&early, &late] {
        database.put(block.stored(true)).unwrap();
    }
    put_all(&database, &blocks, 1);
    let chain = checkpoints(&blocks);
    // The anchor in slot 1,424: everything from slot 400 on is kept.
    database.finalize(chain[5], &chain[..6], 1500).unwrap();
    let pruned = prune_all(&database);
    assert_eq!(pruned.blocks, 1);
    assert_eq!(database.get(early.root).unwrap(), None);
    assert_eq!(database.entry(early.root).unwrap(), None);
    assert_eq!(database.slot(early.root).unwrap(), None);
    assert!(database.contains(late.root).unwrap());
    // One slot more.
    database.finalize(chain[6], &chain[6..], 1501).unwrap();
    assert_eq!(prune_all(&database).blocks, 1);
    assert_eq!(database.entry(late.root).unwrap(), None);
    for block in &blocks {
        assert!(database.contains(block.root).unwrap(), "{}", block.slot());
    }
}

#[test]
fn one_state_in_256_slots_is_kept_below_the_anchor() {
    let database = started();
    let mut blocks = vec![Made::genesis()];
    for slot in [10, 200, 256, 300, 511, 700, 1000, 1100] {
        blocks.push(blocks.last().unwrap().child(slot, 0));
    }
    let off = blocks[3].child(301, 0);
    put_all(&database, &blocks[1..], 1);
    database.put(off.stored(true)).unwrap();
    let chain = checkpoints(&blocks);
    // In two steps: what is kept does not depend on when it is looked at.
    for end in [5, 7] {
        let from = if end == 5 { 1 } else { 6 };
        database
            .finalize(chain[end], &chain[from..=end], 2000)
            .unwrap();
        prune_all(&database);
    }
    let left = database.states_after(START, 99).unwrap();
    let slots: Vec<_> = left.iter().map(|state| state.slot).collect();
    assert_eq!(slots, [0, 256, 700, 1000, 1100]);
    let nearest = |slot| {
        database
            .state_at_or_before(slot)
            .unwrap()
            .map(|state| state.slot)
    };
    assert_eq!(nearest(699), Some(256));
    assert_eq!(nearest(1050), Some(1000));
    // Not of the finalized chain.
    assert_eq!(nearest(1100), Some(1000));
}

#[test]
fn retention_deletes_bodies_and_leaves_the_chain() {
    for (retention, oldest) in [
        (Retention::All, 0),
        (Retention::Slots(30), 70),
        (Retention::None, 100),
    ] {
        let database = started().with_retention(retention);
        let blocks = finalized(&database, 100, 10);
        let child = blocks[99].child(101, 0);
        database.put(child.stored(true)).unwrap();
        prune_all(&database);
        assert_eq!(database.anchor().unwrap(), Some(blocks[99].checkpoint()));
        assert_eq!(database.kept_from().unwrap(), Some(oldest));
        for block in &blocks {
            let is_kept = block.slot() >= oldest;
            assert_eq!(
                database.contains(block.root).unwrap(),
                is_kept,
                "{}",
                block.slot()
            );
            assert_eq!(database.get(block.root).unwrap().is_some(), is_kept);
            // Votes may name it still.
            assert_eq!(database.entry(block.root).unwrap(), Some(block.entry()));
        }
        assert_eq!(database.canonical(0, 999).unwrap().len(), 101);
        assert!(database.contains(child.root).unwrap());
        assert_eq!(database.finality(0, 9).unwrap().len(), 1);
        let state = database.state(blocks[99].root, None).unwrap();
        assert_eq!(state.as_ref(), Some(&*blocks[99].state));
    }
}

#[test]
fn a_call_deletes_a_bounded_part_and_says_that_more_is_left() {
    let database = started().with_retention(Retention::None);
    let blocks = finalized(&database, 1700, 1700);
    let first = database.prune().unwrap();
    assert!(first.more);
    assert_eq!(first.blocks, 512);
    let rest = prune_all(&database);
    assert_eq!(first.blocks + rest.blocks, 1700);
    // Their entries go too, but for the last 1,024 slots.
    assert_eq!(database.entry(blocks[600].root).unwrap(), None);
    let entries = database.entries_after(START, 9999).unwrap();
    assert_eq!(entries.len(), 1025);
    assert_eq!(entries[0].slot, 676);
    assert_eq!(database.prune().unwrap(), PruneReport::default());
}

#[test]
fn older_blocks_are_filled_in_in_any_order() {
    let blocks = Made::genesis().chain(8);
    let database = Database::in_memory(network()).unwrap();
    database.start_from(&blocks[7].stored(true)).unwrap();
    let fill = |made: &Made| database.put_finalized_block(made.block.clone());
    for index in [6, 3, 5] {
        assert!(fill(&blocks[index]).unwrap());
    }
    assert_eq!(database.extend_kept().unwrap(), 6);
    assert!(fill(&blocks[4]).unwrap());
    assert_eq!(database.extend_kept().unwrap(), 4);
    assert_eq!(database.kept_from().unwrap(), Some(4));
    for index in [3, 4, 5, 6] {
        let block = database.get(blocks[index].root).unwrap();
        assert_eq!(block.as_ref(), Some(&*blocks[index].block));
    }
    // It has no place in the tree that a start builds.
    assert_eq!(
        database.entries_after(START, 99).unwrap(),
        [blocks[7].entry()]
    );

    let mut other = (*blocks[2].block).clone();
    other.message.block.proposer_index += 1;
    for wrong in [Arc::new(other), blocks[7].child(9, 0).block] {
        let error = database.put_finalized_block(wrong).unwrap_err();
        assert!(matches!(error, DatabaseError::Refused { .. }), "{error}");
    }
    let database = database.with_retention(Retention::Slots(5));
    assert!(
        !database
            .put_finalized_block(blocks[1].block.clone())
            .unwrap()
    );
    assert!(
        database
            .put_finalized_block(blocks[2].block.clone())
            .unwrap()
    );
    prune_all(&database);
    assert_eq!(database.extend_kept().unwrap(), 3);
}

#[test]
fn missing_blocks_are_listed_from_the_newest_on_as_far_as_the_retention_goes() {
    let blocks = Made::genesis().chain(8);
    let database = Database::in_memory(network()).unwrap();
    assert_eq!(
        database.missing_blocks(None, 9).unwrap(),
        Missing::default()
    );
    database.start_from(&blocks[7].stored(true)).unwrap();
    let missing = |database: &Database, below, limit| {
        let Missing {
            blocks: found,
            next,
        } = database.missing_blocks(below, limit).unwrap();
        for block in &found {
            let known = database.canonical_root(block.slot).unwrap();
            assert_eq!(Some(block.root), known);
        }
        let slots: Vec<Slot> = found.iter().map(|block| block.slot).collect();
        (slots, next)
    };
    // Block 0 of the list is of slot 1; genesis is missing, too.
    assert_eq!(missing(&database, None, 3), (vec![7, 6, 5], Some(5)));
    assert_eq!(missing(&database, Some(5), 5), (vec![4, 3, 2, 1, 0], None));
    assert_eq!(missing(&database, Some(5), 0), (vec![], Some(5)));
    for index in [6, 3] {
        let block = blocks[index].block.clone();
        assert!(database.put_finalized_block(block).unwrap());
    }
    let expected = (vec![6, 5, 3, 2, 1, 0], None);
    assert_eq!(missing(&database, None, 99), expected);
    // Also when it is written, and from where it is kept without gaps.
    assert_eq!(database.extend_kept().unwrap(), 7);
    assert_eq!(missing(&database, None, 99), expected);
    let database = database.with_retention(Retention::Slots(3));
    assert_eq!(missing(&database, None, 99), (vec![6, 5], None));
    assert_eq!(missing(&database, Some(4), 99), (vec![], None));
    let database = database.with_retention(Retention::None);
    assert_eq!(missing(&database, None, 99), (vec![], None));
}

#[test]
fn a_finalized_state_is_there_for_whoever_asks_later() {
    let database = started();
    let blocks = finalized(&database, 600, 1);
    prune_all(&database);
    let like: &State = &blocks[599].state;
    for slot in [256, 512] {
        let state = database.state(blocks[slot - 1].root, Some(like)).unwrap();
        assert_eq!(state.as_ref(), Some(&*blocks[slot - 1].state));
    }
}
