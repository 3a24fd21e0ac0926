//! Snapshots of the finalized chain in one file, from which another node starts.
//!
//! A file is: eight bytes of magic, the version (four bytes, little-endian as all numbers), the root of the network's
//! genesis block, then frames, each of a length of four bytes and so many bytes of SSZ: the state of the newest
//! finalized block that has one, that block, and the blocks before it that are there, ascending. An empty frame ends
//! them; then comes the SHA-256 of everything before.
//!
//! What a reader checks: the hash; that the state is of the genesis it knows, and has the root that its block says;
//! that every block is the one which the state's history names for its slot. It does not check the blocks' signatures,
//! on which hardly anything depends: the roots determine the chain. Use only snapshots from a source that you trust.

mod files;
mod format;
mod read;
mod write;

pub use files::{file_name, keep_newest};
pub use read::{Reader, import, verify};
pub use write::write;

use std::{
    io,
    path::{Path, PathBuf},
};

use quartet_types::{Checkpoint, Root, Slot};

use crate::DatabaseError;

/// What is in a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Root of the network's genesis block.
    pub network: Root,
    /// The finalized block from which a node starts.
    pub anchor: Checkpoint,
    /// Blocks in it, with the anchor.
    pub blocks: u64,
    /// Slot of its oldest block.
    pub oldest: Slot,
    /// Size of the file in bytes.
    pub bytes: u64,
}

/// A snapshot cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// A file cannot be written or read.
    #[error("the snapshot {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It is no snapshot, is damaged, or is of another chain.
    #[error("the snapshot {} is not to be used: {reason}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// There is nothing to take a snapshot of.
    #[error("the database has not been started: there is nothing to export")]
    Empty,
    /// A snapshot is imported only where there is no database.
    #[error(
        "there is a database already, {}: choose another --data-dir, or remove it to start over from the snapshot",
        path.display()
    )]
    Occupied {
        /// What is there.
        path: PathBuf,
    },
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl SnapshotError {
    fn io(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |source| Self::Io {
            path: path.to_owned(),
            source,
        }
    }

    fn invalid(path: &Path, reason: impl Into<String>) -> Self {
        Self::Invalid {
            path: path.to_owned(),
            reason: reason.into(),
        }
    }
}
