//! `quartet keys import` and `quartet keys export`.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use quartet_config::{KeyManifest, MANIFEST_FILE};
use quartet_keystore::{
    ForeignFormat, KeyConversion, KeyExport, KeyRequest, convert, export, find_key,
    keystore_file_name,
};
use quartet_types::{PublicKey, ValidatorIndex};
use serde_json::json;

use super::{
    files::{index_of, key_files},
    generate::add_to_manifest,
    inspect::is_encrypted,
    output,
    passphrase::{PassphraseArgs, read_file},
    print, table,
};
use crate::progress::Work;

/// The arguments of `quartet keys import`.
#[derive(Debug, Args)]
pub(super) struct ImportArgs {
    /// Keys, or directories of them; where there is a manifest, all keys that it lists.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Directory to write our keystores into, with a manifest.
    #[arg(long, value_name = "DIR")]
    directory: PathBuf,
    /// The validator, where a key's file is not named after it.
    #[arg(long)]
    index: Option<ValidatorIndex>,
    /// Encrypt the keystores with a passphrase. What is encrypted stays so in any case, with the same one.
    #[arg(long)]
    encrypt: bool,
    /// Write the secrets of encrypted keystores in the open.
    #[arg(long, conflicts_with_all = ["encrypt", "new_passphrase_file"])]
    decrypt: bool,
    /// File whose first line is the passphrase to encrypt with, where it is another than the one to read with.
    #[arg(long, value_name = "FILE", requires = "encrypt")]
    new_passphrase_file: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    passphrase: PassphraseArgs,
}

/// The arguments of `quartet keys export`.
#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    /// Keys, or directories of them.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Directory to write the keys into, with a manifest.
    #[arg(long, value_name = "DIR")]
    directory: PathBuf,
    /// Their format.
    #[arg(long, value_enum, default_value = "ssz")]
    format: Format,
    /// Epoch from which the keys shall be prepared.
    #[arg(long, default_value_t = 0)]
    epoch: u64,
    /// The validator, where a key's file is not named after it.
    #[arg(long)]
    index: Option<ValidatorIndex>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    passphrase: PassphraseArgs,
}

/// leanSig's encodings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// 8.4 MB for each key.
    Ssz,
    /// 22.5 MB for each key.
    Json,
}

impl From<Format> for ForeignFormat {
    fn from(format: Format) -> Self {
        match format {
            Format::Ssz => Self::Ssz,
            Format::Json => Self::Json,
        }
    }
}

/// A key to be read.
struct Source {
    path: PathBuf,
    index: ValidatorIndex,
    /// What a manifest says that it is.
    expected: Option<PublicKey>,
}

impl ImportArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let new = match (&self.new_passphrase_file, self.encrypt) {
            (Some(path), _) => Some(read_file(path)?),
            (None, true) => Some(self.passphrase.for_writing()?),
            (None, false) => None,
        };
        let mut old = self.passphrase.given()?;
        let mut done = Vec::new();
        for source in sources(&self.paths, self.index)? {
            let was_encrypted = is_encrypted(&source.path);
            match (was_encrypted, &old) {
                (true, None) => old = Some(self.passphrase.for_reading()?),
                // A user who gave a passphrase does not expect the secret to be written in the open.
                (false, Some(_)) if new.is_none() && !self.decrypt => bail!(
                    "{}: is not encrypted, yet a passphrase is given; say --encrypt to encrypt with it",
                    source.path.display()
                ),
                _ => {}
            }
            let keeps = was_encrypted && !self.decrypt;
            let new = new.as_ref().or(old.as_ref().filter(|_| keeps));
            let target = self.directory.join(keystore_file_name(source.index));
            let work = Work::start(format!("validator {}", source.index), 1);
            let conversion = KeyConversion {
                source: &source.path,
                target: &target,
                expected: source.expected.as_ref(),
                source_passphrase: old.as_ref(),
                target_passphrase: new,
            };
            let public_key = convert(conversion, &output::advance(&work));
            work.finish();
            let public_key = public_key?;
            add_to_manifest(
                &self.directory,
                source.index,
                keystore_file_name(source.index),
            )?;
            done.push((source.index, public_key, target));
        }
        report(&done, self.json)
    }
}

impl ExportArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let mut passphrase = self.passphrase.given()?;
        let mut done = Vec::new();
        for source in sources(&self.paths, self.index)? {
            if passphrase.is_none() && is_encrypted(&source.path) {
                passphrase = Some(self.passphrase.for_reading()?);
            }
            let (name, public_key) = export_key(
                &source.path,
                &self.directory,
                source.index,
                self.format.into(),
                self.epoch,
                passphrase.as_ref(),
            )?;
            done.push((source.index, public_key, self.directory.join(name)));
        }
        report(&done, self.json)
    }
}

/// Exports one key under a bar, and enters it into the manifest.
fn export_key(
    source: &Path,
    directory: &Path,
    index: ValidatorIndex,
    format: ForeignFormat,
    epoch: u64,
    passphrase: Option<&quartet_keystore::Passphrase>,
) -> anyhow::Result<(PathBuf, PublicKey)> {
    let work = Work::start(format!("validator {index}"), 1);
    let key = KeyExport {
        source,
        directory,
        index,
        format,
        epoch,
        passphrase,
    };
    let exported = export(key, &output::advance(&work));
    work.finish();
    let (name, public_key) = exported?;
    add_to_manifest(directory, index, name.clone())?;
    Ok((name, public_key))
}

fn sources(paths: &[PathBuf], index: Option<ValidatorIndex>) -> anyhow::Result<Vec<Source>> {
    let mut sources = Vec::new();
    for path in paths {
        let manifest = path.join(MANIFEST_FILE);
        if manifest.exists() {
            for entry in KeyManifest::read(&manifest)?.validators {
                let request = KeyRequest {
                    index: entry.index,
                    public_key: entry.public_key,
                    file: Some(entry.secret_key_file),
                };
                sources.push(Source {
                    path: find_key(path, &request)?,
                    index: entry.index,
                    expected: Some(entry.public_key),
                });
            }
            continue;
        }
        for path in key_files(std::slice::from_ref(path))? {
            let index = index
                .or_else(|| index_of(&path))
                .with_context(|| format!("{}: whose key? say it with --index", path.display()))?;
            sources.push(Source {
                path,
                index,
                expected: None,
            });
        }
    }
    if index.is_some() && sources.len() > 1 {
        bail!("--index is for one key, these are {}", sources.len());
    }
    Ok(sources)
}

fn report(done: &[(ValidatorIndex, PublicKey, PathBuf)], as_json: bool) -> anyhow::Result<()> {
    if as_json {
        let keys = done.iter().map(|(index, public_key, file)| {
            json!({ "index": index, "public_key": public_key, "file": file })
        });
        return output::print_json(&json!(keys.collect::<Vec<_>>()));
    }
    let mut rows = vec![["validator", "public key", "file"].map(str::to_owned)];
    rows.extend(done.iter().map(|(index, public_key, file)| {
        [
            index.to_string(),
            public_key.to_string(),
            file.display().to_string(),
        ]
    }));
    print(&table(&rows))
}
