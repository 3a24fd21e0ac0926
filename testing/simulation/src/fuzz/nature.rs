//! What can be said of a misfortune or a behaviour without its numbers.

use quartet_types::Slot;

use super::plan::{Behaviour, Fault, FaultKind};
use crate::DiskError;

impl Fault {
    /// How many slots begin while it lasts.
    pub(super) fn slots(&self) -> Slot {
        self.until.slot - self.from.slot
    }
}

impl FaultKind {
    /// The node that has the fault, if it is one.
    pub fn node(&self) -> Option<usize> {
        match self {
            Self::Weather(_) | Self::Partition(_) => None,
            Self::Death { node, .. }
            | Self::Late { node }
            | Self::Crash { node, .. }
            | Self::BadDisk { node, .. }
            | Self::Slow { node, .. }
            | Self::ClockJump { node, .. }
            | Self::ClockDrift { node, .. } => Some(*node),
        }
    }

    /// Whether the node may be down meanwhile.
    pub(super) fn takes_down(&self) -> bool {
        matches!(
            self,
            Self::Death { .. } | Self::Late { .. } | Self::Crash { .. } | Self::BadDisk { .. }
        )
    }

    /// Its name, which does not depend on its numbers.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Weather(_) => "weather",
            Self::Partition(_) => "partition",
            Self::Death {
                loses_store: false, ..
            } => "death",
            Self::Death {
                loses_store: true, ..
            } => "lost store",
            Self::Late { .. } => "late",
            Self::Crash {
                loses_power: false, ..
            } => "crash",
            Self::Crash {
                loses_power: true, ..
            } => "power loss",
            Self::BadDisk {
                error: DiskError::Full,
                ..
            } => "full disk",
            Self::BadDisk {
                error: DiskError::Broken,
                ..
            } => "broken disk",
            Self::Slow { .. } => "slow machine",
            Self::ClockJump { .. } => "wrong clock",
            Self::ClockDrift { .. } => "drifting clock",
        }
    }
}

impl Behaviour {
    /// Whether it takes validators' keys.
    pub fn needs_keys(&self) -> bool {
        !matches!(
            self,
            Self::ReplayVotes { .. } | Self::ForgeBlocks { .. } | Self::ReuseParentVotes
        )
    }

    /// Whether it says what its validators propose in their slots.
    pub fn proposes(&self) -> bool {
        matches!(
            self,
            Self::ProposeTwice { .. }
                | Self::Withhold { .. }
                | Self::Linger { .. }
                | Self::BuildInPrivate { .. }
                | Self::NameSibling
                | Self::VoteAhead { .. }
                | Self::ReviveOldest
                | Self::SkipSquares
        )
    }

    /// Whether it says how its validators vote.
    pub fn votes(&self) -> bool {
        matches!(
            self,
            Self::VoteTwice { .. }
                | Self::BuildInPrivate { .. }
                | Self::HoldVotes { .. }
                | Self::InventRoots
                | Self::ReviveOldest
                | Self::VoteToSome
                | Self::SkipSquares
        )
    }

    /// Its name, which does not depend on its numbers.
    pub fn name(&self) -> &'static str {
        match self {
            Self::ReplayVotes { .. } => "replays votes",
            Self::ForgeBlocks { .. } => "forges blocks",
            Self::ReuseParentVotes => "reuses votes for parents",
            Self::ProposeTwice { .. } => "proposes twice",
            Self::VoteTwice { .. } => "votes twice",
            Self::Withhold { .. } => "withholds blocks",
            Self::Linger { .. } => "lingers",
            Self::BuildInPrivate { .. } => "builds in private",
            Self::HoldVotes { .. } => "holds votes",
            Self::NameSibling => "names siblings",
            Self::VoteAhead { .. } => "votes ahead",
            Self::InventRoots => "invents roots",
            Self::ReviveOldest => "revives the oldest block",
            Self::ProposeForAll => "proposes for all",
            Self::VoteToSome => "votes to some",
            Self::Silence => "is silent",
            Self::SkipSquares => "skips squares",
        }
    }
}
