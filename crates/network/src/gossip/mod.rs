//! Gossipsub as this network sets it: anonymous messages with ids of their own, compressed payloads,
//! forwarding after a verdict.

mod meter;
mod metered;
mod scoring;
mod transform;

use std::{collections::HashSet, time::Duration};

use libp2p::gossipsub::{
    Behaviour, ConfigBuilder, Message, MessageAuthenticity, MessageId, TopicHash, ValidationMode,
    WhitelistSubscriptionFilter,
};
use quartet_clock::Clock;
use quartet_types::{SECONDS_PER_SLOT, VALIDATOR_REGISTRY_LIMIT};

use crate::wire::{Domain, Topic, max_compressed_bytes, message_id_in_domain};

#[cfg(feature = "fuzz")]
pub(crate) use meter::Admission;
pub(crate) use meter::{Faults, Meters};
pub(crate) use metered::{GossipEvent, MeteredGossip};
pub(crate) use scoring::Standing;
use transform::SnappyTransform;
pub(crate) use transform::count_refused;

/// Gossipsub of our topics.
type Gossip = Behaviour<SnappyTransform, WhitelistSubscriptionFilter>;

const HEARTBEAT: Duration = Duration::from_millis(700);
const FANOUT_TTL: Duration = Duration::from_secs(60);
/// Three slots, in which a message is of interest, twice. At some 100 bytes an id, the votes of 4,096
/// validators in each slot take 2.5 MiB; of strangers, the meters let in 4,200 a second at most: 10 MiB.
const SEEN_TTL: Duration = Duration::from_secs(SECONDS_PER_SLOT * 3 * 2);
/// What a message has around its data.
const ENVELOPE_BYTES: usize = 1024;
/// Messages that may wait for a slow peer, at least. Gossipsub copies what it sends for each peer, and drops what has waited
/// for a second (ours: five), so a peer that does not read holds what was accepted in that time: a block, and 3 KiB for each
/// vote, of which there are two slots' in the queue of a large registry.
const MIN_QUEUED_MESSAGES: usize = 1024;
/// Two slots' votes of the largest registry.
const MAX_QUEUED_MESSAGES: usize = 2 * VALIDATOR_REGISTRY_LIMIT as usize;
/// Of messages from this size on, others are told that they need not send them again: telling takes 80 bytes.
const WORTH_REFUSING: usize = 1024;
/// How often a peer may fetch one message by its id; each time is a copy in its queue. Whoever loses an
/// answer asks another.
const MAX_FETCHES: u32 = 1;
/// Heartbeats for which messages are kept to be served, some four seconds. What is kept is compressed;
/// of strangers that is what the meters let in meanwhile, 24 MiB, 8 MiB a second and some more of each at most.
const KEPT_HEARTBEATS: usize = 6;
/// Ids that we say at once that we have or want. Clients on the current libp2p take no more than 16 KiB of them, and break off
/// the stream of who sends more.
const MAX_IDS_SENT: usize = 700;
/// What we take of them: the 5,000 ids that the specification of gossipsub lets others send, at 22 bytes.
const MAX_CONTROL_BYTES: usize = 128 << 10;
/// Messages in one transmission.
const MAX_MESSAGES_AT_ONCE: usize = 500;

/// The topic's hash, which is its name.
pub(crate) fn topic_hash(topic: Topic, fork: &str) -> TopicHash {
    TopicHash::from_raw(topic.name(fork))
}

/// Messages that may wait for a slow peer, in a network of this many validators.
fn queued_messages(validators: usize) -> usize {
    validators
        .saturating_mul(2)
        .clamp(MIN_QUEUED_MESSAGES, MAX_QUEUED_MESSAGES)
}

