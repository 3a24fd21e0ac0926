//! What can be wrong with a recording.

use std::{io, path::PathBuf};

/// A recording cannot be written or opened.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// The file system refuses.
    #[error("{path}: {source}", path = path.display())]
    File {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is no segment.
    #[error("{path}: there is no recording", path = path.display())]
    Nothing {
        /// Where one was looked for.
        path: PathBuf,
    },
}

/// Why a segment ends before its end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// It is no segment, or of another version.
    #[error("it is no recording of this version")]
    Foreign,
    /// The last piece is not whole: the node was killed, the disk was full, or the node still writes.
    #[error("it breaks off after {0} bytes")]
    Torn(u64),
    /// A piece is not what was written.
    #[error("it is damaged after {0} bytes")]
    Broken(u64),
    /// The file cannot be read.
    #[error("it cannot be read: {0}")]
    Unreadable(String),
}

/// What is decoded is not what was encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;
