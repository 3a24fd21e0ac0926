//! What can be wrong with a key or its file. No error shows anything secret.

use std::{
    io,
    path::{Path, PathBuf},
};

use quartet_types::{PublicKey, ValidatorIndex};
use quartet_xmss::{DecodeError, ForeignKeyError, MaterialError, TreesError};

use crate::EncryptionError;

/// A validator's key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// There is no file.
    #[error("validator {index}: no secret key; looked for {}", list(looked_for))]
    Missing {
        /// The validator.
        index: ValidatorIndex,
        /// The files that would have been taken, in this order.
        looked_for: Vec<PathBuf>,
    },
    /// The file is at fault.
    #[error("{}: {problem}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: Box<KeyFileProblem>,
    },
}

/// What is wrong with a key's file.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileProblem {
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(io::Error),
    /// It cannot be written.
    #[error("cannot be written: {0}")]
    Unwritable(io::Error),
    /// Keys are never replaced.
    #[error("exists already; not replacing a key")]
    Exists,
    /// Another process has loaded the key.
    #[error(
        "another process signs with this key; two signers with one key would reveal it, so stop the other one first"
    )]
    InUse,
    /// Its name ends in none of the known ways.
    #[error("unknown format; known are .yaml, .ssz and .json")]
    UnknownFormat,
    /// It is not a keystore in YAML; the message names field, line and column.
    #[error("{0}")]
    Yaml(serde_yaml::Error),
    /// A field does not hold what it must.
    #[error("{field}: {reason}")]
    Field {
        /// The field.
        field: &'static str,
        /// What it should be; never what a secret is.
        reason: String,
    },
    /// A newer version, perhaps.
    #[error("version {found} of keystores is not known, only {known} is")]
    Version {
        /// What the file says.
        found: u64,
        /// What is known.
        known: u64,
    },
    /// Another signature scheme.
    #[error("scheme {found:?} is not known; known is {known}")]
    Scheme {
        /// What the file says.
        found: String,
        /// What is known.
        known: &'static str,
    },
    /// It is not a secret key in JSON.
    #[error("not a secret key in JSON: malformed at line {line} column {column}")]
    Json {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// It is not a secret key in SSZ.
    #[error("not a secret key in SSZ: {0}")]
    Ssz(DecodeError),
    /// A foreign key's parts do not fit together.
    #[error("{0}")]
    Foreign(ForeignKeyError),
    /// A key's parts do not fit together.
    #[error("{0}")]
    Material(MaterialError),
    /// The prepared trees do not fit the key.
    #[error("{0}")]
    Trees(TreesError),
    /// The secret is encrypted, and does not open.
    #[error("{0}")]
    Encryption(EncryptionError),
    /// It is the key of another validator.
    #[error("its public key is {found}, the genesis registry has {expected}")]
    WrongKey {
        /// The key that was asked for.
        expected: PublicKey,
        /// The file's key.
        found: PublicKey,
    },
    /// A node of a foreign key's trees is not what its secret makes.
    #[error("damaged: in the {tree}, node {index} of layer {layer} is not what the secret makes")]
    Node {
        /// Which tree.
        tree: &'static str,
        /// The layer, counted from the tree's lowest.
        layer: usize,
        /// The node's index in the layer of the whole tree.
        index: u64,
    },
    /// The secret does not lead to the public key that the file states.
    #[error("damaged: it states public key {stated}, but its secret makes {made}")]
    PublicKey {
        /// What the file says.
        stated: PublicKey,
        /// What its secret makes.
        made: PublicKey,
    },
}

impl KeyFileProblem {
    /// The problem, with the file it is in.
    pub(crate) fn in_file(self, path: &Path) -> KeyError {
        KeyError::File {
            path: path.to_owned(),
            problem: Box::new(self),
        }
    }

    /// A failed creation, where an existing file is a problem of its own.
    pub(crate) fn uncreated(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::AlreadyExists {
            return Self::Exists;
        }
        Self::Unwritable(error)
    }
}

fn list(paths: &[PathBuf]) -> String {
    let names: Vec<_> = paths.iter().map(|p| p.display().to_string()).collect();
    names.join(", ")
}
