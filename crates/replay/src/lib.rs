//! Runs the real chain service through a recording, and says where it decides otherwise than the recorded one did.
//!
//! A service that is told the same, in the same order and at the same times, decides the same: what differs is a rule that has
//! changed, or a bug. A recording whose beginning is gone begins with a keyframe; what was under way then is not known, so that
//! for some slots what differs is only counted.

#![forbid(unsafe_code)]

mod compare;
mod explain;
mod journey;
mod options;
mod player;
mod requests;
mod root_pattern;
mod run;
mod slot_line;

pub use compare::Difference;
pub use explain::{Explanation, Fork, Tally, VotesFor};
pub use journey::Step;
pub use options::{Beginning, ExplainTarget, ReplayEvent, ReplayOptions, ReplayOutcome};
pub use player::play;
pub use quartet_fork_choice::Rules;
pub use root_pattern::{InvalidPattern, RootPattern};
pub use slot_line::{Counts, SlotLine};
