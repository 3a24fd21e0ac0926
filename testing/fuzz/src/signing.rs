//! The signing record against a set: requests, crashes, torn writes and restarts in any order.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use quartet_keystore::record::{RecordError, SigningRecord, SigningRequest};
use quartet_types::{PublicKey, Root};

use crate::input::Input;

const MAX_STEPS: usize = 64;
/// Bytes that a disk writes atomically.
const SECTOR: usize = 512;

/// The granted messages.
#[derive(Default)]
struct Granted {
    /// By key and epoch.
    known: BTreeMap<(PublicKeyBytes, u64), Root>,
    /// Messages whose grant may be on the disk although the machine stopped before anybody heard of it. The same message
    /// may be granted again at any time, as it has the same signature.
    unheard: BTreeSet<(PublicKeyBytes, u64, Root)>,
}

type PublicKeyBytes = [u8; 52];

impl Granted {
    fn note(&mut self, request: &SigningRequest) {
        let place = (request.public_key.0, request.epoch);
        let message = *self.known.entry(place).or_insert(request.message_root);
        assert_eq!(
            message, request.message_root,
            "two messages in one epoch: {request:?}"
        );
    }

    /// What the record must refuse: another message in an epoch, and any new one below the newest.
    fn forbids(&self, request: &SigningRequest) -> bool {
        let key = request.public_key.0;
        match self.known.get(&(key, request.epoch)) {
            Some(message) => *message != request.message_root,
            None if self.unheard.contains(&unheard(request)) => false,
            None => self
                .known
                .range((key, request.epoch)..=(key, u64::MAX))
                .next()
                .is_some(),
        }
    }
}

fn unheard(request: &SigningRequest) -> (PublicKeyBytes, u64, Root) {
    (request.public_key.0, request.epoch, request.message_root)
}

/// However it is interrupted, no key is ever granted two messages in an epoch, and the record always opens again.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("record");
    let mut granted = Granted::default();
    let mut record = SigningRecord::open(&path).unwrap();
    for _ in 0..MAX_STEPS {
        if input.is_empty() {
            return;
        }
        match input.below(10) {
            0 => record = reopened(record, &path),
            1 => record.preallocate().unwrap(),
            2 => {
                let exported = record.export().unwrap();
                record.import(&exported).unwrap();
            }
            3 => record = imported_elsewhere(record, &path),
            4 => {
                let seen = requests(&mut input);
                record.observe(&seen).unwrap();
                record.persist_observed(&seen).unwrap();
            }
            5 | 6 => {
                let before = fs::read(&path).unwrap();
                let requests = requests(&mut input);
                // The machine stops before anybody hears of the grants.
                record.authorise_many(&requests).unwrap();
                granted.unheard.extend(requests.iter().map(unheard));
                drop(record);
                tear(&path, &before, &mut input);
                record = SigningRecord::open(&path).unwrap();
            }
            _ => authorise(&record, &requests(&mut input), &mut granted),
        }
    }
}

fn authorise(record: &SigningRecord, requests: &[SigningRequest], granted: &mut Granted) {
    let verdicts = record.authorise_many(requests).unwrap();
    assert_eq!(verdicts.len(), requests.len());
    for (request, verdict) in requests.iter().zip(&verdicts) {
        if verdict.is_ok() {
            assert!(!granted.forbids(request), "{request:?} was granted");
            granted.note(request);
            assert!(record.highest_epoch(&request.public_key) >= Some(request.epoch));
        }
    }
}

fn requests(input: &mut Input<'_>) -> Vec<SigningRequest> {
    let count = 1 + input.below(6);
    (0..count).map(|_| request(input)).collect()
}

fn request(input: &mut Input<'_>) -> SigningRequest {
    let key = input.byte() % 3;
    // A source is not kept when a key signs two years later, so the one that signs in any epoch has none.
    let is_timeless = key == 2;
    let epoch = match input.below(16) {
        0 if is_timeless => input.any_size(),
        _ => u64::from(input.byte() % 32),
    };
    SigningRequest {
        public_key: PublicKey([key; 52]),
        epoch,
        message_root: Root::repeat_byte(input.byte() % 3),
        source: (!is_timeless && input.flag()).then(|| u64::from(input.byte())),
    }
}

fn reopened(record: SigningRecord, path: &Path) -> SigningRecord {
    assert!(matches!(
        SigningRecord::open(path),
        Err(RecordError::Locked { .. })
    ));
    let exported = record.export().unwrap();
    drop(record);
    let record = SigningRecord::open(path).unwrap();
    assert_eq!(record.export().unwrap(), exported);
    record
}

/// The validator moves: an export goes into a new record, which takes the old one's place.
fn imported_elsewhere(record: SigningRecord, path: &Path) -> SigningRecord {
    let exported = record.export().unwrap();
    drop(record);
    fs::remove_file(path).unwrap();
    let record = SigningRecord::open(path).unwrap();
    record.import(&exported).unwrap();
    let stricter: BTreeSet<_> = exported.lines().collect();
    assert_eq!(
        record.export().unwrap().lines().collect::<BTreeSet<_>>(),
        stricter
    );
    record
}

/// Puts back any of the sectors that the last write has changed.
fn tear(path: &Path, before: &[u8], input: &mut Input<'_>) {
    let mut after = fs::read(path).unwrap();
    let mut sectors = before.chunks(SECTOR).zip(after.chunks_mut(SECTOR));
    for (before, after) in sectors.by_ref() {
        if before != after && input.flag() {
            after[..before.len()].copy_from_slice(before);
        }
    }
    fs::write(path, after).unwrap();
}
