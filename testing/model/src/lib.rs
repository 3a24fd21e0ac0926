//! A model of the consensus rules at small scope, for a checker that tries everything.
//!
//! Tests and simulations try what their authors thought of. This crate states the rules once more, naively and on small
//! numbers (a handful of validators, one per node, and a few slots), and lets `stateright` try every decision that the
//! network and a Byzantine validator could take in a scope: whom each message reaches and when, and what is voted for,
//! proposed, shown to some, withheld or invented.
//!
//! It shares no code with the node. What it says of the rules is true of the node only as far as the two agree:
//! `tests/replay.rs` follows its runs, random ones, all short ones and the schedules by hand, with the real state
//! transition and fork choice, and compares checkpoints, tallies, votes, head and safe target after each decision.
//!
//! # What it found
//!
//! *Safety holds under asynchrony by none of the rules.* One Byzantine validator of four and an asynchronous network
//! can make honest nodes finalize conflicting checkpoints (`tests/asynchrony.rs`), in three ways. Each is a schedule
//! made by hand, and none is claimed to be the shortest:
//!
//! | because | slots | Byzantine actions | prevented by |
//! | --- | --- | --- | --- |
//! | the tally of a target takes votes of every source | 8 | one vote from a source that is not justified; no two votes in a slot | [`Rules::finality_counts_one_source`] |
//! | an honest vote can surround an honest one | 10 | two votes in some slots | [`Rules::no_surround`] besides |
//! | branches that finalized different slots can justify different slots | 16 | two votes in some slots | [`Rules::finality_needs_adjacent_slots`] besides |
//!
//! Each rule was seen to prevent the schedule of its row, no more. Never attesting two targets of one slot prevents
//! none of the three. The rules on finality change only what a node holds final: `latest_finalized` of the state stays
//! as it is, and so does what it makes justifiable.
//!
//! *An equivocation and then silence can split honest nodes for good* in a timely network: each counts the first vote
//! of the slot that it saw, and ties keep it. [`Rules::equivocators_weigh_nothing`] heals it.
//!
//! *A silent validator alone can hold finality up beyond the goal* of 2·√d + 8 slots (`tests/recovery.rs`): a source
//! is final only with the next justifiable slot as target, and the silent one's turns fall on these again and again.
//! When all take part, finality moves within the goal.
//!
//! # What it does not cover
//!
//! More than 8 validators, several validators per node, signatures and copies of a block with another envelope, limits
//! of bytes and queues, checkpoint start, votes for an empty slot, blocks that are invalid by what they say, and the
//! order of messages within a phase of a slot. All Byzantine validators hear everything and act as one.
//!
//! Of three deviations it has other notions than the node, so that runs are followed with these switched off or not at
//! all: justified is what was justified last, equivocators weigh nothing at all or all that others do, and what a
//! proposal carries is chosen more simply (a body is taken as the model made it). When a block is imported with names
//! that are only vouched for, the model drops its votes for these and the node keeps them without weight: there a run
//! is followed no further, and neither where a proposer's attestation names what is unknown (the model takes the block
//! and not the vote) or where a proposer makes two blocks of the same votes (to the model they are two).
//!
//! ```
//! use quartet_model::{Mischief, Scope, check::{Search, check}, properties::SAFETY};
//!
//! let scope = Scope {
//!     timely_mischief: Mischief { any_leaf: true, ..Mischief::SILENCE },
//!     ..Scope::new(0, Some(6))
//! };
//! let report = check(scope, Search::Exhaustive, 1_000_000, false);
//! assert!(report.complete && report.counterexample(SAFETY).is_none());
//! ```

pub mod action;
pub mod block;
pub mod check;
pub mod journal;
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
