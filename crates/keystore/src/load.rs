//! From key files to signers: finding a validator's file, reading it in whatever format it has.

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use quartet_types::{PublicKey, ValidatorIndex};
use quartet_xmss::{ForeignKey, Scheme, SecretKey};

use crate::{
    ForeignFormat, KeyError, KeyFileProblem, KeyFormat, Keystore, MachineLocks, Marks, OnProgress,
    Passphrase, Signer,
    guard::{Guard, check},
    keystore,
    record::SigningRecord,
    trees,
};

/// A validator whose key is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRequest {
    /// The validator.
    pub index: ValidatorIndex,
    /// The public key that the registry has for it.
    pub public_key: PublicKey,
    /// The file that a manifest or an annotated assignment names, relative to the directory of keys.
    pub file: Option<PathBuf>,
}

/// What our own keystore of a validator is called in a directory of keys.
pub fn keystore_file_name(index: ValidatorIndex) -> PathBuf {
    format!("validator_{index}.yaml").into()
}

/// Finds a validator's key: the file named for it, else the usual names, our own first.
///
/// # Errors
/// [`KeyError::Missing`] when there is none.
pub fn find_key(directory: &Path, request: &KeyRequest) -> Result<PathBuf, KeyError> {
    let index = request.index;
    let mut candidates: Vec<PathBuf> = request.file.iter().cloned().collect();
    candidates.push(keystore_file_name(index));
    candidates.push(ForeignFormat::Ssz.file_name(index));
    candidates.push(ForeignFormat::Json.file_name(index));
    let mut paths = candidates.iter().map(|name| directory.join(name));
    paths.by_ref().find(|path| path.exists()).ok_or_else(|| {
        let mut looked_for: Vec<_> = candidates.iter().map(|name| directory.join(name)).collect();
        looked_for.dedup();
        KeyError::Missing { index, looked_for }
    })
}

/// How keys are loaded.
#[derive(Clone, Debug, Default)]
pub struct Loading<'a> {
    /// Decrypts encrypted keys.
    pub passphrase: Option<&'a Passphrase>,
    /// Whether marks are heeded.
    pub marks: Marks,
    /// Where public keys are locked.
    pub locks: MachineLocks,
}

/// As [`load_signer_with`], with marks heeded and the whole machine's locks.
///
/// # Errors
/// As [`load_signer_with`].
pub fn load_signer(
    directory: &Path,
    request: &KeyRequest,
    passphrase: Option<&Passphrase>,
    record: &SigningRecord,
    progress: OnProgress<'_>,
) -> Result<Signer, KeyError> {
    let loading = Loading {
        passphrase,
        ..Loading::default()
    };
    load_signer_with(directory, request, &loading, record, progress)
}

/// Loads the signer of one validator from a directory of keys. Takes as long as reading the file, unless the prepared
/// trees are missing or damaged: then the key is computed again, on all of rayon's threads.
///
/// The key is locked before anything else is read of it, and its high-water mark and the record are reconciled: each
/// learns what the other knows.
///
/// # Errors
/// When the key is missing, in use by another process, damaged, encrypted with another passphrase, or not
/// the one that the registry has, and when its mark is missing, damaged or cannot be kept.
pub fn load_signer_with(
    directory: &Path,
    request: &KeyRequest,
    loading: &Loading<'_>,
    record: &SigningRecord,
    progress: OnProgress<'_>,
) -> Result<Signer, KeyError> {
    let path = find_key(directory, request)?;
    let mut guard = Guard::lock(&path, &request.public_key, &loading.locks)?;
    let in_file = |problem: KeyFileProblem| problem.in_file(&path);
    guard
        .open_mark(&path, &request.public_key, loading.marks, record)
        .map_err(in_file)?;
    let trees = trees::path_beside(&path);
    let key = read_key(
        &path,
        guard.file(),
        Some(&request.public_key),
        loading.passphrase,
        progress,
    )?;
    let record = record.clone();
    Ok(Signer::new(request.index, key, record, path, trees, guard))
}

/// Reads a key of any format, with its trees.
pub(crate) fn read_key(
    path: &Path,
    file: &mut File,
    expected: Option<&PublicKey>,
    passphrase: Option<&Passphrase>,
    progress: OnProgress<'_>,
) -> Result<SecretKey, KeyError> {
    let key = match KeyFormat::of(path)? {
        KeyFormat::Keystore => read_own(path, file, expected, passphrase, progress),
        KeyFormat::Foreign(format) => read_foreign(path, file, format, expected),
    };
    key.map_err(|problem| problem.in_file(path))
}

fn read_own(
    path: &Path,
    file: &mut File,
    expected: Option<&PublicKey>,
    passphrase: Option<&Passphrase>,
    progress: OnProgress<'_>,
) -> Result<SecretKey, KeyFileProblem> {
    let keystore = Keystore::read(file)?;
    if !keystore.is_public_test_key() && !keystore.is_encrypted() {
        keystore::warn_if_readable(path, file);
    }
    // Before the trees: another validator's key is not worth rebuilding.
    check(expected, keystore.public_key())?;
    let material = keystore.material(passphrase)?;
    let trees = trees::path_beside(path);
    trees::load_or_rebuild(material, &keystore.public_key(), &trees, progress)
}

fn read_foreign(
    path: &Path,
    file: &mut File,
    format: ForeignFormat,
    expected: Option<&PublicKey>,
) -> Result<SecretKey, KeyFileProblem> {
    keystore::warn_if_readable(path, file);
    let foreign = format.read(file)?;
    let key = import(&foreign)?;
    let public_key = PublicKey(key.public_key().to_bytes());
    check(expected, public_key)?;
    // The file has two bottom trees; those that were built since, as epochs passed, are beside it.
    let material = key.material();
    match trees::load(material, &public_key, &trees::path_beside(path))? {
        trees::Cached::Whole(later) => Ok(later),
        _ => Ok(key),
    }
}

/// A foreign key with its two bottom trees, checked up to its root.
pub(crate) fn import(foreign: &ForeignKey) -> Result<SecretKey, KeyFileProblem> {
    let test_depth = u64::from(Scheme::Test.lifetime().ilog2());
    let scheme = match foreign.top_tree.depth {
        depth if depth == test_depth => Scheme::Test,
        _ => Scheme::Production,
    };
    foreign
        .import(scheme, None)
        .map_err(|error| KeyFileProblem::foreign(&error, scheme))
}
