//! What a disk may do: flip bytes, lose the end, fill up, refuse.

use std::{fs, io::ErrorKind, path::Path};

use proptest::prelude::*;
use quartet_storage::{Database, DatabaseError, FILE_NAME, Retention};
use quartet_types::Root;
use tempfile::tempdir;

use crate::{
    disk::Disk,
    support::{Made, START, network, open, put_all},
};

/// Fills a database: a chain with states, two thirds of it final, and a branch.
fn fill(database: &Database) -> Vec<Made> {
    let genesis = Made::genesis();
    let mut blocks = genesis.chain(30);
    blocks.push(blocks[24].child(29, 1));
    database.start_from(&genesis.stored(true)).unwrap();
    put_all(database, &blocks, 5);
    let chain: Vec<_> = blocks[..20].iter().map(Made::checkpoint).collect();
    database.finalize(chain[19], &chain, 99).unwrap();
    database.flush().unwrap();
    blocks.insert(0, genesis);
    blocks
}

/// Reads all there is and writes a block: either a typed error, or everything returned is what was put.
fn survey(database: &Database, blocks: &[Made]) -> Result<(), DatabaseError> {
    let known = |root: Root| blocks.iter().find(|made| made.root == root);
    for entry in database.entries_after(START, 999)? {
        let made = known(entry.root).expect("an entry of a block that was put");
        assert_eq!(entry, made.entry());
    }
    for made in blocks {
        if let Some(found) = database.get(made.root)? {
            assert_eq!(found, *made.block);
        }
        if let Some(message) = database.message(made.root)? {
            assert_eq!(message, made.block.message);
        }
        if let Some(state) = database.state(made.root, None)? {
            assert_eq!(state, *made.state);
        }
        if let Some(root) = database.canonical_root(made.slot())? {
            assert!(known(root).is_some());
        }
    }
    for checkpoint in database.canonical(0, 99)? {
        let made = known(checkpoint.root).expect("a block of the chain");
        assert_eq!(checkpoint, made.checkpoint());
    }
    for vote in database.votes()? {
        let cast = |made: &Made| made.block.attestations().any(|cast| *cast == vote);
        assert!(blocks.iter().any(cast), "nobody cast {vote:?}");
    }
    for step in database.finality(0, 99)? {
        assert_eq!((step.checkpoint, step.at), (blocks[20].checkpoint(), 99));
    }
    if let Some(anchor) = database.anchor()? {
        assert!(known(anchor.root).is_some());
    }
    let last = &blocks[blocks.len() - 1];
    database.put(last.child(200, 1).stored(true))?;
    database.flush()
}

fn is_damage(result: &Result<(), DatabaseError>) -> bool {
    matches!(result, Ok(()) | Err(DatabaseError::Damaged { .. }))
}

/// As above, for what became of the file: also its format and network may have been hit.
fn is_refusal(error: &DatabaseError) -> bool {
    matches!(
        error,
        DatabaseError::Damaged { .. }
            | DatabaseError::OtherNetwork { .. }
            | DatabaseError::UnsupportedFormat { .. }
            | DatabaseError::EarlierFormat { .. }
            | DatabaseError::Unavailable { .. }
    )
}

fn filled_file() -> (Vec<u8>, Vec<Made>) {
    let disk = Disk::default();
    let database = disk.open().unwrap();
    let blocks = fill(&database);
    drop(database);
    (disk.bytes(), blocks)
}

#[test]
fn a_truncated_file_is_a_typed_error() {
    let directory = tempdir().unwrap();
    let database = open(directory.path());
    let blocks = fill(&database);
    drop(database);
    let path = directory.path().join(FILE_NAME);
    let whole = fs::read(&path).unwrap();
    for length in [1, 100, 4096, whole.len() / 2, whole.len() - 4096] {
        fs::write(&path, &whole[..length]).unwrap();
        let found = Database::open(directory.path(), network());
        let found = found.and_then(|database| survey(&database, &blocks));
        assert!(
            matches!(found, Err(DatabaseError::Damaged { .. })),
            "{length}: {found:?}"
        );
    }
}

