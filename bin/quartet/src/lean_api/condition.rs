//! The condition of a node: the one it reports or, if it reports none, one derived from its other answers.

use serde::{Deserialize, Serialize};

use super::Facts;

/// Slots behind the clock after which a node stands still, as in the node's own judgement: its head, and finality.
const HEAD_AGE: u64 = 8;
const FINALITY_AGE: u64 = 16;

/// How a node is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Condition {
    /// All is well.
    Synced,
    /// No peer has told it its status yet.
    Starting,
    /// Its duties wait for blocks.
    Syncing,
    /// No peers, and too few validators of its own.
    CutOff,
    /// Its head or finality does not move.
    Stalled,
    /// It says that it is not healthy, and not why.
    Unhealthy,
    /// It answers, but does not say.
    #[default]
    #[serde(other)]
    Unknown,
}

impl Condition {
    /// The word, as `lean_syncing` has it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Synced => "synced",
            Self::Starting => "starting",
            Self::Syncing => "syncing",
            Self::CutOff => "cut_off",
            Self::Stalled => "stalled",
            Self::Unhealthy => "unhealthy",
            Self::Unknown => "unknown",
        }
    }

    /// Whether a probe may call the node ready. A node that answers without reporting a condition counts as ready.
    pub(crate) const fn is_healthy(self) -> bool {
        matches!(self, Self::Synced | Self::Unknown)
    }

    /// From the answers of another client's node: `says` is its health, `is_syncing` what it says of itself.
    pub(crate) fn derived(facts: &Facts, says: Option<u16>, is_syncing: Option<bool>) -> Self {
        let slot = |place: &Option<super::Place>| place.as_ref().map(|place| place.slot);
        let (head, finalized) = (slot(&facts.head), slot(&facts.finalized));
        let is_old = |found: Option<u64>, age| {
            let current = facts.current_slot.or(head);
            found
                .zip(current)
                .is_some_and(|(found, now)| found + age < now)
        };
        if is_syncing == Some(true) || says == Some(206) {
            return Self::Syncing;
        }
        if facts.peers == Some(0) {
            return Self::CutOff;
        }
        if is_old(head, HEAD_AGE) || is_old(finalized, FINALITY_AGE) {
            return Self::Stalled;
        }
        match says {
            Some(status) if status >= 300 => Self::Unhealthy,
            // Without the clock's slot, an old head looks like a new one.
            _ if facts.current_slot.is_some() && head.is_some() => Self::Synced,
            _ => Self::Unknown,
        }
    }

    /// What it means, and what to do about it.
    pub(crate) fn in_words(self, facts: &Facts) -> (String, Option<String>) {
        match self {
            Self::Synced => ("in step with the network".to_owned(), None),
            Self::Starting => (
                "no peer has told yet how far the chain is; duties wait".to_owned(),
                Some("wait a slot or two; if it lasts, look at its peers".to_owned()),
            ),
            Self::Syncing => (
                "it fetches blocks that it lacks; duties wait".to_owned(),
                Some(match (facts.distance, facts.seconds_left) {
                    (Some(slots), Some(seconds)) => {
                        format!("wait: {slots} slots to go, some {seconds} s")
                    }
                    (Some(slots), None) => format!("wait: {slots} slots to go"),
                    _ => "wait".to_owned(),
                }),
            ),
            Self::CutOff => (
                "no peers, and too few validators of its own to go on alone".to_owned(),
                Some("see that bootnodes are up, and that UDP comes through".to_owned()),
            ),
            Self::Stalled => (stands_still(facts), Some(STALLED.to_owned())),
            Self::Unhealthy => (
                "it says that it is not healthy, and not why".to_owned(),
                Some("read its log".to_owned()),
            ),
            Self::Unknown => (
                "it answers, but does not tell whether it keeps up".to_owned(),
                None,
            ),
        }
    }
}

const STALLED: &str = "look at its peers, and whether the other nodes stand still too";

fn stands_still(facts: &Facts) -> String {
    let behind = |place: &Option<super::Place>| facts.behind(place.as_ref());
    match (behind(&facts.head), behind(&facts.finalized)) {
        (Some(slots), _) if slots > HEAD_AGE => format!("no new head for {slots} slots"),
        (_, Some(slots)) => format!("finality is {slots} slots behind"),
        _ => "its head or finality does not move".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Place, *};

    fn facts(current: Option<u64>, head: u64, finalized: u64) -> Facts {
        let place = |slot| {
            Some(Place {
                root: String::new(),
                slot,
            })
        };
        Facts {
            current_slot: current,
            head: place(head),
            finalized: place(finalized),
            ..Facts::default()
        }
    }

    #[test]
    fn a_foreign_node_is_judged_by_what_it_tells() {
        use Condition::*;
        let none = Facts::default();
        let cut_off = Facts {
            peers: Some(0),
            ..facts(Some(20), 20, 17)
        };
        let cases = [
            (facts(Some(100), 100, 97), Some(200), Some(false), Synced),
            (facts(Some(100), 92, 84), Some(200), Some(false), Synced),
            (facts(Some(100), 91, 90), Some(200), Some(false), Stalled),
            (facts(Some(100), 100, 83), Some(200), Some(false), Stalled),
            (facts(Some(100), 40, 37), Some(200), Some(true), Syncing),
            (facts(None, 40, 37), Some(206), None, Syncing),
            (cut_off, Some(200), Some(false), CutOff),
            // Finality is old even without a clock; the head can only be compared with one.
            (facts(None, 100, 83), Some(200), None, Stalled),
            (facts(None, 100, 97), Some(200), None, Unknown),
            (facts(None, 100, 97), Some(503), None, Unhealthy),
            (none.clone(), Some(200), None, Unknown),
            (none, Some(503), None, Unhealthy),
        ];
        for (facts, says, is_syncing, expected) in cases {
            let found = Condition::derived(&facts, says, is_syncing);
            assert_eq!(found, expected, "{facts:?} {says:?} {is_syncing:?}");
        }
    }

    #[test]
    fn only_a_ready_node_is_healthy() {
        use Condition::*;
        let healthy = [
            Synced, Starting, Syncing, CutOff, Stalled, Unhealthy, Unknown,
        ]
        .map(|condition| (condition.name(), condition.is_healthy()));
        let expected = [
            ("synced", true),
            ("starting", false),
            ("syncing", false),
            ("cut_off", false),
            ("stalled", false),
            ("unhealthy", false),
            ("unknown", true),
        ];
        assert_eq!(healthy, expected);
        let word = |text: &str| serde_json::from_str::<Condition>(text).unwrap();
        assert_eq!(word("\"cut_off\""), CutOff);
        assert_eq!(word("\"a word of tomorrow\""), Unknown);
    }
}
