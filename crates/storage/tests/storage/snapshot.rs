//! Snapshots: what one node writes, another starts from; nothing else is believed.

use std::{fs, path::Path, sync::Arc, thread};

use ethereum_hashing::hash_fixed;
use quartet_storage::{
    Database, FILE_NAME, Retention,
    snapshot::{self, SnapshotError},
    verify,
};
use quartet_types::{PublicKey, State};
use tempfile::tempdir;

use crate::support::{Made, VALIDATORS, network, open, put_all, started};

/// A database with a chain of so many blocks, the anchor five before its end; and the blocks.
fn exporting(length: usize) -> (Database, Vec<Made>) {
    let database = started();
    let mut blocks = vec![Made::genesis()];
    blocks.extend(blocks[0].chain(length));
    put_all(&database, &blocks[1..], 5);
    let chain: Vec<_> = blocks[1..].iter().map(Made::checkpoint).collect();
    database.finalize(chain[length - 1], &chain, 99).unwrap();
    (database, blocks)
}

fn genesis() -> Arc<State> {
    Made::genesis().state
}

fn refused<T>(result: Result<T, SnapshotError>, what: &str) {
    match result {
        Ok(_) => panic!("it was accepted"),
        Err(error) => assert!(
            error.to_string().contains(what),
            "{what:?} is not in {error}"
        ),
    }
}

#[test]
fn another_node_starts_from_a_snapshot() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("a");
    let (database, blocks) = exporting(23);
    let written = snapshot::write(&database, &path).unwrap();
    assert_eq!(written.anchor, blocks[20].checkpoint());
    assert_eq!((written.blocks, written.oldest), (21, 0));
    assert_eq!(written.bytes, fs::metadata(&path).unwrap().len());
    assert_eq!(snapshot::verify(&path, Some(network())).unwrap(), written);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);

    let data = directory.path().join("node").join("blocks");
    assert_eq!(snapshot::import(&path, &data, &genesis()).unwrap(), written);
    let mut problems = Vec::new();
    let done = verify(&data, &mut |what| problems.push(what.to_owned())).unwrap();
    assert_eq!(problems, [""; 0]);
    assert_eq!((done.blocks, done.finalized), (21, 21));
    let imported = open(&data);
    assert_eq!(imported.anchor().unwrap(), Some(blocks[20].checkpoint()));
    assert_eq!(imported.kept_from().unwrap(), Some(0));
    for made in &blocks[..=20] {
        let block = imported.get(made.root).unwrap();
        assert_eq!(block.as_ref(), Some(&*made.block));
    }
    let state = imported.state(blocks[20].root, None).unwrap();
    assert_eq!(state.as_ref(), Some(&*blocks[20].state));
    assert_eq!(
        imported.entry(blocks[20].root).unwrap(),
        Some(blocks[20].entry())
    );
    // It goes on from there.
    put_all(&imported, &blocks[21..], 5);
    let chain: Vec<_> = blocks[21..].iter().map(Made::checkpoint).collect();
    imported.finalize(chain[2], &chain, 99).unwrap();

    let again = snapshot::import(&path, &data, &genesis());
    assert!(
        matches!(again, Err(SnapshotError::Occupied { .. })),
        "{again:?}"
    );
}

#[test]
fn deleted_blocks_are_not_in_a_snapshot() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("a");
    let (database, blocks) = exporting(20);
    let database = database.with_retention(Retention::Slots(4));
    while database.prune().unwrap().more {}
    let written = snapshot::write(&database, &path).unwrap();
    assert_eq!((written.blocks, written.oldest), (5, 16));
    let data = directory.path().join("node");
    snapshot::import(&path, &data, &genesis()).unwrap();
    let imported = open(&data);
    assert_eq!(imported.kept_from().unwrap(), Some(16));
    assert_eq!(imported.canonical(0, 99).unwrap().len(), 21);
    assert_eq!(imported.get(blocks[15].root).unwrap(), None);
}