/// Damages the file at every so many bytes, and looks at it as a large one: nothing is checked when it is opened.
#[test]
fn a_flipped_byte_anywhere_is_a_typed_error_or_harmless() {
    let (bytes, blocks) = filled_file();
    // Prime, so that all offsets in a page are met.
    for place in (0..bytes.len()).step_by(1531) {
        let mut bytes = bytes.clone();
        bytes[place] ^= 0x41;
        let Ok(database) = Disk::holding(bytes).open().inspect_err(|error| {
            assert!(is_refusal(error), "at {place}: {error}");
        }) else {
            continue;
        };
        let found = survey(&database, &blocks);
        assert!(is_damage(&found), "at {place}: {found:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..Default::default() })]

    #[test]
    fn much_damage_is_a_typed_error_or_harmless(
        places in prop::collection::vec((any::<prop::sample::Index>(), 1..=255_u8), 1..20),
        is_file in any::<bool>(),
    ) {
        let (mut bytes, blocks) = filled_file();
        for (place, flip) in places {
            let place = place.index(bytes.len());
            bytes[place] ^= flip;
        }
        let directory = tempdir().unwrap();
        let database = if is_file {
            fs::write(directory.path().join(FILE_NAME), bytes).unwrap();
            Database::open(directory.path(), network())
        } else {
            Disk::holding(bytes).open()
        };
        match database {
            Ok(database) => {
                let found = survey(&database, &blocks);
                prop_assert!(is_damage(&found), "{:?}", found);
            }
            Err(error) => prop_assert!(is_refusal(&error), "{}", error),
        }
    }
}

#[test]
fn a_full_disk_refuses_blocks_and_loses_none() {
    for operations in 0..40 {
        let disk = Disk::default();
        let database = disk.open().unwrap();
        let blocks = fill(&database);
        let more = blocks[30].child(31, 3);
        disk.fail_after(operations, ErrorKind::StorageFull);
        database.put(more.stored(true)).unwrap();
        let Err(error) = database.flush() else { break };
        assert!(
            matches!(error, DatabaseError::Unavailable { .. }),
            "{error}"
        );
        assert!(error.to_string().contains("the disk has room"), "{error}");
        // It goes on waiting, and what is there can be read or is refused with a reason.
        let waiting = database.get(more.root).unwrap();
        assert_eq!(waiting.as_ref(), Some(&*more.block));
        let read = database.get(blocks[7].root);
        assert!(!matches!(read, Ok(None)), "{read:?}");
        drop(database);

        disk.mend();
        let database = disk.open().unwrap();
        for made in &blocks {
            let found = database.get(made.root).unwrap();
            assert_eq!(found.as_ref(), Some(&*made.block));
        }
        database.put(more.stored(true)).unwrap();
        database.flush().unwrap();
    }
}

#[test]
fn a_power_loss_during_compaction_loses_nothing() {
    let disk = Disk::default();
    let database = disk.open().unwrap().with_retention(Retention::None);
    let blocks = fill(&database);
    while database.prune().unwrap().more {}
    drop(database);
    let (whole, mut losses) = (disk.bytes(), 0);
    for operations in (0..200).step_by(7) {
        let disk = Disk::holding(whole.clone());
        let mut database = disk.open().unwrap();
        disk.fail_after(operations, ErrorKind::Other);
        losses += u32::from(database.compact().is_err());
        let disk = disk.after_power_loss(operations as u64);
        let database = disk.open().unwrap();
        assert_eq!(database.anchor().unwrap(), Some(blocks[20].checkpoint()));
        assert_eq!(database.canonical(0, 99).unwrap().len(), 21);
        for made in &blocks[20..] {
            let found = database.get(made.root).unwrap();
            assert_eq!(found.as_ref(), Some(&*made.block), "after {operations}");
        }
    }
    assert!(losses > 3, "{losses}");
}

#[test]
fn what_waits_stays_bounded_while_the_disk_is_full() {
    let disk = Disk::default();
    let database = disk.open().unwrap();
    disk.fail_after(0, ErrorKind::StorageFull);
    let mut parent = Made::genesis();
    let mut kept = 0;
    for slot in 1..200 {
        parent = parent.child(slot, 0);
        kept += usize::from(database.put(parent.stored(false)).is_ok());
    }
    assert_eq!(kept, 63);
}

#[test]
fn a_disk_that_may_not_be_written_to_is_reported() {
    for kind in [ErrorKind::PermissionDenied, ErrorKind::ReadOnlyFilesystem] {
        let disk = Disk::default();
        disk.fail_after(0, kind);
        let error = disk.open().unwrap_err();
        assert!(
            matches!(error, DatabaseError::Unavailable { .. }),
            "{error}"
        );
        assert!(error.to_string().contains("may be written to"), "{error}");
    }
    // A directory in which nobody, not even root, can make one.
    let error = Database::open(Path::new("/proc/quartet"), network()).unwrap_err();
    assert!(matches!(error, DatabaseError::Directory { .. }), "{error}");
}
