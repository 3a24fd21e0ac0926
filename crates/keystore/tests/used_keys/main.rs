//! Keys that have signed before: copied, moved, edited, on a network that was started anew, beside another signer.
//! Nothing may sign twice in an epoch, whatever the signing record knows.

#![allow(clippy::unwrap_used, reason = "in a test, an unwrap is an assertion")]

mod marks;
mod second_signers;

use std::{
    fs,
    path::{Path, PathBuf},
};

use quartet_keystore::{
    ForeignFormat, KeyConversion, KeyError, KeyExport, KeyFileProblem, KeyRequest, Loading,
    MachineLocks, MarkError, MarkReport, Marks, NewKey, SignError, Signer, SigningDuty, convert,
    copy_mark, export, generate, inspect, keystore_file_name, load_signer_with,
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
    // An operator who gives up the keys' security can sign, and the mark is still raised for later.
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
