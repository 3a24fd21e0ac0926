//! What can be wrong with a key or its file.
//!
//! No error contains or shows a value from a key's file, since any field may hold the secret by mistake: an error says
//! where it is (line, column, name of a field) and what is expected there.

use std::{
    io,
    path::{Path, PathBuf},
};

use quartet_types::{PublicKey, ValidatorIndex};
use quartet_xmss::{DecodeError, ForeignKeyError, MaterialError, Scheme, TreesError};

use crate::{EncryptionError, MarkError, record::RecordError};

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
    /// A key whose secret is not public would be used up.
    #[error("is not marked as a public test key, and what would be done with it uses a key up")]
    NotPublic,
    /// Keys are never replaced.
    #[error("exists already; not replacing a key")]
    Exists,
    /// Another process has loaded the key.
    #[error(
        "another process signs with this key or a copy of it; two signers with one key would reveal it, so stop the other one first"
    )]
    InUse,
    /// It is unknown in which epochs the key has signed.
    #[error("{0}")]
    Mark(MarkError),
    /// The signing record does not work.
    #[error("{0}")]
    Record(RecordError),
    /// The key has signed in epochs that are yet to come here.
    #[error(
        "it may have signed in all epochs below {free_from}, and it is slot {slot} here: the network was started anew with an old key, or this machine's clock is behind. Whoever gets two signatures of one epoch can forge this validator's votes. For a new network, make new keys (`quartet keys generate --directory NEW-DIR --count N --epochs SLOTS`, under a second each for a day, then a new genesis), or, where nothing is at stake, give this key's security up with --unsafe-reuse-keys"
    )]
    UsedAhead {
        /// The first epoch that its mark leaves free.
        free_from: u64,
        /// The slot that it is.
        slot: u64,
    },
    /// Its name ends in none of the known ways.
    #[error("unknown format; known are .yaml, .ssz and .json")]
    UnknownFormat,
    /// It is not a keystore in YAML.
    #[error("not a keystore: {what} at line {line} column {column}{}", in_field(*.field))]
    Yaml {
        /// What is wrong there.
        what: &'static str,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// The field that the line begins with.
        field: Option<&'static str>,
    },
    /// A field does not hold what it must.
    #[error("{field}: {reason}")]
    Field {
        /// The field.
        field: &'static str,
        /// What it should be, never what it is.
        reason: &'static str,
    },
    /// A newer version, perhaps.
    #[error("its version of keystores is not known, only {known} is")]
    Version {
        /// What is known.
        known: u64,
    },
    /// Another signature scheme.
    #[error("its scheme is not known; known is {known}")]
    Scheme {
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
    #[error("not a secret key in SSZ: {part} {fault}")]
    Ssz {
        /// Which part of it.
        part: &'static str,
        /// What is wrong with that.
        fault: &'static str,
    },
    /// A key's parts do not fit together.
    #[error("damaged: {part} {fault}")]
    Parts {
        /// Which part.
        part: &'static str,
        /// What is wrong with that.
        fault: &'static str,
    },
    /// The epochs of a key do not fit its scheme.
    #[error("it must be active for at least one epoch, and end within {lifetime} epochs")]
    Epochs {
        /// Epochs of the scheme.
        lifetime: u64,
    },
    /// The key has no foreign form.
    #[error(
        "other implementations need keys of whole trees of {unit} epochs, at least two: this key can be used with Quartet only"
    )]
    NotWhole {
        /// Epochs in a bottom tree.
        unit: u64,
    },
    /// The prepared trees do not fit the key.
    #[error("{0}")]
    Trees(TreesError),
    /// The secret is encrypted, and does not open.
    #[error("{0}")]
    Encryption(EncryptionError),
    /// It is the key of another validator.
    #[error("it is another key than {expected}, which was expected here")]
    WrongKey {
        /// The key that was asked for.
        expected: PublicKey,
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
    #[error("damaged: it states another public key than its secret makes, which is {made}")]
    PublicKey {
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

    /// What is wrong with the bytes of a foreign key.
    pub(crate) fn ssz(error: &DecodeError) -> Self {
        let (part, fault) = decoding(error);
        Self::Ssz { part, fault }
    }

    /// Why the parts of a foreign key do not fit together.
    pub(crate) fn foreign(error: &ForeignKeyError, scheme: Scheme) -> Self {
        let (part, fault) = match error {
            ForeignKeyError::Decode(error) => decoding(error),
            ForeignKeyError::Material(error) => return Self::material(error, scheme),
            ForeignKeyError::NotWhole { unit, .. } => return Self::NotWhole { unit: *unit },
            ForeignKeyError::Trees(_) => ("its trees", "do not lead to its public key"),
            ForeignKeyError::Shape { tree, .. } => (*tree, "has not the shape that it must have"),
        };
        Self::Parts { part, fault }
    }

    /// Why the parts of a key do not fit together.
    pub(crate) fn material(error: &MaterialError, scheme: Scheme) -> Self {
        let (part, fault) = match error {
            MaterialError::Lifetime { .. } | MaterialError::Empty => {
                let lifetime = scheme.lifetime();
                return Self::Epochs { lifetime };
            }
            MaterialError::Alignment { .. } => {
                let unit = scheme.epochs_per_tree();
                return Self::NotWhole { unit };
            }
            MaterialError::Padding { problem, .. } => ("a padding node is", *problem),
            MaterialError::Decode(error) => decoding(error),
        };
        Self::Parts { part, fault }
    }

    /// The problem of a failed creation: that the file exists is one of its own.
    pub(crate) fn uncreated(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::AlreadyExists {
            return Self::Exists;
        }
        Self::Unwritable(error)
    }
}

/// Which part cannot be decoded, and why.
fn decoding(error: &DecodeError) -> (&'static str, &'static str) {
    match error {
        DecodeError::Length { what, .. } => (what, "has the wrong length"),
        DecodeError::Offset { field, .. } => {
            (field, "has an offset that is not the only one possible")
        }
        DecodeError::NonCanonical { field, .. } => {
            (field, "has a number that is not below the prime")
        }
        DecodeError::Padding { .. } => ("the padding", "is not zero"),
    }
}

fn in_field(field: Option<&str>) -> String {
    field.map_or_else(String::new, |field| format!(" ({field})"))
}

fn list(paths: &[PathBuf]) -> String {
    let names: Vec<_> = paths.iter().map(|p| p.display().to_string()).collect();
    names.join(", ")
}
