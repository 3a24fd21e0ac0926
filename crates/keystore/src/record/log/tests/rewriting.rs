//! A log that grows, is rewritten, or is of the former format.

use super::*;

/// A log of the format before there were headers.
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
    let full = log.preallocate().unwrap_err();
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
    log.preallocate().unwrap();
    assert_eq!(sign(&mut log, room).unwrap(), room);
    let highest = log.history.highest_epoch(&key(1));
    drop(log);
    assert_eq!(fixture.open().highest_epoch(&key(1)), highest);
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

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
}
