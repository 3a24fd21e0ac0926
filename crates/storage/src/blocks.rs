//! Blocks and their places in the tree.

use std::{ops::Bound, sync::Arc};

use quartet_types::{
    Attestation, BlockWithAttestation, Checkpoint, Root, SignedBlockWithAttestation, Slot, State,
};
use redb::{ReadTransaction, ReadableTable as _, TableHandle as _};
use ssz::Encode as _;

use crate::{
    Database, DatabaseError, Entry,
    error::Failure,
    pending::{Waiting, keep_newest},
    seal::Place,
    tables::{BLOCKS, ENTRIES, SIGNATURES, SLOTS, VOTES, keyed, signatures},
};

/// An imported block, as [`Database::put`] takes it.
#[derive(Clone, Debug)]
pub struct StoredBlock {
    /// The block's root.
    pub root: Root,
    /// The block with all its signatures.
    pub block: Arc<SignedBlockWithAttestation>,
    /// The justified checkpoint of its post-state.
    pub justified: Checkpoint,
    /// The finalized checkpoint of its post-state.
    pub finalized: Checkpoint,
    /// The post-state, where it is to be stored, too, which it is at intervals.
    pub state: Option<Arc<State>>,
}

impl Database {
    /// Stores a block with its place in the tree, its votes, and its post-state where that is given. It waits in
    /// memory, and is durable at the latest after [`Database::flush`]; all that belongs to it is written in one
    /// transaction. A block that is there already is written again, and keeps its state.
    ///
    /// # Errors
    /// When waiting blocks had to be written to make room and could not be; this block is then not
    /// kept, and the others keep waiting.
    pub fn put(&self, stored: StoredBlock) -> Result<(), DatabaseError> {
        let block = stored.block.block();
        let entry = Entry {
            root: stored.root,
            slot: block.slot,
            parent_root: block.parent_root,
            justified: stored.justified,
            finalized: stored.finalized,
        };
        let state = stored.state.as_deref();
        let state = state.map(|state| state.compact().as_ssz_bytes());
        self.enqueue(
            stored.root,
            Waiting {
                block: stored.block,
                entry: Some(entry),
                state: state.map(Arc::from),
            },
        )
    }

    /// Adds a block to those that wait, and writes them all when there are too many.
    pub(crate) fn enqueue(&self, root: Root, waiting: Waiting) -> Result<(), DatabaseError> {
        let key = (waiting.block.block().slot, root);
        let is_full = {
            let mut pending = self.pending.write();
            pending.insert(key, waiting);
            pending.is_full()
        };
        if is_full {
            // Whatever waits stays bounded, also while the disk is full.
            self.flush()
                .inspect_err(|_| self.pending.write().remove(&key))?;
        }
        Ok(())
    }

    /// The block with this root and all its signatures. `None` when it is unknown or its body was deleted.
    ///
    /// # Errors
    /// When the file cannot be read or the block is damaged.
    pub fn get(&self, root: Root) -> Result<Option<SignedBlockWithAttestation>, DatabaseError> {
        if let Some((_, waiting)) = self.pending.read().get(root) {
            return Ok(Some((*waiting.block).clone()));
        }
        self.read(|transaction| {
            let Some((slot, message)) = stored_message(transaction, root)? else {
                return Ok(None);
            };
            let signature = signatures(&transaction.open_table(SIGNATURES)?, slot, root)?;
            Ok(Some(SignedBlockWithAttestation { message, signature }))
        })
    }

    /// As [`Database::get`], without reading the signatures, which are nearly all of a block.
    ///
    /// # Errors
    /// When the file cannot be read or the block is damaged.
    pub fn message(&self, root: Root) -> Result<Option<BlockWithAttestation>, DatabaseError> {
        if let Some((_, waiting)) = self.pending.read().get(root) {
            return Ok(Some(waiting.block.message.clone()));
        }
        self.read(|transaction| {
            let message = stored_message(transaction, root)?;
            Ok(message.map(|(_, message)| message))
        })
    }

