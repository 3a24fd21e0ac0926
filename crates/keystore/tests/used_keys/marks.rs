//! High-water marks.

use super::*;

#[test]
fn the_mark_is_on_disk_before_the_record_and_the_signature() {
    let fixture = Fixture::new(Purpose::Value);
    let signer = fixture.signer("data");
    let mark = || inspect(&fixture.keys().join(YAML), None).unwrap().mark;
    assert_eq!(mark(), MarkReport::FreeFrom(0));
    // The record refuses, as it would if the process ended between the two: the epoch is given up all the same.
    signer.sign(9, root(1)).unwrap();
    assert_eq!(mark(), MarkReport::FreeFrom(10));
    reserve(&[&signer], 10).pop().unwrap().unwrap();
    assert_eq!(mark(), MarkReport::FreeFrom(11));
    drop(signer);
    let signer = fixture.signer("data");
    let (epoch, free_from) = (10, 11);
    assert_eq!(
        refusal(&signer, 10, 1),
        Refusal::BelowMark { epoch, free_from }
    );
    // What the record has is the same signature again.
    signer.sign(9, root(1)).unwrap();
    // Not even the clock of a year ahead raises the mark beyond what the key can sign.
    reserve(&[&signer], 10_000_000).pop().unwrap().unwrap();
    assert_eq!(mark(), MarkReport::FreeFrom(11));
}

#[cfg(target_os = "linux")]
#[test]
fn a_mark_that_cannot_be_raised_stops_its_validator_alone() {
    let fixture = Fixture::new(Purpose::Value);
    let other = Fixture::new(Purpose::Value);
    let record = SigningRecord::open(&fixture.at("record")).unwrap();
    // Every write to it fails, as on a full disk.
    let full = fixture.mark();
    let load = |fixture: &Fixture| {
        let request = KeyRequest {
            index: 0,
            public_key: fixture.public_key,
            file: None,
        };
        load_signer_with(
            &fixture.keys(),
            &request,
            &Loading::default(),
            &record,
            &|_| {},
        )
    };
    fs::remove_file(&full).unwrap();
    std::os::unix::fs::symlink("/dev/full", &full).unwrap();
    let error = problem(load(&fixture).unwrap_err());
    assert!(matches!(error, KeyFileProblem::Mark(_)), "{error}");
    let signer = load(&other).unwrap();
    let duties = [(&signer, 5)].map(|(signer, epoch)| SigningDuty {
        signer,
        epoch,
        message_root: root(1),
        source: None,
    });
    assert!(sign_many(&duties).iter().all(Result::is_ok));
}

#[test]
fn a_key_without_the_mark_that_it_must_have_is_not_loaded() {
    let fixture = Fixture::new(Purpose::Value);
    let signer = fixture.signer("data");
    signer.sign(9, root(1)).unwrap();
    drop(signer);
    let copies = fixture.copy(&[YAML, TREES], "copies");
    let error = problem(fixture.load(&copies, "data").unwrap_err());
    assert!(matches!(
        error,
        KeyFileProblem::Mark(MarkError::Missing { .. })
    ));
    assert!(error.to_string().contains("quartet keys mark"), "{error}");
    assert_eq!(
        inspect(&copies.join(YAML), None).unwrap().mark,
        MarkReport::Missing
    );
    // The operator says how far it may have signed.
    assert_eq!(set_mark(&copies.join(YAML), 30).unwrap(), 30);
    assert_eq!(set_mark(&copies.join(YAML), 7).unwrap(), 30);
    let signer = fixture.load(&copies, "elsewhere").unwrap();
    assert!(matches!(refusal(&signer, 29, 1), Refusal::BelowMark { .. }));
    signer.sign(30, root(1)).unwrap();
}

#[test]
fn a_damaged_mark_or_another_keys_is_an_error() {
    let fixture = Fixture::new(Purpose::Value);
    let whole = fs::read(fixture.mark()).unwrap();
    for damaged in [&[][..], &whole[..100], &vec![0; whole.len()]] {
        fs::write(fixture.mark(), damaged).unwrap();
        let error = problem(fixture.load(&fixture.keys(), "data").unwrap_err());
        assert!(matches!(
            error,
            KeyFileProblem::Mark(MarkError::Damaged { .. })
        ));
    }
    let other = Fixture::new(Purpose::Value);
    fs::copy(other.mark(), fixture.mark()).unwrap();
    let error = problem(fixture.load(&fixture.keys(), "data").unwrap_err());
    assert!(matches!(
        error,
        KeyFileProblem::Mark(MarkError::AnotherKey { .. })
    ));
    // Nor does a new key take the place of one whose mark is left.
    fs::remove_file(fixture.keys().join(YAML)).unwrap();
    let new = NewKey {
        scheme: Scheme::Test,
        activation_epoch: 0,
        active_epochs: 32,
        passphrase: None,
        public_test_key: false,
    };
    let error = generate(&fixture.keys().join(YAML), &new, &|_| {}).unwrap_err();
    assert!(matches!(
        problem(error),
        KeyFileProblem::Mark(MarkError::AnotherKey { .. })
    ));
    assert!(!fixture.keys().join(YAML).exists());
}

