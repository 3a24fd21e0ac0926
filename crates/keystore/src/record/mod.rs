//! The signing record: which message each key has signed in each epoch, durable before a signature leaves the node.
//!
//! A one-time key that signs two messages is lost, so the record decides before the key is touched. Per public key it
//! keeps the highest epoch, the last few messages and the highest source voted from. A newer epoch is granted and
//! written down; the same message for an epoch that is still remembered is granted again (signing is deterministic, so
//! it is the same signature); everything else is refused. Refusing costs a missed duty, granting wrongly costs the key:
//! in doubt, this module refuses.
//!
//! The store is an append-only log of checksummed entries (`entry`) in space that was allocated before, with one write
//! and one `fdatasync` for each call. What a crash leaves unfinished at its end, one group at most (`header`), was
//! never granted and is dropped when the log is opened; damage anywhere else is an error. One process at a time may
//! hold it.

mod disk;
mod entry;
mod header;
mod history;
mod interchange;
mod log;
mod scan;

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use quartet_types::{PublicKey, Root};

pub use history::{Refusal, Sighting, SignedMessage};
pub use interchange::{ImportSummary, InterchangeError};

use log::Log;

/// A handle to the record; clones share it. Dropping the last one releases the lock.
#[derive(Clone)]
pub struct SigningRecord {
    path: Arc<PathBuf>,
    log: Arc<Mutex<Log>>,
}

/// A record as it was when it was read, to be inspected while a node may be signing with it.
#[derive(Debug)]
pub struct RecordView {
    history: history::History,
}

/// A wish to sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SigningRequest {
    /// The key that shall sign.
    pub public_key: PublicKey,
    /// The epoch, which is the slot of what is signed.
    pub epoch: u64,
    /// The root that shall be signed.
    pub message_root: Root,
    /// The slot of the source, if what is signed is a vote that has one. It decides nothing here, but is
    /// remembered: a validator must not vote on a chain that lacks what it has voted from.
    pub source: Option<u64>,
}

/// The record itself fails; nothing may be signed.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// Another process, or another part of this one, holds it.
    #[error(
        "{}: another process signs with this record; two signers with one key would reveal it, so stop the other one first",
        path.display()
    )]
    Locked {
        /// The record.
        path: PathBuf,
    },
    /// The file is something else, and is left alone.
    #[error("{}: is not a signing record; not touching it", path.display())]
    NotARecord {
        /// The file.
        path: PathBuf,
    },
    /// Something that was durable no longer reads as it was written.
    #[error(
        "{}: damaged at entry {entry} of {entries}; restore the file from a backup that is newer than the last signature, or import an exported record into a new one",
        path.display()
    )]
    Damaged {
        /// The record.
        path: PathBuf,
        /// The first damaged entry, counted from 0.
        entry: u64,
        /// Entries that the file has room for.
        entries: u64,
    },
    /// A write could not be made durable earlier; only opening the record again tells what is on disk.
    #[error("{}: an earlier write failed; restart to go on signing", path.display())]
    Unusable {
        /// The record.
        path: PathBuf,
    },
    /// The file system fails.
    #[error("{}: cannot {action}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was attempted.
        action: &'static str,
        /// Why it failed.
        error: io::Error,
    },
}

/// Why one request was not granted.
#[derive(Debug, thiserror::Error)]
pub enum NotAuthorised {
    /// By the rules.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// For want of a working record.
    #[error("signing record: {0}")]
    Record(#[from] RecordError),
}

impl SigningRecord {
    /// Opens the record at `path`, or begins a new one, and locks it for this process.
    ///
    /// # Errors
    /// When another process holds it, the file is damaged or something else, or the file system fails.
    pub fn open(path: &Path) -> Result<Self, RecordError> {
        Ok(Self {
            path: Arc::new(path.to_owned()),
            log: Arc::new(Mutex::new(Log::open(path)?)),
        })
    }

    /// Says in which epoch the process started, if genesis is past, or its clock jumped: nothing new is granted up to
    /// and including it. A record that was restored from a backup lacks what was signed since, but all of that lies in
    /// epochs before the start or in the same one.
    ///
    /// # Errors
    /// When the record is unusable.
    pub fn refuse_up_to(&self, epoch: u64) -> Result<(), RecordError> {
        self.with_log(|log| {
            log.refuse_up_to(epoch);
            Ok(())
        })
    }

    /// Says what a key's high-water mark does: nothing new is granted to it below `free_from`.
    ///
    /// # Errors
    /// When the record is unusable.
    pub(crate) fn refuse_below(
        &self,
        public_key: &PublicKey,
        free_from: u64,
    ) -> Result<(), RecordError> {
        self.with_log(|log| {
            log.refuse_below(*public_key, free_from);
            Ok(())
        })
    }

