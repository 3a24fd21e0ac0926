//! What is in a database, for people.

use quartet_types::{Checkpoint, Root, Slot};
use redb::{ReadTransaction, ReadableTableMetadata as _, TableHandle as _};

use crate::{
    Database, DatabaseError,
    error::Failure,
    tables::{
        BLOCKS, CANONICAL, ENTRIES, FINALITY, FORMAT, META, SIGNATURES, SLOTS, STATES, VOTES,
    },
};

/// A database at a glance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    /// Number of the file's layout.
    pub format: u64,
    /// Root of the network's genesis block.
    pub network: Root,
    /// Where a start builds the tree from.
    pub anchor: Option<Checkpoint>,
    /// The newest finalized block.
    pub finalized: Option<Checkpoint>,
    /// From this slot on the finalized chain's blocks are kept.
    pub kept_from: Option<Slot>,
    /// Size of the file in bytes, with what is free in it.
    pub file_bytes: u64,
    /// The tables, in no order that means anything.
    pub tables: Vec<TableInfo>,
}

/// A table at a glance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableInfo {
    /// Its name.
    pub name: &'static str,
    /// Its rows. Signatures have a row for every 16 kB of a block.
    pub rows: u64,
    /// Bytes that it takes in the file, with what its pages leave empty.
    pub bytes: u64,
}

impl Database {
    /// What is in the file; what waits in memory does not count. Reads the whole index of every table.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn info(&self) -> Result<Info, DatabaseError> {
        Ok(Info {
            format: FORMAT,
            network: self.network()?,
            anchor: self.anchor()?,
            finalized: self.finalized()?,
            kept_from: self.kept_from()?,
            file_bytes: self.file_bytes(),
            tables: self.read(tables)?,
        })
    }
}

fn tables(transaction: &ReadTransaction) -> Result<Vec<TableInfo>, Failure> {
    macro_rules! look_at {
        ($($table:expr),*) => { vec![$({
            let table = transaction.open_table($table)?;
            let stats = table.stats()?;
            TableInfo {
                name: $table.name(),
                rows: table.len()?,
                bytes: stats.stored_bytes() + stats.metadata_bytes() + stats.fragmented_bytes(),
            }
        }),*] };
    }
    // Each is of a type of its own.
    Ok(look_at![
        BLOCKS, SIGNATURES, ENTRIES, SLOTS, STATES, CANONICAL, FINALITY, VOTES, META
    ])
}
