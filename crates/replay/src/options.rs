//! The options, the events and the outcome of a replay.

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

/// What a replay reports, and how far it goes.
#[derive(Clone, Copy, Debug)]
pub struct ReplayOptions {
    /// The first slot that is reported.
    pub from: Option<Slot>,
    /// The last slot that is played.
    pub until: Option<Slot>,
    /// What is to be explained.
    pub explain: Option<ExplainTarget>,
    /// Who verifies signatures.
    pub verifier: Verifier,
    /// The rules of the fork choice: the node's, or others, to see what they would have changed.
    pub rules: Rules,
}

impl ReplayOptions {
    /// All of a recording, with the node's rules and no explanation.
    pub const fn new(verifier: Verifier) -> Self {
        Self {
            from: None,
            until: None,
            explain: None,
            verifier,
            rules: Rules::QUARTET,
        }
    }
}

/// What the service begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beginning {
    /// What the recorded service began with.
    OfTheSession,
    /// A keyframe in the middle: what was under way is not known.
    InTheMiddle,
}

/// What a replay reports on the way.
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
    /// The explanation that was asked for.
    Explanation(Box<Explanation>),
}

/// The outcome of a replay.
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
    /// Events with other decisions than recorded.
    pub differences: u64,
    /// Events with other decisions because a replay that begins in the middle does not know what was under way.
    pub unknown: u64,
    /// The first decision that differs.
    pub first: Option<Difference>,
    /// Whether parts of the recording are not there, or not whole.
    pub is_incomplete: bool,
    /// How much time the recorded node took.
    pub recorded: Duration,
    /// Whether the explanation that was asked for was given.
    pub is_explained: bool,
}

impl ReplayOutcome {
    /// Whether anything was played, and all decisions are those of the recording.
    pub fn is_identical(&self) -> bool {
        self.events > 0 && self.first.is_none()
    }
}