/// Gossipsub for the network of that name, subscribed to its topics. Blocks have at most `max_block_bytes`.
///
/// # Errors
/// When gossipsub refuses the settings, which only a change of them can bring about.
pub(crate) fn behaviour(
    fork: &str,
    max_block_bytes: usize,
    validators: usize,
    clock: Clock,
) -> Result<MeteredGossip, &'static str> {
    let meters = Meters::new(clock);
    let mut builder = ConfigBuilder::default();
    // The default protocols: from version 1.2 on, who has received a long message says so (IDONTWANT), and is not sent it again.
    // Everybody verifies a vote for some milliseconds before passing it on, so that this comes in time.
    builder
        .validation_mode(ValidationMode::Anonymous)
        .validate_messages()
        .message_id_fn(message_id)
        .mesh_n(8)
        .mesh_n_low(6)
        .mesh_n_high(12)
        .gossip_lazy(6)
        .heartbeat_interval(HEARTBEAT)
        .heartbeat_initial_delay(HEARTBEAT)
        .fanout_ttl(FANOUT_TTL)
        .history_length(KEPT_HEARTBEATS)
        .history_gossip(3)
        .gossip_retransimission(MAX_FETCHES)
        .duplicate_cache_time(SEEN_TTL)
        // In a small network the mesh may be anyone's; what is ours goes to everyone.
        .flood_publish(true)
        .max_transmit_size(max_transmitted_bytes(max_block_bytes))
        .max_publish_messages(MAX_MESSAGES_AT_ONCE)
        .max_control_messages_sent(MAX_IDS_SENT)
        .max_control_message_size(MAX_CONTROL_BYTES)
        .idontwant_message_size_threshold(WORTH_REFUSING)
        .connection_handler_queue_len(queued_messages(validators));
    for topic in Topic::ALL {
        let max = max_transmitted_bytes(topic.max_bytes().min(max_block_bytes));
        builder.max_transmit_size_for_topic(max, topic_hash(topic, fork));
    }
    let config = builder.build().map_err(|_| "gossip settings")?;

    let topics: HashSet<_> = Topic::ALL.map(|topic| topic_hash(topic, fork)).into();
    let mut gossip = Gossip::new_with_subscription_filter_and_transform(
        MessageAuthenticity::Anonymous,
        config,
        WhitelistSubscriptionFilter(topics),
        SnappyTransform::new(fork, max_block_bytes, meters.clone()),
    )?;
    gossip
        .with_peer_score(scoring::parameters(fork), scoring::thresholds())
        .map_err(|_| "gossip score settings")?;
    for topic in Topic::ALL {
        let topic = libp2p::gossipsub::IdentTopic::new(topic.name(fork));
        gossip.subscribe(&topic).map_err(|_| "gossip topics")?;
    }
    Ok(MeteredGossip { gossip, meters })
}

fn max_transmitted_bytes(ssz_bytes: usize) -> usize {
    max_compressed_bytes(ssz_bytes) + ENVELOPE_BYTES
}

/// The id of a message whose data the transform has decompressed. One that does not decompress gets no
/// id, since the transform refuses it.
fn message_id(message: &Message) -> MessageId {
    let topic = message.topic.as_str().as_bytes();
    message_id_in_domain(Domain::ValidSnappy, topic, &message.data).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gossipsub_takes_our_settings() {
        for validators in [0, 4, 4096, usize::MAX] {
            behaviour("devnet0", 10 << 20, validators, Clock::system(0)).unwrap();
        }
    }

    #[test]
    fn our_ihave_lists_fit_the_limits_of_others_and_theirs_fit_ours() {
        // Each id has 20 bytes, a tag and a length; around them are the topic and three more tags and lengths.
        let bytes = |ids: usize| ids * 22 + Topic::Attestation.name("devnet0").len() + 20;
        assert!(bytes(MAX_IDS_SENT) < 16_384);
        assert!(bytes(5_000) < MAX_CONTROL_BYTES);
    }

    #[test]
    fn a_slots_votes_fit_the_queue_of_a_peer() {
        assert_eq!(queued_messages(4), 1024);
        assert_eq!(queued_messages(1024), 2048);
        assert_eq!(queued_messages(usize::MAX), 8192);
    }
}