#[test]
fn snapshots_are_taken_while_the_chain_goes_on_and_is_pruned() {
    let directory = tempdir().unwrap();
    let database = started().with_retention(Retention::Slots(10));
    let blocks = Made::genesis().chain(300);
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for blocks in blocks.chunks(3) {
                put_all(&database, blocks, 2);
                let chain: Vec<_> = blocks.iter().map(Made::checkpoint).collect();
                database.finalize(chain[2], &chain, 99).unwrap();
                database.prune().unwrap();
            }
        });
        // Once at least, on a machine that is busy.
        loop {
            // It is verified before it takes its name.
            let path = directory.path().join("a");
            let summary = snapshot::write(&database, &path).unwrap();
            // Ten slots, the anchor, and what has become final since the last pruning.
            assert!(summary.blocks <= 15, "{summary:?}");
            if writer.is_finished() {
                break;
            }
        }
    });
}

#[test]
fn genesis_alone_makes_a_snapshot_and_an_empty_database_does_not() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("a");
    let empty = Database::in_memory(network()).unwrap();
    let nothing = snapshot::write(&empty, &path);
    assert!(matches!(nothing, Err(SnapshotError::Empty)), "{nothing:?}");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    snapshot::write(&started(), &path).unwrap();
    let data = directory.path().join("node");
    let summary = snapshot::import(&path, &data, &genesis()).unwrap();
    assert_eq!(
        (summary.anchor, summary.blocks),
        (Made::genesis().checkpoint(), 1)
    );
    assert_eq!(open(&data).anchor().unwrap(), Some(summary.anchor));
}

fn nothing_is_left(directory: &Path) {
    let names = fs::read_dir(directory).unwrap();
    let names: Vec<_> = names.map(|file| file.unwrap().file_name()).collect();
    assert_eq!(names, ["a"]);
}

#[test]
fn a_snapshot_with_a_flipped_byte_or_a_lost_end_is_refused_and_leaves_nothing() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("a");
    let (database, _) = exporting(7);
    snapshot::write(&database, &path).unwrap();
    let whole = fs::read(&path).unwrap();
    let data = directory.path().join("node");
    for place in (0..whole.len()).step_by(whole.len() / 60) {
        let mut bytes = whole.clone();
        bytes[place] ^= 0x41;
        fs::write(&path, &bytes).unwrap();
        let error = snapshot::import(&path, &data, &genesis()).unwrap_err();
        assert!(
            matches!(error, SnapshotError::Invalid { .. }),
            "at {place}: {error}"
        );
        nothing_is_left(directory.path());
        assert!(snapshot::verify(&path, None).is_err());
        fs::write(&path, &whole[..place]).unwrap();
        let error = snapshot::import(&path, &data, &genesis()).unwrap_err();
        assert!(
            matches!(error, SnapshotError::Invalid { .. }),
            "to {place}: {error}"
        );
        nothing_is_left(directory.path());
    }
    fs::write(&path, [&whole[..], &[0]].concat()).unwrap();
    refused(snapshot::verify(&path, None), "its hash is wrong");
}

/// A file as one with other aims would make it: with a right hash.
fn forged(change: impl Fn(&mut Vec<Vec<u8>>)) -> Vec<u8> {
    let directory = tempdir().unwrap();
    let path = directory.path().join("a");
    let (database, _) = exporting(7);
    snapshot::write(&database, &path).unwrap();
    let whole = fs::read(&path).unwrap();
    let (head, mut rest) = whole.split_at(44);
    let mut frames = Vec::new();
    loop {
        let (length, tail) = rest.split_at(4);
        let length = u32::from_le_bytes(length.try_into().unwrap()) as usize;
        frames.push(tail[..length].to_vec());
        rest = &tail[length..];
        if length == 0 {
            break;
        }
    }
    change(&mut frames);
    let mut bytes = head.to_vec();
    for frame in frames {
        bytes.extend((frame.len() as u32).to_le_bytes());
        bytes.extend(frame);
    }
    let hash = hash_fixed(&bytes);
    bytes.extend(hash);
    bytes
}

