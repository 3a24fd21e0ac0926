//! A model of the consensus rules at small scope, for a checker that tries everything.
//!
//! Tests and simulations try what their authors thought of. This crate states the rules once more, naively and on small
//! numbers (a handful of validators, one per node, and a few slots), and lets `stateright` try every decision that the
//! network and a Byzantine validator could take in a scope: whom each message reaches and when, and what is voted for,
//! proposed, shown to some, withheld or invented.
//!
//! It shares no code with the node. What it says of the rules is true of the node only as far as the two agree; the
//! oracles beside `quartet-state-transition` and `quartet-fork-choice` and the simulation look at that.
pub mod action;
pub mod block;
pub mod check;
mod menu;
mod model;
pub mod names;
pub mod node;
pub mod properties;
mod publication;
mod rules;
mod scope;
pub mod transition;
pub mod world;

pub use model::Consensus;
pub use rules::Rules;
pub use scope::{Mischief, Misses, Network, Scope, goal};
