//! The specification once more, in the plainest words: lists, dictionaries, and everything computed anew each time it
//! is asked for.
//!
//! Source: leanSpec `050fa4a`, `containers/state/state.py` and `forkchoice/store.py`, without signatures. What is fast
//! in the node is compared with this. It shares the plain containers of `quartet-types` with the node and nothing else:
//! not its lists, not its hashing ([`merkle`]), not its rules of slots.
//!
//! The specification raises; here each assertion is a variant of an error, so that it can be compared which one comes
//! first. [`Deviations`] are those of `docs/protocol.md` that concern the store, each of them plainly, to be switched
//! on as in the node. Two things are unlike the specification whatever the switches, as in the node: a refused block
//! leaves no trace, and a vote for the head is produced where the specification's walk to a target fails.

mod chain;
pub mod merkle;
mod slot;
mod state;
mod store;

pub use chain::{Chain, ChainError};
pub use slot::is_justifiable_after;
pub use state::{State, TransitionError};
pub use store::{BlockError, Deviations, KnownBlock, Origin, Store, Vote, VoteError};
