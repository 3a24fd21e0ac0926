//! What happened in a slot, in short.

use quartet_chain::{Standing, SyncState};
use quartet_recording::{Decision, RecordedVerdict};
use quartet_types::{Checkpoint, Slot};

/// A slot as the replayed service went through it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotLine {
    /// The slot.
    pub slot: Slot,
    /// The head at its end.
    pub head: Checkpoint,
    /// The justified checkpoint.
    pub justified: Checkpoint,
    /// The finalized checkpoint.
    pub finalized: Checkpoint,
    /// The safe target.
    pub safe_target: Checkpoint,
    /// How far the node was with catching up.
    pub sync: SyncState,
    /// What happened in it.
    pub counts: Counts,
}

/// What happened in a slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Events that the service took.
    pub events: u64,
    /// Blocks imported.
    pub blocks: u64,
    /// Votes accepted from gossip, and of its own.
    pub votes: u64,
    /// Items of gossip that were rejected.
    pub rejected: u64,
    /// Blocks and votes that had to wait for others.
    pub parked: u64,
    /// Blocks that the head left.
    pub reorged: u64,
    /// Events that came to something else than they did in the recording.
    pub differences: u64,
}

impl Counts {
    pub(crate) fn count(&mut self, decisions: &[Decision]) {
        self.events += 1;
        for decision in decisions {
            match decision {
                Decision::Imported(_) => self.blocks += 1,
                Decision::Vote {
                    verdict: RecordedVerdict::Accept,
                    ..
                } => self.votes += 1,
                Decision::Vote {
                    verdict: RecordedVerdict::Reject,
                    ..
                }
                | Decision::Block {
                    verdict: RecordedVerdict::Reject,
                    ..
                } => self.rejected += 1,
                Decision::OwnVotes { counted, .. } => self.votes += counted,
                Decision::Parked { .. } | Decision::ParkedVote { .. } => self.parked += 1,
                Decision::Head { reorg_depth, .. } => self.reorged += reorg_depth,
                _ => {}
            }
        }
    }

    pub(crate) fn line(self, slot: Slot, standing: &Standing) -> SlotLine {
        SlotLine {
            slot,
            head: standing.view.head,
            justified: standing.view.justified,
            finalized: standing.view.finalized,
            safe_target: standing.view.safe_target,
            sync: standing.sync,
            counts: self,
        }
    }
}
