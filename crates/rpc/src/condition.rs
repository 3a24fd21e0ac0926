//! The condition of the node in one word, the same in `lean_syncing`, health, metrics, the page and `quartet status`.

use quartet_chain::SyncState;
use quartet_types::Slot;
use serde::Serialize;

/// Slots without a new head after which a node stands still. With a third of the proposers silent, eight empty slots in a row
/// come once in a day.
const HEAD_AGE: u64 = 8;
/// Slots between the clock and the finalized one after which finality stands still; a healthy network has three.
const FINALITY_AGE: u64 = 16;

/// How the node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// No peer has told its status yet.
    Starting,
    /// Duties wait for blocks that validators have signed.
    Syncing,
    /// No peers, and too few validators of its own to finalize alone.
    CutOff,
    /// Synced as far as it knows, but the head or finality has not moved for long.
    Stalled,
    /// All is well.
    Synced,
}

/// What the condition depends on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    pub(crate) sync: SyncState,
    pub(crate) current_slot: Slot,
    pub(crate) head: Slot,
    pub(crate) finalized: Slot,
    pub(crate) peers: usize,
    /// Validators that the node signs for.
    pub(crate) own_validators: usize,
    pub(crate) validators: u64,
}

impl Condition {
    pub(crate) fn of(facts: &Facts) -> Self {
        let suffices = facts.own_validators as u64 * 3 >= facts.validators * 2;
        // In the slot of genesis a node without peers has missed nothing yet.
        let needs_peers = !suffices && facts.current_slot > 0;
        match facts.sync {
            SyncState::Syncing { .. } => Self::Syncing,
            _ if facts.peers == 0 && needs_peers => Self::CutOff,
            SyncState::Starting => Self::Starting,
            SyncState::Synced if facts.head + HEAD_AGE < facts.current_slot => Self::Stalled,
            SyncState::Synced if facts.finalized + FINALITY_AGE < facts.current_slot => {
                Self::Stalled
            }
            SyncState::Synced => Self::Synced,
        }
    }

    /// The word, as in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Syncing => "syncing",
            Self::CutOff => "cut_off",
            Self::Stalled => "stalled",
            Self::Synced => "synced",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_node_gets_the_right_condition() {
        use Condition::{CutOff, Stalled, Starting, Synced, Syncing};
        let healthy = Facts {
            sync: SyncState::Synced,
            current_slot: 100,
            head: 100,
            finalized: 97,
            peers: 3,
            own_validators: 1,
            validators: 4,
        };
        let target = SyncState::Syncing { target: 100 };
        let start = SyncState::Starting;
        let cases = [
            (healthy, Synced),
            // A new network has finalized nothing yet.
            (
                Facts {
                    current_slot: 3,
                    head: 2,
                    finalized: 0,
                    ..healthy
                },
                Synced,
            ),
            (
                Facts {
                    current_slot: 0,
                    head: 0,
                    finalized: 0,
                    ..healthy
                },
                Synced,
            ),
            (
                Facts {
                    head: 92,
                    ..healthy
                },
                Synced,
            ),
            (
                Facts {
                    head: 91,
                    ..healthy
                },
                Stalled,
            ),
            (
                Facts {
                    finalized: 84,
                    ..healthy
                },
                Synced,
            ),
            (
                Facts {
                    finalized: 83,
                    ..healthy
                },
                Stalled,
            ),
            (
                Facts {
                    current_slot: 0,
                    head: 0,
                    finalized: 0,
                    peers: 0,
                    ..healthy
                },
                Synced,
            ),
            (
                Facts {
                    current_slot: 1,
                    head: 0,
                    finalized: 0,
                    peers: 0,
                    ..healthy
                },
                CutOff,
            ),
            // One that saw nothing at all, with the clock far ahead.
            (
                Facts {
                    current_slot: 20,
                    head: 0,
                    finalized: 0,
                    peers: 0,
                    ..healthy
                },
                CutOff,
            ),
            (
                Facts {
                    peers: 0,
                    ..healthy
                },
                CutOff,
            ),
            (
                Facts {
                    peers: 0,
                    sync: start,
                    ..healthy
                },
                CutOff,
            ),
            (
                Facts {
                    peers: 0,
                    own_validators: 0,
                    ..healthy
                },
                CutOff,
            ),
            (
                Facts {
                    peers: 0,
                    own_validators: 2,
                    ..healthy
                },
                CutOff,
            ),
            // It finalizes alone.
            (
                Facts {
                    peers: 0,
                    own_validators: 3,
                    ..healthy
                },
                Synced,
            ),
            (
                Facts {
                    peers: 0,
                    own_validators: 3,
                    finalized: 0,
                    ..healthy
                },
                Stalled,
            ),
            (
                Facts {
                    sync: start,
                    ..healthy
                },
                Starting,
            ),
            (
                Facts {
                    sync: target,
                    ..healthy
                },
                Syncing,
            ),
            (
                Facts {
                    sync: target,
                    peers: 0,
                    head: 3,
                    finalized: 0,
                    ..healthy
                },
                Syncing,
            ),
        ];
        for (facts, expected) in cases {
            assert_eq!(Condition::of(&facts), expected, "{facts:?}");
        }
    }

    #[test]
    fn the_name_of_a_condition_is_its_json() {
        for condition in [
            Condition::Starting,
            Condition::Syncing,
            Condition::CutOff,
            Condition::Stalled,
            Condition::Synced,
        ] {
            let written = serde_json::to_value(condition).unwrap();
            assert_eq!(written, condition.name());
        }
    }
}
