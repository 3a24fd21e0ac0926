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
use serde_json::json;

use super::{output, passphrase::PassphraseArgs, print, progress_bar, table};

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
    /// First epoch (slot) to sign in; rounded down to a multiple of 65,536.
    #[arg(long, default_value_t = 0)]
    activation_epoch: u64,
    /// How many epochs to sign in; rounded up to a multiple of 65,536, at least 131,072 (six days).
    #[arg(long, default_value_t = 1 << 18)]
    active_epochs: u64,
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
        // Whoever gives a passphrase does not expect the secret to be written in the open.
        let encrypt = self.encrypt || self.passphrase.given()?.is_some();
        let passphrase = match encrypt && !self.public_test_key {
            true => Some(self.passphrase.for_writing()?),
            false => None,
        };
        let end = self.first_index.saturating_add(self.count);
        // Before minutes are spent on the first ones.
        for index in self.first_index..end {
            let path = self.directory.join(keystore_file_name(index));
            if path.exists() {
                bail!("{} exists already; not replacing a key", path.display());
            }
        }
        let mut made = Vec::new();
        for index in self.first_index..end {
            let new = NewKey {
                scheme: Scheme::Production,
                activation_epoch: self.activation_epoch,
                active_epochs: self.active_epochs,
                passphrase: passphrase.as_ref(),
                public_test_key: self.public_test_key,
            };
            let public_key = make_key(&self.directory, index, &new)?;
            made.push((index, public_key));
            // After each, so that what is made is never without its entry.
            add_to_manifest(&self.directory, index, keystore_file_name(index))?;
        }
        self.report(&made)
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

/// Makes one key under a bar.
pub(crate) fn make_key(
    directory: &Path,
    index: ValidatorIndex,
    new: &NewKey<'_>,
) -> anyhow::Result<PublicKey> {
    fs::create_dir_all(directory).with_context(|| format!("{}", directory.display()))?;
    let path = directory.join(keystore_file_name(index));
    let bar = progress_bar(&format!("validator {index}"));
    let public_key = generate(&path, new, &output::advance(&bar));
    bar.finish_and_clear();
    Ok(public_key?)
}

/// Enters a key that is in the directory into its manifest, in the place of an older entry of the validator.
pub(super) fn add_to_manifest(
    directory: &Path,
    index: ValidatorIndex,
    secret_key_file: PathBuf,
) -> anyhow::Result<()> {
    let key = inspect(&directory.join(&secret_key_file), None)?;
    let path = directory.join(MANIFEST_FILE);
    let mut manifest = match path.exists() {
        true => KeyManifest::read(&path)?,
        false => KeyManifest {
            scheme: Some(PRODUCTION_SCHEME.to_owned()),
            log_active_epochs: log2(key.active.end - key.active.start),
            validators: Vec::new(),
        },
    };
    manifest.validators.retain(|entry| entry.index != index);
    manifest.validators.push(ManifestEntry {
        index,
        public_key: key.public_key,
        secret_key_file,
    });
    // Scripts of other tools take the position in the list for the index.
    manifest.validators.sort_by_key(|entry| entry.index);
    Ok(manifest.write(&path)?)
}

/// The exponent, of powers of two.
fn log2(epochs: u64) -> Option<u8> {
    let exponent = epochs.is_power_of_two().then(|| epochs.ilog2())?;
    u8::try_from(exponent).ok()
}
