//! Where passphrases come from: a file, the environment, or a prompt, in this order.

use std::{
    env, fs,
    io::{self, IsTerminal as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use clap::Args;
use quartet_keystore::Passphrase;

/// Holds the passphrase itself. It is read here rather than by the parser of flags, which would keep copies
/// and show it in its help.
const VARIABLE: &str = "QUARTET_KEYS_PASSPHRASE";

/// Flags of commands that read or write encrypted keys.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct PassphraseArgs {
    /// File whose first line is the passphrase of encrypted keys. Without it: the environment variable
    /// QUARTET_KEYS_PASSPHRASE, or else a prompt where one is needed.
    #[arg(long, value_name = "FILE", env = "QUARTET_KEYS_PASSPHRASE_FILE")]
    passphrase_file: Option<PathBuf>,
}

impl PassphraseArgs {
    /// The passphrase that was given by file or environment.
    pub(crate) fn given(&self) -> anyhow::Result<Option<Passphrase>> {
        if let Some(path) = &self.passphrase_file {
            return read_file(path).map(Some);
        }
        match env::var(VARIABLE) {
            Ok(text) => not_empty(Passphrase::new(text)).map(Some),
            Err(_) => Ok(None),
        }
    }

    /// The passphrase for reading encrypted keys: given, or asked for.
    pub(crate) fn for_reading(&self) -> anyhow::Result<Passphrase> {
        match self.given()? {
            Some(passphrase) => Ok(passphrase),
            None => prompt("Passphrase of the key"),
        }
    }

    /// The passphrase for writing encrypted keys: given, or asked for twice.
    pub(super) fn for_writing(&self) -> anyhow::Result<Passphrase> {
        if let Some(passphrase) = self.given()? {
            return Ok(passphrase);
        }
        let first = prompt("New passphrase")?;
        if prompt("Again")? != first {
            bail!("the two passphrases differ");
        }
        Ok(first)
    }
}

/// A passphrase from the first line of a file; warns when others may read it.
pub(super) fn read_file(path: &Path) -> anyhow::Result<Passphrase> {
    if is_readable_by_others(path) {
        // Not every command has a log.
        eprintln!(
            "warning: {}: others may read this passphrase; `chmod 600` it",
            path.display()
        );
    }
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    not_empty(Passphrase::first_line(text)).with_context(|| path.display().to_string())
}

/// Whether others than the owner may read the file, and nothing keeps them from it; not known of pipes and the like.
#[cfg(unix)]
fn is_readable_by_others(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    let metadata = fs::metadata(path).ok().filter(fs::Metadata::is_file);
    metadata.is_some_and(|metadata| metadata.permissions().mode() & 0o044 != 0)
}

#[cfg(not(unix))]
fn is_readable_by_others(_path: &Path) -> bool {
    false
}

fn prompt(what: &str) -> anyhow::Result<Passphrase> {
    if !io::stdin().is_terminal() {
        bail!(
            "a passphrase is needed: give --passphrase-file, set {VARIABLE}, or run in a terminal"
        );
    }
    let text = rpassword::prompt_password(format!("{what}: ")).context("cannot ask")?;
    not_empty(Passphrase::new(text))
}

fn not_empty(passphrase: Passphrase) -> anyhow::Result<Passphrase> {
    if passphrase.is_empty() {
        bail!("the passphrase is empty");
    }
    Ok(passphrase)
}
