//! A process that asks the signing record in a loop is killed again and again, at random moments. Over all its lives,
//! no epoch may have been granted to two messages.

#![allow(clippy::unwrap_used, reason = "in a test, an unwrap is an assertion")]

use std::{
    collections::HashMap,
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use quartet_keystore::{
    KeyRequest, Loading, MachineLocks, inspect, keystore_file_name, load_signer_with,
    record::{SigningRecord, SigningRequest},
};
use quartet_types::{PublicKey, Root};

/// Tells the child that it is one, and where it lives.
const DIRECTORY: &str = "QUARTET_TEST_DIRECTORY";
const LIFE: &str = "QUARTET_TEST_LIFE";

/// The directory and number of the child's life; nothing in a run of all tests.
fn life() -> Option<(PathBuf, u64)> {
    let directory = std::env::var_os(DIRECTORY)?;
    let life = std::env::var(LIFE).ok()?.parse().ok()?;
    Some((directory.into(), life))
}

fn open_record(directory: &Path) -> SigningRecord {
    SigningRecord::open(&directory.join("signing-record")).unwrap()
}

/// A message that no other life asks for, so that every epoch granted to two lives shows.
fn message(life: u64) -> Root {
    Root::from_slice(&[[0; 24].as_slice(), &life.to_be_bytes()].concat())
}

/// Where a life begins: some epochs back, all of which the record must refuse. The last grant may not have
/// been reported, but older ones were.
fn first_epoch(record: &SigningRecord, key: &PublicKey) -> u64 {
    record
        .highest_epoch(key)
        .map_or(0, |e| e.saturating_sub(20))
}

/// A life that asks the record alone, as fast as it goes, for three keys at once.
#[test]
fn asks_the_record() {
    let Some((directory, life)) = life() else {
        return;
    };
    let record = open_record(&directory);
    let keys = [0, 1, 2].map(|number| PublicKey([number; 52]));
    for epoch in first_epoch(&record, &keys[0]).. {
        let requests = keys.map(|public_key| SigningRequest {
            public_key,
            epoch,
            message_root: message(life),
            source: epoch.checked_sub(2),
        });
        let verdicts = record.authorise_many(&requests).unwrap();
        for (number, verdict) in verdicts.iter().enumerate() {
            if verdict.is_ok() {
                println!("granted {number} {epoch} {life} .");
            }
        }
    }
}

/// A life that signs with one of the ready-made keys.
#[test]
fn signs() {
    let Some((directory, life)) = life() else {
        return;
    };
    let record = open_record(&directory);
    let public_key = inspect(&directory.join(keystore_file_name(0)), None)
        .unwrap()
        .public_key;
    let request = KeyRequest {
        index: 0,
        public_key,
        file: None,
    };
    // Other checkouts may run this test with the same ready-made key.
    let loading = Loading {
        locks: MachineLocks::scoped(directory.display().to_string()),
        ..Loading::default()
    };
    let signer = load_signer_with(&directory, &request, &loading, &record, &|_| {}).unwrap();
    let marked = signer.free_from().unwrap_or(0).saturating_sub(20);
    for epoch in first_epoch(&record, &public_key).max(marked).. {
        if signer.sign(epoch, message(life)).is_ok() {
            println!("granted 0 {epoch} {life} .");
        }
    }
}

/// Runs `child` for many lives, each ended by SIGKILL, and checks what all of them were granted together.
fn no_epoch_gets_two_messages(
    child: &str,
    directory: &Path,
    lives: u64,
    before_each: impl Fn(&Path),
) {
    let mut granted: HashMap<(u64, u64), u64> = HashMap::new();
    let mut seed = u64::from(std::process::id());
    for life in 0..lives {
        before_each(directory);
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", child, "--nocapture"])
            .env(DIRECTORY, directory)
            .env(LIFE, life.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // The child runs on while its lines are read, so the kill falls anywhere in its loop.
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let enough = 1 + (seed >> 33) % 60;
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut read = 0;
        while let Some(Ok(line)) = lines.next() {
            // The test harness may have written the beginning of the first line.
            let words = line.find("granted ").map(|at| line[at..].split(' '));
            let words: Vec<&str> = words.into_iter().flatten().collect();
            // Without the dot, the kill tore the line.
            if let [_, numbers @ .., "."] = words.as_slice() {
                let numbers: Vec<u64> = numbers.iter().map(|n| n.parse().unwrap()).collect();
                let [validator, epoch, message] = numbers[..] else {
                    panic!("{line}");
                };
                let first = *granted.entry((validator, epoch)).or_insert(message);
                assert_eq!(first, message, "validator {validator}, epoch {epoch}");
                read += 1;
            }
            if read == enough {
                child.kill().unwrap();
            }
        }
        assert!(read >= enough, "the signer ended early");
        child.wait().unwrap();
    }
    assert!(granted.len() as u64 >= lives);
}

#[test]
fn no_epoch_is_granted_to_two_messages_over_many_kills() {
    let directory = tempfile::tempdir().unwrap();
    no_epoch_gets_two_messages("asks_the_record", directory.path(), 60, |_| {});
}

#[test]
fn no_epoch_is_signed_twice_over_many_kills() {
    let directory = tempfile::tempdir().unwrap();
    let ready_made = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../keystores");
    for name in ["validator_0.yaml", "validator_0.trees"] {
        fs::copy(ready_made.join(name), directory.path().join(name)).unwrap();
    }
    no_epoch_gets_two_messages("signs", directory.path(), 20, |_| {});
}

/// The kill falls anywhere between the mark, the record and the signature, and then the record is lost: the mark alone
/// knows what has been used.
#[test]
fn no_epoch_is_signed_twice_over_many_kills_that_lose_the_record() {
    let directory = tempfile::tempdir().unwrap();
    let ready_made = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../keystores");
    let name = "validator_0.trees";
    fs::copy(ready_made.join(name), directory.path().join(name)).unwrap();
    let name = "validator_0.yaml";
    let text = fs::read_to_string(ready_made.join(name)).unwrap();
    let secret = text.replace("purpose: public-test-key\n", "");
    assert_ne!(text, secret);
    fs::write(directory.path().join(name), secret).unwrap();
    no_epoch_gets_two_messages("signs", directory.path(), 20, |directory| {
        for name in ["signing-record", "signing-record.lock"] {
            let _ = fs::remove_file(directory.join(name));
        }
    });
}
