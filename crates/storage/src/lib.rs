//! The embedded database: the node's past, in one file that one process has open.
//!
//! It stores what the chain service gives it and knows no consensus rules and no keys: the chain service says which
//! block is final and which state is worth storing. What it promises by itself is that nothing it returns was damaged
//! on the disk, that a crash at any instant loses at most what [`Database::put`] had not written yet, and that what is
//! deleted follows [`Retention`] and the constants beside [`Database::prune`].
//!
//! | table | key | value | deleted |
//! | --- | --- | --- | --- |
//! | meta | name | format, network, anchor, finalized, lowest kept slot, registry | never |
//! | slots | root | slot | with its entry |
//! | entries | slot, root | parent, justified and finalized checkpoint of the post-state | with its body, but not in the 1,024 slots below the anchor |
//! | blocks | slot, root | the block and its proposer's attestation | by retention; off the finalized chain also when 1,024 slots below the anchor |
//! | signatures | slot, root, piece | its signatures, in pieces | with its block |
//! | states | slot, root | what of a state is in no other table | below the anchor all but one in 256 slots |
//! | canonical | slot | root of the finalized chain's block | never |
//! | votes | validator | its newest attestation data in a stored block | never |
//! | finality | finalized slot | root, and the slot in which it happened | by retention |
//!
//! # Example
//!
//! ```
//! use quartet_storage::{Database, Started, StoredBlock};
//! use quartet_types::{Block, PublicKey, SignedBlockWithAttestation, State};
//!
//! let directory = tempfile::tempdir()?;
//! let state = State::genesis(0, &[PublicKey::default()])?;
//! let mut block = SignedBlockWithAttestation::default();
//! block.message.block = Block::genesis(&state);
//! let genesis = block.block().checkpoint();
//! let first = StoredBlock {
//!     root: genesis.root,
//!     block: block.clone().into(),
//!     justified: genesis,
//!     finalized: genesis,
//!     state: Some(state.into()),
//! };
//! let database = Database::open(directory.path(), genesis.root)?;
//! assert_eq!(database.start_from(&first)?, Started::Here);
//!
//! block.message.block = Block { slot: 1, parent_root: genesis.root, ..Block::default() };
//! let root = block.block().checkpoint().root;
//! database.put(StoredBlock { root, block: block.clone().into(), state: None, ..first })?;
//! database.flush()?;
//!
//! // As after a restart.
//! drop(database);
//! let database = Database::open(directory.path(), genesis.root)?;
//! assert_eq!(database.get(root)?, Some(block));
//! assert_eq!(database.anchor()?, Some(genesis));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

mod anchor;
mod backfill;
mod blocks;
mod canonical;
mod compact;
mod database;
mod entry;
mod error;
mod file;
mod info;
mod pending;
mod prune;
mod retention;
mod seal;
mod slot_duration;
pub mod snapshot;
mod start;
mod states;
mod tables;
mod verify;
mod write;

pub use backfill::Missing;
pub use blocks::StoredBlock;
pub use canonical::Finality;
pub use compact::Compacted;
pub use database::{Database, FILE_NAME};
pub use entry::Entry;
pub use error::DatabaseError;
pub use info::{Info, TableInfo};
pub use prune::PruneReport;
/// What a database can be put on other than a file, for tests that make storage fail.
pub use redb::StorageBackend;
pub use retention::{Retention, UnknownRetention};
pub use start::Started;
pub use verify::{Verified, verify};
