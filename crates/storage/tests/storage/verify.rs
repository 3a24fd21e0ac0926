//! `verify` finds whatever is planted, and nothing in a sound database.

use std::path::Path;

use ethereum_hashing::hash_fixed;
use quartet_storage::{Database, DatabaseError, FILE_NAME, Retention, Verified, verify};
use quartet_types::{B256, Checkpoint, Root, Slot};
use redb::{ReadableTable as _, TableDefinition, WriteTransaction};
use ssz::Encode as _;
use tempfile::{TempDir, tempdir};

use crate::support::{Made, killed, open, put_all};

type Keyed<'a> = TableDefinition<'a, (Slot, &'static [u8; 32]), &'static [u8]>;
type Numbered<'a> = TableDefinition<'a, u64, &'static [u8]>;

const ENTRIES: Keyed<'_> = TableDefinition::new("entries");
const BLOCKS: Keyed<'_> = TableDefinition::new("blocks");
const STATES: Keyed<'_> = TableDefinition::new("states");
const CANONICAL: Numbered<'_> = TableDefinition::new("canonical");
const VOTES: Numbered<'_> = TableDefinition::new("votes");
const FINALITY: Numbered<'_> = TableDefinition::new("finality");
const SIGNATURES: TableDefinition<'_, (Slot, &[u8; 32], u16), &[u8]> =
    TableDefinition::new("signatures");
const SLOTS: TableDefinition<'_, &[u8; 32], Slot> = TableDefinition::new("slots");
const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");

/// A chain of 30, 20 of it final, a state in every fifth slot, and a block of a branch.
fn sound(directory: &Path) -> Vec<Made> {
    let genesis = Made::genesis();
    let database = open(directory);
    database.start_from(&genesis.stored(true)).unwrap();
    let mut blocks = vec![genesis];
    blocks.extend(blocks[0].chain(30));
    put_all(&database, &blocks[1..], 5);
    database.put(blocks[22].child(25, 1).stored(true)).unwrap();
    let chain: Vec<_> = blocks[1..=20].iter().map(Made::checkpoint).collect();
    database.finalize(chain[19], &chain, 99).unwrap();
    database.flush().unwrap();
    blocks
}

fn verify_files(directory: &Path) -> (Verified, Vec<String>) {
    let mut problems = Vec::new();
    let done = verify(directory, &mut |what| problems.push(what.to_owned())).unwrap();
    assert_eq!(done.problems, problems.len() as u64);
    (done, problems)
}

/// Changes a sound database behind its back, and looks at it.
fn planted(change: impl Fn(&WriteTransaction, &[Made])) -> Vec<String> {
    let directory = tempdir().unwrap();
    let blocks = sound(directory.path());
    let file = redb::Database::create(directory.path().join(FILE_NAME)).unwrap();
    let transaction = file.begin_write().unwrap();
    change(&transaction, &blocks);
    transaction.commit().unwrap();
    drop(file);
    verify_files(directory.path()).1
}

/// A record with a right checksum.
fn sealed(table: &str, number: u64, root: Root, payload: &[u8]) -> Vec<u8> {
    let place = [table.as_bytes(), &number.to_le_bytes(), &root[..]].concat();
    let hash = hash_fixed(&[&place[..], payload].concat());
    [&hash[..8], payload].concat()
}

fn flip(mut record: Vec<u8>) -> Vec<u8> {
    record[40] ^= 1;
    record
}

#[track_caller]
fn found(problems: &[String], what: &str) {
    assert!(
        problems.iter().any(|problem| problem.contains(what)),
        "{what:?} is not among {problems:?}"
    );
}

#[test]
fn a_sound_database_has_no_problems() {
    let directory = tempdir().unwrap();
    sound(directory.path());
    let (done, problems) = verify_files(directory.path());
    assert_eq!(problems, [""; 0]);
    assert_eq!((done.blocks, done.states, done.finalized), (32, 8, 21));
    assert_eq!(done.unattached, 0);
    assert!(matches!(
        verify(&directory.path().join("nowhere"), &mut |_| ()),
        Err(DatabaseError::Missing { .. })
    ));
}

#[test]
fn a_database_that_was_killed_pruned_or_started_from_a_checkpoint_has_no_problems() {
    let directory = tempdir().unwrap();
    let blocks = sound(directory.path());
    let database = open(directory.path()).with_retention(Retention::Slots(3));
    database
        .put(blocks[30].child(1500, 2).stored(true))
        .unwrap();
    assert_eq!(verify_files(killed(&directory).path()).1, [""; 0]);
    database.flush().unwrap();
    assert_eq!(verify_files(killed(&directory).path()).1, [""; 0]);
    let mut chain: Vec<_> = blocks[21..].iter().map(Made::checkpoint).collect();
    chain.push(blocks[30].child(1500, 2).checkpoint());
    database
        .finalize(*chain.last().unwrap(), &chain, 1600)
        .unwrap();
    while database.prune().unwrap().more {}
    drop(database);
    assert_eq!(verify_files(directory.path()).1, [""; 0]);

    let other = tempdir().unwrap();
    let database = open(other.path());
    database.start_from(&blocks[12].stored(true)).unwrap();
    put_all(&database, &blocks[13..], 4);
    database
        .put_finalized_block(blocks[11].block.clone())
        .unwrap();
    database
        .put_finalized_block(blocks[5].block.clone())
        .unwrap();
    database.extend_kept().unwrap();
    drop(database);
    let (done, problems) = verify_files(other.path());
    assert_eq!(problems, [""; 0]);
    assert_eq!(done.finalized, 13);
}

#[test]
fn a_flipped_bit_in_any_record_is_named() {
    let keyed = |definition: Keyed<'static>, number: usize| {
        move |transaction: &WriteTransaction, blocks: &[Made]| {
            let mut table = transaction.open_table(definition).unwrap();
            let (slot, root) = blocks[number].key();
            let record = table
                .get((slot, &root.0))
                .unwrap()
                .unwrap()
                .value()
                .to_vec();
            table.insert((slot, &root.0), &flip(record)[..]).unwrap();
        }
    };
    found(&planted(keyed(BLOCKS, 7)), "table blocks");
    found(&planted(keyed(ENTRIES, 25)), "table entries");
    found(&planted(keyed(STATES, 10)), "table states");
    let numbered = |definition: Numbered<'static>, number: u64, byte: usize| {
        move |transaction: &WriteTransaction, _: &[Made]| {
            let mut table = transaction.open_table(definition).unwrap();
            let mut record = table.get(number).unwrap().unwrap().value().to_vec();
            record[byte] ^= 1;
            table.insert(number, &record[..]).unwrap();
        }
    };
    found(&planted(numbered(CANONICAL, 9, 20)), "table canonical");
    found(&planted(numbered(VOTES, 2, 20)), "table votes");
    found(&planted(numbered(FINALITY, 20, 20)), "table finality");
    let signature = planted(|transaction, blocks| {
        let mut table = transaction.open_table(SIGNATURES).unwrap();
        let (slot, root) = blocks[7].key();
        let record = table
            .get((slot, &root.0, 0))
            .unwrap()
            .unwrap()
            .value()
            .to_vec();
        table.insert((slot, &root.0, 0), &flip(record)[..]).unwrap();
    });
    found(&signature, "table signatures");
    let registry = planted(|transaction, _| {
        let mut table = transaction.open_table(META).unwrap();
        let record = table.get("registry").unwrap().unwrap().value().to_vec();
        table.insert("registry", &flip(record)[..]).unwrap();
    });
    found(&registry, "table registry");
}

