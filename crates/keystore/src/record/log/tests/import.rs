//! Exported records that are imported.

use super::*;

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

#[test]
fn an_imported_record_that_disagrees_marks_the_epoch_as_used() {
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
            Refusal::MarkedAsUsed { epoch: 5 }
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

fn all_requests() -> impl Iterator<Item = SigningRequest> {
    let epochs = (0..2).flat_map(|key| (0..25).map(move |epoch| (key, epoch)));
    epochs.flat_map(|(key, epoch)| (0..3).map(move |root| request(key, epoch, root)))
}

fn refused(log: &Log) -> Vec<SigningRequest> {
    let judged = all_requests().filter(|request| log.history.decide(request).is_err());
    judged.collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

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
        let check = |log: &Log| before.iter().all(|r| log.history.decide(r).is_err());
        prop_assert!(check(&log));
        drop(log);
        let log = Log::open(&one.path).unwrap();
        prop_assert!(check(&log));
        prop_assert_eq!(sources(&log), expected);
    }
}
