mod damage;
mod import;
mod rewriting;

use proptest::prelude::*;
use quartet_types::Root;

use super::*;
use crate::record::{
    NotAuthorised, RecordView, SigningRecord,
    entry::{ENTRY_BYTES, Placed},
    header::{ENTRIES_AT, HEADERS_AT, Header},
};

/// Where an entry stands in the file.
fn entry_at(entry: usize) -> usize {
    ENTRIES_AT + entry * ENTRY_BYTES
}

fn key(number: u8) -> PublicKey {
    PublicKey([number; 52])
}

fn root(number: u8) -> Root {
    Root::repeat_byte(number)
}

fn request(key_number: u8, epoch: u64, root_number: u8) -> SigningRequest {
    SigningRequest {
        public_key: key(key_number),
        epoch,
        message_root: root(root_number),
        source: None,
    }
}

fn vote(key_number: u8, epoch: u64, source: u64) -> SigningRequest {
    SigningRequest {
        source: Some(source),
        ..request(key_number, epoch, 1)
    }
}

struct Fixture {
    _directory: tempfile::TempDir,
    path: PathBuf,
}

impl Fixture {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self {
            path: directory.path().join("data/signing-record"),
            _directory: directory,
        }
    }

    fn open(&self) -> SigningRecord {
        SigningRecord::open(&self.path).unwrap()
    }
}

fn refusal(record: &SigningRecord, request: SigningRequest) -> Refusal {
    match record.authorise(request).unwrap_err() {
        NotAuthorised::Refused(refusal) => refusal,
        NotAuthorised::Record(error) => panic!("{error}"),
    }
}

/// What opening and viewing a record with these bytes reports; they must agree, and leave a damaged file as it is.
fn fault(fixture: &Fixture, bytes: &[u8]) -> Option<RecordError> {
    fs::write(&fixture.path, bytes).unwrap();
    let read = [
        SigningRecord::open(&fixture.path).err(),
        RecordView::read(&fixture.path).err(),
    ];
    let [opened, viewed] = read;
    assert_eq!(opened.is_some(), viewed.is_some());
    if opened.is_some() {
        assert_eq!(fs::read(&fixture.path).unwrap(), bytes, "it stays as it is");
    }
    opened
}

#[test]
fn a_second_message_and_an_older_epoch_are_refused_also_after_a_restart() {
    let fixture = Fixture::new();
    let record = fixture.open();
    record.authorise(request(1, 5, 1)).unwrap();
    record.authorise(request(1, 7, 2)).unwrap();
    let check = |record: &SigningRecord| {
        record.authorise(request(1, 5, 1)).unwrap();
        record.authorise(request(1, 7, 2)).unwrap();
        assert_eq!(
            refusal(record, request(1, 7, 3)),
            Refusal::AnotherMessage {
                epoch: 7,
                signed: root(2),
                asked: root(3)
            }
        );
        let (epoch, highest) = (6, 7);
        assert_eq!(
            refusal(record, request(1, 6, 1)),
            Refusal::OlderEpoch { epoch, highest }
        );
        assert_eq!(record.highest_epoch(&key(1)), Some(7));
        assert_eq!(record.highest_epoch(&key(2)), None);
    };
    check(&record);
    drop(record);
    let reopened = fixture.open();
    check(&reopened);
    reopened.authorise(request(2, 0, 9)).unwrap();
}

#[test]
fn a_record_restored_from_a_backup_does_not_forget() {
    let fixture = Fixture::new();
    let record = fixture.open();
    record.authorise(request(1, 5, 1)).unwrap();
    drop(record);
    let backup = fs::read(&fixture.path).unwrap();
    fixture.open().authorise(request(1, 9, 1)).unwrap();
    fs::write(&fixture.path, backup).unwrap();

    let restored = fixture.open();
    restored.refuse_up_to(9).unwrap();
    let (epoch, started) = (9, 9);
    let refused = Refusal::BeforeStart { epoch, started };
    assert_eq!(refusal(&restored, request(1, 9, 2)), refused);
    assert_eq!(refusal(&restored, request(2, 9, 2)), refused);
    restored.authorise(request(1, 5, 1)).unwrap();
    restored.authorise(request(1, 10, 2)).unwrap();
}

