//! What a run came to.

use std::fmt;

use quartet_chain::ForkChoiceView;
use quartet_types::Slot;

use super::recovery::Recovery;
use crate::Violation;

/// What a run came to.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// What failed, the worst first; nothing when all is well.
    pub failures: Vec<Failure>,
    /// How finality came back, if it did.
    pub recovery: Option<Recovery>,
    /// Whether finality could not move in time because silent proposers had left a gap in every pair of neighbouring
    /// justifiable slots.
    pub blocked: bool,
    /// How many slots were played.
    pub slots: Slot,
    /// Blocks that adversaries put into envelopes which their proposers never signed.
    pub forged: usize,
    /// How many of them a node has imported.
    pub forged_imported: usize,
}

/// In what way a run can fail.
#[derive(Clone, Debug, PartialEq)]
pub enum Failure {
    /// Something happened that never must.
    Violation(Violation, String),
    /// Finality did not move again as long as was waited for it.
    Stalled {
        /// How many slots it was behind when the network became healthy, or when it had last moved.
        behind: Slot,
        /// For how many slots it was waited for.
        waited: Slot,
    },
    /// Finality moved again, but later than it may.
    Late(Recovery),
    /// After it had moved, it moved on later than it may.
    Slow(Recovery),
    /// The nodes did not get one head.
    Diverged,
    /// The run could not be carried out.
    Broken(String),
}

/// What a run looks like at the end of a slot.
#[derive(Clone, Debug)]
pub struct SlotReport {
    /// The slot.
    pub slot: Slot,
    /// Whether the network is healthy.
    pub is_healthy: bool,
    /// Where the chain of each node stands; nothing for one that does not run.
    pub views: Vec<Option<ForkChoiceView>>,
}

impl Outcome {
    /// Whether nothing failed.
    pub fn is_good(&self) -> bool {
        self.failures.is_empty()
    }

    /// Whether it fails in one of the ways in which another outcome does.
    pub(crate) fn fails_like(&self, other: &Self) -> bool {
        let kinds = |outcome: &Self| -> Vec<&'static str> {
            outcome.failures.iter().map(Failure::kind).collect()
        };
        let others = kinds(other);
        kinds(self).iter().any(|kind| others.contains(kind))
    }
}

impl Failure {
    /// One word for it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Violation(Violation::Fork, _) => "fork",
            Self::Violation(Violation::FinalityWentBack, _) => "backwards",
            Self::Violation(Violation::SignedTwice, _) => "signed twice",
            Self::Violation(Violation::BlockRefused, _) => "refused",
            Self::Violation(Violation::Service, _) => "service",
            Self::Violation(Violation::Storage, _) => "storage",
            Self::Stalled { .. } => "stalled",
            Self::Late(_) => "late",
            Self::Slow(_) => "slow",
            Self::Diverged => "diverged",
            Self::Broken(_) => "broken",
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.kind())?;
        match self {
            Self::Violation(_, what) | Self::Broken(what) => f.write_str(what),
            Self::Stalled { behind, waited } => write!(
                f,
                "finality was {behind} slots behind and did not move for {waited}"
            ),
            Self::Late(recovery) => write!(
                f,
                "finality was {} slots behind and moved after {} only; it could since {:?}",
                recovery.behind, recovery.slots, recovery.possible_after
            ),
            Self::Slow(recovery) => write!(
                f,
                "finality had moved, was {} slots behind, and moved on after {} only; it could since {:?}",
                recovery.behind, recovery.slots, recovery.possible_after
            ),
            Self::Diverged => f.write_str("the nodes have different heads"),
        }
    }
}

impl fmt::Display for SlotReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.is_healthy { '+' } else { ' ' };
        write!(f, "{:>4}{mark}", self.slot)?;
        let heads: Vec<_> = self.views.iter().flatten().map(|view| view.head).collect();
        let agree = heads.windows(2).all(|pair| pair[0] == pair[1]);
        f.write_str(if agree {
            "  one head "
        } else {
            "  heads differ "
        })?;
        for view in &self.views {
            match view {
                Some(view) => write!(
                    f,
                    " {:>3}/{}/{}",
                    view.head.slot, view.justified.slot, view.finalized.slot
                )?,
                None => f.write_str("   -")?,
            }
        }
        Ok(())
    }
}
