//! A process that asks the signing record in a loop is killed again and again, at moments that nobody
//! chooses. Over all its lives, no epoch may have been granted to two messages.

#![allow(clippy::unwrap_used, reason = "in a test, an unwrap is an assertion")]

use std::{
    collections::HashMap,
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Command, Stdio},
};

use quartet_keystore::record::{SigningRecord, SigningRequest};
use quartet_types::{PublicKey, Root};

const RECORD: &str = "QUARTET_TEST_RECORD";
const LIFE: &str = "QUARTET_TEST_LIFE";
const LIVES: u64 = 60;

fn key(number: u8) -> PublicKey {
    PublicKey([number; 52])
}

/// The signer's life; only does something when the test below starts it. It begins some epochs back and
/// asks for messages that no other life asks for, so every epoch that two lives were granted would show.
#[test]
fn signer() {
    let (Ok(path), Ok(life)) = (std::env::var(RECORD), std::env::var(LIFE)) else {
        return;
    };
    let life: u64 = life.parse().unwrap();
    let record = SigningRecord::open(&PathBuf::from(path)).unwrap();
    let first = record.highest_epoch(&key(0)).map_or(0, |highest| {
        // The last grant may not have been reported; the oldest that is remembered surely was.
        highest.saturating_sub(20)
    });
    for epoch in first.. {
        let message_root = Root::from_slice(&[[0; 24].as_slice(), &life.to_be_bytes()].concat());
        let requests = [0, 1, 2].map(|number| SigningRequest {
            public_key: key(number),
            epoch,
            message_root,
        });
        let verdicts = record.authorise_many(&requests).unwrap();
        for (number, verdict) in verdicts.iter().enumerate() {
            if verdict.is_ok() {
                println!("granted {number} {epoch} {life}");
            }
        }
    }
}

#[test]
fn no_epoch_gets_two_messages_over_many_kills() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("signing-record");
    let mut granted: HashMap<(u64, u64), u64> = HashMap::new();
    let mut seed = u64::from(std::process::id());
    for life in 0..LIVES {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "signer", "--nocapture"])
            .env(RECORD, &path)
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
            if let Some(at) = line.find("granted ") {
                let words = line[at..].split(' ').skip(1);
                let numbers: Vec<u64> = words.filter_map(|word| word.parse().ok()).collect();
                let [validator, epoch, message] = numbers[..] else {
                    // The kill tore the last line.
                    continue;
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
    assert!(granted.len() as u64 > LIVES);
}
