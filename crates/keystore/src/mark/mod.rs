//! The high-water mark beside each key: up to which epoch the key may have signed, wherever its file is copied.
//!
//! The signing record lives in one data directory and knows every message; the mark lives beside the key and knows
//! one number. It is durable before a signature leaves, it is never lowered, and nothing new is signed below it,
//! whatever a record says: not with another data directory, not after a new genesis, not with a clock that is behind.
//! Public test keys have none.

mod line;

use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
};

use quartet_types::PublicKey;

use crate::files;
use line::{FILE_BYTES, LINE_BYTES, decode, encode};

/// Threads that wait for the disk when many marks are raised: their waits become one.
const SYNCING_THREADS: usize = 8;

/// A mark cannot be read or kept.
#[derive(Debug, thiserror::Error)]
pub enum MarkError {
    /// The key says that it has one.
    #[error(
        "there is no high-water mark {}, without which nobody knows in which epochs this key has signed; put the file back from where the key came from, or say it with `quartet keys mark`",
        path.display()
    )]
    Missing {
        /// Where it should be.
        path: PathBuf,
    },
    /// The file has been changed or cut off.
    #[error(
        "the high-water mark {} is damaged, and nobody knows in which epochs this key has signed; put the file back from where the key came from, or remove it and say the epoch with `quartet keys mark`",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// It is beside this key and belongs to another one.
    #[error(
        "the high-water mark {} belongs to another key; it belongs beside that one and must stay with it",
        path.display()
    )]
    AnotherKey {
        /// The file.
        path: PathBuf,
    },
    /// An earlier write failed, so nobody knows what the disk holds.
    #[error("the high-water mark {} could not be written before; restart to go on signing", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
    },
    /// The file system fails.
    #[error("cannot {action} the high-water mark {}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was attempted.
        action: &'static str,
        /// Why it failed.
        error: io::Error,
    },
}

/// A key's mark, open for raising. Only the process that holds the key's locks has it open.
#[derive(Debug)]
pub(crate) struct Mark {
    path: PathBuf,
    public_key: PublicKey,
    /// As it was when it was opened.
    found: u64,
    file: Mutex<Written>,
}

#[derive(Debug)]
struct Written {
    file: File,
    free_from: u64,
    usable: bool,
}

/// Where the mark of a key's file is: beside the file that links lead to, and the same one for all formats of a
/// validator's key.
///
/// # Errors
/// When the file cannot be found.
pub(crate) fn path_beside(key: &Path) -> io::Result<PathBuf> {
    let real = key.canonicalize()?;
    Ok(named_after(&real))
}

/// Where the mark of a key's file will be that is not written yet.
pub(crate) fn path_beside_new(key: &Path) -> PathBuf {
    named_after(key)
}

fn named_after(key: &Path) -> PathBuf {
    let stem = key.file_stem().unwrap_or_default().to_string_lossy();
    let stem = stem.strip_suffix("_sk").unwrap_or(&stem);
    key.with_file_name(format!("{stem}.mark"))
}

/// The first epoch that a key's mark leaves free; `None` where there is no mark.
///
/// # Errors
/// When it is damaged, another key's, or cannot be read.
pub(crate) fn read(path: &Path, public_key: &PublicKey) -> Result<Option<u64>, MarkError> {
    match File::open(path) {
        Ok(mut file) => scan(&mut file, path, public_key).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(path, "read")(error)),
    }
}

/// Creates a key's mark, or raises it, so that it leaves no epoch free below `free_from`.
///
/// # Errors
/// When there is one that is damaged or another key's, or it cannot be written.
pub(crate) fn create_or_raise(
    path: &Path,
    public_key: &PublicKey,
    free_from: u64,
) -> Result<Mark, MarkError> {
    if read(path, public_key)?.is_none() {
        let line = encode(public_key, free_from);
        let begun = files::write_new(path, |file| file.write_all(&[line, line].concat()));
        begun.map_err(failed(path, "begin"))?;
    }
    let mark = Mark::open(path, public_key)?;
    mark.raise(free_from)?;
    Ok(mark)
}

