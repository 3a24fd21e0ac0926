//! The tables, and the transactions on them.

use std::{
    fs,
    ops::Bound::{Excluded, Unbounded},
    panic::{self, AssertUnwindSafe},
    path::{Path, PathBuf},
};

use parking_lot::RwLock;
use quartet_types::{Root, SignedBlockWithAttestation, Slot};
use redb::{ReadableDatabase as _, TableDefinition, WriteTransaction};

use crate::{DatabaseError, pending::Pending, record};

const FILE_NAME: &str = "blocks.redb";
const FORMAT: u64 = 1;
/// Memory for pages of the file. Reads are rare: a peer that catches up, a user who asks.
const CACHE_BYTES: usize = 1 << 20;
/// A file of at most this size is checked from end to end when it is opened, which takes a second at
/// most. A larger one is trusted, and its blocks are checked as they are read.
const CHECKED_BYTES: u64 = 1 << 30;

/// `format` and `network`: how the file is laid out, and whose blocks it holds.
const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
/// Root → record.
const BLOCKS: TableDefinition<'_, &[u8; 32], &[u8]> = TableDefinition::new("blocks");
/// (slot, root): the order of the blocks.
const ORDER: TableDefinition<'_, (Slot, &[u8; 32]), ()> = TableDefinition::new("order");

/// Blocks by root, in the order of their slots, in one file that one process has open.
///
/// A block that is put waits in memory (at most 64 blocks or 1 MiB) until the next flush, or until
/// there is no more room, and is then written with the others in one transaction. A crash loses what
/// waited and nothing else.
#[derive(Debug)]
pub struct Database {
    path: PathBuf,
    file: File,
    /// Readers look here first, then into the file. A writer that moves blocks from here to the file
    /// holds the file's only write transaction all the while, and clears this after its commit.
    pending: RwLock<Pending>,
}

impl Database {
    /// Opens the database in `directory`, or makes directory and database. `network` is the
    /// root of the genesis block: a database of another network is refused.
    ///
    /// # Errors
    /// When another process has it open, it belongs to another network, its format is not this
    /// version's, it is damaged, or the file system refuses.
    pub fn open(directory: &Path, network: Root) -> Result<Self, DatabaseError> {
        fs::create_dir_all(directory).map_err(|source| DatabaseError::Directory {
            path: directory.to_owned(),
            source,
        })?;
        let path = directory.join(FILE_NAME);
        let file = guarded(&path, || {
            let mut builder = redb::Builder::new();
            let mut file = builder.set_cache_size(CACHE_BYTES).create(&path)?;
            if fs::metadata(&path)?.len() <= CHECKED_BYTES {
                // Mends what it can; what it cannot is an error here rather than a surprise later.
                file.check_integrity()?;
            }
            Ok(File(Some(file)))
        })?;
        let database = Self {
            path,
            file,
            pending: RwLock::default(),
        };
        database.identify(network)?;
        Ok(database)
    }

    /// Keeps a block. Durable at the latest after [`Database::flush`].
    ///
    /// # Errors
    /// When waiting blocks had to be written to make room and could not be; this block is then not
    /// kept.
    pub fn put(&self, root: Root, block: &SignedBlockWithAttestation) -> Result<(), DatabaseError> {
        let key = (block.block().slot, root);
        let record = record::encode(block).into();
        let is_full = {
            let mut pending = self.pending.write();
            pending.insert(key, record);
            pending.is_full()
        };
        if is_full {
            // Whatever waits stays bounded, also while the disk is full.
            self.write(&[])
                .inspect_err(|_| self.pending.write().remove(&key))?;
        }
        Ok(())
    }

    /// The block with this root. Reads the disk.
    ///
    /// # Errors
    /// When the file cannot be read or the block is damaged.
    pub fn get(&self, root: Root) -> Result<Option<SignedBlockWithAttestation>, DatabaseError> {
        let waiting = self.pending.read().get(root);
        let decoded = match waiting {
            Some(record) => Some(record::decode(&record)),
            None => self.attempt(|| {
                let blocks = self.file.get()?.begin_read()?.open_table(BLOCKS)?;
                let stored = blocks.get(&root.0)?;
                Ok(stored.map(|record| record::decode(record.value())))
            })?,
        };
        let damaged = |reason| DatabaseError::Damaged {
            path: self.path.clone(),
            reason: format!("block {root}: {reason}"),
        };
        decoded.transpose().map_err(damaged)
    }