#[test]
fn rows_that_do_not_fit_together_are_named_though_their_checksums_are_right() {
    // A block under another's root.
    let foreign = planted(|transaction, blocks| {
        let (slot, root) = blocks[7].key();
        let payload = blocks[8].block.message.as_ssz_bytes();
        let record = sealed("blocks", slot, root, &payload);
        let mut table = transaction.open_table(BLOCKS).unwrap();
        table.insert((slot, &root.0), &record[..]).unwrap();
    });
    found(&foreign, "it hashes to another root");

    let entry = planted(|transaction, blocks| {
        let (slot, root) = blocks[24].key();
        let other = Checkpoint::default().as_ssz_bytes();
        let payload = [&blocks[20].root[..], &other, &other].concat();
        let record = sealed("entries", slot, root, &payload);
        let mut table = transaction.open_table(ENTRIES).unwrap();
        table.insert((slot, &root.0), &record[..]).unwrap();
    });
    found(&entry, "its parent is not the block's");

    let missing = planted(|transaction, blocks| {
        let mut table = transaction.open_table(BLOCKS).unwrap();
        for block in [&blocks[10], &blocks[24]] {
            table.remove((block.slot(), &block.root.0)).unwrap();
        }
    });
    found(&missing, "is not there");
    found(&missing, "its block is not there");
    found(&missing, "signatures of");
    found(&missing, "state of");

    let slots = planted(|transaction, blocks| {
        let mut table = transaction.open_table(SLOTS).unwrap();
        table.insert(&blocks[4].root.0, 5).unwrap();
        table.remove(&blocks[25].root.0).unwrap();
        table.insert(&[7; 32], 7).unwrap();
    });
    found(&slots, "it is not found by its root");
    found(&slots, "slot of 0x0707");
    found(&slots, "not found by its root");
}

