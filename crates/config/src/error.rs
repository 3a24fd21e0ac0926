//! What can be wrong with a file, with the place where it is.

use std::{
    io,
    path::{Path, PathBuf},
};

use quartet_types::{GenesisError, InvalidSlotDuration, PublicKey, ValidatorIndex, WrongLength};

use crate::{InvalidNodeKey, NodeRecordError};

/// A devnet's file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", path.display())]
pub struct FileError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: Box<Problem>,
}

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(io::Error),
    /// It cannot be written.
    #[error("cannot be written: {0}")]
    Unwritable(io::Error),
    /// It is not YAML, or not of the expected shape; the message names field, line and column.
    #[error("{0}")]
    Yaml(serde_yaml::Error),
    /// A field is missing that an older form of the file did not have.
    #[error("{error} ({hint})")]
    OlderForm {
        /// What the reader of YAML says; names the field.
        error: serde_yaml::Error,
        /// What to write.
        hint: &'static str,
    },
    /// No slot can last that long.
    #[error("SLOT_DURATION_MS: {0}")]
    SlotDuration(InvalidSlotDuration),
    /// A public key is not hexadecimal.
    #[error("{field}: not a hexadecimal public key: {reason}")]
    NotHex {
        /// Which entry.
        field: String,
        /// What the decoder says.
        reason: const_hex::FromHexError,
    },
    /// A public key has the wrong length.
    #[error("{field}: a public key has {} bytes, this one {}", wrong.expected, wrong.found)]
    PublicKeyLength {
        /// Which entry.
        field: String,
        /// Both lengths.
        wrong: WrongLength,
    },
    /// The declared number of validators is not the number of listed public keys.
    #[error("VALIDATOR_COUNT is {declared}, but GENESIS_VALIDATORS lists {listed} public keys")]
    ValidatorCount {
        /// What `VALIDATOR_COUNT` says.
        declared: u64,
        /// How many keys there are.
        listed: usize,
    },
    /// No genesis can be built from it.
    #[error("GENESIS_VALIDATORS: {0}")]
    Genesis(GenesisError),
    /// The node is not in the file.
    #[error("no node is called {node:?}; the file knows {known}")]
    UnknownNode {
        /// The name looked for.
        node: String,
        /// The names in the file, separated by commas.
        known: String,
    },
    /// Two nodes have the same name.
    #[error("the node {node:?} is listed twice")]
    DuplicateNode {
        /// The name.
        node: String,
    },
    /// A validator belongs to two nodes, or twice to one.
    #[error("validator {index} is assigned twice, to {first:?} and to {second:?}")]
    DuplicateIndex {
        /// The validator.
        index: ValidatorIndex,
        /// The node listed first.
        first: String,
        /// The node listed later; may be the same.
        second: String,
    },
    /// A validator's number is not in the registry.
    #[error(
        "{node}: validator {validator} is beyond the genesis registry of {validators} validators"
    )]
    ValidatorNotInRegistry {
        /// The node that lists it.
        node: String,
        /// The validator.
        validator: ValidatorIndex,
        /// How many there are.
        validators: usize,
    },
    /// A key named for a validator is not the registry's.
    #[error(
        "validator {index}: the genesis registry has public key {expected}, this file has {found}"
    )]
    PublicKeyMismatch {
        /// The validator.
        index: ValidatorIndex,
        /// The registry's key.
        expected: PublicKey,
        /// The file's key.
        found: PublicKey,
    },
    /// An entry of a list of nodes is neither an ENR nor a multiaddr.
    #[error("entry {entry}: {error}")]
    NodeRecord {
        /// Counted from 1.
        entry: usize,
        /// Why not.
        error: NodeRecordError,
    },
    /// Not a node key.
    #[error("{field}: {error}")]
    NodeKey {
        /// Where it stands.
        field: String,
        /// Why not; never shows the key.
        error: InvalidNodeKey,
    },
    /// A node's name cannot be a file's name.
    #[error("node name {name:?}: only letters, digits, `_`, `-` and `.` (not first) may be used")]
    NodeName {
        /// The name.
        name: String,
    },
    /// An assignment rule that is not known.
    #[error("shuffle: {found:?} is not known; known is \"roundrobin\"")]
    UnknownShuffle {
        /// What the file says.
        found: String,
    },
    /// A number that is out of bounds.
    #[error("{field}: {found} is beyond the limit of {limit}")]
    BeyondLimit {
        /// Which one.
        field: &'static str,
        /// Its value.
        found: u64,
        /// The largest that is allowed.
        limit: u64,
    },
    /// A client's template that cannot work.
    #[error("{field}: {reason}")]
    Template {
        /// Which field.
        field: &'static str,
        /// Why not.
        reason: String,
    },
    /// A value is empty that must not be.
    #[error("{field}: lists nothing")]
    Empty {
        /// Which list.
        field: &'static str,
    },
}

/// Fields that older forms of a file lack, and what to write there.
pub(crate) type Hints = &'static [(&'static str, &'static str)];

impl Problem {
    /// The problem, with what to write where it is that one of these fields is missing.
    pub(crate) fn with_hints(self, hints: Hints) -> Self {
        let Self::Yaml(error) = self else {
            return self;
        };
        let text = error.to_string();
        let lacks = |field: &str| text.contains(&format!("missing field `{field}`"));
        match hints.iter().find(|(field, _)| lacks(field)) {
            Some((_, hint)) => Self::OlderForm { error, hint },
            None => Self::Yaml(error),
        }
    }

    /// The problem, with the file it is in.
    pub(crate) fn in_file(self, path: &Path) -> FileError {
        FileError {
            path: path.to_owned(),
            problem: Box::new(self),
        }
    }
}
