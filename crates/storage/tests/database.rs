//! The database against a plain map, across restarts, crashes and damage.

// In a test an unwrap is an assertion, also outside of the test functions themselves.
#![allow(clippy::unwrap_used)]

use std::{collections::BTreeMap, fs, path::Path};

use proptest::prelude::*;
use quartet_storage::{Database, DatabaseError};
use quartet_types::{B256, Root, Signature, SignedBlockWithAttestation, Slot};
use tempfile::{TempDir, tempdir};

const NETWORK: Root = B256::repeat_byte(0x11);
const START: (Slot, Root) = (0, B256::ZERO);

fn block(slot: Slot) -> SignedBlockWithAttestation {
    let mut block = SignedBlockWithAttestation::default();
    block.message.block.slot = slot;
    let signature = Signature::from([slot as u8; 3112]);
    block.signature = vec![signature].try_into().unwrap();
    block
}

/// Roots need not be true ones here; these are in no particular order.
fn root(slot: Slot) -> Root {
    B256::repeat_byte((slot as u8).wrapping_mul(37))
}

fn open(directory: &Path) -> Database {
    Database::open(directory, NETWORK).unwrap()
}

fn filled(directory: &Path, slots: std::ops::Range<Slot>) -> Database {
    let database = open(directory);
    for slot in slots {
        database.put(root(slot), &block(slot)).unwrap();
    }
    database
}

/// What a node would find after being killed now: the bytes of the file, and no memory.
fn killed(directory: &TempDir) -> TempDir {
    let copy = tempdir().unwrap();
    let name = "blocks.redb";
    fs::copy(directory.path().join(name), copy.path().join(name)).unwrap();
    copy
}

fn refusal(directory: &Path, network: Root) -> DatabaseError {
    Database::open(directory, network).expect_err("it opened")
}

#[test]
fn flushed_blocks_are_there_after_a_restart() {
    let directory = tempdir().unwrap();
    let database = filled(directory.path(), 1..4);
    database.flush().unwrap();
    drop(database);

    let database = open(directory.path());
    assert_eq!(database.get(root(2)).unwrap(), Some(block(2)));
    assert_eq!(database.get(root(9)).unwrap(), None);
    let slots: Vec<_> = (1..4).map(|slot| (slot, root(slot))).collect();
    assert_eq!(database.after(START, 9).unwrap(), slots);
}

#[test]
fn a_missing_directory_is_made() {
    let directory = tempdir().unwrap();
    let nested = directory.path().join("node").join("data");
    let database = open(&nested);
    assert_eq!(database.after(START, 9).unwrap(), []);
}

#[test]
fn a_kill_loses_what_was_not_flushed_and_nothing_else() {
    let directory = tempdir().unwrap();
    let database = filled(directory.path(), 1..4);
    database.flush().unwrap();
    database.put(root(4), &block(4)).unwrap();
    assert_eq!(database.get(root(4)).unwrap(), Some(block(4)));

    let survivor = killed(&directory);
    let database = open(survivor.path());
    assert_eq!(database.after(START, 9).unwrap().len(), 3);
    assert_eq!(database.get(root(4)).unwrap(), None);
    assert_eq!(database.get(root(3)).unwrap(), Some(block(3)));
}

#[test]
fn blocks_do_not_wait_in_memory_without_bound() {
    let directory = tempdir().unwrap();
    let _running = filled(directory.path(), 1..130);
    let survivor = killed(&directory);
    assert_eq!(open(survivor.path()).after(START, 999).unwrap().len(), 128);
}

#[test]
fn removing_nothing_does_not_disturb_what_waits() {
    let directory = tempdir().unwrap();
    let database = filled(directory.path(), 1..4);
    database.remove(&[]).unwrap();
    let survivor = killed(&directory);
    assert_eq!(open(survivor.path()).after(START, 9).unwrap(), []);
    assert_eq!(database.after(START, 9).unwrap().len(), 3);
}

#[test]
fn blocks_come_in_pages_by_slot_then_root() {
    let directory = tempdir().unwrap();
    let database = open(directory.path());
    let mut keys = Vec::new();
    for (slot, byte) in [(300, 9), (2, 5), (2, 4), (70_000, 1), (1, 255)] {
        let key = (slot, B256::repeat_byte(byte));
        database.put(key.1, &block(slot)).unwrap();
        keys.push(key);
        if slot == 300 {
            // Some on disk, some waiting: the order is the same.
            database.flush().unwrap();
        }
    }
    keys.sort();

    let mut paged = Vec::new();
    let mut last = START;
    loop {
        let page = database.after(last, 2).unwrap();
        let Some(end) = page.last() else { break };
        assert!(page.len() <= 2);
        last = *end;
        paged.extend(page);
    }
    assert_eq!(paged, keys);
    assert_eq!(database.after(START, 0).unwrap(), []);
}

#[test]
fn removed_blocks_are_gone_whether_they_waited_or_not() {
    let directory = tempdir().unwrap();
    let database = filled(directory.path(), 1..3);
    database.flush().unwrap();
    database.put(root(3), &block(3)).unwrap();
    database.put(root(4), &block(4)).unwrap();
    let unknown = (77, root(77));
    database
        .remove(&[(1, root(1)), (3, root(3)), unknown])
        .unwrap();

    let left = vec![(2, root(2)), (4, root(4))];
    assert_eq!(database.after(START, 9).unwrap(), left);
    assert_eq!(database.get(root(1)).unwrap(), None);
    assert_eq!(database.get(root(3)).unwrap(), None);
    drop(database);
    assert_eq!(open(directory.path()).after(START, 9).unwrap(), left);
}