#[test]
fn a_broken_chain_a_wrong_state_and_old_votes_are_named() {
    let canonical = |slot: u64, root: Root| {
        move |transaction: &WriteTransaction, _: &[Made]| {
            let record = sealed("canonical", slot, Root::ZERO, &root[..]);
            let mut table = transaction.open_table(CANONICAL).unwrap();
            table.insert(slot, &record[..]).unwrap();
        }
    };
    let other = planted(canonical(9, B256::repeat_byte(1)));
    found(&other, "the finalized chain is broken before");
    found(&other, "it has another root than its block says");
    found(
        &planted(canonical(23, B256::repeat_byte(1))),
        "does not end with",
    );
    let gap = planted(|transaction, _| {
        transaction
            .open_table(CANONICAL)
            .unwrap()
            .remove(9)
            .unwrap();
    });
    found(&gap, "the finalized chain is broken before");

    let state = planted(|transaction, blocks| {
        let mut table = transaction.open_table(STATES).unwrap();
        let (slot, root) = blocks[10].key();
        let record = table
            .get((slot, &root.0))
            .unwrap()
            .unwrap()
            .value()
            .to_vec();
        let mut payload = record[8..].to_vec();
        payload[130] ^= 1;
        let record = sealed("states", slot, root, &payload);
        table.insert((slot, &root.0), &record[..]).unwrap();
    });
    found(&state, "it has another root than its block says");

    let votes = planted(|transaction, _| {
        let mut table = transaction.open_table(VOTES).unwrap();
        table.remove(1).unwrap();
        let payload = [0; 128];
        table
            .insert(2, &sealed("votes", 2, Root::ZERO, &payload)[..])
            .unwrap();
        table
            .insert(99, &sealed("votes", 99, Root::ZERO, &payload)[..])
            .unwrap();
    });
    found(&votes, "the vote of validator 1 is older");
    found(&votes, "the vote of validator 2 is older");
    found(&votes, "validator 99, who is nobody");

    let anchor = planted(|transaction, blocks| {
        let mut table = transaction.open_table(META).unwrap();
        let wrong = blocks[25].checkpoint().as_ssz_bytes();
        table
            .insert("anchor", &sealed("anchor", 0, Root::ZERO, &wrong)[..])
            .unwrap();
    });
    found(&anchor, "is not on the finalized chain");

    let finality = planted(|transaction, _| {
        let payload = [&[9; 32][..], &7_u64.to_le_bytes()].concat();
        let mut table = transaction.open_table(FINALITY).unwrap();
        let record = sealed("finality", 20, Root::ZERO, &payload);
        table.insert(20, &record[..]).unwrap();
    });
    found(&finality, "finality in slot 20");
}

/// Without a trace of it, a block may have been abandoned and deleted; what builds on it is counted.
#[test]
fn blocks_whose_parent_is_gone_are_counted() {
    let directory = tempdir().unwrap();
    let blocks = sound(directory.path());
    let file = redb::Database::create(directory.path().join(FILE_NAME)).unwrap();
    let transaction = file.begin_write().unwrap();
    let (slot, root) = blocks[24].key();
    for table in [BLOCKS, ENTRIES] {
        transaction
            .open_table(table)
            .unwrap()
            .remove((slot, &root.0))
            .unwrap();
    }
    transaction
        .open_table(SLOTS)
        .unwrap()
        .remove(&root.0)
        .unwrap();
    let mut signatures = transaction.open_table(SIGNATURES).unwrap();
    signatures.remove((slot, &root.0, 0)).unwrap();
    drop(signatures);
    transaction.commit().unwrap();
    drop(file);
    let (done, problems) = verify_files(directory.path());
    assert_eq!(done.unattached, 1);
    // The states above cannot be put together without it.
    found(&problems, "not found by its root");
}

/// Bytes flipped in the file itself, at all sorts of places: nothing that matters goes unnoticed.
#[test]
fn damage_of_the_file_is_found_or_mended() {
    let directory = tempdir().unwrap();
    let blocks = sound(directory.path());
    let path = directory.path().join(FILE_NAME);
    let whole = std::fs::read(&path).unwrap();
    let mut noticed = 0;
    for place in (0..whole.len()).step_by(40_009) {
        let mut bytes = whole.clone();
        bytes[place] ^= 0x41;
        std::fs::write(&path, bytes).unwrap();
        let found = verify(directory.path(), &mut |_| ());
        if found.is_err() || found.is_ok_and(|done| done.problems > 0) {
            noticed += 1;
            continue;
        }
        // Not noticed: then everything is as it was.
        let database = open(directory.path());
        for block in &blocks {
            let found = database.get(block.root).unwrap();
            assert_eq!(found.as_ref(), Some(&*block.block), "flipped at {place}");
        }
        assert_eq!(database.canonical(0, 99).unwrap().len(), 21);
    }
    assert!(noticed > 10, "{noticed}");
}

#[test]
fn a_database_in_use_is_not_looked_at() {
    let directory = TempDir::new().unwrap();
    let _open: Database = open(directory.path());
    let refused = verify(directory.path(), &mut |_| ());
    assert!(
        matches!(refused, Err(DatabaseError::InUse { .. })),
        "{refused:?}"
    );
}
