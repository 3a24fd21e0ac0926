//! Keys that have signed before: copied, moved, edited, on a network that was started anew, beside another signer. Nothing
//! may sign twice in an epoch, whatever the signing record knows.

#![allow(clippy::unwrap_used, reason = "in a test, an unwrap is an assertion")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use quartet_keystore::{
    ForeignFormat, KeyError, KeyFileProblem, KeyRequest, Loading, MachineLocks, MarkError,
    MarkReport, Marks, NewKey, SignError, Signer, SigningDuty, convert, copy_mark, export,
    generate, inspect, keystore_file_name, load_signer_with,
    record::{Refusal, Sighting, SigningRecord, SigningRequest},
    reserve, set_mark, sign_many,
};
use quartet_types::{PublicKey, Root};
use quartet_xmss::Scheme;

/// A validator's key in a directory, and places for further copies of it and for records.
struct Fixture {
    directory: tempfile::TempDir,
    public_key: PublicKey,
}

/// Whether its secret is public.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Value,
    Test,
}

impl Fixture {
    fn new(purpose: Purpose) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let new = NewKey {
            scheme: Scheme::Test,
            activation_epoch: 0,
            active_epochs: 128,
            passphrase: None,
            public_test_key: purpose == Purpose::Test,
        };
        let path = directory.path().join("keys").join(keystore_file_name(0));
        let public_key = generate(&path, &new, &|_| {}).unwrap();
        Self {
            directory,
            public_key,
        }
    }

    fn at(&self, name: impl AsRef<Path>) -> PathBuf {
        self.directory.path().join(name)
    }

    fn keys(&self) -> PathBuf {
        self.at("keys")
    }

    fn mark(&self) -> PathBuf {
        self.keys().join("validator_0.mark")
    }

    /// Copies files of the key to another directory, as an operator would.
    fn copy(&self, names: &[&str], to: &str) -> PathBuf {
        let to = self.at(to);
        fs::create_dir_all(&to).unwrap();
        for name in names {
            fs::copy(self.keys().join(name), to.join(name)).unwrap();
        }
        to
    }

    /// Loads the key from a directory with a record of its own name.
    fn load_with(
        &self,
        keys: &Path,
        record: &str,
        loading: &Loading<'_>,
    ) -> Result<Signer, KeyError> {
        let record = SigningRecord::open(&self.at(record).join("signing-record")).unwrap();
        let request = KeyRequest {
            index: 0,
            public_key: self.public_key,
            file: None,
        };
        load_signer_with(keys, &request, loading, &record, &|_| {})
    }

    fn load(&self, keys: &Path, record: &str) -> Result<Signer, KeyError> {
        self.load_with(keys, record, &Loading::default())
    }

    fn signer(&self, record: &str) -> Signer {
        self.load(&self.keys(), record).unwrap()
    }
}

fn root(number: u8) -> Root {
    Root::repeat_byte(number)
}

fn problem(error: KeyError) -> KeyFileProblem {
    match error {
        KeyError::File { problem, .. } => *problem,
        missing @ KeyError::Missing { .. } => panic!("{missing}"),
    }
}

fn refusal(signer: &Signer, epoch: u64, message: u8) -> Refusal {
    match signer.sign(epoch, root(message)).unwrap_err() {
        SignError::Refused(refusal) => refusal,
        other => panic!("{other}"),
    }
}

const YAML: &str = "validator_0.yaml";
const TREES: &str = "validator_0.trees";
const MARK: &str = "validator_0.mark";

#[test]
fn a_network_started_anew_with_the_same_keys_signs_no_epoch_again() {
    let fixture = Fixture::new(Purpose::Value);
    let old = fixture.signer("old network");
    for epoch in 1..=40 {
        old.prepare(epoch).unwrap();
        old.sign(epoch, root(1)).unwrap();
    }
    drop(old);
    // Another data directory, another genesis: epochs begin at 0 again, and no start guard is armed before genesis.
    let new = fixture.signer("new network");
    for epoch in 1..=40 {
        let free_from = 41;
        assert_eq!(
            refusal(&new, epoch, 2),
            Refusal::BelowMark { epoch, free_from }
        );
    }
    new.sign(41, root(2)).unwrap();
}

