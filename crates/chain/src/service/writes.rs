//! Writes to the database: one job at a time, so that a block is never there before its parent.

use std::{mem, sync::Arc};

use quartet_processor::Priority;
use quartet_storage::StoredBlock;
use quartet_types::{Checkpoint, Slot, State};
use tracing::error;

use super::{
    ChainService,
    jobs::{Done, Written},
};
use crate::{ImportError, StoreError, lean_chain::Pruned};

/// How many slots the anchor, where a start and a snapshot begin, may be behind finality: writing a state of a few hundred bytes
/// moves it.
const ANCHOR_LAG: Slot = 32;

/// Slots for which a block that is not the head may well become it, by votes that are under way.
const RECENT: Slot = 2;

/// What the next transaction writes. Blocks count against [`MemoryLimits::unwritten`](crate::MemoryLimits).
#[derive(Debug, Default)]
pub(super) struct Unwritten {
    blocks: Vec<StoredBlock>,
    finality: Option<Finality>,
    /// Whether the transaction has to be flushed to the disk.
    is_urgent: bool,
    /// Whether there may be abandoned blocks to delete.
    more_to_prune: bool,
    /// Memory that the job frees: that may take a while.
    garbage: Vec<Pruned>,
    is_writing: bool,
}

/// How far finality has moved.
#[derive(Debug)]
struct Finality {
    finalized: Checkpoint,
    chain: Vec<Checkpoint>,
    /// The slot in which that was noticed.
    at: Slot,
    /// The finalized block's post-state, where it is at hand.
    state: Option<Arc<State>>,
}

impl Unwritten {
    fn is_empty(&self) -> bool {
        self.blocks.is_empty() && self.finality.is_none() && !self.more_to_prune
    }

    /// The last job has ended.
    pub(super) fn end_write(&mut self) {
        self.is_writing = false;
    }
}

impl ChainService {
    /// Has imported blocks written to the database, and drops what finality left behind, off this thread.
    ///
    /// The database keeps blocks of abandoned branches for a while: blocks of the chain may carry votes that name them, and
    /// only a node that has these can import them, after a restart or when it catches up.
    ///
    /// Where finality or justification moved, all is made durable: our validators act only when their node knows what they
    /// have voted from, and the block that justified it must not be gone everywhere after a power cut. So are the head
    /// and blocks of the present, which validators vote for: if two thirds of them lost these, they would vote for another chain
    /// beside one that others may have finalized by their votes.
    pub(super) fn persist(&mut self, blocks: Vec<StoredBlock>, pruned: Pruned, justifies: bool) {
        let (current, head) = {
            let chain = self.chain.read();
            (chain.current_slot(), chain.head().root)
        };
        let is_voted_for = blocks.iter().any(|stored| {
            let slot = stored.block.block().slot;
            stored.root == head || slot.saturating_add(RECENT) >= current
        });
        self.unwritten.blocks.extend(blocks);
        self.unwritten.is_urgent |= justifies || is_voted_for || !pruned.is_empty();
        // Not the chain's latest finalized checkpoint: while the justified block is on another branch, the tree is not pruned up to it.
        if let Some(finalized) = pruned.final_chain.last().copied() {
            let (at, state) = {
                let chain = self.chain.read();
                (chain.current_slot(), chain.state(finalized.root))
            };
            self.parking.prune(finalized.slot);
            self.admissions.prune(finalized.slot);
            let earlier = self.unwritten.finality.take();
            let mut chain = earlier.map_or_else(Vec::new, |finality| finality.chain);
            chain.extend(&pruned.final_chain);
            self.unwritten.more_to_prune = true;
            self.unwritten.finality = Some(Finality {
                finalized,
                chain,
                at,
                state,
            });
        }
        self.unwritten.garbage.push(pruned);
        self.write();
    }

    /// Begins the next job: imported blocks come before the finalized chain's past.
    pub(super) fn write_next(&mut self) {
        if self.unwritten.is_writing {
            return;
        }
        if self.unwritten.is_empty() {
            self.unwritten.is_writing = self.write_past()
        } else {
            self.write()
        }
    }

    /// Whether the disk keeps up.
    pub(super) fn has_room_to_write(&self) -> bool {
        let chain = self.chain.read();
        chain.memory().unwritten < chain.memory_limits().unwritten
    }

    /// Writes what waits, unless a job is under way: then it is written next.
    fn write(&mut self) {
        if self.unwritten.is_writing {
            return;
        }
        let Unwritten {
            blocks,
            finality,
            is_urgent,
            more_to_prune,
            garbage,
            ..
        } = mem::take(&mut self.unwritten);
        self.unwritten.is_writing = true;
        let store = self.store.clone();
        let work = move || -> Result<Written, StoreError> {
            drop(garbage);
            let roots = blocks.iter().map(|block| block.root).collect();
            for block in blocks {
                store.put(block)?;
            }
            match finality {
                Some(Finality {
                    finalized,
                    chain,
                    at,
                    state,
                }) => {
                    let anchor = store.finalize(finalized, &chain, at)?;
                    if let Some(state) = state
                        && finalized.slot >= anchor.slot + ANCHOR_LAG
                    {
                        store.put_state(finalized.root, &state)?;
                    }
                }
                None if is_urgent => store.flush()?,
                None => {}
            }
            // A bounded part of it, so that the next blocks need not wait for all.
            let more_to_prune = more_to_prune && store.prune()?.more;
            Ok(Written {
                roots,
                more_to_prune,
            })
        };
        let done = |written: Result<Result<Written, StoreError>, ImportError>| {
            Done::Stored(match written {
                Ok(written) => written,
                Err(error) => Err(StoreError(error.to_string())),
            })
        };
        self.spawn(Priority::Background, work, done);
    }

    /// These blocks are in the database now.
    pub(super) fn on_stored(
        &mut self,
        written: Result<Written, StoreError>,
    ) -> Result<(), StoreError> {
        let Written {
            roots,
            more_to_prune,
        } = written.inspect_err(|StoreError(reason)| {
            // A node that cannot keep what it imports must not pretend to.
            error!(%reason, "the block store failed");
        })?;
        self.unwritten.end_write();
        self.unwritten.more_to_prune |= more_to_prune;
        drop(self.change(|chain| chain.mark_written(&roots)));
        self.write_next();
        self.apply_next_batch();
        Ok(())
    }
}
