use std::{fs, io::Write as _, path::Path, process::Command, time::Duration};

use quartet_keystore::{NewKey, generate, keystore_file_name, load_signer, record::SigningRequest};
use quartet_types::Root;
use quartet_xmss::Scheme;

use super::*;
use crate::keys::PassphraseArgs;

fn make(directory: &Path, public_test_key: bool) -> PublicKey {
    let new = NewKey {
        scheme: Scheme::Test,
        activation_epoch: 0,
        active_epochs: 256,
        passphrase: None,
        public_test_key,
    };
    generate(
        &directory.join("keys").join(keystore_file_name(0)),
        &new,
        &|_| {},
    )
    .unwrap()
}

fn keys(directory: &Path, public_key: PublicKey, record: &str, marks: Marks) -> ValidatorKeys {
    ValidatorKeys {
        directory: directory.join("keys"),
        record: directory.join(record).join("signing-record"),
        passphrase: PassphraseArgs::default(),
        validators: vec![AssignedValidator {
            index: 0,
            key: None,
        }],
        registry: vec![public_key],
        marks,
    }
}

fn clock(slot: Slot) -> Clock {
    Clock::manual(0, Duration::from_secs(slot * 4))
}

#[tokio::test]
async fn the_start_is_when_the_keys_are_locked_however_long_that_takes() {
    let directory = tempfile::tempdir().unwrap();
    let public_key = make(directory.path(), false);
    // Reading the trees takes as long as the test likes.
    let trees = directory.path().join("keys/validator_0.trees");
    let bytes = fs::read(&trees).unwrap();
    fs::remove_file(&trees).unwrap();
    assert!(
        Command::new("mkfifo")
            .arg(&trees)
            .status()
            .unwrap()
            .success()
    );
    let clock = clock(100);
    let writer = {
        let clock = clock.clone();
        std::thread::spawn(move || {
            // Opened as soon as the key is read, which then is locked. Meanwhile another signer is stopped by the lock, but not
            // before it has signed in slot 105.
            let mut trees = fs::File::options().write(true).open(trees).unwrap();
            clock.step(6 * 4_000);
            trees.write_all(&bytes).unwrap();
        })
    };
    let record = SigningRecord::open(&directory.path().join("data/signing-record")).unwrap();
    let keys = keys(directory.path(), public_key, "data", Marks::Heeded);
    let signers = keys.load_with(&record, &clock).unwrap();
    writer.join().unwrap();
    assert_eq!(signers.len(), 1);
    let granted = |epoch| {
        let request = SigningRequest {
            public_key,
            epoch,
            message_root: Root::ZERO,
            source: None,
        };
        record.authorise(request).is_ok()
    };
    assert!(!granted(101) && !granted(105) && !granted(106) && granted(107));
}

#[tokio::test]
async fn a_relaunched_network_is_refused_unless_the_operator_gives_the_keys_up() {
    let directory = tempfile::tempdir().unwrap();
    let public_key = make(directory.path(), false);
    let request = KeyRequest {
        index: 0,
        public_key,
        file: None,
    };
    let record = SigningRecord::open(&directory.path().join("old/signing-record")).unwrap();
    let signer = load_signer(
        &directory.path().join("keys"),
        &request,
        None,
        &record,
        &|_| {},
    );
    signer.unwrap().sign(10, Root::ZERO).unwrap();
    drop(record);
    // Genesis is ahead.
    let before = Clock::manual(1_000_000, Duration::ZERO);
    let load = |record: &str, marks, clock: &Clock| {
        keys(directory.path(), public_key, record, marks).load(clock)
    };
    let error = load("new", Marks::Heeded, &before).unwrap_err();
    let said = format!("{error:#}");
    for part in [
        "no key of this node can be used",
        "quartet keys generate",
        "--unsafe-reuse-keys",
    ] {
        assert!(said.contains(part), "{said}");
    }
    // With the old network's record, the flag is not enough.
    let said = load("old", Marks::GivenUp, &before)
        .unwrap_err()
        .to_string();
    assert!(said.contains("--data-dir"), "{said}");
    assert_eq!(load("new", Marks::GivenUp, &before).unwrap().len(), 1);
    // The same network goes on.
    assert_eq!(load("old", Marks::Heeded, &clock(10)).unwrap().len(), 1);
}
