//! What is deleted when finality moves, a bounded part at a time.

use quartet_types::{Checkpoint, Root, Slot};
use redb::{ReadableTable as _, Table, TableHandle as _, WriteTransaction};

use crate::{
    Database, DatabaseError,
    error::Failure,
    retention::oldest_kept,
    tables::{
        BLOCKS, CANONICAL, ENTRIES, FINALITY, Key, META, SIGNATURES, SLOTS, STATES, get_meta, meta,
        numbered, put_meta,
    },
};

/// Slots below the anchor in which blocks of abandoned branches, and the places of all blocks in the tree, are kept:
/// votes in blocks of the chain may name them, and a peer that is behind may request what they name. Votes in blocks
/// are at most 32 slots old, or are for a target after the slot that was finalized at that time; 1,024 slots are more
/// than an hour.
const ABANDONED_SLOTS: Slot = 1024;
/// Below the anchor, one state in so many slots is kept: any other is rebuilt by replaying at most this many slots of
/// blocks, a fraction of a second, and 100,000 slots keep 400 states of a few kB.
const STATE_SLOTS: Slot = 256;
/// Rows of one table that one call of [`Database::prune`] looks at. With some hundred kB for each block that is
/// deleted, one call takes tens of milliseconds.
const STEP: usize = 512;

/// What a call of [`Database::prune`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PruneReport {
    /// Blocks whose bodies it deleted.
    pub blocks: u64,
    /// States that it deleted.
    pub states: u64,
    /// Whether there is more to delete: call again.
    pub more: bool,
}

impl Database {
    /// Deletes part of what need not be kept, durably: blocks and states of abandoned branches more than 1,024 slots
    /// below the anchor; of the finalized chain, blocks older than the retention, and below the anchor all states but
    /// one in 256 slots. One call does a bounded amount of work, and says whether more is left; nothing at or above the
    /// anchor is ever deleted. The file keeps its size, and its free pages are used again.
    ///
    /// Nothing is deleted before the database has started.
    ///
    /// # Errors
    /// When the file cannot be read or written; this call has then deleted nothing.
    pub fn prune(&self) -> Result<PruneReport, DatabaseError> {
        let Some(anchor) = self.anchor()? else {
            return Ok(PruneReport::default());
        };
        self.write_if(|transaction| {
            let mut pruner = Pruner::new(transaction)?;
            pruner.abandoned(anchor)?;
            if let Some(oldest) = oldest_kept(self.retention, Some(anchor)) {
                pruner.retention(anchor, oldest)?;
            }
            pruner.thin_states(anchor)?;
            Ok((
                pruner.done,
                pruner.done != PruneReport::default() || pruner.removed,
            ))
        })
    }
}

type Keyed<'t> = Table<'t, Key, &'static [u8]>;
type Numbered<'t> = Table<'t, u64, &'static [u8]>;

/// The tables that are swept, in one transaction.
struct Pruner<'t> {
    meta: Table<'t, &'static str, &'static [u8]>,
    slots: Table<'t, &'static [u8; 32], Slot>,
    entries: Keyed<'t>,
    blocks: Keyed<'t>,
    signatures: Table<'t, (Slot, &'static [u8; 32], u16), &'static [u8]>,
    states: Keyed<'t>,
    canonical: Numbered<'t>,
    finality: Numbered<'t>,
    done: PruneReport,
    /// Whether anything was deleted that `done` does not count.
    removed: bool,
}

impl<'t> Pruner<'t> {
    fn new(transaction: &'t WriteTransaction) -> Result<Self, Failure> {
        Ok(Self {
            meta: transaction.open_table(META)?,
            slots: transaction.open_table(SLOTS)?,
            entries: transaction.open_table(ENTRIES)?,
            blocks: transaction.open_table(BLOCKS)?,
            signatures: transaction.open_table(SIGNATURES)?,
            states: transaction.open_table(STATES)?,
            canonical: transaction.open_table(CANONICAL)?,
            finality: transaction.open_table(FINALITY)?,
            done: PruneReport::default(),
            removed: false,
        })
    }

    /// Blocks off the finalized chain, from where the last sweep ended.
    fn abandoned(&mut self, anchor: Checkpoint) -> Result<(), Failure> {
        let end = anchor.slot.saturating_sub(ABANDONED_SLOTS);
        let start = self.cursor(meta::SWEPT)?;
        let keys = self.step(|pruner| &pruner.entries, start, end)?;
        for (slot, root) in &keys.found {
            if self.canonical_root(*slot)? != Some(*root) {
                self.remove_body(*slot, *root)?;
                self.remove_entry(*slot, *root)?;
            }
        }
        self.move_cursor(meta::SWEPT, start, &keys, end)
    }

