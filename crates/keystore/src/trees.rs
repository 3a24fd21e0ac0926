//! The prepared trees beside a key: a cache, checked when loaded and rebuilt when missing or damaged.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use quartet_types::PublicKey;
use quartet_xmss::{KeyMaterial, Progress, SecretKey, Threads, Trees, TreesError};

use crate::{KeyFileProblem, files};

/// Called with the progress of long computations, from any thread.
pub type OnProgress<'a> = &'a (dyn Fn(Progress) + Sync);

/// The trees' file of a key's file.
pub(crate) fn path_beside(key: &Path) -> PathBuf {
    key.with_extension("trees")
}

/// What became of the cached trees.
#[derive(Debug)]
pub(crate) enum Cached {
    /// They are whole.
    Whole(SecretKey),
    /// Some bottom trees are damaged and left out; they are rebuilt when their epochs come.
    Partly(SecretKey, Vec<u64>),
    /// There is no file.
    Missing,
    /// The file cannot be used.
    Unusable(Unusable),
}

/// Why a file of trees cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unusable {
    #[error("cannot be read: {0}")]
    Unreadable(io::Error),
    #[error("{0}")]
    Trees(#[from] TreesError),
}

/// Combines a key with its cached trees: some hundred hashes for each bottom tree.
pub(crate) fn load(
    material: &KeyMaterial,
    public_key: &PublicKey,
    path: &Path,
) -> Result<Cached, KeyFileProblem> {
    let public_key = quartet_xmss::PublicKey::from_bytes(public_key.as_bytes());
    let public_key = public_key.map_err(|_| KeyFileProblem::Field {
        field: "public_key",
        reason: "is none of the scheme",
    })?;
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Cached::Missing),
        Err(error) => return Ok(Cached::Unusable(Unusable::Unreadable(error))),
    };
    let loaded = Trees::from_bytes(&bytes)
        .and_then(|trees| SecretKey::load(material.clone(), trees, &public_key));
    Ok(match loaded {
        Ok((key, damaged)) if damaged.is_empty() => Cached::Whole(key),
        Ok((key, damaged)) => Cached::Partly(key, damaged),
        Err(error) => Cached::Unusable(error.into()),
    })
}

/// As [`load`], but computes the whole key again, seconds to minutes, where the cache cannot be used.
pub(crate) fn load_or_rebuild(
    material: KeyMaterial,
    public_key: &PublicKey,
    path: &Path,
    progress: OnProgress<'_>,
) -> Result<SecretKey, KeyFileProblem> {
    match load(&material, public_key, path)? {
        Cached::Whole(key) => return Ok(key),
        Cached::Partly(key, damaged) => {
            tracing::warn!(
                path = %path.display(),
                ?damaged,
                "some prepared trees are damaged; rebuilding them when they are needed"
            );
            return Ok(key);
        }
        Cached::Missing => {
            tracing::warn!(path = %path.display(), "no prepared trees; rebuilding them from the key");
        }
        Cached::Unusable(error) => {
            tracing::warn!(path = %path.display(), %error, "rebuilding the prepared trees from the key");
        }
    }
    let key = SecretKey::build(material, Threads::Pool, progress);
    let made = PublicKey(key.public_key().to_bytes());
    if made != *public_key {
        return Err(KeyFileProblem::PublicKey { made });
    }
    store_or_warn(&key.trees().to_bytes(), path);
    Ok(key)
}

/// Writes the trees.
pub(crate) fn store(trees: &[u8], path: &Path) -> io::Result<()> {
    files::write_atomically(path, |file| io::Write::write_all(file, trees))
}

/// Writes the trees where possible: a key signs as well without, it only starts more slowly next time.
pub(crate) fn store_or_warn(trees: &[u8], path: &Path) {
    if let Err(error) = store(trees, path) {
        tracing::warn!(path = %path.display(), %error, "cannot keep the prepared trees");
    }
}
