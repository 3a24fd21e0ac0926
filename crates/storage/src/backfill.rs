//! Older blocks of the finalized chain, fetched after a start from a checkpoint.

use std::sync::Arc;

use quartet_types::{Root, SignedBlockWithAttestation, Slot};
use redb::TableHandle as _;
use tree_hash::TreeHash as _;

use crate::{
    Database, DatabaseError,
    pending::Waiting,
    prune::oldest_kept,
    tables::{BLOCKS, CANONICAL, META, get_meta, meta, numbered, put_meta},
};

/// Blocks that one call looks at to see how far the chain's past is there without gaps.
const LOOKED_AT: usize = 4096;

impl Database {
    /// Keeps an older block of the finalized chain; in any order. It waits as one that was [`put`](Database::put).
    /// Hashes the block. Returns whether it was kept: not one that retention would delete again.
    ///
    /// # Errors
    /// [`DatabaseError::Refused`] when the finalized chain has another block in its slot or none, and when waiting
    /// blocks had to be written and could not be; the block is then not kept.
    pub fn put_finalized_block(
        &self,
        block: Arc<SignedBlockWithAttestation>,
    ) -> Result<bool, DatabaseError> {
        let root = block.block().tree_hash_root();
        let slot = block.block().slot;
        let (canonical, anchor) = self.read(|transaction| {
            let canonical = transaction.open_table(CANONICAL)?;
            let canonical: Option<Root> = numbered(&canonical, CANONICAL.name(), slot)?;
            Ok((
                canonical,
                get_meta(&transaction.open_table(META)?, meta::ANCHOR)?,
            ))
        })?;
        if canonical != Some(root) {
            return Err(DatabaseError::Refused {
                path: self.file.path().to_owned(),
                reason: format!("{root}@{slot} is not on the finalized chain"),
            });
        }
        if oldest_kept(self.retention, anchor).is_some_and(|oldest| slot < oldest) {
            return Ok(false);
        }
        let waiting = Waiting {
            block,
            entry: None,
            state: None,
        };
        self.wait(root, waiting).map(|()| true)
    }

    /// Writes what waits, and sees how far back the finalized chain's blocks are there now without gaps: looks at 4,096
    /// slots with a block at most. Returns the slot, which [`Database::kept_from`] has from now on.
    ///
    /// # Errors
    /// [`DatabaseError::Refused`] when the database has not started, and when the file cannot be read or written.
    pub fn extend_kept(&self) -> Result<Slot, DatabaseError> {
        self.write(|transaction| {
            let mut table = transaction.open_table(META)?;
            let canonical = transaction.open_table(CANONICAL)?;
            let blocks = transaction.open_table(BLOCKS)?;
            let mut kept: Slot = get_meta(&table, meta::KEPT)?
                .ok_or_else(|| crate::error::Failure::Refused("it has not been started".into()))?;
            use redb::ReadableTable as _;
            for row in canonical.range(..kept)?.rev().take(LOOKED_AT) {
                let slot = row?.0.value();
                let root: Option<Root> = numbered(&canonical, CANONICAL.name(), slot)?;
                let root = root.unwrap_or_default();
                if blocks.get((slot, &root.0))?.is_none() {
                    break;
                }
                kept = slot;
            }
            put_meta(&mut table, meta::KEPT, &kept)?;
            Ok(kept)
        })
    }
}
