//! The event bus: everything that the chain tells those who watch.

use quartet_types::{Checkpoint, Root, Slot, ValidatorIndex};
use tokio::sync::broadcast;

/// Events a slow watcher may fall behind before it misses some.
const BUS_CAPACITY: usize = 1024;

/// Something happened to the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChainEvent {
    /// A block was imported.
    Block {
        /// Its root and slot.
        block: Checkpoint,
        /// The block it builds on.
        parent_root: Root,
        /// Who proposed it.
        proposer: ValidatorIndex,
    },
    /// The head changed.
    Head {
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
    /// A slot has ended its last interval: time for a summary.
    SlotEnd(Slot),
}

/// Where events are sent and watched. Clones share the bus.
#[derive(Clone, Debug)]
pub struct EventBus(broadcast::Sender<ChainEvent>);

impl EventBus {
    /// A bus that nobody watches yet.
    pub fn new() -> Self {
        Self(broadcast::Sender::new(BUS_CAPACITY))
    }

    /// Watches all events from now on. A watcher that falls behind is told how many it missed.
    pub fn watch(&self) -> broadcast::Receiver<ChainEvent> {
        self.0.subscribe()
    }

    /// Tells the watchers, if there are any.
    pub(crate) fn send(&self, event: ChainEvent) {
        // An error only says that nobody watches.
        let _ = self.0.send(event);
    }
}

impl Default for EventBus {
    fn default() -> Self {
        Self::new()
    }
}
