//! Snapshots: any bytes, and a good one with some changed, with or without a hash that is right.

use std::fs;

use quartet_storage::{Database, snapshot};
use sha2::{Digest as _, Sha256};

use crate::{input::Input, stored::stored};

const HASH_BYTES: usize = 32;

/// A refused snapshot leaves nothing behind. An accepted one makes a database that has all of it.
pub fn run(data: &[u8]) {
    let stored = stored();
    let mut input = Input::new(data);
    let bytes = match input.below(4) {
        0 => input.rest().to_vec(),
        _ => changed(&stored.snapshot, &mut input),
    };
    let directory = tempfile::tempdir().unwrap();
    let (path, into) = (
        directory.path().join("snapshot"),
        directory.path().join("data"),
    );
    fs::write(&path, bytes).unwrap();
    let verified = snapshot::verify(&path, Some(stored.network));
    match snapshot::import(&path, &into, &stored.genesis) {
        Ok(summary) => {
            let verified = verified.unwrap();
            assert_eq!(summary.anchor, verified.anchor);
            let database = Database::open(&into, stored.network).unwrap();
            assert_eq!(database.anchor().unwrap(), Some(summary.anchor));
            assert!(database.get(summary.anchor.root).unwrap().is_some());
            assert!(database.state(summary.anchor.root, None).unwrap().is_some());
        }
        Err(_) => {
            let left: Vec<_> = fs::read_dir(directory.path()).unwrap().collect();
            assert_eq!(left.len(), 1, "{left:?}");
        }
    }
}

fn changed(snapshot: &[u8], input: &mut Input<'_>) -> Vec<u8> {
    let mut bytes = snapshot[..snapshot.len() - HASH_BYTES].to_vec();
    let has_hash = input.below(8) != 0;
    while !input.is_empty() && !bytes.is_empty() {
        let at = u32::from_le_bytes(input.array()) as usize % bytes.len();
        match input.below(6) {
            0 => bytes.truncate(at),
            1 => bytes.extend(input.take(8)),
            _ => {
                for (to, from) in bytes[at..].iter_mut().zip(input.take(4)) {
                    *to = *from;
                }
            }
        }
    }
    let hash = if has_hash {
        Sha256::digest(&bytes).to_vec()
    } else {
        snapshot[snapshot.len() - HASH_BYTES..].to_vec()
    };
    bytes.extend(hash);
    bytes
}
