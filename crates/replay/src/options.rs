//! What a replay is asked for, what it tells on the way, and what it came to.

use std::time::Duration;

use quartet_chain::Verifier;
use quartet_fork_choice::Rules;
use quartet_recording::Start;
use quartet_types::Slot;

use crate::{
    compare::Difference, explain::Explanation, root_pattern::RootPattern, slot_line::SlotLine,
};

/// What is to be explained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExplainTarget {
    /// A slot.
    Slot(Slot),
    /// A block, at the end of the slot in which it was imported, or else of the recording.
    Block(RootPattern),
}

/// What is to be told, and how far to go.
#[derive(Clone, Copy, Debug)]
pub struct ReplayOptions {
    /// The first slot that is told of.
    pub from: Option<Slot>,
    /// The last slot that is played.
    pub until: Option<Slot>,
    /// What is to be explained.
    pub explain: Option<ExplainTarget>,
    /// Who verifies signatures.
    pub verifier: Verifier,
    /// By which rules the fork choice goes: the node's, or others to see what these would have changed.
    pub rules: Rules,
}

/// What the service began with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beginning {
    /// What it began with then.
    OfTheSession,
    /// A keyframe in the middle: what was under way is not known.
    InTheMiddle,
}

/// Something that is told on the way.
#[derive(Clone, Debug)]
pub enum ReplayEvent<'a> {
    /// A session begins.
    Session(&'a Start),
    /// The service begins, in this slot.
    Begins(Beginning, Slot),
    /// A slot has ended.
    Slot(Box<SlotLine>),
    /// Something is to be said of the recording.
    Notice(String),
    /// The first decision that differs.
    Difference(&'a Difference),
    /// What was asked for.
    Explanation(Box<Explanation>),
}

/// What a replay came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReplayOutcome {
    /// Runs of the node.
    pub sessions: u64,
    /// Slots played.
    pub slots: u64,
    /// Events taken.
    pub events: u64,
    /// Decisions that were compared and agree.
    pub agreeing: u64,
    /// Events that came to something else.
    pub differences: u64,
    /// Events that came to something else because what was under way at a beginning in the middle is not known.
    pub unknown: u64,
    /// The first decision that differs.
    pub first: Option<Difference>,
    /// Whether parts of the recording are not there, or not whole.
    pub is_incomplete: bool,
    /// How much time the recorded node took.
    pub recorded: Duration,
    /// Whether what was to be explained has been.
    pub is_explained: bool,
}

impl ReplayOutcome {
    /// Whether anything was played, and all decisions are those of the recording.
    pub fn is_identical(&self) -> bool {
        self.events > 0 && self.first.is_none()
    }
}
