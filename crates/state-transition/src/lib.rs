//! The state transition function, from a state and a block to the next state (leanSpec `containers/state/state.py`).
//!
//! Pure: no signatures, stores, clocks or I/O. A state's lists share structure, so the function takes
//! the pre-state by reference and returns the post-state as a value of its own; what a block costs
//! depends on what it changes, not on how long the chain is.
//!
//! # Example
//!
//! From genesis to a block, and to a block whose votes justify the first one:
//!
//! ```
//! use quartet_state_transition::{Error, Selection, build_block, state_transition};
//! use quartet_types::{Attestation, AttestationData, Block, PublicKey, Root, State};
//!
//! let genesis = State::genesis(0, &[0, 1, 2].map(|byte| PublicKey([byte; 52])))?;
//! let (first, after_first) = build_block(&genesis, 1, &[], Selection::LatestSource)?;
//! assert_eq!(first.proposer_index, 1);
//! // What one node builds, every other node can check.
//! assert_eq!(state_transition(&genesis, &first)?, after_first);
//!
//! let vote = |validator_id| Attestation {
//!     validator_id,
//!     data: AttestationData {
//!         slot: 1,
//!         head: first.checkpoint(),
//!         target: first.checkpoint(),
//!         source: after_first.latest_justified,
//!     },
//! };
//! let votes = [vote(0), vote(2)];
//! let (second, after_second) = build_block(&after_first, 2, &votes, Selection::LatestSource)?;
//! assert_eq!(after_second.latest_justified, first.checkpoint());
//!
//! let forged = Block { state_root: Root::ZERO, ..second };
//! let refused = state_transition(&after_first, &forged);
//! assert!(matches!(refused, Err(Error::StateRoot { .. })));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

mod attestations;
mod error;
mod header;
mod observer;
mod production;
mod replay;
mod slots;
mod tallies;
mod votes;

pub use error::Error;
pub use observer::{Observer, Stage};
pub use production::{MAX_PROPOSED_ATTESTATIONS, Selection, build_block};
pub use replay::replay_block;
pub use slots::process_slots;

use quartet_types::{Block, State};
use tree_hash::TreeHash as _;

/// Applies `block` to the state of its parent and checks the result against the block's state root.
///
/// Source: leanSpec `State.state_transition`, without the signatures.
///
/// # Errors
/// When the block is invalid on this state; see [`Error`].
pub fn state_transition(pre: &State, block: &Block) -> Result<State, Error> {
    let post = apply_block(pre, block)?;
    let computed = post.tree_hash_root();
    if computed != block.state_root {
        return Err(Error::StateRoot {
            expected: computed,
            found: block.state_root,
        });
    }
    Ok(post)
}

/// Applies `block` as [`state_transition`] does, whatever its state root says.
///
/// # Errors
/// When the block is invalid on this state; see [`Error`].
pub fn apply_block(pre: &State, block: &Block) -> Result<State, Error> {
    apply_block_observed(pre, block, &observer::NoObserver)
}

/// As [`apply_block`], with an observer of its stages.
///
/// # Errors
/// When the block is invalid on this state; see [`Error`].
pub fn apply_block_observed(
    pre: &State,
    block: &Block,
    observer: &impl Observer,
) -> Result<State, Error> {
    let mut state = pre.clone();
    observer.watch(Stage::Slots, || process_slots(&mut state, block.slot))?;
    observer.watch(Stage::Block, || {
        process_counting(&mut state, block, observer)
    })?;
    Ok(state)
}

/// Applies a block under construction and fills in its state root, which is computed once.
///
/// # Errors
/// When the block would be invalid on this state; see [`Error`].
pub fn seal_block(pre: &State, mut block: Block) -> Result<(Block, State), Error> {
    let post = apply_block(pre, &block)?;
    block.state_root = post.tree_hash_root();
    Ok((block, post))
}

/// Applies `block` to a state that has been advanced to the block's slot.
///
/// Source: leanSpec `State.process_block`.
///
/// # Errors
/// When the block is invalid on this state, which is then half-changed and of no further use.
pub fn process_block(state: &mut State, block: &Block) -> Result<(), Error> {
    process_counting(state, block, &observer::NoObserver).map(drop)
}

/// As [`process_block`]; returns the position of the first attestation that finalizes something.
fn process_counting(
    state: &mut State,
    block: &Block,
    observer: &impl Observer,
) -> Result<Option<usize>, Error> {
    header::process_block_header(state, block)?;
    let finalizing = observer.watch(Stage::Attestations, || {
        attestations::process_attestations(state, &block.body.attestations)
    })?;
    apply_pending(state)?;
    Ok(finalizing)
}

/// Moves pending writes of the registry into its tree; hashing demands it.
fn apply_pending(state: &mut State) -> Result<(), Error> {
    state.validators.apply_updates()?;
    Ok(())
}
