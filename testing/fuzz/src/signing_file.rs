//! Reading signing records: any bytes, and records with any bytes changed.

use std::fs;

use quartet_keystore::record::{RecordView, SigningRecord, SigningRequest};
use quartet_types::{PublicKey, Root};
use sha2::{Digest as _, Sha256};

use crate::input::Input;

const CHECKSUM_BYTES: usize = 12;
const BLOCK_BYTES: usize = 128;
const HEADERS: usize = 1024;

/// Opening never panics. What opens is the same when it is opened again, refuses what it is said to have signed, and looking at
/// it beforehand shows the same.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let bytes = file(&mut input);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("record");
    fs::write(&path, bytes).unwrap();
    let view = RecordView::read(&path);
    let opened = SigningRecord::open(&path);
    assert_eq!(view.is_ok(), opened.is_ok(), "{view:?} {opened:?}");
    let (Ok(view), Ok(record)) = (view, opened) else {
        return;
    };
    for (public_key, signed) in view.keys() {
        let highest = signed.last().map(|signed| signed.epoch);
        assert!(signed.is_sorted_by(|one, next| one.epoch < next.epoch));
        assert_eq!(record.highest_epoch(&public_key), highest);
        for signed in signed {
            let message_root = Root::repeat_byte(0xa5);
            let request = SigningRequest {
                public_key,
                epoch: signed.epoch,
                message_root,
                source: None,
            };
            let may_repeat = signed.message_root == Some(message_root);
            assert_eq!(record.authorise(request).is_ok(), may_repeat);
        }
    }
    let exported = record.export().unwrap();
    drop(record);
    let again = SigningRecord::open(&path).unwrap();
    let known = without_sources(&exported);
    assert_eq!(without_sources(&again.export().unwrap()), known);
    let taken_in = SigningRecord::open(&directory.path().join("another")).unwrap();
    taken_in.import(&exported).unwrap();
    assert_eq!(without_sources(&taken_in.export().unwrap()), known);
}

/// All but sources: one that lies more than two years before the newest epoch cannot be written down with it.
fn without_sources(exported: &str) -> Vec<&str> {
    let lines = exported.lines();
    lines.filter(|line| !line.contains("source_slot")).collect()
}

/// Bytes as they are, or headers and entries with checksums that are right.
fn file(input: &mut Input<'_>) -> Vec<u8> {
    if input.flag() {
        return input.rest().to_vec();
    }
    let old_form = input.flag();
    let mut bytes = Vec::new();
    if !old_form {
        for _ in 0..2 {
            let (durable, group, room) = (input.any_size(), input.any_size(), input.any_size());
            let mut header = vec![0; BLOCK_BYTES];
            header[..4].copy_from_slice(b"QSR2");
            header[8..16].copy_from_slice(&durable.to_le_bytes());
            header[16..24].copy_from_slice(&group.to_le_bytes());
            header[24..32].copy_from_slice(&room.to_le_bytes());
            let is_whole = input.below(8) != 0;
            seal(&mut header, is_whole);
            header.resize(HEADERS / 2, 0);
            bytes.extend(header);
        }
    }
    for position in 0..64 {
        if input.is_empty() {
            break;
        }
        bytes.extend(entry(input, position));
    }
    bytes.extend(vec![0; BLOCK_BYTES * input.below(8)]);
    bytes
}

fn entry(input: &mut Input<'_>, position: u64) -> Vec<u8> {
    let mut entry = vec![0; BLOCK_BYTES];
    let changes = input.byte();
    if changes == 0 {
        return entry;
    }
    entry[..4].copy_from_slice(b"QSR1");
    entry[4] = 1 + (changes >> 7);
    if changes & 2 != 0 {
        entry[5..8].copy_from_slice(&input.array::<3>());
    }
    let position = match changes & 4 {
        0 => position,
        _ => input.any_size(),
    };
    entry[8..16].copy_from_slice(&position.to_le_bytes());
    let back = input.below(4) as u64;
    entry[16..24].copy_from_slice(&position.wrapping_sub(back).to_le_bytes());
    entry[24..32].copy_from_slice(&input.any_size().to_le_bytes());
    let key = PublicKey([1 + input.byte() % 3; 52]);
    entry[32..84].copy_from_slice(key.as_bytes());
    entry[84..116].fill(input.byte());
    seal(&mut entry, changes & 8 == 0 || input.below(4) != 0);
    entry
}

fn seal(block: &mut [u8], is_whole: bool) {
    let checksum = Sha256::digest(&block[..BLOCK_BYTES - CHECKSUM_BYTES]);
    if is_whole {
        block[BLOCK_BYTES - CHECKSUM_BYTES..].copy_from_slice(&checksum[..CHECKSUM_BYTES]);
    }
}
