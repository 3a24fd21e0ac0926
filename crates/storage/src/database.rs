//! Opening the database: its network and its format.

use std::{fs, path::Path};

use parking_lot::RwLock;
use quartet_types::{Checkpoint, Root, Slot};
use redb::{ReadTransaction, StorageBackend};

use crate::{
    DatabaseError, Retention,
    error::Failure,
    file::File,
    pending::Pending,
    tables::{
        BLOCKS, CANONICAL, ENTRIES, FINALITY, FORMAT, META, SIGNATURES, SLOTS, STATES, VOTES,
        get_meta, meta,
    },
};

/// The database's file in its directory.
pub const FILE_NAME: &str = "blocks.redb";

/// The node's past, in one file that one process has open. Every call may wait for the disk.
///
/// *What is durable when*: [`Database::put`] and [`Database::put_finalized_block`] keep blocks in memory, at most 64 or
/// 1 MiB (and one more block), and write them in one transaction when there are more, or with the next call of any
/// other method that writes. All of those ([`Database::flush`], [`Database::finalize`], …) return after their
/// transaction is on the disk. A transaction is there after a crash as a whole or not at all, and transactions are
/// there in their order.
#[derive(Debug)]
pub struct Database {
    pub(crate) file: File,
    pub(crate) retention: Retention,
    /// Readers look here first, then into the file. A writer that moves blocks from here to the file holds the file's
    /// only write transaction until it has removed them from here, after its commit.
    pub(crate) pending: RwLock<Pending>,
}

impl Database {
    /// Opens the database in `directory`, or makes directory and database. `network` is the root of the genesis block:
    /// a database of another network is refused. Keeps everything, unless [`Database::with_retention`] says otherwise.
    ///
    /// # Errors
    /// When another process has it open, it belongs to another network, its format is not this
    /// version's, it is damaged, or the file system refuses.
    pub fn open(directory: &Path, network: Root) -> Result<Self, DatabaseError> {
        fs::create_dir_all(directory).map_err(|source| DatabaseError::Directory {
            path: directory.to_owned(),
            source,
        })?;
        Self::signed(File::open(&directory.join(FILE_NAME))?, network)
    }

    /// The database in a file that is new or `network`'s.
    fn signed(file: File, network: Root) -> Result<Self, DatabaseError> {
        let database = Self::from(file);
        database.sign(network)?;
        database.check_network(network)?;
        Ok(database)
    }

    /// Opens a database that is there, of whichever network: for tools that look at one.
    ///
    /// # Errors
    /// As [`Database::open`], and when there is none.
    pub fn open_existing(directory: &Path) -> Result<Self, DatabaseError> {
        let path = directory.join(FILE_NAME);
        if !path.is_file() {
            return Err(DatabaseError::Missing { path });
        }
        let database = Self::from(File::open(&path)?);
        database.network()?;
        Ok(database)
    }

    /// A database that lasts as long as this value, for tests and simulations.
    ///
    /// # Errors
    /// Only if memory behaved like a broken disk.
    pub fn in_memory(network: Root) -> Result<Self, DatabaseError> {
        Self::signed(File::in_memory()?, network)
    }

    /// A database on any storage; `name` is what errors call it. For tests that make storage fail.
    ///
    /// # Errors
    /// As [`Database::open`].
    pub fn with_backend(
        name: &str,
        backend: impl StorageBackend,
        network: Root,
    ) -> Result<Self, DatabaseError> {
        Self::signed(File::on(name, backend)?, network)
    }

    /// The same database, with what to keep of the finalized chain's past.
    #[must_use]
    pub fn with_retention(mut self, retention: Retention) -> Self {
        self.retention = retention;
        self
    }

    /// Root of the genesis block of the network whose blocks it holds.
    ///
    /// # Errors
    /// When the format is not this version's, the file does not say, or it cannot be read.
    pub fn network(&self) -> Result<Root, DatabaseError> {
        let (format, network) = self.read(|transaction| {
            let table = transaction.open_table(META)?;
            let bytes = |name| -> Result<_, Failure> {
                Ok(table.get(name)?.map(|value| value.value().to_vec()))
            };
            Ok((bytes(meta::FORMAT)?, bytes(meta::NETWORK)?))
        })?;
        let path = || self.file.path().to_owned();
        let damaged = |reason: &str| DatabaseError::Damaged {
            path: path(),
            reason: reason.to_owned(),
        };
        let format = format.and_then(|bytes| bytes.try_into().ok());
        match format.map(u64::from_le_bytes) {
            Some(FORMAT) => {}
            None => return Err(damaged("it does not say its format")),
            Some(found) if found < FORMAT => {
                return Err(DatabaseError::EarlierFormat {
                    path: path(),
                    supported: FORMAT,
                    found,
                });
            }
            Some(found) => {
                return Err(DatabaseError::UnsupportedFormat {
                    path: path(),
                    supported: FORMAT,
                    found,
                });
            }
        }
        network
            .and_then(|bytes| Root::try_from(&bytes[..]).ok())
            .ok_or_else(|| damaged("it does not say its network"))
    }

    /// The block from which a start builds the tree: the newest finalized one whose state is stored. `None` before
    /// the first [`Database::start_from`].
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn anchor(&self) -> Result<Option<Checkpoint>, DatabaseError> {
        self.meta(meta::ANCHOR)
    }

    /// The newest finalized block. `None` before the first [`Database::start_from`].
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn finalized(&self) -> Result<Option<Checkpoint>, DatabaseError> {
        self.meta(meta::FINALIZED)
    }

    /// From this slot on, all blocks of the finalized chain are kept. `None` before the first [`Database::start_from`].
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn kept_from(&self) -> Result<Option<Slot>, DatabaseError> {
        self.meta(meta::KEPT)
    }

    fn meta<T: ssz::Decode>(&self, name: &str) -> Result<Option<T>, DatabaseError> {
        self.read(|transaction| get_meta(&transaction.open_table(META)?, name))
    }

    /// Runs a reader on a consistent view of the file.
    pub(crate) fn read<T>(
        &self,
        reader: impl FnOnce(&ReadTransaction) -> Result<T, Failure>,
    ) -> Result<T, DatabaseError> {
        self.file.attempt(|| reader(&self.file.begin_read()?))
    }

    /// Writes format and network into a new file, and makes its tables.
    fn sign(&self, network: Root) -> Result<(), DatabaseError> {
        self.file.attempt(|| {
            let transaction = self.file.begin_write()?;
            if transaction.list_tables()?.next().is_some() {
                return Ok(transaction.abort()?);
            }
            let mut table = transaction.open_table(META)?;
            table.insert(meta::FORMAT, &FORMAT.to_le_bytes()[..])?;
            table.insert(meta::NETWORK, &network[..])?;
            drop(table);
            // Later reads may rely on every table being there.
            transaction.open_table(SLOTS)?;
            for blocks in [ENTRIES, BLOCKS, STATES] {
                transaction.open_table(blocks)?;
            }
            for numbered in [CANONICAL, VOTES, FINALITY] {
                transaction.open_table(numbered)?;
            }
            transaction.open_table(SIGNATURES)?;
            Ok(transaction.commit()?)
        })
    }

    fn check_network(&self, expected: Root) -> Result<(), DatabaseError> {
        match self.network()? {
            found if found == expected => Ok(()),
            found => Err(DatabaseError::OtherNetwork {
                path: self.file.path().to_owned(),
                expected,
                found,
            }),
        }
    }
}

impl From<File> for Database {
    fn from(file: File) -> Self {
        Self {
            file,
            retention: Retention::All,
            pending: RwLock::default(),
        }
    }
}
