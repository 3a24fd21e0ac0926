//! The block tree, the votes and their weights, the head and the safe target (leanSpec `forkchoice/store.py`).
//!
//! [`ForkChoice`] knows blocks by root, parent and slot alone. It holds no states, bodies or signatures, reads no
//! clock and verifies nothing that needs a key: its caller has done the state transition and the signatures before,
//! and tells it the time in intervals since genesis.
//!
//! Two sets hold each validator's latest vote. *Known* votes weigh: they are summed up along paths of blocks as they
//! move, so that the weight of a block and the heaviest leaf are found in steps that grow with the logarithm of the
//! tree, whatever its shape and however far a vote has come. *New* votes wait for the end of the slot and decide on the
//! safe target, for which they are counted when it is asked for.
//!
//! # Example
//!
//! Two branches, and one vote that decides between them:
//!
//! ```
//! use quartet_fork_choice::{AttestationOrigin, BlockInfo, Checkpoints, ForkChoice, NamedBlocks, Rules};
//! use quartet_types::{Attestation, AttestationData, Root};
//!
//! let root = Root::repeat_byte;
//! let anchor = BlockInfo { root: root(1), parent_root: Root::ZERO, slot: 0 };
//! let genesis = anchor.checkpoint();
//! let checkpoints = Checkpoints { justified: genesis, finalized: genesis };
//! let mut store = ForkChoice::new(anchor, checkpoints, 4, Rules::QUARTET);
//!
//! let vote = |validator_id, slot, block: BlockInfo| {
//!     let (head, target, source) = (block.checkpoint(), block.checkpoint(), genesis);
//!     Attestation { validator_id, data: AttestationData { slot, head, target, source } }
//! };
//! // Validator 2 has not heard of validator 1's block. Each proposer votes for its own.
//! let first = BlockInfo { root: root(0xa), parent_root: anchor.root, slot: 1 };
//! let second = BlockInfo { root: root(0xb), parent_root: anchor.root, slot: 2 };
//! for (proposer, block) in [(1, first), (2, second)] {
//!     store.proposal_head(block.slot);
//!     let own = vote(proposer, block.slot, block);
//!     store.on_block(block, checkpoints, &[], &own, NamedBlocks::Known)?;
//! }
//!
//! store.on_attestation(&vote(3, 2, first), AttestationOrigin::Gossip)?;
//! // It counts from the end of the slot on.
//! assert_eq!(store.proposal_head(3), first.checkpoint());
//! assert_eq!(store.weight_of(&first.root), Some(2));
//! assert_eq!(store.weight_of(&second.root), Some(1));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

mod attestations;
mod block_info;
mod blocks;
mod dropped_blocks;
mod error;
mod fork_choice;
mod nodes;
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

pub use attestations::{AttestationOrigin, AttestationOutcome, NamedBlocks};
pub use block_info::{BlockInfo, Checkpoints};
pub use blocks::BlockOutcome;
pub use error::{AttestationError, BlockError, RestoreError};
pub use fork_choice::ForkChoice;
pub use restore::VolatileState;
pub use rules::Rules;
pub use tree::WeighedBlock;
