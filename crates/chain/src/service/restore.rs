//! Start-up: the tree above the finalized anchor is loaded from the database's index. Final blocks are neither read nor applied again.

use std::{collections::HashSet, mem, sync::Arc};

use quartet_clock::Stopwatch;
use quartet_fork_choice::{BlockInfo, Checkpoints};
use quartet_storage::Entry;
use quartet_types::{Checkpoint, Root, SignedBlockWithAttestation, Slot};
use tracing::{info, warn};

use super::ChainService;
use crate::{LeanChain, StoreError, envelope::Binding, lean_chain::Stored};

/// Entries that are read at a time.
const PAGE: usize = 4096;
/// The blocks of so many of the newest slots are read again: their votes may still be carried.
const RECENT_SLOTS: Slot = 32;

impl ChainService {
    /// Loads the chain from the database. A new database begins with the chain's anchor.
    pub(super) fn restore(&mut self) -> Result<(), StoreError> {
        let Some(anchor) = self.store.anchor()? else {
            self.chain.read().write_anchor(&self.store)?;
            // Otherwise it would count as waiting for the disk for ever.
            drop(self.change(|chain| {
                let anchor = chain.fork_choice().oldest_block().root;
                chain.mark_written(&[anchor])
            }));
            return Ok(());
        };
        let watch = Stopwatch::start();
        let missing = |what| {
            StoreError(format!(
                "the database lacks the {what} of its anchor {anchor}"
            ))
        };
        let entry = self.store.entry(anchor.root)?;
        let entry = entry.ok_or_else(|| missing("entry"))?;
        let state = self.store.state(anchor.root, None)?;
        let state = state.ok_or_else(|| missing("state"))?;
        let entries = descendants(anchor, self.entries_after(anchor.slot)?);
        let stored = Stored {
            anchor: block_info(&entry),
            checkpoints: checkpoints(&entry),
            state,
            final_chain: self.final_chain(anchor.slot)?,
            blocks: entries
                .iter()
                .map(|entry| (block_info(entry), checkpoints(entry)))
                .collect(),
            votes: self.store.votes()?,
        };
        info!(
            anchor = anchor.slot,
            blocks = entries.len(),
            votes = stored.votes.len(),
            ms = milliseconds(&watch),
            "read the index of the data directory"
        );
        self.load(stored, &entries)?;
        info!(
            head = self.chain.read().head().slot,
            finalized = self.chain.read().latest_finalized().slot,
            ms = milliseconds(&watch),
            "took up the chain of the data directory"
        );
        Ok(())
    }

    /// Takes up a chain whose blocks the database has; `entries` are those above its anchor.
    pub(super) fn load(&mut self, stored: Stored, entries: &[Entry]) -> Result<(), StoreError> {
        let (rules, limits) = {
            let chain = self.chain.read();
            (chain.fork_choice().rules(), chain.memory_limits())
        };
        let restored = LeanChain::restore(stored, rules);
        let (restored, unheard) = restored.map_err(|error| StoreError(error.to_string()))?;
        let finalized = restored.fork_choice().oldest_block().checkpoint();
        self.store
            .finalize(finalized, &unheard, self.clock.slot())?;
        let restored = restored.with_memory_limits(limits);
        drop(self.chain.change(|chain| mem::replace(chain, restored)));
        self.restore_recent(entries)?;
        let head = self.chain.read().head();
        let state = self.reader.state(head.root).and_then(|state| {
            state.ok_or_else(|| StoreError("a block or state below it is gone".to_owned()))
        });
        let state = state.map_err(|StoreError(reason)| {
            StoreError(format!(
                "the state of the head {head} cannot be rebuilt ({reason}): see what `quartet db verify` finds; remove \
                 the database to start over, blocks are fetched from peers again"
            ))
        })?;
        drop(self.change(|chain| chain.insert_state(head.root, state)));
        Ok(())
    }

    fn entries_after(&self, slot: Slot) -> Result<Vec<Entry>, StoreError> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut last = (slot, Root::repeat_byte(0xff));
        loop {
            let page = self.store.entries_after(last, PAGE)?;
            let Some(end) = page.last() else {
                return Ok(entries);
            };
            last = (end.slot, end.root);
            entries.extend(page);
        }
    }

    fn final_chain(&self, anchor: Slot) -> Result<Vec<Checkpoint>, StoreError> {
        let mut chain: Vec<Checkpoint> = Vec::new();
        loop {
            let after = chain.last().map_or(anchor, |block| block.slot);
            let page = self.store.canonical(after + 1, PAGE)?;
            if page.is_empty() {
                return Ok(chain);
            }
            chain.extend(page);
        }
    }

    /// Restores which block has each slot's place, and the newest blocks with their votes. In older slots every known block takes
    /// the place of its kind: another block that comes so late has to be needed by something.
    fn restore_recent(&mut self, entries: &[Entry]) -> Result<(), StoreError> {
        let newest = entries.last().map_or(0, |entry| entry.slot);
        for entry in entries {
            let mut binding = Binding::Bound;
            if entry.slot + RECENT_SLOTS > newest {
                let Some(block) = self.store.get(entry.root)? else {
                    warn!(root = %entry.root, slot = entry.slot, "a block of the data directory is gone");
                    continue;
                };
                binding = Binding::of(entry.root, &block.message);
                self.restore_block(entry.root, block);
            }
            self.admissions.admit(entry.slot, entry.root, binding);
        }
        Ok(())
    }

    fn restore_block(&self, root: Root, block: SignedBlockWithAttestation) {
        let block = Arc::new(block);
        drop(self.change(|chain| chain.restore_block(root, block)));
    }
}

/// The entries that build on the anchor. Abandoned blocks are in the database for a while, and nothing may build on them.
fn descendants(anchor: Checkpoint, entries: Vec<Entry>) -> Vec<Entry> {
    let mut known = HashSet::from([anchor.root]);
    let mut entries = entries;
    entries.retain(|entry| known.contains(&entry.parent_root) && known.insert(entry.root));
    entries
}

fn checkpoints(entry: &Entry) -> Checkpoints {
    Checkpoints {
        justified: entry.justified,
        finalized: entry.finalized,
    }
}

fn block_info(entry: &Entry) -> BlockInfo {
    BlockInfo {
        root: entry.root,
        parent_root: entry.parent_root,
        slot: entry.slot,
    }
}

fn milliseconds(watch: &Stopwatch) -> u64 {
    (watch.seconds() * 1e3) as u64
}
