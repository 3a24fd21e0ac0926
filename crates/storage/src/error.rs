//! What can go wrong with the database, in words that tell the operator what to do next.

use std::{io, path::PathBuf};

use quartet_types::{Checkpoint, Root, SlotDuration};

/// The database cannot be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// The directory cannot be made.
    #[error("cannot create the data directory {}: {source}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// There is no database where one was to be read.
    #[error("there is no database {}: is --data-dir the node's?", path.display())]
    Missing {
        /// The file that was expected.
        path: PathBuf,
    },
    /// Another process, or another handle of this one, has it open.
    #[error(
        "the database {} is in use by another process: stop that one, or choose another --data-dir",
        path.display()
    )]
    InUse {
        /// The database file.
        path: PathBuf,
    },
    /// It holds blocks of another network.
    #[error(
        "the database {} belongs to the network with genesis root {found}, expected {expected}: \
         choose another --data-dir, or remove the file to start over",
        path.display()
    )]
    OtherNetwork {
        /// The database file.
        path: PathBuf,
        /// Genesis root of the network that this node is on.
        expected: Root,
        /// Genesis root of the network whose blocks are in it.
        found: Root,
    },
    /// It holds blocks of a network with other slots.
    #[error(
        "the database {} was made with slots of {found}, this network's last {expected}: choose another \
         --data-dir, correct SLOT_DURATION_MS in config.yaml, or remove the file to start over",
        path.display()
    )]
    OtherSlotDuration {
        /// The database file.
        path: PathBuf,
        /// How long the slots of the network last that this node is on.
        expected: SlotDuration,
        /// How long those of its blocks do.
        found: SlotDuration,
    },
    /// It was written by an earlier version, whose layout cannot be taken over.
    #[error(
        "the database {} has format {found} of an earlier version, this one reads format {supported}: \
         remove the file and start again, and the blocks are fetched from peers; leave the rest of the data \
         directory, the signing record above all, as it is",
        path.display()
    )]
    EarlierFormat {
        /// The database file.
        path: PathBuf,
        /// The format that this version reads and writes.
        supported: u64,
        /// The format of the file.
        found: u64,
    },
    /// Its layout is not this version's.
    #[error(
        "the database {} has format {found}, this version reads format {supported}: run the version \
         that wrote it, choose another --data-dir, or remove the file to start over",
        path.display()
    )]
    UnsupportedFormat {
        /// The database file.
        path: PathBuf,
        /// The format that this version reads and writes.
        supported: u64,
        /// The format of the file.
        found: u64,
    },
    /// The node was to start from a block that is not on the chain which the database holds as final.
    #[error(
        "the checkpoint {checkpoint} conflicts with the database {}, which has {own} as final: one of the two is of \
         another chain; check where the checkpoint comes from, or remove the file to start over from it",
        path.display()
    )]
    CheckpointConflicts {
        /// The database file.
        path: PathBuf,
        /// The block that was to be started from.
        checkpoint: Checkpoint,
        /// What the database has as final.
        own: Checkpoint,
    },
    /// The caller asked for something that does not fit what is stored. Nothing was changed.
    #[error("the database {} refuses: {reason}", path.display())]
    Refused {
        /// The database file.
        path: PathBuf,
        /// What does not fit.
        reason: String,
    },
    /// The file is not a database, or was damaged.
    #[error(
        "the database {} is damaged or not a database ({reason}): remove it to start over, blocks are \
         fetched from peers again, or choose another --data-dir",
        path.display()
    )]
    Damaged {
        /// The database file.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// The operating system refused an operation on the file.
    #[error(
        "the database {} cannot be read or written ({reason}): see that the disk has room and that the directory \
         may be written to, then start again",
        path.display()
    )]
    Unavailable {
        /// The database file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
}

/// Why an operation inside a transaction fails, before the file is named.
#[derive(Debug)]
pub(crate) enum Failure {
    Redb(redb::Error),
    /// What was read is not what was written.
    Damaged(String),
    /// The caller's argument does not fit.
    Refused(String),
}

impl<E: Into<redb::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Redb(error.into())
    }
}
