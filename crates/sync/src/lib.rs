//! Catching up, as decisions alone: what is missing, which peer to ask for it, in which order it is imported, and
//! whether duties wait for it.
//!
//! What is missing is known by its root, and a walk closes such a gap in two passes: back, parent by parent, to a block
//! that the chain has, remembering roots; then forward over these, many roots a request. Blocks met on the way back
//! wait with the chain service. Where the gap is long and peers serve blocks by slots, ranges are fetched forward
//! instead, and the walk waits; where no peer does, requests by root, which pq-devnet-1 has, are used.
//!
//! The past of the finalized chain is another matter: its roots are known, and nothing waits for it. [`Backfill`]
//! fetches it.
//!
//! What a peer says of its chain is a claim. One block is fetched for it, from that peer; only when its proposer has
//! signed that block there is something to catch up with.
//!
//! Nothing here does I/O, waits, or reads a clock: the driver of a [`SyncMachine`] tells it what has happened, shows it
//! the chain through a [`ChainView`], and carries out its [`Action`]s. Everything is plain data, deterministic and
//! bounded. No signature is verified here: the driver reports what became of blocks.
//!
//! # Example
//!
//! We have nothing but genesis, and a peer says that its head is in slot 9. What comes out is what to do about it:
//!
//! ```
//! use quartet_sync::{Action, ChainView, PeerName, SyncMachine};
//! use quartet_types::{Checkpoint, Root, Slot, Status};
//!
//! /// A chain that has nothing but genesis, in slot 10.
//! struct OnlyGenesis(Checkpoint);
//!
//! impl ChainView for OnlyGenesis {
//!     fn in_chain(&self, root: &Root) -> bool { *root == self.0.root }
//!     fn pending(&self, _: &Root) -> bool { false }
//!     fn missing_ancestor(&self, root: Root) -> Root { root }
//!     fn head_slot(&self) -> Slot { 0 }
//!     fn canonical_root(&self, slot: Slot) -> Option<Root> { (slot == 0).then_some(self.0.root) }
//!     fn finalized(&self) -> Checkpoint { self.0 }
//!     fn current_slot(&self) -> Slot { 10 }
//! }
//!
//! let genesis = Checkpoint { root: Root::repeat_byte(1), slot: 0 };
//! let head = Checkpoint { root: Root::repeat_byte(2), slot: 9 };
//! let peer = PeerName::new("16Uiu2…");
//! let status = Status { finalized: genesis, head };
//!
//! let mut sync = SyncMachine::default();
//! let actions = sync.on_status(peer.clone(), status, &OnlyGenesis(genesis));
//! let [Action::RequestBlocks { peer: asked, roots, .. }] = &actions[..] else {
//!     panic!("{actions:?}");
//! };
//! assert_eq!((asked, &roots[..]), (&peer, &[head.root][..]));
//! // Until a proposer's signature confirms it, there is nothing to catch up with.
//! assert_eq!(sync.target(0), None);
//! ```

#![forbid(unsafe_code)]

mod action;
mod backfill;
mod batch;
mod forward;
mod machine;
mod paused_peers;
mod peers;
mod ranges;
mod readiness;
#[cfg(test)]
mod tests;
mod view;
mod walk;
mod walks;

use quartet_types::{Root, SignedBlockWithAttestation};
use tree_hash::TreeHash as _;

pub use action::{Action, RequestError, ResponseOutcome};
pub use backfill::{Backfill, BackfillAction};
pub use batch::{Batch, BatchOutcome};
pub use machine::SyncMachine;
pub use peers::PeerName;
pub use readiness::{
    Readiness, ReadinessInputs, ReadinessUpdate, SyncProgress, SyncState, missing_slots,
    recent_slots,
};
pub use view::{ChainView, Need};

/// How far behind a peer's head ours may be before duties wait.
const SYNC_TOLERANCE_SLOTS: u64 = 2;

/// The root of the block inside a signed envelope.
fn block_root(block: &SignedBlockWithAttestation) -> Root {
    block.block().tree_hash_root()
}
