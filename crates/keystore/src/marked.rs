//! The marks of key files: inspected, set by the operator, and copied with the keys.

use std::path::{Path, PathBuf};

use quartet_types::PublicKey;
use quartet_xmss::SecretKey;

use crate::{
    KeyError, KeyFileProblem, KeyFormat, Keystore, MachineLocks, MarkError, guard::Guard, keystore,
    mark,
};

/// What a key's high-water mark says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MarkReport {
    /// A public test key needs none.
    Exempt,
    /// There is none, and the key says that there must be.
    Missing,
    /// There is none yet.
    NotBegun,
    /// The key may have signed in all epochs below this one.
    FreeFrom(u64),
    /// It cannot be read, for the reason given.
    Unusable(String),
}

/// Locks a key, and reads the first epoch that its mark leaves free; `None` for a public test key, which has no mark.
pub(crate) fn lock_with_mark(
    source: &Path,
    key: &SecretKey,
) -> Result<(Option<Guard>, Option<u64>), KeyError> {
    let public_key = PublicKey(key.public_key().to_bytes());
    if is_public_test_key(source)? {
        return Ok((None, None));
    }
    let guard = Guard::lock(source, &public_key, &MachineLocks::default())?;
    let free_from = match mark_of(source, &public_key)? {
        Some(free_from) => free_from,
        None if guard.requires_mark() => {
            let path = mark_path(source)?;
            return Err(KeyFileProblem::Mark(MarkError::Missing { path }).in_file(source));
        }
        None => 0,
    };
    Ok((Some(guard), Some(free_from)))
}

pub(crate) fn mark_path(key: &Path) -> Result<PathBuf, KeyError> {
    mark::path_beside(key).map_err(|error| KeyFileProblem::Unreadable(error).in_file(key))
}

fn mark_of(key: &Path, public_key: &PublicKey) -> Result<Option<u64>, KeyError> {
    let read = mark::read(&mark_path(key)?, public_key);
    read.map_err(|error| KeyFileProblem::Mark(error).in_file(key))
}

fn is_public_test_key(key: &Path) -> Result<bool, KeyError> {
    if KeyFormat::of(key)? != KeyFormat::Keystore {
        return Ok(false);
    }
    let keystore = Keystore::read(&mut keystore::open(key)?);
    keystore
        .map(|keystore| keystore.is_public_test_key())
        .map_err(|problem| problem.in_file(key))
}

/// Copies a key's high-water mark to where its file has been copied; does nothing where it has none.
///
/// # Errors
/// When the mark cannot be read, or cannot be written beside `target`.
pub fn copy_mark(source: &Path, target: &Path, public_key: &PublicKey) -> Result<(), KeyError> {
    let Some(free_from) = mark_of(source, public_key)? else {
        return Ok(());
    };
    create_or_raise_mark(target, public_key, free_from)
}

pub(crate) fn create_or_raise_mark(
    key: &Path,
    public_key: &PublicKey,
    free_from: u64,
) -> Result<(), KeyError> {
    let kept = mark::create_or_raise(&mark::path_beside_new(key), public_key, free_from);
    kept.map(drop)
        .map_err(|error| KeyFileProblem::Mark(error).in_file(key))
}

/// A report of a key's mark.
pub(crate) fn inspect_mark(key: &Path, public_key: &PublicKey, is_required: bool) -> MarkReport {
    match mark_of(key, public_key) {
        Ok(Some(free_from)) => MarkReport::FreeFrom(free_from),
        Ok(None) if is_required => MarkReport::Missing,
        Ok(None) => MarkReport::NotBegun,
        Err(KeyError::File { problem, .. }) => MarkReport::Unusable(problem.to_string()),
        Err(error) => MarkReport::Unusable(error.to_string()),
    }
}
