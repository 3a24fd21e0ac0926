//! Files that are torn, damaged, or not ours.

use super::*;

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
fn bytes_after_the_last_group_are_damage() {
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

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
}
