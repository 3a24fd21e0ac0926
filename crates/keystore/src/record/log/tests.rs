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
    restored.started_in(9).unwrap();
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
    assert_eq!(view.highest_source(&key(1)), Some(4));
    assert_eq!(view.keys()[0].1.len(), 2);
    assert_eq!(fs::read(&fixture.path).unwrap(), torn);
}

/// Every write of the last group, with its header or without, torn at any byte.
#[test]
fn a_write_torn_at_any_byte_is_dropped_and_signing_goes_on() {
    let fixture = Fixture::new();
    let record = fixture.open();
    record.authorise(request(1, 1, 1)).unwrap();
    drop(record);
    let before = fs::read(&fixture.path).unwrap();
    let mut log = Log::open(&fixture.path).unwrap();
    log.authorise(&[request(1, 2, 2)]).unwrap();
    drop(log);
    let after = fs::read(&fixture.path).unwrap();
    assert_eq!(before.len(), after.len());
    let group = entry_at(1)..entry_at(2);
    for length in 0..ENTRY_BYTES {
        for fill in [None, Some(0), Some(0xff)] {
            for header in [&before, &after] {
                let mut torn = header[..group.start].to_vec();
                torn.extend(&after[group.clone()][..length]);
                torn.extend(&before[torn.len()..]);
                if let Some(fill) = fill {
                    torn[group.start + length..group.end].fill(fill);
                }
                fs::write(&fixture.path, torn).unwrap();
                let record = fixture.open();
                record.authorise(request(1, 1, 1)).unwrap();
                record.authorise(request(1, 2, 3)).unwrap();
                drop(record);
                let record = fixture.open();
                assert_eq!(record.highest_epoch(&key(1)), Some(2));
                assert!(record.authorise(request(1, 2, 2)).is_err());
            }
        }
    }
}

/// The header that is being written is torn: the other one has what was durable before.
#[test]
fn a_torn_header_loses_nothing() {
    let fixture = Fixture::new();
    let mut log = Log::open(&fixture.path).unwrap();
    for epoch in 1..=3 {
        log.authorise(&[request(1, epoch, 1)]).unwrap();
    }
    drop(log);
    let whole = fs::read(&fixture.path).unwrap();
    for at in HEADERS_AT {
        let mut torn = whole.clone();
        torn[at..at + ENTRY_BYTES].fill(0xff);
        fs::write(&fixture.path, &torn).unwrap();
        assert_eq!(fixture.open().highest_epoch(&key(1)), Some(3));
    }
}

/// What a file holds after so many groups of three entries each.
fn groups(count: u64) -> (Fixture, Vec<u8>) {
    let fixture = Fixture::new();
    let mut log = Log::open(&fixture.path).unwrap();
    for epoch in 1..=count {
        let group = [1, 2, 3].map(|number| request(number, epoch, 1));
        log.authorise(&group).unwrap();
    }
    drop(log);
    let bytes = fs::read(&fixture.path).unwrap();
    (fixture, bytes)
}

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
fn a_zeroed_halved_or_zero_filled_record_is_refused() {
    let (fixture, whole) = groups(20);
    let used = entry_at(60);
    let halves = (0..entry_at(57)).step_by(37);
    let lengths = halves
        .chain(HEADERS_AT)
        .chain([0, 1, ENTRIES_AT, entry_at(30), used - 1, used]);
    for length in lengths {
        // Cut off, cut off and filled up with zeros or ones to the length it had, or to another one.
        let mut cases = vec![whole[..length].to_vec()];
        if length < entry_at(57) {
            cases.extend([whole.len(), used, used + 4096].map(|end| {
                let mut filled = whole[..length].to_vec();
                filled.resize(end.max(length), 0);
                filled
            }));
            let mut filled = whole[..length].to_vec();
            filled.resize(whole.len(), 0xff);
            cases.push(filled);
        }
        for bytes in cases {
            let error = fault(&fixture, &bytes).unwrap_or_else(|| panic!("{length} of {used}"));
            assert!(
                matches!(
                    error,
                    RecordError::Damaged { .. } | RecordError::NotARecord { .. }
                ),
                "{error}"
            );
        }
    }
    // A hole in the middle, and one that reaches to the last group.
    for range in [
        entry_at(10)..entry_at(20),
        entry_at(10)..used,
        ENTRIES_AT..used,
        0..whole.len(),
    ] {
        let mut zeroed = whole.clone();
        zeroed[range].fill(0);
        assert!(fault(&fixture, &zeroed).is_some());
    }
    assert!(fault(&fixture, &whole).is_none());
    let settled = fs::read(&fixture.path).unwrap();
    assert!(fault(&fixture, &settled).is_none());
}

