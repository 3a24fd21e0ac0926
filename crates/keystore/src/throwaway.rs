//! Keys that are read without protection, to be given up: no record, no mark, no lock.

use std::{fs::File, path::Path};

use quartet_types::PublicKey;
use quartet_xmss::SecretKey;

use crate::{
    KeyError, KeyFileProblem, KeyFormat, Keystore, OnProgress, Passphrase, load::read_key,
};

/// Reads a validator's key without any protection, for a program that signs with it what must never be signed.
/// **Anybody who sees two signatures of one epoch may be able to forge others**, so only keys whose secret is public
/// anyway are read, unless the operator has given this one up.
///
/// # Errors
/// When it cannot be read, is another validator's, or is neither public nor given up.
pub fn read_throwaway(
    path: &Path,
    expected: &PublicKey,
    passphrase: Option<&Passphrase>,
    given_up: bool,
    progress: OnProgress<'_>,
) -> Result<SecretKey, KeyError> {
    let open = || File::open(path).map_err(|error| KeyFileProblem::Unreadable(error).in_file(path));
    if !given_up && !is_public(path, &mut open()?)? {
        return Err(KeyFileProblem::NotPublic.in_file(path));
    }
    read_key(path, &mut open()?, Some(expected), passphrase, progress)
}

/// Only our own keystores say so.
fn is_public(path: &Path, file: &mut File) -> Result<bool, KeyError> {
    match KeyFormat::of(path)? {
        KeyFormat::Keystore => {
            let keystore = Keystore::read(file).map_err(|problem| problem.in_file(path))?;
            Ok(keystore.is_public_test_key())
        }
        KeyFormat::Foreign(_) => Ok(false),
    }
}