#[test]
fn a_key_from_before_there_were_marks_begins_one_by_its_record() {
    let fixture = Fixture::new(Purpose::Value);
    let yaml = fixture.keys().join(YAML);
    let text = fs::read_to_string(&yaml).unwrap();
    let without = text.replace("high_water_mark: required\n", "");
    assert_ne!(text, without);
    fs::write(&yaml, without).unwrap();
    let signer = fixture.signer("data");
    signer.sign(9, root(1)).unwrap();
    drop(signer);
    fs::remove_file(fixture.mark()).unwrap();
    assert_eq!(inspect(&yaml, None).unwrap().mark, MarkReport::NotBegun);
    drop(fixture.signer("data"));
    assert_eq!(inspect(&yaml, None).unwrap().mark, MarkReport::FreeFrom(10));
    let new = fixture.signer("new network");
    assert!(matches!(refusal(&new, 9, 2), Refusal::BelowMark { .. }));
}

#[test]
fn importing_exporting_and_copying_take_the_mark_along() {
    for format in [ForeignFormat::Ssz, ForeignFormat::Json] {
        let fixture = Fixture::new(Purpose::Value);
        let signer = fixture.signer("data");
        signer.sign(9, root(1)).unwrap();
        // A key in use would sign on after its mark has been copied.
        let export = |to: &str| {
            let key = KeyExport {
                source: &fixture.keys().join(YAML),
                directory: &fixture.at(to),
                index: 5,
                format,
                epoch: 0,
                passphrase: None,
            };
            export(key, &|_| {})
        };
        let import = |source: &Path, to: &str| {
            let conversion = KeyConversion {
                source,
                target: &fixture.at(to),
                expected: None,
                source_passphrase: None,
                target_passphrase: None,
            };
            convert(conversion, &|_| {})
        };
        let refused = [
            export("exported").unwrap_err(),
            import(&fixture.keys().join(YAML), "imported/validator_3.yaml").unwrap_err(),
        ];
        for error in refused {
            assert!(matches!(problem(error), KeyFileProblem::InUse));
        }
        drop(signer);

        let (name, _) = export("exported").unwrap();
        let exported = fixture.at("exported").join(name);
        import(&exported, "imported/validator_3.yaml").unwrap();
        let imported = fixture.at("imported/validator_3.yaml");
        fs::create_dir(fixture.at("copied")).unwrap();
        let copied = fixture.at("copied/validator_4.yaml");
        fs::copy(&imported, &copied).unwrap();
        copy_mark(&imported, &copied, &fixture.public_key).unwrap();
        for (path, index) in [(exported, 5), (imported, 3), (copied, 4)] {
            assert_eq!(inspect(&path, None).unwrap().mark, MarkReport::FreeFrom(10));
            let record = SigningRecord::open(&fixture.at("a record").join(index.to_string()));
            let request = KeyRequest {
                index,
                public_key: fixture.public_key,
                file: None,
            };
            let keys = path.parent().unwrap();
            let loaded = load_signer_with(
                keys,
                &request,
                &Loading::default(),
                &record.unwrap(),
                &|_| {},
            );
            assert!(matches!(
                refusal(&loaded.unwrap(), 9, 2),
                Refusal::BelowMark { .. }
            ));
        }
    }
}

#[cfg(unix)]
#[test]
fn links_to_a_key_lead_to_one_mark() {
    let fixture = Fixture::new(Purpose::Value);
    for name in ["one", "two"] {
        fs::create_dir(fixture.at(name)).unwrap();
        for file in [YAML, TREES] {
            let link = fixture.at(name).join(file);
            std::os::unix::fs::symlink(fixture.keys().join(file), link).unwrap();
        }
    }
    let signer = fixture.load(&fixture.at("one"), "data").unwrap();
    signer.sign(9, root(1)).unwrap();
    let error = fixture.load(&fixture.at("two"), "other data").unwrap_err();
    assert!(matches!(problem(error), KeyFileProblem::InUse));
    drop(signer);
    let signer = fixture.load(&fixture.at("two"), "other data").unwrap();
    assert_eq!(signer.free_from(), Some(10));
}