    /// Whether [`Database::get`] has this block.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn contains(&self, root: Root) -> Result<bool, DatabaseError> {
        if self.pending.read().get(root).is_some() {
            return Ok(true);
        }
        self.read(|transaction| {
            let Some(slot) = stored_slot(transaction, root)? else {
                return Ok(false);
            };
            let blocks = transaction.open_table(BLOCKS)?;
            Ok(blocks.get((slot, &root.0))?.is_some())
        })
    }

    /// The block's place in the tree. `None` when it is unknown, is older than the first start's block, or was deleted
    /// with its body more than 1,024 slots below the anchor.
    ///
    /// # Errors
    /// When the file cannot be read or the entry is damaged.
    pub fn entry(&self, root: Root) -> Result<Option<Entry>, DatabaseError> {
        if let Some((_, waiting)) = self.pending.read().get(root)
            && waiting.entry.is_some()
        {
            return Ok(waiting.entry);
        }
        self.read(|transaction| {
            let Some(slot) = stored_slot(transaction, root)? else {
                return Ok(None);
            };
            let entries = transaction.open_table(ENTRIES)?;
            let links = keyed(&entries, ENTRIES.name(), slot, root)?;
            Ok(links.map(|links| Entry::new(slot, root, links)))
        })
    }

    /// The slot of a block that has been put, also when its body was deleted since.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn slot(&self, root: Root) -> Result<Option<Slot>, DatabaseError> {
        if let Some((slot, _)) = self.pending.read().get(root) {
            return Ok(Some(slot));
        }
        self.read(|transaction| stored_slot(transaction, root))
    }

    /// Up to `limit` entries that come after `last`, ordered by slot, then root. A parent comes before its children.
    ///
    /// # Errors
    /// When the file cannot be read or an entry is damaged.
    pub fn entries_after(
        &self,
        last: (Slot, Root),
        limit: usize,
    ) -> Result<Vec<Entry>, DatabaseError> {
        let mut entries: Vec<_> = {
            let pending = self.pending.read();
            let waiting = pending.after(last).filter_map(|(_, waiting)| waiting.entry);
            waiting.take(limit).collect()
        };
        self.read(|transaction| {
            let table = transaction.open_table(ENTRIES)?;
            for row in table.range::<(Slot, &[u8; 32])>(after(&last))?.take(limit) {
                let (key, record) = row?;
                let (slot, root) = key.value();
                let root = Root::from(root);
                let place = Place::block(ENTRIES.name(), slot, root);
                entries.push(Entry::new(slot, root, place.decode(record.value())?));
            }
            Ok(())
        })?;
        let key = |entry: &Entry| (entry.slot, entry.root);
        entries.sort_unstable_by_key(key);
        // A block that is just being written is in both places.
        entries.dedup_by_key(|entry| key(entry));
        entries.truncate(limit);
        Ok(entries)
    }

    /// The newest vote of each validator in the blocks that were put, by validator: of the bodies and of the proposers.
    /// Of two votes for one slot, the one that was written first counts; of two that were written together, that of the
    /// earlier block.
    ///
    /// # Errors
    /// When the file cannot be read or a vote is damaged.
    pub fn votes(&self) -> Result<Vec<Attestation>, DatabaseError> {
        let mut votes = self.pending.read().votes();
        self.read(|transaction| {
            let table = transaction.open_table(VOTES)?;
            for row in table.iter()? {
                let (validator, record) = row?;
                let validator = validator.value();
                let stored = Place::number(VOTES.name(), validator).decode(record.value())?;
                keep_newest(&mut votes, validator, stored, true);
            }
            Ok(())
        })?;
        let votes = votes.into_iter();
        Ok(votes
            .map(|(validator_id, data)| Attestation { validator_id, data })
            .collect())
    }

    /// Makes every block durable that was put before.
    ///
    /// # Errors
    /// When the file cannot be written; the blocks keep waiting then.
    pub fn flush(&self) -> Result<(), DatabaseError> {
        // A lock that is held here would lock the writer out.
        let nothing_waits = self.pending.read().is_empty();
        if nothing_waits {
            Ok(())
        } else {
            self.write(|_| Ok(()))
        }
    }
}

type KeyBound<'a> = Bound<(Slot, &'a [u8; 32])>;

/// Everything behind `last`.
pub(crate) fn after(last: &(Slot, Root)) -> (KeyBound<'_>, KeyBound<'_>) {
    (Bound::Excluded((last.0, &last.1.0)), Bound::Unbounded)
}

pub(crate) fn stored_slot(
    transaction: &ReadTransaction,
    root: Root,
) -> Result<Option<Slot>, Failure> {
    let slots = transaction.open_table(SLOTS)?;
    Ok(slots.get(&root.0)?.map(|slot| slot.value()))
}

fn stored_message(
    transaction: &ReadTransaction,
    root: Root,
) -> Result<Option<(Slot, BlockWithAttestation)>, Failure> {
    let Some(slot) = stored_slot(transaction, root)? else {
        return Ok(None);
    };
    let blocks = transaction.open_table(BLOCKS)?;
    let message = keyed(&blocks, BLOCKS.name(), slot, root)?;
    Ok(message.map(|message| (slot, message)))
}