#[test]
fn behind_the_last_group_nothing_may_stand() {
    let (fixture, whole) = groups(3);
    let newest = Header::newest(&whole).unwrap();
    assert_eq!((newest.durable, newest.group), (6, 3));
    // The last group is torn, and what stands behind it is not of it.
    let mut torn = whole.clone();
    torn[entry_at(7)..entry_at(8)].fill(0);
    assert!(fault(&fixture, &torn).is_none());
    torn = whole.clone();
    torn[entry_at(7)..entry_at(8)].fill(0);
    torn[entry_at(9)] = 1;
    assert!(fault(&fixture, &torn).is_some());
}

#[test]
fn what_a_torn_group_left_is_wiped() {
    let (fixture, whole) = groups(3);
    let mut torn = whole.clone();
    torn[entry_at(6)..entry_at(7)].fill(0);
    fs::write(&fixture.path, &torn).unwrap();
    let record = fixture.open();
    record.authorise(request(9, 1, 1)).unwrap();
    drop(record);
    let view = RecordView::read(&fixture.path).unwrap();
    for number in [1, 2, 3] {
        assert_eq!(view.highest_epoch(&key(number)), Some(2));
    }
    let bytes = fs::read(&fixture.path).unwrap();
    assert!(bytes[entry_at(7)..].iter().all(|byte| *byte == 0));
}

/// A log as it was written before there were headers.
fn former(groups: &[&[SigningRequest]]) -> Vec<u8> {
    let (mut bytes, mut position) = (Vec::new(), 0);
    for requests in groups {
        let group = position;
        for request in *requests {
            let root = Some(request.message_root);
            let entry = Entry::new(request.public_key, request.epoch, root, request.source);
            let placed = Placed {
                entry,
                position,
                group,
            };
            bytes.extend(placed.encode());
            position += 1;
        }
    }
    bytes
}

