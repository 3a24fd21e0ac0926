//! Signers whose machine loses its power again and again, at any point of a signature: what was not synced is lost, in
//! whole or in sectors. Over all its lives, no key may have given away two signatures in an epoch.

#![allow(clippy::unwrap_used, reason = "in a test, an unwrap is an assertion")]

use std::{collections::HashMap, fs, path::PathBuf};

use quartet_keystore::{
    KeyRequest, Loading, MachineLocks, NewKey, Signer, generate, keystore_file_name,
    load_signer_with, record::SigningRecord, reserve,
};
use quartet_types::{PublicKey, Root};
use quartet_xmss::Scheme;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

/// Written as a whole or not at all.
const SECTOR: usize = 512;
/// The two headers of a record, each in a sector of its own, are the only part of it that is ever left unsynced.
const HEADERS: usize = 2 * SECTOR;
const ACTIVE_EPOCHS: u64 = 120;
/// Lives of a machine.
const LIVES: usize = 40;

/// A file, and what of it the power cannot take.
struct Sheet {
    path: PathBuf,
    durable: Vec<u8>,
}

impl Sheet {
    fn read(&self) -> Vec<u8> {
        fs::read(&self.path).unwrap_or_default()
    }

    /// All of it has been synced, but for some bytes.
    fn settle(&mut self, but: std::ops::Range<usize>) {
        let (now, before) = (self.read(), std::mem::take(&mut self.durable));
        self.durable = now;
        if before.len() >= but.end {
            self.durable[but.clone()].copy_from_slice(&before[but]);
        }
    }

    /// The power goes: of what is not durable some sectors have arrived.
    fn lose_power(&self, luck: &mut StdRng) {
        let mut left = self.durable.clone();
        let now = self.read();
        left.resize(now.len(), 0);
        let share = luck.random_range(0.0..1.0);
        for (left, now) in left.chunks_mut(SECTOR).zip(now.chunks(SECTOR)) {
            if luck.random_bool(share) {
                left.copy_from_slice(now);
            }
        }
        fs::write(&self.path, left).unwrap();
    }
}

struct Machine {
    directory: tempfile::TempDir,
    scope: String,
    /// One key has a mark, the other, whose secret is public, the record alone.
    keys: [PublicKey; 2],
    record: Sheet,
    mark: Sheet,
    lies: bool,
    luck: StdRng,
    /// Signatures that were given away.
    released: HashMap<(PublicKey, u64), Root>,
    conflicts: usize,
}

impl Machine {
    fn new(seed: u64, lies: bool) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let keys = [false, true].map(|public_test_key| {
            let new = NewKey {
                scheme: Scheme::Test,
                activation_epoch: 0,
                active_epochs: ACTIVE_EPOCHS,
                passphrase: None,
                public_test_key,
            };
            let path = keystore_file_name(public_test_key.into());
            generate(&directory.path().join(path), &new, &|_| {}).unwrap()
        });
        let sheet = |name| Sheet {
            path: directory.path().join(name),
            durable: Vec::new(),
        };
        Self {
            record: sheet("signing-record"),
            mark: sheet("validator_0.mark"),
            scope: format!("power-losses-{}-{seed}-{lies}", std::process::id()),
            directory,
            keys,
            lies,
            luck: StdRng::seed_from_u64(seed),
            released: HashMap::new(),
            conflicts: 0,
        }
    }

    fn start(&mut self) -> Result<Vec<Signer>, String> {
        let record = SigningRecord::open(&self.record.path).map_err(|error| error.to_string())?;
        let loading = Loading {
            locks: MachineLocks::scoped(self.scope.clone()),
            ..Loading::default()
        };
        let signers = (0..).zip(self.keys).map(|(index, public_key)| {
            let request = KeyRequest {
                index,
                public_key,
                file: None,
            };
            let directory = self.directory.path();
            let signer = load_signer_with(directory, &request, &loading, &record, &|_| {});
            signer.map_err(|error| error.to_string())
        });
        let signers: Vec<Signer> = signers.collect::<Result<_, _>>()?;
        if !self.lies || self.record.durable.is_empty() {
            self.record.settle(0..HEADERS);
            self.mark.settle(0..0);
        }
        Ok(signers)
    }

    /// Signs, or tries to: the power may fail before the signature is made, and then nobody gets it. Returns whether
    /// the power is still on.
    fn sign(&mut self, signer: &Signer, epoch: u64) -> bool {
        let root = Root::repeat_byte(self.luck.random_range(0..=255));
        let granted = signer.sign(epoch, root).is_ok();
        let is_marked = *signer.public_key() == self.keys[0];
        if self.luck.random_bool(0.15) {
            // While the record was written, the first line of the mark was durable by then; or before that.
            if is_marked && self.luck.random_bool(0.5) && !self.lies {
                self.mark.settle(SECTOR..2 * SECTOR);
            } else if is_marked {
                fs::write(&self.record.path, &self.record.durable).unwrap();
            }
            return false;
        }
        if granted && !self.lies {
            self.record.settle(0..0);
        }
        if is_marked && !self.lies {
            self.mark.settle(SECTOR..2 * SECTOR);
        }
        if granted {
            let key = (*signer.public_key(), epoch);
            let first = *self.released.entry(key).or_insert(root);
            self.conflicts += usize::from(first != root);
        }
        true
    }

    /// Lives on until it has had so many lives; says when it does not start any more.
    fn live(&mut self) -> Result<(), String> {
        let mut newest = 0;
        for _ in 0..LIVES {
            let signers = self.start()?;
            loop {
                let signer = &signers[self.luck.random_range(0..2)];
                let back = self.luck.random_range(0..4);
                let epoch = (newest + 2_u64).saturating_sub(back).min(ACTIVE_EPOCHS - 1);
                newest = newest.max(epoch);
                match self.luck.random_range(0..6) {
                    0 => {
                        signer.record().preallocate().unwrap();
                    }
                    1 => {
                        let kept = reserve(&[&signers[0]], epoch);
                        assert!(kept.iter().all(Result::is_ok));
                        if !self.lies {
                            self.mark.settle(SECTOR..2 * SECTOR);
                        }
                    }
                    _ if self.sign(signer, epoch) => {}
                    _ => break,
                }
                if self.luck.random_bool(0.1) {
                    break;
                }
            }
            drop(signers);
            self.record.lose_power(&mut self.luck);
            self.mark.lose_power(&mut self.luck);
        }
        Ok(())
    }
}

#[test]
fn nothing_is_signed_twice_however_often_the_power_goes() {
    let mut released = 0;
    for seed in 0..6 {
        let mut machine = Machine::new(seed, false);
        let lived = machine.live();
        assert!(lived.is_ok(), "seed {seed}: {lived:?}");
        assert_eq!(machine.conflicts, 0, "seed {seed}");
        released += machine.released.len();
    }
    assert!(released > 100, "{released}");
}

/// The test above would find a double signature if there was one.
#[test]
fn a_disk_that_only_says_that_it_has_synced_is_found_out() {
    let caught = (0..6).filter(|seed| {
        let mut machine = Machine::new(*seed, true);
        let lived = machine.live();
        lived.is_err() || machine.conflicts > 0
    });
    assert!(caught.count() > 3);
}
