//! What can go wrong with the database, in words that tell the operator what to do next.

use std::{io, path::PathBuf};

use quartet_types::Root;

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
    #[error("the database {} cannot be read or written: {reason}", path.display())]
    Unavailable {
        /// The database file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
}