    /// Blocks below `oldest`, and what was kept because of them.
    fn retention(&mut self, anchor: Checkpoint, oldest: Slot) -> Result<(), Failure> {
        let bodies = self.step(|pruner| &pruner.blocks, 0, oldest)?;
        for (slot, root) in &bodies.found {
            self.remove_body(*slot, *root)?;
            if self.entries.get((*slot, &root.0))?.is_none() {
                // A block from before the first start has nothing else that would be deleted later.
                self.slots.remove(&root.0)?;
            }
        }
        let kept = self.cursor(meta::KEPT)?;
        if kept < oldest {
            let reached = bodies.next.unwrap_or(oldest);
            put_meta(&mut self.meta, meta::KEPT, &kept.max(reached))?;
        }

        let named = oldest.min(anchor.slot.saturating_sub(ABANDONED_SLOTS));
        let entries = self.step(|pruner| &pruner.entries, 0, named)?;
        for (slot, root) in &entries.found {
            if self.blocks.get((*slot, &root.0))?.is_none() {
                self.remove_entry(*slot, *root)?;
            }
        }
        let old: Vec<Slot> = {
            let rows = self.finality.range(..oldest)?.take(STEP + 1);
            rows.map(|row| Ok(row?.0.value()))
                .collect::<Result<_, Failure>>()?
        };
        self.done.more |= old.len() > STEP || bodies.next.is_some() || entries.next.is_some();
        self.removed |= !old.is_empty();
        for slot in old.iter().take(STEP) {
            self.finality.remove(slot)?;
        }
        Ok(())
    }

    /// States below the anchor: those of the finalized chain, one in so many slots, as long as their blocks are there.
    fn thin_states(&mut self, anchor: Checkpoint) -> Result<(), Failure> {
        let start = self.cursor(meta::THINNED)?;
        let keys = self.step(|pruner| &pruner.states, start, anchor.slot)?;
        let before = {
            let mut rows = self
                .states
                .range::<(Slot, &[u8; 32])>(..(start, &[0; 32]))?;
            rows.next_back().transpose()?.map(|row| row.0.value().0)
        };
        let mut last_kept = before.map(|slot| slot / STATE_SLOTS);
        for (slot, root) in &keys.found {
            let period = Some(slot / STATE_SLOTS);
            let is_final = self.canonical_root(*slot)? == Some(*root);
            if is_final && period != last_kept {
                last_kept = period
            } else {
                self.remove_state(*slot, *root)?
            }
        }
        self.move_cursor(meta::THINNED, start, &keys, anchor.slot)
    }

    /// The keys of one step in these slots, the end excluded; whole slots but for the last call's limit.
    fn step(
        &self,
        table: impl Fn(&Self) -> &Keyed<'t>,
        start: Slot,
        end: Slot,
    ) -> Result<Step, Failure> {
        let mut found = Vec::new();
        if start >= end {
            return Ok(Step { found, next: None });
        }
        let range = (start, &[0; 32])..(end, &[0; 32]);
        for row in table(self).range::<(Slot, &[u8; 32])>(range)? {
            let key = row?.0;
            let (slot, root) = key.value();
            if found.len() == STEP {
                let next = Some(slot);
                return Ok(Step { found, next });
            }
            found.push((slot, Root::from(root)));
        }
        Ok(Step { found, next: None })
    }

    fn cursor(&self, name: &str) -> Result<Slot, Failure> {
        get_meta(&self.meta, name)?
            .ok_or_else(|| Failure::Damaged(format!("it does not say {name}")))
    }

    /// Remembers how far a sweep came. The slot where it stopped is looked at again.
    fn move_cursor(
        &mut self,
        name: &str,
        start: Slot,
        step: &Step,
        end: Slot,
    ) -> Result<(), Failure> {
        self.done.more |= step.next.is_some();
        put_meta(&mut self.meta, name, &step.next.unwrap_or(end).max(start))
    }

    fn canonical_root(&self, slot: Slot) -> Result<Option<Root>, Failure> {
        numbered(&self.canonical, CANONICAL.name(), slot)
    }

    fn remove_body(&mut self, slot: Slot, root: Root) -> Result<(), Failure> {
        self.done.blocks += u64::from(self.blocks.remove((slot, &root.0))?.is_some());
        let pieces = (slot, &root.0, 0)..=(slot, &root.0, u16::MAX);
        self.signatures
            .retain_in::<(Slot, &[u8; 32], u16), _>(pieces, |_, _| false)?;
        self.remove_state(slot, root)
    }

    fn remove_state(&mut self, slot: Slot, root: Root) -> Result<(), Failure> {
        self.done.states += u64::from(self.states.remove((slot, &root.0))?.is_some());
        Ok(())
    }

    fn remove_entry(&mut self, slot: Slot, root: Root) -> Result<(), Failure> {
        self.entries.remove((slot, &root.0))?;
        self.slots.remove(&root.0)?;
        self.removed = true;
        Ok(())
    }
}

/// The rows that one call looks at.
struct Step {
    found: Vec<(Slot, Root)>,
    /// The slot of the first row that was left for the next call.
    next: Option<Slot>,
}
