//! Older blocks of the finalized chain, fetched after a start from a checkpoint.

use std::sync::Arc;

use quartet_types::{Checkpoint, Root, SignedBlockWithAttestation, Slot};
use redb::{ReadableTable as _, TableHandle as _};
use tree_hash::TreeHash as _;

use crate::{
    Database, DatabaseError,
    pending::Waiting,
    retention::oldest_kept,
    tables::{BLOCKS, CANONICAL, META, get_meta, meta, numbered, put_meta},
};

/// Blocks that one call looks at to see how far the chain's past is there without gaps.
const LOOKED_AT: usize = 4096;

/// Blocks of the finalized chain that are not here, see [`Database::missing_blocks`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Missing {
    /// The blocks, the newest first.
    pub blocks: Vec<Checkpoint>,
    /// The `below` of the next call; `None` when there are no more.
    pub next: Option<Slot>,
}

impl Database {
    /// Blocks of the finalized chain whose bodies are not here although the retention would keep them: those below a
    /// slot, or below [`Database::kept_from`] where it is `None`. At most `limit`, and looks at 4,096 slots with a
    /// block at most. Of a database that has not started, none.
    ///
    /// # Errors
    /// When the file cannot be read or the chain is damaged.
    pub fn missing_blocks(
        &self,
        below: Option<Slot>,
        limit: usize,
    ) -> Result<Missing, DatabaseError> {
        self.read(|transaction| {
            let table = transaction.open_table(META)?;
            let Some(kept) = get_meta(&table, meta::KEPT)? else {
                return Ok(Missing::default());
            };
            let oldest = oldest_kept(self.retention, get_meta(&table, meta::ANCHOR)?).unwrap_or(0);
            let below = below.unwrap_or(kept).max(oldest);
            let canonical = transaction.open_table(CANONICAL)?;
            let bodies = transaction.open_table(BLOCKS)?;
            let mut missing = Missing::default();
            for (looked_at, row) in canonical.range(oldest..below)?.rev().enumerate() {
                if missing.blocks.len() == limit || looked_at == LOOKED_AT {
                    break;
                }
                let slot = row?.0.value();
                missing.next = Some(slot);
                let root: Option<Root> = numbered(&canonical, CANONICAL.name(), slot)?;
                let root = root.unwrap_or_default();
                let waits = || self.pending.read().get(root).is_some();
                if !waits() && bodies.get((slot, &root.0))?.is_none() {
                    missing.blocks.push(Checkpoint { root, slot });
                }
            }
            let end = missing.next.unwrap_or(below);
            let has_more = canonical.range(oldest..end)?.next().is_some();
            missing.next = has_more.then_some(end);
            Ok(missing)
        })
    }

    /// Stores an older block of the finalized chain; the order does not matter. It waits in memory like one that was
    /// [`put`](Database::put). Hashes the block. Returns whether it was stored: a block that retention would delete
    /// again is not.
    ///
    /// # Errors
    /// [`DatabaseError::Refused`] when the finalized chain has another block in its slot or none, and when waiting
    /// blocks had to be written and could not be; the block is then not stored.
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
        self.enqueue(root, waiting).map(|()| true)
    }

    /// Writes what waits, and finds out how far back the finalized chain's blocks are stored now without gaps: looks at
    /// 4,096 slots with a block at most. Returns the slot, which [`Database::kept_from`] has from now on.
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