#[test]
fn a_second_opener_is_refused_while_the_first_is_there() {
    let directory = tempdir().unwrap();
    let first = open(directory.path());
    let error = refusal(directory.path(), NETWORK);
    assert!(matches!(error, DatabaseError::InUse { .. }), "{error}");
    assert!(error.to_string().contains("in use by another process"));
    drop(first);
    open(directory.path());
}

#[test]
fn another_networks_database_is_refused_and_left_as_it_is() {
    let directory = tempdir().unwrap();
    let database = filled(directory.path(), 1..2);
    database.flush().unwrap();
    drop(database);

    let other = B256::repeat_byte(0x22);
    let error = refusal(directory.path(), other);
    assert!(
        matches!(error, DatabaseError::OtherNetwork { expected, found, .. }
            if expected == other && found == NETWORK),
        "{error}"
    );
    assert!(error.to_string().contains("--data-dir"));
    assert_eq!(open(directory.path()).get(root(1)).unwrap(), Some(block(1)));
}

#[test]
fn a_newer_format_is_refused() {
    let directory = tempdir().unwrap();
    drop(open(directory.path()));
    let meta = redb::TableDefinition::<&str, &[u8]>::new("meta");
    let file = redb::Database::open(directory.path().join("blocks.redb")).unwrap();
    let transaction = file.begin_write().unwrap();
    transaction
        .open_table(meta)
        .unwrap()
        .insert("format", &2_u64.to_le_bytes()[..])
        .unwrap();
    transaction.commit().unwrap();
    drop(file);

    let error = refusal(directory.path(), NETWORK);
    assert!(
        matches!(
            error,
            DatabaseError::UnsupportedFormat {
                supported: 1,
                found: 2,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn a_file_that_is_no_database_is_refused() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("blocks.redb");
    for bytes in [&b"not a database"[..], &[0; 8192]] {
        fs::write(&path, bytes).unwrap();
        let error = refusal(directory.path(), NETWORK);
        assert!(matches!(error, DatabaseError::Damaged { .. }), "{error}");
        assert_eq!(fs::read(&path).unwrap(), bytes, "the file was changed");
    }
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let directory = tempdir().unwrap();
    let occupied = directory.path().join("file");
    fs::write(&occupied, "").unwrap();
    let error = refusal(&occupied.join("data"), NETWORK);
    assert!(matches!(error, DatabaseError::Directory { .. }), "{error}");
}

/// Reads all there is; either a typed error or blocks that are what was put.
fn survey(directory: &Path) -> Result<usize, DatabaseError> {
    let database = Database::open(directory, NETWORK)?;
    let keys = database.after(START, 999)?;
    for (_, root) in &keys {
        if let Some(found) = database.get(*root)? {
            assert_eq!(found, block(found.block().slot));
        }
    }
    database.put(root(200), &block(200))?;
    database.flush()?;
    Ok(keys.len())
}

#[test]
fn a_truncated_file_is_a_typed_error() {
    let directory = tempdir().unwrap();
    let database = filled(directory.path(), 1..40);
    database.flush().unwrap();
    drop(database);
    let path = directory.path().join("blocks.redb");
    let whole = fs::read(&path).unwrap();
    for length in [1, 100, 4096, whole.len() / 2, whole.len() - 4096] {
        fs::write(&path, &whole[..length]).unwrap();
        let error = survey(directory.path()).expect_err("it opened");
        assert!(matches!(error, DatabaseError::Damaged { .. }), "{error}");
    }
}

#[derive(Clone, Debug)]
enum Step {
    Put(Slot),
    Remove(Slot),
    Flush,
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..40_u64).prop_map(Step::Put),
        2 => (0..40_u64).prop_map(Step::Remove),
        1 => Just(Step::Flush),
        1 => Just(Step::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..Default::default() })]

    #[test]
    fn it_behaves_like_a_map(steps in prop::collection::vec(step(), 1..60)) {
        let directory = tempdir().unwrap();
        let mut database = open(directory.path());
        let mut model = BTreeMap::new();
        for step in steps {
            match step {
                Step::Put(slot) => {
                    database.put(root(slot), &block(slot)).unwrap();
                    model.insert((slot, root(slot)), block(slot));
                }
                Step::Remove(slot) => {
                    database.remove(&[(slot, root(slot))]).unwrap();
                    model.remove(&(slot, root(slot)));
                }
                Step::Flush => database.flush().unwrap(),
                Step::Restart => {
                    database.flush().unwrap();
                    drop(database);
                    database = open(directory.path());
                }
            }
        }
        for slot in 0..40 {
            let expected = model.get(&(slot, root(slot))).cloned();
            prop_assert_eq!(database.get(root(slot)).unwrap(), expected);
        }
        let keys: Vec<_> = model.keys().copied().filter(|key| *key > START).collect();
        prop_assert_eq!(database.after(START, 99).unwrap(), keys);
    }

    #[test]
    fn damage_is_a_typed_error_or_harmless(
        places in prop::collection::vec((any::<prop::sample::Index>(), 1..=255_u8), 1..20)
    ) {
        let directory = tempdir().unwrap();
        let database = filled(directory.path(), 1..40);
        database.flush().unwrap();
        drop(database);
        let path = directory.path().join("blocks.redb");
        let mut bytes = fs::read(&path).unwrap();
        for (place, flip) in places {
            let place = place.index(bytes.len());
            bytes[place] ^= flip;
        }
        fs::write(&path, bytes).unwrap();
        if let Err(error) = survey(directory.path()) {
            prop_assert!(!matches!(error, DatabaseError::InUse { .. }), "{}", error);
        }
    }
}
