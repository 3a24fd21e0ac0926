//! Facts about a node.

use serde::{Deserialize, Deserializer, Serialize};

use super::Condition;

/// Characters of a text of a node that are kept.
const MOST_CHARACTERS: usize = 100;

/// A block and its slot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    #[serde(deserialize_with = "clean")]
    pub(crate) root: String,
    pub(crate) slot: u64,
}

impl Place {
    /// The root's beginning.
    pub(crate) fn short(&self) -> String {
        self.root.chars().take(10).collect()
    }
}

/// What validators have done since their node was started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Tally {
    pub(crate) votes_on_time: u64,
    pub(crate) votes_late: u64,
    pub(crate) votes_missed: u64,
    pub(crate) proposals_done: u64,
    pub(crate) proposals_missed: u64,
}

/// Facts about a node; `None` where it does not say. The members are those of `quartet status --json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Facts {
    pub(crate) condition: Condition,
    pub(crate) name: Option<String>,
    pub(crate) client: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) commit: Option<String>,
    pub(crate) peer_id: Option<String>,
    /// By the node's clock.
    pub(crate) current_slot: Option<u64>,
    pub(crate) head: Option<Place>,
    pub(crate) justified: Option<Place>,
    pub(crate) finalized: Option<Place>,
    /// Slots that it lacks.
    pub(crate) distance: Option<u64>,
    pub(crate) seconds_left: Option<u64>,
    pub(crate) peers: Option<u64>,
    /// Of the network.
    pub(crate) validator_count: Option<u64>,
    /// Those that the node signs for.
    pub(crate) validators: Option<Vec<u64>>,
    /// Of those that the node signs for.
    pub(crate) duties: Option<Tally>,
    pub(crate) uptime_seconds: Option<u64>,
    /// Unix seconds.
    pub(crate) genesis_time: Option<u64>,
    pub(crate) slot_duration_ms: Option<u64>,
}

impl Facts {
    /// Slots between the clock, or the head if the clock is not known, and `place`.
    pub(crate) fn behind(&self, place: Option<&Place>) -> Option<u64> {
        let head = self.head.as_ref().map(|head| head.slot);
        let now = self.current_slot.or(head)?;
        Some(now.saturating_sub(place?.slot))
    }
}

/// A peer of a node.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Peer {
    #[serde(deserialize_with = "clean")]
    pub(crate) peer_id: String,
    #[serde(deserialize_with = "clean")]
    pub(crate) address: String,
    #[serde(deserialize_with = "clean")]
    pub(crate) direction: String,
    #[serde(deserialize_with = "clean_or_none")]
    pub(crate) agent: Option<String>,
    pub(crate) head: Option<Place>,
    pub(crate) latency_ms: Option<u64>,
    pub(crate) bytes_in: Option<u64>,
    pub(crate) bytes_out: Option<u64>,
    pub(crate) connected_seconds: Option<u64>,
}

/// A validator, and what it has done as its node saw it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Validator {
    pub(crate) index: u64,
    pub(crate) local: bool,
    pub(crate) record: Record,
}

/// What a validator has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Record {
    pub(crate) slots: u64,
    pub(crate) votes: Votes,
    pub(crate) proposals: Proposals,
}

/// Votes of a validator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Votes {
    pub(crate) on_time: u64,
    pub(crate) late: u64,
    pub(crate) missed: u64,
    pub(crate) included: u64,
}

/// Proposals of a validator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Proposals {
    pub(crate) done: u64,
    pub(crate) missed: u64,
}

impl Tally {
    /// Of the node's own validators.
    pub(crate) fn of(validators: &[Validator]) -> Self {
        let local = validators.iter().filter(|validator| validator.local);
        local.fold(Self::default(), |tally, Validator { record, .. }| Self {
            votes_on_time: tally.votes_on_time.saturating_add(record.votes.on_time),
            votes_late: tally.votes_late.saturating_add(record.votes.late),
            votes_missed: tally.votes_missed.saturating_add(record.votes.missed),
            proposals_done: tally.proposals_done.saturating_add(record.proposals.done),
            proposals_missed: tally
                .proposals_missed
                .saturating_add(record.proposals.missed),
        })
    }
}

/// An untrusted text, shortened and without control characters.
pub(crate) fn cleaned(text: &str) -> String {
    let shown = text.chars().filter(|c| !c.is_control());
    shown.take(MOST_CHARACTERS).collect()
}

fn clean<'de, D: Deserializer<'de>>(text: D) -> Result<String, D::Error> {
    String::deserialize(text).map(|text| cleaned(&text))
}

fn clean_or_none<'de, D: Deserializer<'de>>(text: D) -> Result<Option<String>, D::Error> {
    Option::<String>::deserialize(text).map(|text| text.as_deref().map(cleaned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stranger_cannot_move_the_cursor() {
        let peer = r#"{"peer_id":"a\u001b[2Jb","agent":"x\r\ny","address":null}"#;
        assert!(serde_json::from_str::<Peer>(peer).is_err());
        let peer = r#"{"peer_id":"a\u001b[2Jb","agent":"x\r\ny"}"#;
        let peer: Peer = serde_json::from_str(peer).unwrap();
        assert_eq!(
            (peer.peer_id.as_str(), peer.agent),
            ("a[2Jb", Some("xy".to_owned()))
        );
        assert_eq!(cleaned(&"é".repeat(500)).chars().count(), MOST_CHARACTERS);
    }

    #[test]
    fn distances_are_from_the_clock_or_else_the_head() {
        let place = |slot| Place {
            root: String::new(),
            slot,
        };
        let mut facts = Facts {
            head: Some(place(10)),
            ..Facts::default()
        };
        assert_eq!(facts.behind(Some(&place(7))), Some(3));
        facts.current_slot = Some(12);
        assert_eq!(facts.behind(Some(&place(7))), Some(5));
        assert_eq!(facts.behind(Some(&place(14))), Some(0));
        assert_eq!(facts.behind(None), None);
    }
}