#[test]
fn a_relaunched_network_is_told_of_the_two_ways_on() {
    let fixture = Fixture::new(Purpose::Value);
    let old = fixture.signer("old network");
    old.sign(40, root(1)).unwrap();
    drop(old);
    let new = fixture.signer("new network");
    for slot in [33, 40, 41, 1_000] {
        new.check_slot(slot).unwrap();
    }
    for slot in [0, 5, 32] {
        let error = new.check_slot(slot).unwrap_err();
        let said = error.to_string();
        for part in [
            "validator_0.yaml",
            "quartet keys generate --directory",
            "--unsafe-reuse-keys",
        ] {
            assert!(said.contains(part), "{said}");
        }
        let problem = problem(error);
        assert!(
            matches!(problem, KeyFileProblem::UsedAhead { free_from: 41, slot: s } if s == slot)
        );
    }
    drop(new);
    // Who gives up the keys' security signs, and the mark still goes on for whoever does not.
    let given_up = Loading {
        marks: Marks::GivenUp,
        ..Loading::default()
    };
    let reckless = fixture
        .load_with(&fixture.keys(), "newer network", &given_up)
        .unwrap();
    reckless.check_slot(0).unwrap();
    reckless.sign(1, root(2)).unwrap();
    reckless.prepare(60).unwrap();
    reckless.sign(60, root(2)).unwrap();
    drop(reckless);
    assert_eq!(fixture.signer("newest network").free_from(), Some(61));
}

#[test]
fn public_test_keys_have_neither_mark_nor_machine_wide_lock() {
    let fixture = Fixture::new(Purpose::Test);
    let first = fixture.signer("one network");
    first.sign(40, root(1)).unwrap();
    assert!(first.is_public_test_key() && first.free_from().is_none());
    let copies = fixture.copy(&[YAML, TREES], "copies");
    let second = fixture.load(&copies, "another network").unwrap();
    second.check_slot(0).unwrap();
    second.sign(1, root(2)).unwrap();
    assert!(!fixture.mark().exists());
    assert_eq!(
        inspect(&copies.join(YAML), None).unwrap().mark,
        MarkReport::Exempt
    );
}

#[test]
fn a_deleted_or_older_record_makes_no_epoch_free() {
    let fixture = Fixture::new(Purpose::Value);
    let signer = fixture.signer("data");
    signer.sign(9, root(1)).unwrap();
    drop(signer);
    let record = fixture.at("data/signing-record");
    let backup = fs::read(&record).unwrap();
    let signer = fixture.signer("data");
    signer.sign(30, root(1)).unwrap();
    drop(signer);
    fs::write(&record, backup).unwrap();
    // No start guard: the clock is so far behind that genesis seems to be ahead.
    let (epoch, free_from) = (20, 31);
    assert_eq!(
        refusal(&fixture.signer("data"), 20, 2),
        Refusal::BelowMark { epoch, free_from }
    );
    fs::remove_dir_all(fixture.at("data")).unwrap();
    let signer = fixture.signer("data");
    assert_eq!(
        refusal(&signer, 20, 2),
        Refusal::BelowMark { epoch, free_from }
    );
    signer.sign(31, root(2)).unwrap();
}

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
            export(
                &fixture.keys().join(YAML),
                &fixture.at(to),
                5,
                format,
                0,
                None,
                &|_| {},
            )
        };
        let import =
            |from: &Path, to: &str| convert(from, &fixture.at(to), None, None, None, &|_| {});
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

#[test]
fn what_an_editor_saves_while_a_node_runs_gives_no_second_signer() {
    let fixture = Fixture::new(Purpose::Value);
    let signer = fixture.signer("data");
    let yaml = fixture.keys().join(YAML);
    // Saved as editors do: a new file takes the name.
    let text = fs::read_to_string(&yaml).unwrap();
    fs::write(
        fixture.keys().join("validator_0.yaml~"),
        format!("# Edited.\n{text}"),
    )
    .unwrap();
    fs::rename(fixture.keys().join("validator_0.yaml~"), &yaml).unwrap();
    let error = fixture.load(&fixture.keys(), "other data").unwrap_err();
    assert!(matches!(problem(error), KeyFileProblem::InUse));
    drop(signer);
    fixture.load(&fixture.keys(), "other data").unwrap();
}