    /// Slots and roots of up to `limit` blocks that come after `last`, ordered by slot, then root.
    /// Reads the disk.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn after(
        &self,
        last: (Slot, Root),
        limit: usize,
    ) -> Result<Vec<(Slot, Root)>, DatabaseError> {
        let mut blocks: Vec<_> = self.pending.read().after(last).take(limit).collect();
        self.attempt(|| {
            let order = self.file.get()?.begin_read()?.open_table(ORDER)?;
            let start = (last.0, &last.1.0);
            for key in order
                .range::<(Slot, &[u8; 32])>((Excluded(start), Unbounded))?
                .take(limit)
            {
                let (key, _) = key?;
                let (slot, root) = key.value();
                blocks.push((slot, Root::from(root)));
            }
            Ok(())
        })?;
        blocks.sort_unstable();
        // A block that is just being written is in both places.
        blocks.dedup();
        blocks.truncate(limit);
        Ok(blocks)
    }

    /// Forgets blocks, durably; with them, what waits is written. Unknown ones are no error.
    ///
    /// # Errors
    /// When the file cannot be written; nothing is forgotten then.
    pub fn remove(&self, blocks: &[(Slot, Root)]) -> Result<(), DatabaseError> {
        if blocks.is_empty() {
            return Ok(());
        }
        self.write(blocks)
    }

    /// Makes every block durable that was put before.
    ///
    /// # Errors
    /// When the file cannot be written; the blocks keep waiting then.
    pub fn flush(&self) -> Result<(), DatabaseError> {
        self.write(&[])
    }

    /// Writes what waits, except `removals`, which are taken out of the file: one durable transaction.
    fn write(&self, removals: &[(Slot, Root)]) -> Result<(), DatabaseError> {
        if removals.is_empty() && self.pending.read().is_empty() {
            return Ok(());
        }
        self.attempt(|| {
            // Begins before it looks at what waits, so that no other writer can come between.
            let transaction = self.begin_write()?;
            let mut batch = self.pending.read().clone();
            let written = batch.clone();
            removals.iter().for_each(|key| batch.remove(key));
            {
                let mut blocks = transaction.open_table(BLOCKS)?;
                let mut order = transaction.open_table(ORDER)?;
                for ((slot, root), record) in batch.iter() {
                    blocks.insert(&root.0, &record[..])?;
                    order.insert((*slot, &root.0), ())?;
                }
                for (slot, root) in removals {
                    blocks.remove(&root.0)?;
                    order.remove((*slot, &root.0))?;
                }
            }
            transaction.commit()?;
            let mut pending = self.pending.write();
            written.iter().for_each(|(key, _)| pending.remove(key));
            Ok(())
        })
    }

    /// Signs a new file with format and network, or checks the signature of an old one.
    fn identify(&self, network: Root) -> Result<(), DatabaseError> {
        let path = || self.path.clone();
        let damaged = |reason: &str| DatabaseError::Damaged {
            path: path(),
            reason: reason.to_owned(),
        };
        let (format, found) = self.attempt(|| {
            let transaction = self.begin_write()?;
            if transaction.list_tables()?.next().is_none() {
                let mut meta = transaction.open_table(META)?;
                meta.insert("format", &FORMAT.to_le_bytes()[..])?;
                meta.insert("network", &network[..])?;
                drop(meta);
                // Later reads may rely on every table being there.
                transaction.open_table(BLOCKS)?;
                transaction.open_table(ORDER)?;
                transaction.commit()?;
            } else {
                transaction.abort()?;
            }
            let meta = self.file.get()?.begin_read()?.open_table(META)?;
            let bytes = |name| -> Result<_, redb::Error> {
                Ok(meta.get(name)?.map(|value| value.value().to_vec()))
            };
            Ok((bytes("format")?, bytes("network")?))
        })?;

        let format = format.and_then(|bytes| bytes.try_into().ok());
        match format.map(u64::from_le_bytes) {
            None => return Err(damaged("it does not say its format")),
            Some(FORMAT) => {}
            Some(found) => {
                return Err(DatabaseError::UnsupportedFormat {
                    path: path(),
                    supported: FORMAT,
                    found,
                });
            }
        }
        match found.and_then(|bytes| Root::try_from(&bytes[..]).ok()) {
            None => Err(damaged("it does not say its network")),
            Some(found) if found == network => Ok(()),
            Some(found) => Err(DatabaseError::OtherNetwork {
                path: path(),
                expected: network,
                found,
            }),
        }
    }

    fn begin_write(&self) -> Result<WriteTransaction, redb::Error> {
        let mut transaction = self.file.get()?.begin_write()?;
        // After a crash the file opens at once, instead of being read from end to end.
        transaction.set_quick_repair(true);
        Ok(transaction)
    }

    /// Runs an operation on the file and names the file when it fails.
    fn attempt<T>(
        &self,
        operation: impl FnOnce() -> Result<T, redb::Error>,
    ) -> Result<T, DatabaseError> {
        guarded(&self.path, operation)
    }
}

/// redb's handle, closed with the same care with which it is used; see [`guarded`].
#[derive(Debug)]
struct File(Option<redb::Database>);

impl File {
    fn get(&self) -> Result<&redb::Database, redb::Error> {
        self.0.as_ref().ok_or(redb::Error::DatabaseClosed)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let file = self.0.take();
        // Whatever was flushed is on disk; a damaged file has nothing more to save.
        let _ = panic::catch_unwind(AssertUnwindSafe(|| drop(file)));
    }
}

/// Runs an operation on the file at `path`. redb panics on some damaged pages; nothing that a disk does
/// to the file may take the node down, so a panic counts as damage. What it left half done is redb's own
/// and is never relied on: its locks are poisoned, its open transaction is rolled back.
fn guarded<T>(
    path: &Path,
    operation: impl FnOnce() -> Result<T, redb::Error>,
) -> Result<T, DatabaseError> {
    match panic::catch_unwind(AssertUnwindSafe(operation)) {
        Ok(result) => result.map_err(|error| explain(path, error)),
        Err(_) => Err(DatabaseError::Damaged {
            path: path.to_owned(),
            reason: "a page does not hold what it should".to_owned(),
        }),
    }
}

/// Says whether the file is bad or the system in the way.
fn explain(path: &Path, error: redb::Error) -> DatabaseError {
    let path = path.to_owned();
    let reason = error.to_string();
    match error {
        redb::Error::DatabaseAlreadyOpen => DatabaseError::InUse { path },
        redb::Error::Io(source)
            if !matches!(
                source.kind(),
                std::io::ErrorKind::InvalidData | std::io::ErrorKind::UnexpectedEof
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
