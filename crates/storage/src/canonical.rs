//! The finalized chain by slot, and finality's history.

use quartet_types::{Checkpoint, Root, Slot};
use redb::{TableHandle as _, WriteTransaction};

use crate::{
    Database, DatabaseError,
    anchor::move_anchor,
    error::Failure,
    seal::Place,
    tables::{
        CANONICAL, ENTRIES, FINALITY, Finalization, Links, META, get_meta, keyed, meta, numbered,
        put_meta, put_numbered,
    },
};

/// Newly finalized blocks that one transaction takes. After a long time without finality there are many; every
/// transaction moves the finalized block to its last one, so that a crash between two leaves a finalized chain that is
/// shorter and otherwise whole.
const BATCH: usize = 8192;

/// When a block became final.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finality {
    /// The block.
    pub checkpoint: Checkpoint,
    /// The slot of the clock when it did.
    pub at: Slot,
}

impl Database {
    /// Stores what has become final: `chain` has the blocks after the finalized one until `finalized`, ascending, all
    /// of which were put; `at` is the slot of the clock. It may begin with blocks that are final already. Moves the
    /// anchor to the newest of the chain's blocks that has a stored state, and returns it. Deletes nothing:
    /// [`Database::prune`] does.
    ///
    /// Durable when it returns, with all blocks that waited. After a crash in between, a shorter part of `chain` may
    /// be final, and never a part without its blocks. With an empty `chain` nothing changes.
    ///
    /// # Errors
    /// [`DatabaseError::Refused`] when the database has not started, `chain` does not lead by its entries from the
    /// finalized block to `finalized`, or a block of it is not there; and when the file cannot be written.
    pub fn finalize(
        &self,
        finalized: Checkpoint,
        chain: &[Checkpoint],
        at: Slot,
    ) -> Result<Checkpoint, DatabaseError> {
        let refused = |reason: String| DatabaseError::Refused {
            path: self.file.path().to_owned(),
            reason,
        };
        if chain.last().is_some_and(|last| *last != finalized) {
            let reason = format!("the newly final blocks do not end with {finalized}");
            return Err(refused(reason));
        }
        for batch in chain.chunks(BATCH) {
            let is_last = batch.last() == Some(&finalized);
            self.write(|transaction| {
                if extend(transaction, batch)? && is_last {
                    let root = finalized.root;
                    let mut table = transaction.open_table(FINALITY)?;
                    put_numbered(&mut table, finalized.slot, &Finalization { root, at })?;
                }
                move_anchor(transaction)
            })?;
        }
        let not_started = || refused("it has not been started".to_owned());
        self.anchor()?.ok_or_else(not_started)
    }

    /// Up to `limit` blocks of the finalized chain from `start` on, ascending. Also those whose bodies were deleted or
    /// never fetched.
    ///
    /// # Errors
    /// When the file cannot be read or the chain is damaged.
    pub fn canonical(&self, start: Slot, limit: usize) -> Result<Vec<Checkpoint>, DatabaseError> {
        self.read(|transaction| {
            let table = transaction.open_table(CANONICAL)?;
            let rows = table.range(start..)?.take(limit);
            rows.map(|row| {
                let (slot, record) = row?;
                let slot = slot.value();
                let root = Place::number(CANONICAL.name(), slot).decode(record.value())?;
                Ok(Checkpoint { root, slot })
            })
            .collect()
        })
    }

    /// The finalized chain's block in this slot; `None` for an empty slot and beyond the finalized one.
    ///
    /// # Errors
    /// When the file cannot be read or the chain is damaged.
    pub fn canonical_root(&self, slot: Slot) -> Result<Option<Root>, DatabaseError> {
        self.read(|transaction| {
            numbered(&transaction.open_table(CANONICAL)?, CANONICAL.name(), slot)
        })
    }

    /// Up to `limit` moves of finality from the finalized slot `from` on, ascending, as far back as
    /// [`Retention`](crate::Retention) goes.
    ///
    /// # Errors
    /// When the file cannot be read or a row is damaged.
    pub fn finality(&self, from: Slot, limit: usize) -> Result<Vec<Finality>, DatabaseError> {
        self.read(|transaction| {
            let table = transaction.open_table(FINALITY)?;
            let rows = table.range(from..)?.take(limit);
            rows.map(|row| {
                let (slot, record) = row?;
                let slot = slot.value();
                let place = Place::number(FINALITY.name(), slot);
                let Finalization { root, at } = place.decode(record.value())?;
                let checkpoint = Checkpoint { root, slot };
                Ok(Finality { checkpoint, at })
            })
            .collect()
        })
    }
}

/// Appends blocks to the finalized chain, and says whether any were new.
fn extend(transaction: &WriteTransaction, chain: &[Checkpoint]) -> Result<bool, Failure> {
    let mut table = transaction.open_table(META)?;
    let entries = transaction.open_table(ENTRIES)?;
    let mut canonical = transaction.open_table(CANONICAL)?;
    let before: Checkpoint = get_meta(&table, meta::FINALIZED)?
        .ok_or_else(|| Failure::Refused("it has not been started".into()))?;
    let mut last = before;
    for block in chain {
        if block.slot <= last.slot {
            let known = numbered(&canonical, CANONICAL.name(), block.slot)?;
            if known == Some(block.root) {
                continue;
            }
            let reason = format!("{block} has become final and is not of the chain to {last}");
            return Err(Failure::Refused(reason));
        }
        let links = keyed::<Links>(&entries, ENTRIES.name(), block.slot, block.root)?;
        let links = links.ok_or_else(|| {
            Failure::Refused(format!("{block} has become final and is not there"))
        })?;
        if links.parent_root != last.root {
            let reason = format!("{block} has become final and does not build on {last}");
            return Err(Failure::Refused(reason));
        }
        put_numbered(&mut canonical, block.slot, &block.root)?;
        last = *block;
    }
    put_meta(&mut table, meta::FINALIZED, &last)?;
    Ok(last != before)
}
