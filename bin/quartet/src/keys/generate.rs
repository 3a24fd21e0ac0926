//! `quartet keys generate`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use clap::Args;
use quartet_config::{KeyManifest, MANIFEST_FILE, ManifestEntry, PRODUCTION_SCHEME};
use quartet_keystore::{NewKey, generate, inspect, keystore_file_name};
use quartet_types::{PublicKey, ValidatorIndex};
use quartet_xmss::Scheme;
use rayon::prelude::*;
use serde_json::json;

use super::{output, passphrase::PassphraseArgs, print, table};
use crate::progress::Work;

/// Short keys that are made side by side, and then entered into the manifest together: it is written anew each time.
const KEYS_AT_ONCE: usize = 64;
/// Keys of fewer epochs are short: made in less than a second.
const SHORT: u64 = 1 << 14;

/// The arguments of `quartet keys generate`.
#[derive(Debug, Args)]
pub(super) struct GenerateArgs {
    /// Directory to write the keys into; made where missing. Keys that are there are never replaced.
    #[arg(long, value_name = "DIR")]
    directory: PathBuf,
    /// How many keys to make.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    count: u64,
    /// Index of the first validator.
    #[arg(long, default_value_t = 0)]
    first_index: ValidatorIndex,
    /// First epoch (slot) to sign in.
    #[arg(long, default_value_t = 0)]
    activation_epoch: u64,
    /// How many epochs to sign in; each takes some 40 µs to make. For other clients a key needs whole trees: both
    /// numbers multiples of 65,536, and this one at least 131,072 (six days).
    #[arg(long, alias = "active-epochs", default_value_t = 1 << 18)]
    epochs: u64,
    /// Encrypt the secrets with a passphrase.
    #[arg(long)]
    encrypt: bool,
    /// Mark the secrets as public: test keys, never for value.
    #[arg(long, conflicts_with = "encrypt")]
    public_test_key: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    passphrase: PassphraseArgs,
}

impl GenerateArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        // A user who gives a passphrase does not expect the secret to be written in the open.
        let encrypt = self.encrypt || self.passphrase.given()?.is_some();
        let passphrase = if encrypt && !self.public_test_key {
            Some(self.passphrase.for_writing()?)
        } else {
            None
        };
        let end = self.first_index.saturating_add(self.count);
        // Before minutes are spent on the first ones.
        for index in self.first_index..end {
            let path = self.directory.join(keystore_file_name(index));
            if path.exists() {
                bail!("{} exists already; not replacing a key", path.display());
            }
        }
        let new = NewKey {
            scheme: Scheme::Production,
            activation_epoch: self.activation_epoch,
            active_epochs: self.epochs,
            passphrase: passphrase.as_ref(),
            public_test_key: self.public_test_key,
        };
        let indices: Vec<_> = (self.first_index..end).collect();
        // One long key has work for all threads, and a bar of its own.
        let at_once = if self.epochs < SHORT { KEYS_AT_ONCE } else { 1 };
        let mut made = Vec::new();
        for some in indices.chunks(at_once) {
            made.extend(self.make(some, &new)?);
        }
        self.report(&made)
    }

    /// Makes some keys in parallel. Keys that were made are entered into the manifest even if another one fails.
    fn make(
        &self,
        indices: &[ValidatorIndex],
        new: &NewKey<'_>,
    ) -> anyhow::Result<Vec<(ValidatorIndex, PublicKey)>> {
        let results: Vec<anyhow::Result<_>> = match indices {
            [index] => vec![make_key(&self.directory, *index, new)],
            _ => make_keys(&self.directory, indices, new)?,
        };
        let results = indices.iter().copied().zip(results);
        let results: Vec<anyhow::Result<_>> =
            results.map(|(index, made)| Ok((index, made?))).collect();
        let made = results.iter().flatten().map(|(index, _)| *index);
        let files: Vec<_> = made
            .map(|index| (index, keystore_file_name(index)))
            .collect();
        add_all_to_manifest(&self.directory, &files)?;
        results.into_iter().collect()
    }

    fn report(&self, made: &[(ValidatorIndex, PublicKey)]) -> anyhow::Result<()> {
        let file = |index| self.directory.join(keystore_file_name(index));
        if self.json {
            let keys = made.iter().map(|(index, public_key)| {
                json!({ "index": index, "public_key": public_key, "file": file(*index) })
            });
            return output::print_json(&json!(keys.collect::<Vec<_>>()));
        }
        let mut rows = vec![["validator", "public key", "file"].map(str::to_owned)];
        rows.extend(made.iter().map(|(index, public_key)| {
            let file = file(*index).display().to_string();
            [index.to_string(), public_key.to_string(), file]
        }));
        print(&table(&rows))
    }
}

