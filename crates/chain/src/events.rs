//! The event bus: everything that watchers are told of the chain.

use std::{sync::Arc, time::Duration};

use quartet_sync::SyncState;
use quartet_types::{Attestation, Checkpoint, Root, Slot, ValidatorIndex};
use tokio::sync::broadcast;

/// Events a slow watcher may fall behind before it misses some.
const BUS_CAPACITY: usize = 1024;

/// Something happened to the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChainEvent {
    /// A block was imported.
    Block(ImportedBlock),
    /// Votes were counted in the fork choice: of one batch of the verification, or of this node's validators. Those that
    /// came in blocks are not among them.
    Attestations {
        /// How they came.
        origin: Source,
        /// The votes.
        votes: Arc<[Attestation]>,
    },
    /// The head changed.
    Head {
        /// The head before.
        before: Checkpoint,
        /// The new head.
        head: Checkpoint,
        /// Blocks of the old chain that are no longer part of it; zero when the head just moved on.
        reorg_depth: u64,
    },
    /// A checkpoint was justified.
    Justified(Checkpoint),
    /// A checkpoint was finalized.
    Finalized(Checkpoint),
    /// The safe target changed.
    SafeTarget(Checkpoint),
    /// A validator was found to have signed two messages for one slot.
    Equivocation {
        /// The validator.
        validator: ValidatorIndex,
        /// The slot.
        slot: Slot,
    },
    /// The state of catching up changed; a new target alone is not told.
    Sync(SyncState),
    /// Validators of this node have done a duty, or have missed it.
    Duty(Duty),
    /// The last interval of a slot has begun: time for a summary.
    SlotEnd(Slot),
}

/// How something came to the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A peer published it.
    Gossip,
    /// A peer was asked for it.
    Sync,
    /// This node has made it.
    Own,
}

/// A block that was imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImportedBlock {
    /// Its root and slot.
    pub block: Checkpoint,
    /// The block that it builds on.
    pub parent_root: Root,
    /// The root of the state after it.
    pub state_root: Root,
    /// Who proposed it.
    pub proposer: ValidatorIndex,
    /// Number of attestations in its body.
    pub attestations: usize,
    /// How it came.
    pub origin: Source,
}

/// A duty of this node's validators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Duty {
    /// What was to be done.
    pub kind: DutyKind,
    /// The slot that it was for.
    pub slot: Slot,
    /// Whose duty it was.
    pub validators: Arc<[ValidatorIndex]>,
    /// What came of it.
    pub outcome: DutyOutcome,
    /// Time from the tick at which it was due until it was published or given up.
    pub delay: Duration,
}

/// What a validator has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DutyKind {
    /// To propose a block, at t = 0.
    Proposal,
    /// To attest, at t = ¼.
    Attestation,
}

/// What came of a duty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DutyOutcome {
    /// Done before the next tick but one.
    Done,
    /// Done, but too late to be counted for in its slot.
    Late,
    /// Not done.
    Missed,
}

/// Where events are sent and watched. Clones share the bus.
#[derive(Clone, Debug)]
pub struct EventBus(broadcast::Sender<ChainEvent>);

impl EventBus {
    /// A bus that nobody watches yet.
    pub fn new() -> Self {
        Self(broadcast::Sender::new(BUS_CAPACITY))
    }

    /// Watches all events from now on. A watcher that falls behind by more than 1,024 is told how many it missed.
    pub fn watch(&self) -> broadcast::Receiver<ChainEvent> {
        self.0.subscribe()
    }

    /// Tells the watchers, if there are any.
    pub fn send(&self, event: ChainEvent) {
        // An error only says that nobody watches.
        let _ = self.0.send(event);
    }
}

impl Default for EventBus {
    fn default() -> Self {
        Self::new()
    }
}