impl Mark {
    fn open(path: &Path, public_key: &PublicKey) -> Result<Self, MarkError> {
        let opened = OpenOptions::new().read(true).write(true).open(path);
        let mut file = opened.map_err(failed(path, "open"))?;
        let found = scan(&mut file, path, public_key)?;
        // What a killed process wrote may be in the system's memory only.
        file.sync_all().map_err(failed(path, "sync"))?;
        Ok(Self {
            path: path.to_owned(),
            public_key: *public_key,
            found,
            file: Mutex::new(Written {
                file,
                free_from: found,
                usable: true,
            }),
        })
    }

    /// The first epoch that was free when it was opened.
    pub(crate) fn found(&self) -> u64 {
        self.found
    }

    /// Whether all epochs below `free_from` are given up already.
    pub(crate) fn is_raised(&self, free_from: u64) -> bool {
        let written = self.written();
        written.usable && written.free_from >= free_from
    }

    /// Gives up all epochs below `free_from`, durably. Never lowers the mark.
    ///
    /// # Errors
    /// When that cannot be written, and from then on until it is opened again.
    pub(crate) fn raise(&self, free_from: u64) -> Result<(), MarkError> {
        let mut written = self.written();
        if !written.usable {
            let path = self.path.clone();
            return Err(MarkError::Unusable { path });
        }
        if written.free_from >= free_from {
            return Ok(());
        }
        let line = encode(&self.public_key, free_from);
        // Until it is durable, nobody knows what the disk holds.
        written.usable = false;
        let io = |error| failed(&self.path, "write")(error);
        write_at(&mut written.file, 0, &line).map_err(io)?;
        (written.file.sync_data()).map_err(failed(&self.path, "sync"))?;
        // The second line needs no sync of its own: the first one is durable by now.
        write_at(&mut written.file, LINE_BYTES, &line).map_err(io)?;
        written.free_from = free_from;
        written.usable = true;
        Ok(())
    }

    fn written(&self) -> MutexGuard<'_, Written> {
        // A panic has left it unusable, if it had begun to write.
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Raises many marks: a result for each, in order. Takes as long as a few writes do one after another.
pub(crate) fn raise_many(marks: &[(&Mark, u64)]) -> Vec<Result<(), MarkError>> {
    let raise = |(mark, free_from): &(&Mark, u64)| mark.raise(*free_from);
    let each = marks.len().div_ceil(SYNCING_THREADS);
    if each <= 1 {
        return marks.iter().map(raise).collect();
    }
    thread::scope(|scope| {
        let parts: Vec<_> = (marks.chunks(each))
            .map(|part| scope.spawn(move || part.iter().map(raise).collect::<Vec<_>>()))
            .collect();
        let raised = parts
            .into_iter()
            .zip(marks.chunks(each))
            .flat_map(|(thread, part)| {
                thread.join().unwrap_or_else(|_| {
                    let unusable = |(mark, _): &(&Mark, u64)| {
                        Err(MarkError::Unusable {
                            path: mark.path.clone(),
                        })
                    };
                    part.iter().map(unusable).collect()
                })
            });
        raised.collect()
    })
}

fn write_at(file: &mut File, at: usize, bytes: &[u8]) -> io::Result<()> {
    file.seek(SeekFrom::Start(at as u64))?;
    file.write_all(bytes)
}

/// The epoch of an open file: the higher of the lines that are whole.
fn scan(file: &mut File, path: &Path, public_key: &PublicKey) -> Result<u64, MarkError> {
    let mut bytes = Vec::with_capacity(FILE_BYTES + 1);
    let length = file.take(FILE_BYTES as u64 + 1).read_to_end(&mut bytes);
    let path = || path.to_owned();
    if length.map_err(failed(&path(), "read"))? != FILE_BYTES {
        return Err(MarkError::Damaged { path: path() });
    }
    let whole = bytes.chunks(LINE_BYTES).filter_map(decode);
    let highest = whole.max_by_key(|(_, free_from)| *free_from);
    match highest {
        None => Err(MarkError::Damaged { path: path() }),
        Some((key, _)) if key != *public_key => Err(MarkError::AnotherKey { path: path() }),
        Some((_, free_from)) => Ok(free_from),
    }
}

fn failed(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> MarkError + use<> {
    let path = path.to_owned();
    move |error| MarkError::Io {
        path,
        action,
        error,
    }
}

#[cfg(test)]
mod tests;
