//! The kinds of things that go wrong, to have some of them alone.

use std::collections::BTreeSet;

use super::plan::{FaultKind, Plan};
use crate::Conditions;

/// A kind of things that go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Slow and lossy links, partitions.
    Network,
    /// Nodes that are killed, lose their databases, or come late.
    Deaths,
    /// Nodes that end in the middle of what they write, with and without the power.
    Crashes,
    /// Disks that are full or broken.
    Disks,
    /// Slow processors and disks.
    Slowness,
    /// Clocks that are off, set wrong, or drift.
    Clocks,
    /// Adversaries.
    Adversaries,
    /// Validators of other clients.
    Foreigners,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Network,
        Self::Deaths,
        Self::Crashes,
        Self::Disks,
        Self::Slowness,
        Self::Clocks,
        Self::Adversaries,
        Self::Foreigners,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Deaths => "deaths",
            Self::Crashes => "crashes",
            Self::Disks => "disks",
            Self::Slowness => "slowness",
            Self::Clocks => "clocks",
            Self::Adversaries => "adversaries",
            Self::Foreigners => "foreigners",
        }
    }
}

impl FaultKind {
    /// What kind it is of.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Weather(_) | Self::Partition(_) => Kind::Network,
            Self::Death { .. } | Self::Late { .. } => Kind::Deaths,
            Self::Crash { .. } => Kind::Crashes,
            Self::BadDisk { .. } => Kind::Disks,
            Self::Slow { .. } => Kind::Slowness,
            Self::ClockJump { .. } | Self::ClockDrift { .. } => Kind::Clocks,
        }
    }
}

impl Plan {
    /// The same plan with nothing going wrong but what is of these kinds.
    #[must_use]
    pub fn only(mut self, kinds: &BTreeSet<Kind>) -> Self {
        self.faults
            .retain(|fault| kinds.contains(&fault.what.kind()));
        if !kinds.contains(&Kind::Network) {
            self.conditions = Conditions::default();
        }
        if !kinds.contains(&Kind::Clocks) {
            self.skews.clear();
        }
        if !kinds.contains(&Kind::Adversaries) {
            self.adversaries.clear();
        }
        if !kinds.contains(&Kind::Foreigners) {
            self.foreigners.clear();
        }
        self.adopt();
        self
    }

    /// Gives validators without an owner to nodes.
    pub(super) fn adopt(&mut self) {
        let adversaries = self.adversaries.iter().flat_map(|group| &group.validators);
        let foreigners = self.foreigners.iter().flat_map(|group| &group.validators);
        let elsewhere: Vec<u64> = adversaries.chain(foreigners).copied().collect();
        for (validator, node) in self.assignment.iter_mut().enumerate() {
            if node.is_none() && !elsewhere.contains(&(validator as u64)) {
                *node = Some(validator % self.nodes);
            }
        }
    }
}