#[test]
fn blocks_of_another_chain_in_a_snapshot_are_refused_though_the_hash_is_right() {
    use ssz::{Decode as _, Encode as _};
    let directory = tempdir().unwrap();
    let path = directory.path().join("a");
    let data = directory.path().join("node");
    let import = |bytes: Vec<u8>| {
        fs::write(&path, bytes).unwrap();
        let result = snapshot::import(&path, &data, &genesis());
        if result.is_err() {
            nothing_is_left(directory.path());
        }
        result
    };
    refused(import(forged(|frames| frames.swap(2, 3))), "out of order");
    let foreign = Made::genesis().child(2, 0).block.as_ssz_bytes();
    let put = |index: usize, bytes: Vec<u8>| forged(move |frames| frames[index] = bytes.clone());
    refused(import(put(3, foreign.clone())), "is not of its chain");
    refused(import(put(1, foreign)), "not the one after its block");
    refused(import(put(4, vec![1, 2, 3])), "no block");
    refused(import(put(0, vec![1, 2, 3])), "no state");
    let lying = forged(|frames| {
        let mut state = State::from_ssz_bytes(&frames[0]).unwrap();
        state.config.genesis_time += 1;
        frames[0] = state.as_ssz_bytes();
    });
    refused(import(lying), "not the one after its block");
    import(forged(|_| ())).unwrap();
}

#[test]
fn another_network_or_registry_is_refused() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("a");
    let (database, _) = exporting(7);
    snapshot::write(&database, &path).unwrap();
    let keys = [PublicKey([9; 52]); VALIDATORS as usize];
    let other = State::genesis(7, &keys).unwrap();
    let data = directory.path().join("node");
    refused(
        snapshot::import(&path, &data, &other),
        "of the network with genesis root",
    );
    // Somebody who makes a chain of his own under the root of ours.
    let mut bytes = fs::read(&path).unwrap();
    bytes[20] ^= 1;
    let end = bytes.len() - 32;
    let hash = hash_fixed(&bytes[..end]);
    bytes[end..].copy_from_slice(&hash);
    fs::write(&path, &bytes).unwrap();
    refused(
        snapshot::verify(&path, None),
        "does not begin with its network's genesis",
    );
    bytes[8] = 2;
    fs::write(&path, &bytes).unwrap();
    refused(snapshot::verify(&path, None), "it has version 2");
}

#[test]
fn an_interrupted_import_is_done_again() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("a");
    let (database, _) = exporting(7);
    snapshot::write(&database, &path).unwrap();
    let data = directory.path().join("node");
    let beside = directory.path().join("node.importing");
    fs::create_dir(&beside).unwrap();
    fs::write(beside.join(FILE_NAME), "half").unwrap();
    snapshot::import(&path, &data, &genesis()).unwrap();
    assert!(!beside.exists());
    assert!(open(&data).anchor().unwrap().is_some());
}

#[test]
fn the_last_snapshots_are_kept() {
    let directory = tempdir().unwrap();
    let (_, blocks) = exporting(12);
    for made in &blocks {
        let name = snapshot::file_name(made.checkpoint());
        fs::write(directory.path().join(name), "").unwrap();
    }
    let half = snapshot::file_name(blocks[3].checkpoint()) + ".partial";
    fs::write(directory.path().join(half), "").unwrap();
    fs::write(directory.path().join("snapshot-of-mine"), "").unwrap();
    assert_eq!(snapshot::keep_newest(directory.path(), 2).unwrap(), 12);
    let names = fs::read_dir(directory.path()).unwrap();
    let mut names: Vec<_> = names.map(|file| file.unwrap().file_name()).collect();
    names.sort();
    let kept = [11, 12].map(|index: usize| snapshot::file_name(blocks[index].checkpoint()));
    assert_eq!(names, [kept[0].as_str(), &kept[1], "snapshot-of-mine"]);
}