#[test]
fn a_copy_of_a_key_in_use_gives_no_second_signer() {
    let fixture = Fixture::new(Purpose::Value);
    let signer = fixture.signer("data");
    let copies = fixture.copy(&[YAML, TREES, MARK], "copies");
    let error = fixture.load(&copies, "other data").unwrap_err();
    assert!(matches!(problem(error), KeyFileProblem::InUse));
    assert!(matches!(
        problem(set_mark(&copies.join(YAML), 0).unwrap_err()),
        KeyFileProblem::InUse
    ));
    drop(signer);
    fixture.load(&copies, "other data").unwrap();
    // Unlike what tests do with scopes of their own.
    let apart = Loading {
        locks: MachineLocks::scoped("apart"),
        ..Loading::default()
    };
    let signer = fixture.load(&copies, "other data").unwrap();
    fixture.load_with(&fixture.keys(), "data", &apart).unwrap();
    drop(signer);
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

/// A signature of the key that was seen on the network.
fn seen(fixture: &Fixture, epoch: u64, message: u8) -> SigningRequest {
    SigningRequest {
        public_key: fixture.public_key,
        epoch,
        message_root: root(message),
        source: epoch.checked_sub(2),
    }
}

#[test]
fn a_signature_seen_that_was_not_granted_here_stops_the_key() {
    for (epoch, message) in [(11, 1), (10, 2), (9, 1), (90, 1)] {
        let fixture = Fixture::new(Purpose::Value);
        let signer = fixture.signer("data");
        signer.record().started_in(5).unwrap();
        signer.sign(8, root(1)).unwrap();
        signer.sign(10, root(1)).unwrap();
        let ours = [seen(&fixture, 8, 1), seen(&fixture, 10, 1)];
        assert_eq!(signer.record().sight(&ours).unwrap(), [Sighting::Known; 2]);
        if epoch == 11 {
            signer.sign(11, root(7)).unwrap();
        }
        let theirs = [seen(&fixture, epoch, message)];
        assert_eq!(
            signer.record().sight(&theirs).unwrap(),
            [Sighting::SecondSigner]
        );
        for epoch in [10, 12, 100] {
            let refused = refusal(&signer, epoch, 1);
            assert!(matches!(refused, Refusal::SecondSigner { .. }), "{refused}");
            assert!(
                refused
                    .to_string()
                    .contains("somebody else has signed with this key")
            );
        }
    }
}

#[test]
fn signatures_of_an_earlier_life_raise_record_and_mark_and_stop_nothing() {
    let fixture = Fixture::new(Purpose::Value);
    let signer = fixture.signer("a new data directory");
    signer.record().started_in(30).unwrap();
    let earlier = [
        seen(&fixture, 28, 1),
        seen(&fixture, 30, 1),
        seen(&fixture, 29, 1),
    ];
    assert_eq!(
        signer.record().sight(&earlier).unwrap(),
        [Sighting::Earlier; 3]
    );
    signer.record().raise(&earlier).unwrap();
    reserve(&[&signer], 30).pop().unwrap().unwrap();
    assert_eq!(
        (signer.last_signed(), signer.last_source()),
        (Some(30), Some(28))
    );
    signer.sign(31, root(1)).unwrap();
    drop(signer);
    // Not even the same message: it was not this record that granted it. And no start guard is needed.
    let signer = fixture.signer("a new data directory");
    assert!(matches!(refusal(&signer, 30, 1), Refusal::Sealed { .. }));
    assert!(matches!(
        refusal(&signer, 29, 1),
        Refusal::OlderEpoch { .. }
    ));
}

#[test]
fn what_was_signed_long_ago_is_no_second_signer() {
    let fixture = Fixture::new(Purpose::Value);
    let signer = fixture.signer("data");
    signer.record().started_in(0).unwrap();
    for epoch in 1..=40 {
        signer.prepare(epoch).unwrap();
        signer.sign(epoch, root(1)).unwrap();
    }
    // An old block is fetched. The record remembers sixteen messages.
    for epoch in 1..=40 {
        let sighting = signer.record().sight(&[seen(&fixture, epoch, 1)]).unwrap();
        assert_eq!(sighting, [Sighting::Known], "{epoch}");
    }
    assert_eq!(
        signer.record().sight(&[seen(&fixture, 25, 2)]).unwrap(),
        [Sighting::SecondSigner]
    );
}
