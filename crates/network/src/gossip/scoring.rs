//! What gossipsub scores peers for: what they bring, and what [`Penalties`](crate::penalties::Penalties) says.
//!
//! Everything else is off, for it also strikes peers that do nothing wrong: messages that we reject (one
//! prunes for a minute, several cut off, whatever else the peer brings), promises that a client breaks whose
//! message ids differ from ours, too few deliveries in a small network, shared addresses on one machine,
//! a peer that is slow for a while.

use std::time::Duration;

use libp2p::gossipsub::{
    PeerScoreParams, PeerScoreThresholds, TopicScoreParams, score_parameter_decay,
};
use quartet_types::SECONDS_PER_SLOT;

use super::topic_hash;
use crate::{penalties::GRAYLIST_SCORE, wire::Topic};

const SLOT: Duration = Duration::from_secs(SECONDS_PER_SLOT);
/// Any value is fine where the weight is zero.
const UNUSED_DECAY: f64 = 0.5;

/// Below this score we exchange no lists of messages (IHAVE, IWANT) with a peer.
const GOSSIP: f64 = -50.0;
/// Below this score we do not publish to a peer either.
const PUBLISH: f64 = -100.0;

/// What a peer's score allows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Standing {
    /// Everything.
    #[default]
    Good,
    /// Its messages are taken, but it is not in our mesh.
    OutOfMesh,
    /// No lists of messages are exchanged.
    NoLists,
    /// Nor is anything published to it.
    NoPublishing,
    /// Its messages are ignored.
    Graylisted,
}

impl Standing {
    pub(crate) fn of(score: f64) -> Self {
        match score {
            score if score <= GRAYLIST_SCORE => Self::Graylisted,
            score if score < PUBLISH => Self::NoPublishing,
            score if score < GOSSIP => Self::NoLists,
            score if score < 0.0 => Self::OutOfMesh,
            _ => Self::Good,
        }
    }

    /// The standing in the words of the log and of metrics.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::OutOfMesh => "out_of_mesh",
            Self::NoLists => "no_lists",
            Self::NoPublishing => "no_publishing",
            Self::Graylisted => "graylisted",
        }
    }
}

pub(super) fn thresholds() -> PeerScoreThresholds {
    PeerScoreThresholds {
        gossip_threshold: GOSSIP,
        publish_threshold: PUBLISH,
        graylist_threshold: GRAYLIST_SCORE,
        ..PeerScoreThresholds::default()
    }
}

pub(super) fn parameters(fork: &str) -> PeerScoreParams {
    let topics = Topic::ALL.map(|topic| (topic_hash(topic, fork), topic_parameters()));
    PeerScoreParams {
        topics: topics.into(),
        topic_score_cap: 40.0,
        app_specific_weight: 1.0,
        // A devnet's nodes share one address.
        ip_colocation_factor_weight: 0.0,
        behaviour_penalty_weight: 0.0,
        slow_peer_weight: 0.0,
        // Nothing below zero is gossipsub's own to remember.
        retain_score: Duration::ZERO,
        ..PeerScoreParams::default()
    }
}

fn topic_parameters() -> TopicScoreParams {
    TopicScoreParams {
        topic_weight: 1.0,
        // Up to 5 points for a minute and more in the mesh.
        time_in_mesh_weight: 0.25,
        time_in_mesh_quantum: SLOT,
        time_in_mesh_cap: 20.0,
        // Up to 5 points for what it is the first to bring.
        first_message_deliveries_weight: 0.5,
        first_message_deliveries_decay: score_parameter_decay(10 * SLOT),
        first_message_deliveries_cap: 10.0,
        mesh_message_deliveries_weight: 0.0,
        mesh_failure_penalty_weight: 0.0,
        invalid_message_deliveries_weight: 0.0,
        invalid_message_deliveries_decay: UNUSED_DECAY,
        ..TopicScoreParams::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What gossipsub itself takes off a peer's score is nothing; all that does is [`Penalties`].
    #[test]
    fn gossipsubs_own_penalties_are_off() {
        let parameters = parameters("devnet0");
        assert_eq!(parameters.behaviour_penalty_weight, 0.0);
        assert_eq!(parameters.slow_peer_weight, 0.0);
        assert_eq!(parameters.ip_colocation_factor_weight, 0.0);
        assert_eq!(parameters.topics.len(), Topic::ALL.len());
        for topic in parameters.topics.values() {
            assert_eq!(topic.mesh_message_deliveries_weight, 0.0);
            assert_eq!(topic.mesh_failure_penalty_weight, 0.0);
            assert_eq!(topic.invalid_message_deliveries_weight, 0.0);
        }
    }

    #[test]
    fn standing_follows_the_thresholds_that_gossipsub_has() {
        let thresholds = thresholds();
        let cases = [
            (5.0, Standing::Good),
            (0.0, Standing::Good),
            (-0.5, Standing::OutOfMesh),
            (thresholds.gossip_threshold, Standing::OutOfMesh),
            (thresholds.gossip_threshold - 1.0, Standing::NoLists),
            (thresholds.publish_threshold - 1.0, Standing::NoPublishing),
            (thresholds.graylist_threshold, Standing::Graylisted),
        ];
        for (score, standing) in cases {
            assert_eq!(Standing::of(score), standing, "{score}");
        }
    }
}