/// Makes one key and shows how far it is.
pub(crate) fn make_key(
    directory: &Path,
    index: ValidatorIndex,
    new: &NewKey<'_>,
) -> anyhow::Result<PublicKey> {
    fs::create_dir_all(directory).with_context(|| format!("{}", directory.display()))?;
    let path = directory.join(keystore_file_name(index));
    let work = Work::start(format!("validator {index}"), 1);
    let public_key = generate(&path, new, &output::advance(&work));
    work.finish();
    Ok(public_key?)
}

/// Makes keys side by side and shows how far it is; the results are in order.
fn make_keys(
    directory: &Path,
    indices: &[ValidatorIndex],
    new: &NewKey<'_>,
) -> anyhow::Result<Vec<anyhow::Result<PublicKey>>> {
    fs::create_dir_all(directory).with_context(|| format!("{}", directory.display()))?;
    let work = Work::start(
        format!("validators from {}", indices[0]),
        indices.len() as u64,
    );
    let make = |index: &ValidatorIndex| {
        let made = generate(&directory.join(keystore_file_name(*index)), new, &|_| {});
        work.add(1);
        Ok(made?)
    };
    let results = indices.par_iter().map(make).collect();
    work.finish();
    Ok(results)
}

/// Enters a key that is in the directory into its manifest, in the place of an older entry of the validator.
pub(super) fn add_to_manifest(
    directory: &Path,
    index: ValidatorIndex,
    secret_key_file: PathBuf,
) -> anyhow::Result<()> {
    add_all_to_manifest(directory, &[(index, secret_key_file)])
}

/// Enters keys that are in the directory into its manifest, in the places of older entries.
fn add_all_to_manifest(
    directory: &Path,
    files: &[(ValidatorIndex, PathBuf)],
) -> anyhow::Result<()> {
    let path = directory.join(MANIFEST_FILE);
    let mut manifest = None;
    for (index, secret_key_file) in files {
        let key = inspect(&directory.join(secret_key_file), None)?;
        let manifest = match &mut manifest {
            Some(manifest) => manifest,
            None if path.exists() => manifest.insert(KeyManifest::read(&path)?),
            None => manifest.insert(KeyManifest {
                scheme: Some(PRODUCTION_SCHEME.to_owned()),
                log_active_epochs: log2(key.active.end - key.active.start),
                validators: Vec::new(),
            }),
        };
        manifest.validators.retain(|entry| entry.index != *index);
        manifest.validators.push(ManifestEntry {
            index: *index,
            public_key: key.public_key,
            secret_key_file: secret_key_file.clone(),
        });
    }
    let Some(mut manifest) = manifest else {
        return Ok(());
    };
    // Scripts of other tools take the position in the list for the index.
    manifest.validators.sort_by_key(|entry| entry.index);
    Ok(manifest.write(&path)?)
}

/// The exponent, of powers of two.
fn log2(epochs: u64) -> Option<u8> {
    let exponent = epochs.is_power_of_two().then(|| epochs.ilog2())?;
    u8::try_from(exponent).ok()
}