#[test]
fn requests_of_one_call_have_to_agree_with_each_other() {
    let fixture = Fixture::new();
    let record = fixture.open();
    record.authorise(request(1, 1, 1)).unwrap();
    let requests = [
        request(1, 5, 1),
        request(1, 5, 2),
        request(1, 5, 1),
        request(1, 4, 1),
        request(1, 1, 1),
        request(2, 4, 1),
    ];
    let verdicts = record.authorise_many(&requests).unwrap();
    let granted: Vec<_> = verdicts.iter().map(Result::is_ok).collect();
    assert_eq!(granted, [true, false, true, false, true, true]);
}

#[test]
fn a_second_opener_is_turned_away_until_the_first_is_gone() {
    let fixture = Fixture::new();
    let record = fixture.open();
    let error = SigningRecord::open(&fixture.path).unwrap_err();
    assert!(matches!(error, RecordError::Locked { .. }));
    drop(record);
    fixture.open();
}

#[test]
fn a_record_in_use_can_be_looked_at_and_is_left_as_it_is() {
    let fixture = Fixture::new();
    let record = fixture.open();
    record.authorise(vote(1, 5, 4)).unwrap();
    record.authorise(request(1, 6, 1)).unwrap();
    let mut torn = fs::read(&fixture.path).unwrap();
    torn[entry_at(2)..][..40].fill(1);
    fs::write(&fixture.path, &torn).unwrap();
    let view = RecordView::read(&fixture.path).unwrap();
    assert_eq!(view.highest_epoch(&key(1)), Some(6));
    assert_eq!(view.keys()[0].1.len(), 2);
    assert_eq!(fs::read(&fixture.path).unwrap(), torn);
}

#[test]
fn a_vote_that_is_refused_leaves_no_source() {
    let fixture = Fixture::new();
    let record = fixture.open();
    record.authorise(vote(1, 10, 3)).unwrap();
    record.authorise(vote(1, 9, 8)).unwrap_err();
    assert_eq!(record.highest_source(&key(1)), Some(3));
}

#[cfg(unix)]
#[test]
fn nothing_is_granted_once_a_write_has_failed() {
    let fixture = Fixture::new();
    let mut log = Log::open(&fixture.path).unwrap();
    log.authorise(&[request(1, 1, 1)]).unwrap();
    // A handle that cannot be written to stands in for a failing disk.
    log.disk.file = File::open(&fixture.path).unwrap();
    let failed = log.authorise(&[request(1, 2, 2)]).unwrap_err();
    assert!(matches!(failed, RecordError::Io { .. }));
    let again = log.authorise(&[request(1, 1, 1)]).unwrap_err();
    assert!(matches!(again, RecordError::Unusable { .. }));
    assert_eq!(log.history.highest_epoch(&key(1)), Some(1));
}

fn requests() -> impl Strategy<Value = Vec<SigningRequest>> {
    let one = (0..2u8, 0..24u64, 0..3u8).prop_map(|(k, epoch, r)| SigningRequest {
        // The root covers the source: the same message has the same one. Any below the epoch, or none.
        source: Some((epoch * 7 + u64::from(r) * 5) % 24).filter(|source| *source < epoch),
        ..request(k, epoch, r)
    });
    proptest::collection::vec(one, 0..40)
}

fn sources(log: &Log) -> [Option<u64>; 2] {
    [0, 1].map(|number| log.history.highest_source(&key(number)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_epoch_ever_gets_two_messages(batches in proptest::collection::vec(requests(), 1..4)) {
        let fixture = Fixture::new();
        let mut signed = HashMap::new();
        for batch in batches {
            // Each batch after a restart: what holds across restarts holds within one run.
            let mut log = Log::open(&fixture.path).unwrap();
            let verdicts = log.authorise(&batch).unwrap();
            for (request, verdict) in batch.iter().zip(verdicts) {
                if verdict.is_ok() {
                    let place = (request.public_key, request.epoch);
                    let first = *signed.entry(place).or_insert(request.message_root);
                    prop_assert_eq!(first, request.message_root);
                }
            }
        }
    }
}

#[test]
fn nothing_is_granted_before_it_is_durable() {
    let fixture = Fixture::new();
    std::fs::create_dir_all(fixture.path.parent().unwrap()).unwrap();
    let mut log = Log::open(&fixture.path).unwrap();
    // It takes every write, and cannot be synced.
    log.disk.file = OpenOptions::new().write(true).open("/dev/null").unwrap();
    let verdicts = log.authorise(&[request(1, 5, 1)]);
    let is_sync = matches!(verdicts, Err(RecordError::Io { action: "sync", .. }));
    assert!(is_sync, "{verdicts:?}");
    let verdicts = log.authorise(&[request(1, 6, 1)]);
    assert!(matches!(verdicts, Err(RecordError::Unusable { .. })));
}
