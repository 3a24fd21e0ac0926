//! Random faults and adversaries, drawn from seeds, and what must hold whatever they do.
//!
//! A seed makes a [`Plan`], which is data; [`play`] carries it out and measures; [`shrink`] makes a plan that
//! fails as small as it can. Whatever the plan: no two nodes finalize conflicting checkpoints, no node's
//! finality goes back, nobody signs twice, the specification's store accepts every block of ours; and once
//! the network is healthy, all nodes agree and finality moves again, in time.

mod behaviours;
mod build;
mod code;
mod describe;
mod duties;
mod generate;
mod kinds;
mod machines;
mod nature;
mod outcome;
mod plan;
mod play;
mod recovery;
mod scene;
mod seeds;
mod shrink;
mod stage;

pub use kinds::Kind;
pub use outcome::{Failure, Outcome, SlotReport};
pub use plan::{
    AdversaryPlan, Behaviour, Body, Fault, FaultKind, Foreigners, Manners, Moment, Plan, Source,
};
pub use play::{play, play_as};
pub use recovery::{Recovery, usual_slots};
pub use seeds::{Summary, Worst, play_seeds};
pub use shrink::{Shrunk, shrink};
