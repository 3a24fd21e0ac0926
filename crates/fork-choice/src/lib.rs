//! The block tree, the votes and their weights, the head and the safe target (leanSpec `forkchoice/store.py`).
//!
//! [`ForkChoice`] knows blocks by root, parent and slot alone. It holds no states, bodies or signatures, reads no
//! clock and verifies nothing that needs a key: its caller has done the state transition and the signatures before,
//! and tells it the time in intervals since genesis.
//!
//! Two sets hold each validator's latest vote. *Known* votes weigh: they are summed up along paths of blocks as they move, so
//! that the weight of a block and the heaviest leaf are found in steps that grow with the logarithm of the tree, whatever
//! its shape and however far a vote has come. *New* votes wait for the end of the slot and decide on the safe target, for
//! which they are counted when it is asked for.

mod attestations;
mod blocks;
mod error;
mod fork_choice;
mod nodes;
mod past;
mod paths;
mod plan;
mod restore;
mod rules;
mod safe_target;
mod segments;
mod slab;
mod sums;
mod target;
mod ticks;
mod tree;
mod votes;
mod weights;

pub use attestations::{AttestationOrigin, AttestationOutcome};
pub use blocks::{BlockOutcome, Names};
pub use error::{AttestationError, BlockError, CheckpointRole, RestoreError};
pub use fork_choice::ForkChoice;
pub use restore::Moment;
pub use rules::Rules;
pub use tree::{BlockInfo, Checkpoints, WeighedBlock};