    /// Notes, in memory, valid signatures of our keys that were seen on the network: nothing new is granted up to their
    /// epochs, and a key that somebody else signs with signs nothing more. Returns what follows from each of them, in
    /// order.
    ///
    /// # Errors
    /// When the record is unusable.
    pub fn observe(&self, seen: &[SigningRequest]) -> Result<Vec<Sighting>, RecordError> {
        self.with_log(|log| Ok(log.observe(seen)))
    }

    /// Writes what [`Self::observe`] has found to have been signed elsewhere, so that it is known after a restart, too.
    ///
    /// # Errors
    /// When the record cannot be written.
    pub fn persist_observed(&self, seen: &[SigningRequest]) -> Result<(), RecordError> {
        self.with_log(|log| log.persist_observed(seen))
    }

    /// Allocates disk space for the signatures of the next minutes. To be called in the quiet part of a slot, so that a
    /// full disk is noticed early and no duty waits for it.
    ///
    /// # Errors
    /// When there is no room; signing goes on as long as there is some left.
    pub fn preallocate(&self) -> Result<(), RecordError> {
        self.with_log(Log::preallocate)
    }

    /// Grants one signature. When this returns `Ok`, the grant is on disk.
    ///
    /// # Errors
    /// When the rules refuse, or the record cannot be written.
    pub fn authorise(&self, request: SigningRequest) -> Result<(), NotAuthorised> {
        let mut verdicts = self.authorise_many(&[request])?;
        match verdicts.pop() {
            Some(verdict) => Ok(verdict?),
            None => Err(NotAuthorised::Record(self.unusable())),
        }
    }

    /// Decides on many requests with one write: a verdict for each, in order. A request also has to
    /// agree with those before it in the same call.
    ///
    /// # Errors
    /// When the record cannot be written; then nothing of the whole call is granted.
    pub fn authorise_many(
        &self,
        requests: &[SigningRequest],
    ) -> Result<Vec<Result<(), Refusal>>, RecordError> {
        self.with_log(|log| log.authorise(requests))
    }

    /// The highest epoch that a key has signed in, or must not sign in any more.
    pub fn highest_epoch(&self, public_key: &PublicKey) -> Option<u64> {
        let log = self.log.lock().ok()?;
        log.history().highest_epoch(public_key)
    }

    /// The highest slot of a source that a key has voted from, as far as the record knows: records that were
    /// begun before it kept sources know none.
    pub(crate) fn highest_source(&self, public_key: &PublicKey) -> Option<u64> {
        let log = self.log.lock().ok()?;
        log.history().highest_source(public_key)
    }

    /// The whole record as JSON, to take along when a validator moves to another machine. Stop signing
    /// here first: what is signed afterwards is not in it.
    ///
    /// # Errors
    /// When the record is unusable.
    pub fn export(&self) -> Result<String, RecordError> {
        self.with_log(|log| Ok(interchange::export(log.history())))
    }

    /// Imports an exported record. This only ever makes the record stricter: what it refuses now, it refuses
    /// afterwards, and a source that it knows never becomes an older one.
    ///
    /// # Errors
    /// When the JSON is not an exported record (then nothing is taken from it), or the record cannot be written.
    pub fn import(&self, json: &str) -> Result<ImportSummary, InterchangeError> {
        let imported = interchange::parse(json)?;
        Ok(self.with_log(|log| log.import(&imported))?)
    }

    fn with_log<T>(
        &self,
        use_log: impl FnOnce(&mut Log) -> Result<T, RecordError>,
    ) -> Result<T, RecordError> {
        // A panic while the lock was held may have left the memory ahead of the disk.
        let mut log = self.log.lock().map_err(|_| self.unusable())?;
        use_log(&mut log)
    }

    pub(crate) fn unusable(&self) -> RecordError {
        RecordError::Unusable {
            path: self.path.to_path_buf(),
        }
    }
}

impl RecordView {
    /// Reads the record at `path` without locking or changing it.
    ///
    /// # Errors
    /// When there is none, it is damaged or something else, or it cannot be read.
    pub fn read(path: &Path) -> Result<Self, RecordError> {
        let history = log::read(path)?;
        Ok(Self { history })
    }

    /// As [`SigningRecord::highest_epoch`].
    pub fn highest_epoch(&self, public_key: &PublicKey) -> Option<u64> {
        self.history.highest_epoch(public_key)
    }

    /// The keys that it knows, each with what is remembered of it, oldest first.
    pub fn keys(&self) -> Vec<(PublicKey, Vec<SignedMessage>)> {
        self.history.by_key()
    }
}

impl fmt::Debug for SigningRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningRecord({})", self.path.display())
    }
}
