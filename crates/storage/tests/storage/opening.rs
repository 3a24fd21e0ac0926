//! Opening: whose database, which format, what a disk may have done to it.

use std::{fs, path::Path};

use quartet_storage::{Database, DatabaseError, FILE_NAME};
use quartet_types::{B256, Root, SlotDuration};
use tempfile::tempdir;

use crate::support::{Made, START, network, open, put_all};

/// A database that has started, with so many blocks, a state every fifth, and half of it final.
fn filled(directory: &Path, length: usize) -> Database {
    let database = open(directory);
    let blocks = Made::genesis().chain(length);
    database.start_from(&Made::genesis().stored(true)).unwrap();
    put_all(&database, &blocks, 5);
    let half = &blocks[..length / 2];
    let chain: Vec<_> = half.iter().map(Made::checkpoint).collect();
    database
        .finalize(chain[chain.len() - 1], &chain, 99)
        .unwrap();
    database.flush().unwrap();
    database
}

fn refusal(directory: &Path, network: Root) -> DatabaseError {
    Database::open(directory, network).expect_err("it opened")
}

#[test]
fn a_missing_directory_is_made() {
    let directory = tempdir().unwrap();
    let nested = directory.path().join("node").join("data");
    assert_eq!(open(&nested).entries_after(START, 9).unwrap(), []);
}

#[test]
fn a_database_whose_creation_was_killed_is_created_again() {
    let directory = tempdir().unwrap();
    let beside = directory.path().join("blocks.new");
    fs::write(&beside, [0; 4096]).unwrap();
    drop(open(directory.path()));
    assert!(!beside.exists());
    // Killed after it got its name and before anything was in it.
    let empty = tempdir().unwrap();
    drop(redb::Database::create(empty.path().join(FILE_NAME)).unwrap());
    assert_eq!(open(empty.path()).network().unwrap(), network());
}

#[test]
fn a_database_is_looked_at_only_where_there_is_one() {
    let directory = tempdir().unwrap();
    let error = Database::open_existing(directory.path()).unwrap_err();
    assert!(matches!(error, DatabaseError::Missing { .. }), "{error}");
    drop(open(directory.path()));
    let database = Database::open_existing(directory.path()).unwrap();
    assert_eq!(database.network().unwrap(), network());
}

#[test]
fn a_second_opener_is_refused_while_the_first_is_there() {
    let directory = tempdir().unwrap();
    let first = open(directory.path());
    let error = refusal(directory.path(), network());
    assert!(matches!(error, DatabaseError::InUse { .. }), "{error}");
    assert!(error.to_string().contains("in use by another process"));
    drop(first);
    open(directory.path());
}

#[test]
fn another_networks_database_is_refused_and_left_as_it_is() {
    let directory = tempdir().unwrap();
    drop(filled(directory.path(), 4));

    let other = B256::repeat_byte(0x22);
    let error = refusal(directory.path(), other);
    assert!(
        matches!(error, DatabaseError::OtherNetwork { expected, found, .. }
            if expected == other && found == network()),
        "{error}"
    );
    assert!(error.to_string().contains("--data-dir"));
    assert_eq!(
        open(directory.path())
            .entries_after(START, 9)
            .unwrap()
            .len(),
        5
    );
}

/// Rewrites the number of the format in a database.
fn set_format(directory: &Path, format: u64) {
    let meta = redb::TableDefinition::<&str, &[u8]>::new("meta");
    let file = redb::Database::create(directory.join(FILE_NAME)).unwrap();
    let transaction = file.begin_write().unwrap();
    let mut table = transaction.open_table(meta).unwrap();
    table.insert("format", &format.to_le_bytes()[..]).unwrap();
    drop(table);
    transaction.commit().unwrap();
}

#[test]
fn another_format_is_refused_and_the_text_says_how_to_go_on() {
    let directory = tempdir().unwrap();
    drop(open(directory.path()));
    set_format(directory.path(), 3);
    let error = refusal(directory.path(), network());
    assert!(
        matches!(
            error,
            DatabaseError::UnsupportedFormat {
                supported: 2,
                found: 3,
                ..
            }
        ),
        "{error}"
    );
    assert!(error.to_string().contains("run the version that wrote it"));

    set_format(directory.path(), 1);
    let error = refusal(directory.path(), network());
    assert!(
        matches!(
            error,
            DatabaseError::EarlierFormat {
                supported: 2,
                found: 1,
                ..
            }
        ),
        "{error}"
    );
    assert!(
        error
            .to_string()
            .contains("remove the file and start again")
    );
}

#[test]
fn a_database_of_the_first_format_is_refused() {
    let directory = tempdir().unwrap();
    // As the first version made it.
    let path = directory.path().join(FILE_NAME);
    let file = redb::Database::create(path).unwrap();
    let transaction = file.begin_write().unwrap();
    let blocks = redb::TableDefinition::<&[u8; 32], &[u8]>::new("blocks");
    let order = redb::TableDefinition::<(u64, &[u8; 32]), ()>::new("order");
    transaction.open_table(blocks).unwrap();
    transaction.open_table(order).unwrap();
    let meta = redb::TableDefinition::<&str, &[u8]>::new("meta");
    let mut table = transaction.open_table(meta).unwrap();
    table.insert("format", &1_u64.to_le_bytes()[..]).unwrap();
    table.insert("network", &network()[..]).unwrap();
    drop(table);
    transaction.commit().unwrap();
    drop(file);
    let error = refusal(directory.path(), network());
    assert!(
        matches!(error, DatabaseError::EarlierFormat { .. }),
        "{error}"
    );
}

#[test]
fn a_file_that_is_no_database_is_refused() {
    let directory = tempdir().unwrap();
    let path = directory.path().join(FILE_NAME);
    for bytes in [&b"not a database"[..], &[0; 8192]] {
        fs::write(&path, bytes).unwrap();
        let error = refusal(directory.path(), network());
        assert!(matches!(error, DatabaseError::Damaged { .. }), "{error}");
        assert_eq!(fs::read(&path).unwrap(), bytes, "the file was changed");
    }
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let directory = tempdir().unwrap();
    let occupied = directory.path().join("file");
    fs::write(&occupied, "").unwrap();
    let error = refusal(&occupied.join("data"), network());
    assert!(matches!(error, DatabaseError::Directory { .. }), "{error}");
}

#[test]
fn a_database_made_with_other_slots_is_refused() {
    let directory = tempdir().unwrap();
    let (usual, short) = (
        SlotDuration::default(),
        SlotDuration::from_millis(400).unwrap(),
    );
    let database = open(directory.path());
    // It has not begun: it becomes what it is to be.
    for duration in [usual, short, usual, short] {
        database.check_slot_duration(duration).unwrap();
        assert_eq!(database.slot_duration().unwrap(), duration);
    }
    database.start_from(&Made::genesis().stored(true)).unwrap();
    drop(database);
    let database = open(directory.path());
    database.check_slot_duration(short).unwrap();
    let error = database.check_slot_duration(usual).unwrap_err();
    assert!(
        matches!(error, DatabaseError::OtherSlotDuration { expected, found, .. }
            if expected == usual && found == short),
        "{error}"
    );
    let said = error.to_string();
    assert!(
        said.contains("400 ms, this network's last 4000 ms"),
        "{said}"
    );
}
