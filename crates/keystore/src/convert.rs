//! Converting keys between their formats, with their high-water marks.

use std::{
    fs,
    path::{Path, PathBuf},
};

use quartet_types::{PublicKey, ValidatorIndex};
use quartet_xmss::{ForeignKey, Threads};

use crate::{
    ForeignFormat, KeyError, KeyFileProblem, OnProgress, Passphrase, files,
    foreign::public_key_json,
    keystore,
    load::read_key,
    manage::write,
    marked::{create_or_raise_mark, lock_with_mark},
};

/// A key of any format to be converted into our own.
#[derive(Clone, Copy, Debug)]
pub struct KeyConversion<'a> {
    /// The key's file.
    pub source: &'a Path,
    /// The keystore to write, which must not exist.
    pub target: &'a Path,
    /// What the key's public key must be, where that is known.
    pub expected: Option<&'a PublicKey>,
    /// Decrypts the source.
    pub source_passphrase: Option<&'a Passphrase>,
    /// Encrypts the target, where given.
    pub target_passphrase: Option<&'a Passphrase>,
}

/// Converts a key into our own format, with what is prepared of its trees and with its high-water mark. To convert one
/// of our own is to change its passphrase.
///
/// # Errors
/// When the source cannot be read, is in use, is not the expected key, or the target exists or cannot be written.
pub fn convert(
    conversion: KeyConversion<'_>,
    progress: OnProgress<'_>,
) -> Result<PublicKey, KeyError> {
    let KeyConversion {
        source,
        target,
        expected,
        source_passphrase,
        target_passphrase,
    } = conversion;
    if target.exists() {
        return Err(KeyFileProblem::Exists.in_file(target));
    }
    let mut file = keystore::open(source)?;
    let key = read_key(source, &mut file, expected, source_passphrase, progress)?;
    // From here on the key is locked, so that its mark does not move while it is copied.
    let (_source, free_from) = lock_with_mark(source, &key)?;
    write(&key, target, target_passphrase, free_from)
}

/// A key to be written as leanSig does.
#[derive(Clone, Copy, Debug)]
pub struct KeyExport<'a> {
    /// The key's file, of any format.
    pub source: &'a Path,
    /// Where the exported files go.
    pub directory: &'a Path,
    /// The validator, after which the files are named.
    pub index: ValidatorIndex,
    /// The encoding.
    pub format: ForeignFormat,
    /// The bottom trees around this epoch are computed for it.
    pub epoch: u64,
    /// Decrypts the source.
    pub passphrase: Option<&'a Passphrase>,
}

/// Writes a key as leanSig does, `validator_N_sk.ssz` or `.json`, with the public key in `validator_N_pk.json` and
/// `validator_N_pk.ssz` and its high-water mark beside it.
///
/// Returns the secret key's file name and the public key.
///
/// # Errors
/// When the source cannot be read or is in use, a file exists or cannot be written, or the key is for epochs that do
/// not make up whole bottom trees, which the format must contain.
pub fn export(
    export: KeyExport<'_>,
    progress: OnProgress<'_>,
) -> Result<(PathBuf, PublicKey), KeyError> {
    let KeyExport {
        source,
        directory,
        index,
        format,
        epoch,
        passphrase,
    } = export;
    let name = format.file_name(index);
    let target = directory.join(&name);
    if target.exists() {
        return Err(KeyFileProblem::Exists.in_file(&target));
    }
    let mut file = keystore::open(source)?;
    let key = read_key(source, &mut file, None, passphrase, &|_| {})?;
    let (_source, free_from) = lock_with_mark(source, &key)?;
    let scheme = key.material().instance().scheme;
    let foreign = ForeignKey::export(&key, epoch, Threads::Pool, progress)
        .map_err(|error| KeyFileProblem::foreign(&error, scheme).in_file(source))?;
    let in_target = |error| KeyFileProblem::uncreated(error).in_file(&target);
    fs::create_dir_all(directory).map_err(in_target)?;
    if let Some(free_from) = free_from {
        let public_key = PublicKey(key.public_key().to_bytes());
        create_or_raise_mark(&target, &public_key, free_from)?;
    }
    files::write_new(&target, |file| format.write(&foreign, file)).map_err(in_target)?;
    if let Some(json) = public_key_json(&foreign) {
        let path = directory.join(format!("validator_{index}_pk.json"));
        fs::write(&path, json).map_err(|e| KeyFileProblem::Unwritable(e).in_file(&path))?;
    }
    let public_key = PublicKey(key.public_key().to_bytes());
    let path = directory.join(format!("validator_{index}_pk.ssz"));
    fs::write(&path, public_key.0).map_err(|e| KeyFileProblem::Unwritable(e).in_file(&path))?;
    Ok((name, public_key))
}
