//! What gossip peers are scored for, in a network of a handful of nodes that may share one machine.
//!
//! Only what is surely wrong costs: messages that the chain rejects or that do not decode. Too few
//! deliveries and shared addresses are normal here. A peer in good standing has some 20 points, so that
//! one slip does not cut it off; two in a row stop gossip with it, three publishing to it, five make us
//! deaf to it, for minutes.

use std::time::Duration;

use libp2p::gossipsub::{
    PeerScoreParams, PeerScoreThresholds, TopicScoreParams, score_parameter_decay,
};
use quartet_types::SECONDS_PER_SLOT;

use super::topic_hash;
use crate::wire::Topic;

const SLOT: Duration = Duration::from_secs(SECONDS_PER_SLOT);
/// What is wrong is forgotten after some five minutes, even across connections.
const MEMORY: Duration = Duration::from_secs(300);

/// Points for something wrong outside gossip: a malformed answer, an invalid block that was asked for.
pub(crate) const PENALTY: f64 = 40.0;
/// Points of penalties at which we take leave of a peer.
pub(crate) const PENALTY_LIMIT: f64 = 200.0;

/// What is left of a penalty after one slot; half of it after half a minute.
pub(crate) fn decayed_penalty(penalty: f64) -> f64 {
    let decayed = penalty * 0.9;
    if decayed < 1.0 { 0.0 } else { decayed }
}

pub(super) fn thresholds() -> PeerScoreThresholds {
    PeerScoreThresholds {
        gossip_threshold: -20.0,
        publish_threshold: -60.0,
        graylist_threshold: -200.0,
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
        // An early client advertises ids that we compute in another way, and hence breaks promises.
        behaviour_penalty_weight: -1.0,
        behaviour_penalty_threshold: 20.0,
        behaviour_penalty_decay: score_parameter_decay(MEMORY),
        slow_peer_weight: -0.2,
        slow_peer_threshold: 50.0,
        retain_score: MEMORY,
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
        // Times the square of how many.
        invalid_message_deliveries_weight: -10.0,
        invalid_message_deliveries_decay: score_parameter_decay(MEMORY),
        ..TopicScoreParams::default()
    }
}
