//! redb's handle: nothing that a disk does to the file may crash the node.

use std::{
    fs,
    io::ErrorKind,
    panic::{self, AssertUnwindSafe},
    path::{Path, PathBuf},
};

use redb::{
    ReadTransaction, ReadableDatabase as _, StorageBackend, WriteTransaction,
    backends::InMemoryBackend,
};

use crate::{DatabaseError, error::Failure};

/// Memory for pages of the file. Reads are rare: a peer that catches up, a user who asks, an old state.
const CACHE_BYTES: usize = 1 << 20;
/// A file of at most this size is checked from end to end when it is opened, which takes a tenth of a second. A larger
/// one is trusted, so that a start takes no longer the longer the chain is; its rows are checked as they are read.
const CHECKED_BYTES: u64 = 64 << 20;

#[derive(Debug)]
pub(crate) struct File {
    path: PathBuf,
    redb: Option<redb::Database>,
    /// Whether it is to be opened again some time.
    outlives_the_process: bool,
}

impl File {
    /// Opens the file at `path`, or makes it.
    pub(crate) fn open(path: &Path) -> Result<Self, DatabaseError> {
        let redb = guarded(path, || {
            if !path.exists() {
                make(path)?;
            }
            let mut redb = builder().create(path)?;
            if fs::metadata(path)?.len() <= CHECKED_BYTES {
                // Repairs what it can; what it cannot is an error here rather than a surprise later.
                redb.check_integrity()?;
            }
            Ok(redb)
        })?;
        Ok(Self {
            path: path.to_owned(),
            redb: Some(redb),
            outlives_the_process: true,
        })
    }

    /// Opens the file at `path`, whatever is in it.
    pub(crate) fn open_unchecked(path: &Path) -> Result<Self, DatabaseError> {
        Ok(Self {
            path: path.to_owned(),
            redb: Some(guarded(path, || Ok(builder().open(path)?))?),
            outlives_the_process: true,
        })
    }

    /// Opens whatever is on `backend`; `name` is what errors call it.
    pub(crate) fn on(name: &str, backend: impl StorageBackend) -> Result<Self, DatabaseError> {
        let path = PathBuf::from(name);
        let redb = guarded(&path, || Ok(builder().create_with_backend(backend)?))?;
        Ok(Self {
            path,
            redb: Some(redb),
            outlives_the_process: true,
        })
    }

    /// Memory that ends with the process.
    pub(crate) fn in_memory() -> Result<Self, DatabaseError> {
        let mut file = Self::on("(in memory)", InMemoryBackend::new())?;
        file.outlives_the_process = false;
        Ok(file)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn begin_read(&self) -> Result<ReadTransaction, Failure> {
        Ok(self.redb()?.begin_read()?)
    }

    /// The only write transaction at a time; waits for the one before. Its commit is on the disk when it returns.
    pub(crate) fn begin_write(&self) -> Result<WriteTransaction, Failure> {
        let mut transaction = self.redb()?.begin_write()?;
        // After a crash the file opens at once, instead of being read from end to end.
        transaction.set_quick_repair(self.outlives_the_process);
        Ok(transaction)
    }

    /// redb itself, for operations that need it exclusively.
    pub(crate) fn exclusive(&mut self) -> Result<&mut redb::Database, Failure> {
        self.redb
            .as_mut()
            .ok_or(Failure::Redb(redb::Error::DatabaseClosed))
    }

    /// Runs an operation on the file and names the file when it fails.
    pub(crate) fn attempt<T>(
        &self,
        operation: impl FnOnce() -> Result<T, Failure>,
    ) -> Result<T, DatabaseError> {
        guarded(&self.path, operation)
    }

    fn redb(&self) -> Result<&redb::Database, Failure> {
        self.redb
            .as_ref()
            .ok_or(Failure::Redb(redb::Error::DatabaseClosed))
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let redb = self.redb.take();
        // Whatever was flushed is on disk; a damaged file has nothing more to save.
        let _ = panic::catch_unwind(AssertUnwindSafe(|| drop(redb)));
    }
}

/// Makes an empty database under another name and renames it when it is complete: the next start would refuse one that
/// is not.
fn make(path: &Path) -> Result<(), Failure> {
    let beside = path.with_extension("new");
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
        _ => drop(builder().create(&beside)?),
    }
    fs::rename(&beside, path)?;
    if let Some(directory) = path.parent() {
        // Without it, a power loss could take the file with all that was synced to it.
        fs::File::open(directory)?.sync_all()?;
    }
    Ok(())
}

fn builder() -> redb::Builder {
    let mut builder = redb::Builder::new();
    builder.set_cache_size(CACHE_BYTES);
    builder
}

/// Runs an operation on the file at `path`. redb panics on some damaged pages, so a panic counts as damage. What it
/// left half done is inside redb and never relied on: its locks are poisoned, its open transaction is rolled back.
pub(crate) fn guarded<T>(
    path: &Path,
    operation: impl FnOnce() -> Result<T, Failure>,
) -> Result<T, DatabaseError> {
    match panic::catch_unwind(AssertUnwindSafe(operation)) {
        Ok(result) => result.map_err(|failure| explain(path, failure)),
        Err(_) => Err(DatabaseError::Damaged {
            path: path.to_owned(),
            reason: "a page does not hold what it should".to_owned(),
        }),
    }
}

/// Tells whether the file is bad, the system failed, or the caller was wrong.
fn explain(path: &Path, failure: Failure) -> DatabaseError {
    let path = path.to_owned();
    let error = match failure {
        Failure::Redb(error) => error,
        Failure::Damaged(reason) => return DatabaseError::Damaged { path, reason },
        Failure::Refused(reason) => return DatabaseError::Refused { path, reason },
    };
    let reason = error.to_string();
    match error {
        redb::Error::DatabaseAlreadyOpen => DatabaseError::InUse { path },
        redb::Error::Io(source)
            if !matches!(
                source.kind(),
                ErrorKind::InvalidData | ErrorKind::UnexpectedEof
            ) =>
        {
            DatabaseError::Unavailable { path, reason }
        }
        redb::Error::PreviousIo | redb::Error::DatabaseClosed | redb::Error::LockPoisoned(_) => {
            DatabaseError::Unavailable { path, reason }
        }
        _ => DatabaseError::Damaged { path, reason },
    }
}