#[test]
fn a_record_of_the_former_form_is_taken_over_unless_it_has_lost_too_much() {
    let group = |epoch| [1, 2, 3].map(|number| vote(number, epoch, epoch - 1));
    let groups: Vec<_> = (1..=9).map(group).collect();
    let groups: Vec<&[SigningRequest]> = groups.iter().map(|group| group.as_slice()).collect();
    let whole = former(&groups);
    let fixture = Fixture::new();
    fs::create_dir_all(fixture.path.parent().unwrap()).unwrap();
    fs::write(&fixture.path, &whole).unwrap();
    for _ in 0..2 {
        let record = fixture.open();
        for number in [1, 2, 3] {
            assert_eq!(record.highest_epoch(&key(number)), Some(9));
            assert_eq!(record.highest_source(&key(number)), Some(8));
            record.authorise(vote(number, 5, 4)).unwrap();
        }
    }
    // The last group is torn.
    let mut torn = whole.clone();
    torn[24 * ENTRY_BYTES..25 * ENTRY_BYTES].fill(0);
    assert!(fault(&fixture, &torn).is_none());
    assert_eq!(fixture.open().highest_epoch(&key(3)), Some(8));
    for lost in [0, 1, 13, 23] {
        let mut zeroed = whole.clone();
        zeroed[lost * ENTRY_BYTES..].fill(0);
        assert!(fault(&fixture, &zeroed).is_some(), "{lost}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_noticed_while_there_is_room_left() {
    let fixture = Fixture::new();
    let mut log = Log::open(&fixture.path).unwrap();
    let room = (fs::metadata(&fixture.path).unwrap().len() as usize - ENTRIES_AT) / ENTRY_BYTES;
    assert!(room >= 2048, "{room}");
    let mut epoch = 0;
    let mut sign = |log: &mut Log, count: usize| {
        let requests: Vec<_> = (0..count)
            .map(|_| {
                epoch += 1;
                request(1, epoch, 1)
            })
            .collect();
        log.authorise(&requests)
            .map(|verdicts| verdicts.iter().filter(|v| v.is_ok()).count())
    };
    assert_eq!(sign(&mut log, room / 2 + 1).unwrap(), room / 2 + 1);
    // Every write to it fails as on a full disk.
    let file = std::mem::replace(
        &mut log.disk.file,
        OpenOptions::new().write(true).open("/dev/full").unwrap(),
    );
    let full = log.tend().unwrap_err();
    assert!(
        matches!(
            &full,
            RecordError::Io {
                action: "make room in",
                ..
            }
        ),
        "{full}"
    );
    assert!(matches!(
        sign(&mut log, room),
        Err(RecordError::Io {
            action: "make room in",
            ..
        })
    ));
    // Nothing was begun, so it goes on: in the room that is left, and further when the disk is not full any more.
    log.disk.file = file;
    assert_eq!(sign(&mut log, room / 4).unwrap(), room / 4);
    log.tend().unwrap();
    assert_eq!(sign(&mut log, room).unwrap(), room);
    let highest = log.history.highest_epoch(&key(1));
    drop(log);
    assert_eq!(fixture.open().highest_epoch(&key(1)), highest);
}

#[test]
fn a_torn_group_may_have_lost_any_of_its_entries() {
    let fixture = Fixture::new();
    let record = fixture.open();
    record.authorise(request(1, 1, 1)).unwrap();
    let group = [request(1, 2, 2), request(2, 2, 2), request(3, 2, 2)];
    record.authorise_many(&group).unwrap();
    drop(record);
    let whole = fs::read(&fixture.path).unwrap();
    let mut torn = whole.clone();
    torn[entry_at(1)..entry_at(2)].fill(0);
    fs::write(&fixture.path, torn).unwrap();
    let record = fixture.open();
    assert_eq!(record.highest_epoch(&key(1)), Some(1));
}

#[test]
fn damage_before_the_end_is_an_error_and_the_file_stays() {
    let fixture = Fixture::new();
    let record = fixture.open();
    for epoch in 0..4 {
        record.authorise(request(1, epoch, 1)).unwrap();
    }
    drop(record);
    let mut bytes = fs::read(&fixture.path).unwrap();
    bytes[entry_at(2) + 30] ^= 1;
    fs::write(&fixture.path, &bytes).unwrap();
    let error = SigningRecord::open(&fixture.path).unwrap_err();
    assert!(
        matches!(error, RecordError::Damaged { entry: 2, .. }),
        "{error}"
    );
    assert_eq!(fs::read(&fixture.path).unwrap(), bytes);
}

#[test]
fn a_header_that_claims_all_there_can_be_is_damage_or_nothing() {
    for (durable, group) in [(0, u64::MAX), (0, 1 << 57), (u64::MAX, 0), (1 << 57, 1)] {
        let fixture = Fixture::new();
        drop(fixture.open());
        let mut bytes = fs::read(&fixture.path).unwrap();
        let header = Header {
            durable,
            group,
            room: 2048,
        };
        bytes[..ENTRY_BYTES].copy_from_slice(&header.encode());
        fs::write(&fixture.path, &bytes).unwrap();
        let opened = SigningRecord::open(&fixture.path);
        assert_eq!(opened.is_ok(), durable == 0, "{opened:?}");
    }
}

#[test]
fn what_either_header_counts_must_be_there() {
    for (durable, room) in [(2, 2048), (1, 4096)] {
        let fixture = Fixture::new();
        let record = fixture.open();
        record.authorise(request(1, 1, 1)).unwrap();
        drop(record);
        let mut bytes = fs::read(&fixture.path).unwrap();
        let further = Header {
            durable: 0,
            group: 9,
            room: 2048,
        };
        let more = Header {
            durable,
            group: 0,
            room,
        };
        for (at, header) in HEADERS_AT.into_iter().zip([further, more]) {
            bytes[at..at + ENTRY_BYTES].copy_from_slice(&header.encode());
        }
        fs::write(&fixture.path, &bytes).unwrap();
        let error = SigningRecord::open(&fixture.path).unwrap_err();
        let is_damage = matches!(error, RecordError::Damaged { entry: 1, .. });
        assert!(is_damage, "{error}");
    }
}

#[test]
fn another_file_is_not_touched() {
    let fixture = Fixture::new();
    fs::create_dir_all(fixture.path.parent().unwrap()).unwrap();
    for text in ["x", "QSR3", "GENESIS_TIME: 7\n"] {
        fs::write(&fixture.path, text).unwrap();
        let error = SigningRecord::open(&fixture.path).unwrap_err();
        assert!(matches!(error, RecordError::NotARecord { .. }));
        assert_eq!(fs::read_to_string(&fixture.path).unwrap(), text);
    }
}

#[test]
fn a_grown_log_is_rewritten_and_refuses_as_before() {
    let fixture = Fixture::new();
    let mut log = Log::open(&fixture.path).unwrap();
    log.rewrite_at = 100;
    for epoch in 0..250 {
        log.authorise(&[request(1, epoch, 1)]).unwrap();
    }
    assert!(log.disk.entries < 110, "{} entries", log.disk.entries);
    assert!(SigningRecord::open(&fixture.path).is_err());
    drop(log);
    let record = fixture.open();
    record.authorise(request(1, 249, 1)).unwrap();
    assert!(matches!(
        refusal(&record, request(1, 249, 2)),
        Refusal::AnotherMessage { .. }
    ));
    assert!(matches!(
        refusal(&record, request(1, 100, 1)),
        Refusal::OlderEpoch { .. }
    ));
}

#[test]
fn a_short_log_is_left_as_it_is_however_little_of_it_is_remembered() {
    let fixture = Fixture::new();
    let mut log = Log::open(&fixture.path).unwrap();
    for epoch in 0..300 {
        log.authorise(&[request(1, epoch, 1)]).unwrap();
    }
    assert!(REWRITE_FACTOR * (log.history.len() as u64) < 300);
    assert_eq!(log.disk.entries, 300);
    drop(log);
    let record = fixture.open();
    let log = record.log.lock().unwrap();
    assert_eq!(log.disk.entries, 300, "nor when it is opened again");
    let shown = format!("{record:?}");
    assert!(shown.contains("signing-record"), "{shown}");
}

#[test]
fn the_source_of_a_keys_only_vote_outlives_a_rewriting() {
    let fixture = Fixture::new();
    let mut log = Log::open(&fixture.path).unwrap();
    log.authorise(&[vote(1, 10, 9)]).unwrap();
    log.disk.replace(&log.history).unwrap();
    drop(log);
    let log = Log::open(&fixture.path).unwrap();
    assert_eq!(sources(&log)[1], Some(9));
}

#[test]
fn the_highest_source_outlives_its_vote_and_every_rewriting() {
    let fixture = Fixture::new();
    let mut log = Log::open(&fixture.path).unwrap();
    log.rewrite_at = 100;
    log.authorise(&[vote(1, 10, 9), vote(2, 10, 3)]).unwrap();
    for epoch in 11..400 {
        // The head may change to a chain with an older source; some votes' sources are unknown.
        let source = (epoch % 2 == 0).then_some(5);
        let requests = [1, 2].map(|number| SigningRequest {
            source,
            ..request(number, epoch, 1)
        });
        log.authorise(&requests).unwrap();
    }
    assert!(log.disk.entries < 130, "{} entries", log.disk.entries);
    assert_eq!(log.history.highest_source(&key(1)), Some(9));
    drop(log);
    let record = fixture.open();
    assert_eq!(record.highest_source(&key(1)), Some(9));
    assert_eq!(record.highest_source(&key(2)), Some(5));
    assert_eq!(record.highest_source(&key(3)), None);
}

#[test]
fn a_vote_that_is_refused_leaves_no_source() {
    let fixture = Fixture::new();
    let record = fixture.open();
    record.authorise(vote(1, 10, 3)).unwrap();
    record.authorise(vote(1, 9, 8)).unwrap_err();
    assert_eq!(record.highest_source(&key(1)), Some(3));
}

#[test]
fn an_import_takes_the_newer_source_whichever_side_has_signed_last() {
    for (ours, theirs) in [
        (vote(1, 20, 3), vote(1, 10, 9)),
        (vote(1, 10, 9), vote(1, 20, 3)),
        (vote(1, 20, 9), vote(1, 20, 3)),
        (vote(1, 20, 3), vote(1, 20, 9)),
        (request(1, 20, 1), vote(1, 20, 9)),
        (request(1, 20, 2), vote(1, 20, 9)),
        (vote(1, 20, 9), request(1, 20, 1)),
        (request(2, 20, 1), vote(1, 20, 9)),
    ] {
        let (one, two) = (Fixture::new(), Fixture::new());
        let record = one.open();
        record.authorise(ours).unwrap();
        let other = two.open();
        other.authorise(theirs).unwrap();
        let exported = other.export().unwrap();
        record.import(&exported).unwrap();
        assert_eq!(record.highest_source(&key(1)), Some(9), "{ours:?}");
        assert_eq!(record.import(&exported).unwrap().raised, 0, "{ours:?}");
        drop(record);
        let highest = one.open().highest_source(&key(1));
        assert_eq!(highest, Some(9), "{ours:?}");
    }
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

#[test]
fn an_imported_record_that_disagrees_seals_the_epoch() {
    let (one, two) = (Fixture::new(), Fixture::new());
    let (ours, theirs) = (one.open(), two.open());
    ours.authorise(request(1, 5, 1)).unwrap();
    theirs.authorise(request(1, 5, 2)).unwrap();
    theirs.authorise(request(2, 9, 2)).unwrap();
    let summary = ours.import(&theirs.export().unwrap()).unwrap();
    assert_eq!((summary.validators, summary.raised), (2, 2));
    for number in [1, 2] {
        assert_eq!(
            refusal(&ours, request(1, 5, number)),
            Refusal::Sealed { epoch: 5 }
        );
    }
    ours.authorise(request(2, 9, 2)).unwrap();
    ours.authorise(request(1, 6, 1)).unwrap();
    let again = ours.import(&theirs.export().unwrap()).unwrap();
    assert_eq!(again.raised, 0);
}

/// An exported record of one key, of which all but the key is given.
fn exported_with(rest: &str) -> String {
    let key = key(1);
    format!(
        r#"{{"format": "quartet-signing-record", "version": 1,
            "validators": [{{"public_key": "{key}", {rest}}}]}}"#
    )
}

#[test]
fn a_record_exported_before_there_were_sources_is_taken_in() {
    let fixture = Fixture::new();
    let record = fixture.open();
    record.authorise(vote(1, 5, 4)).unwrap();
    let json = exported_with(r#""signed": [{"epoch": 7}]"#);
    record.import(&json).unwrap();
    assert_eq!(record.highest_epoch(&key(1)), Some(7));
    assert_eq!(record.highest_source(&key(1)), Some(4));
}

#[test]
fn what_is_no_exported_record_is_refused_whole() {
    let fixture = Fixture::new();
    let record = fixture.open();
    for json in [
        "",
        "[]",
        r#"{"format": "eip-3076", "version": 5, "validators": []}"#,
        r#"{"format": "quartet-signing-record", "version": 2, "validators": []}"#,
        r#"{"format": "quartet-signing-record", "version": 1, "validators": [{"public_key": "0x12", "signed": []}]}"#,
        &exported_with(r#""source_slot": 7, "signed": []"#),
        &exported_with(r#""source_slot": 7, "signed": [{"epoch": 7}, {"epoch": 6}]"#),
        &exported_with(r#""source_slot": -1, "signed": [{"epoch": 7}]"#),
    ] {
        assert!(record.import(json).is_err(), "{json}");
    }
    drop(record);
    assert!(RecordView::read(&fixture.path).unwrap().keys().is_empty());
}

fn requests() -> impl Strategy<Value = Vec<SigningRequest>> {
    let one = (0..2u8, 0..24u64, 0..3u8).prop_map(|(k, epoch, r)| SigningRequest {
        // The root covers the source: the same message has the same one. Any below the epoch, or none.
        source: Some((epoch * 7 + u64::from(r) * 5) % 24).filter(|source| *source < epoch),
        ..request(k, epoch, r)
    });
    proptest::collection::vec(one, 0..40)
}

fn all_requests() -> impl Iterator<Item = SigningRequest> {
    let epochs = (0..2).flat_map(|key| (0..25).map(move |epoch| (key, epoch)));
    epochs.flat_map(|(key, epoch)| (0..3).map(move |root| request(key, epoch, root)))
}

fn sources(log: &Log) -> [Option<u64>; 2] {
    [0, 1].map(|number| log.history.highest_source(&key(number)))
}

fn refused(log: &Log) -> Vec<SigningRequest> {
    let judged = all_requests().filter(|request| log.history.judge(request).is_err());
    judged.collect()
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

    #[test]
    fn the_highest_granted_source_is_known_after_restarts_and_rewritings(
        batches in proptest::collection::vec(requests(), 1..4),
    ) {
        let fixture = Fixture::new();
        let mut highest = [None; 2];
        for batch in batches {
            let mut log = Log::open(&fixture.path).unwrap();
            log.rewrite_at = 1;
            let verdicts = log.authorise(&batch).unwrap();
            let granted = batch.iter().zip(verdicts).filter(|(_, verdict)| verdict.is_ok());
            for (request, _) in granted {
                let number = usize::from(request.public_key.0[0]);
                highest[number] = highest[number].max(request.source);
            }
            prop_assert_eq!(sources(&log), highest);
            drop(log);
            prop_assert_eq!(sources(&Log::open(&fixture.path).unwrap()), highest);
        }
    }

    #[test]
    fn no_bytes_make_opening_a_record_panic_or_grant_what_they_hold(
        signed in 1..6u64, at in 0..2000usize, with in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let fixture = Fixture::new();
        let mut log = Log::open(&fixture.path).unwrap();
        for epoch in 1..=signed {
            log.authorise(&[request(1, epoch, 1)]).unwrap();
        }
        drop(log);
        let mut bytes = fs::read(&fixture.path).unwrap();
        let at = at % bytes.len();
        let end = bytes.len().min(at + with.len());
        bytes.splice(at..end, with);
        fs::write(&fixture.path, bytes).unwrap();
        if let Ok(log) = Log::open(&fixture.path) {
            // Only the last group may have been taken for unfinished; what is before it still counts.
            prop_assert!(log.history.highest_epoch(&key(1)).unwrap_or(0) + 1 >= signed);
        }
    }

    #[test]
    fn an_import_refuses_all_that_either_side_refused(ours in requests(), theirs in requests()) {
        let (one, two) = (Fixture::new(), Fixture::new());
        let mut log = Log::open(&one.path).unwrap();
        log.authorise(&ours).unwrap();
        let mut other = Log::open(&two.path).unwrap();
        other.authorise(&theirs).unwrap();
        let before = [refused(&log), refused(&other)].concat();
        let (our_sources, their_sources) = (sources(&log), sources(&other));
        let expected = [0, 1].map(|key| our_sources[key].max(their_sources[key]));
        let imported = crate::record::interchange::parse(
            &crate::record::interchange::export(other.history())).unwrap();
        log.import(&imported).unwrap();
        prop_assert_eq!(sources(&log), expected);
        let check = |log: &Log| before.iter().all(|r| log.history.judge(r).is_err());
        prop_assert!(check(&log));
        drop(log);
        let log = Log::open(&one.path).unwrap();
        prop_assert!(check(&log));
        prop_assert_eq!(sources(&log), expected);
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
