//! Gossip in and out: to the chain, its verdict back, and on to other peers.

use std::{sync::Arc, time::Duration};

use futures::FutureExt as _;
use libp2p::{
    PeerId,
    gossipsub::{Event, Message, MessageAcceptance, MessageId, PublishError},
};
use metrics::{counter, gauge, histogram};
use quartet_chain::{ChainMessage, GossipAttestation, PeerName, Verdict, VerdictSender};
use quartet_types::{SignedAttestation, SignedBlockWithAttestation, SlotDuration};
use ssz::{Decode as _, Encode as _};
use tokio::{sync::oneshot, time::sleep};
use tracing::{debug, warn};

use super::NetworkService;
use crate::{
    config::name_of,
    gossip::{Faults, MeteredGossip, count_refused, topic_hash},
    wire::Topic,
};

/// Attestations of our own that are published before others are listened to again: a millisecond's work.
const PUBLISHED_AT_ONCE: usize = 16;
/// Attestations of our own that may wait for being published before our own side waits.
const MAX_TO_PUBLISH: usize = 4096;

/// Blocks of at least this many bytes are decoded off the service's task; it takes milliseconds.
const LARGE_BYTES: usize = 256 << 10;
/// Blocks that may wait for it before nothing more is taken from peers.
const MAX_DECODING: usize = 8;

/// A block from gossip, or why it is none.
#[derive(Debug)]
pub(super) struct DecodedBlock {
    block: Result<Arc<SignedBlockWithAttestation>, ssz::DecodeError>,
    source: PeerId,
    id: MessageId,
    bytes: usize,
}

/// A valid vote waits for this long before it is passed on: peers that have it already have then said so (IDONTWANT). In a
/// burst of votes, this saves most copies; it delays a hop by less than the internet does.
const VOTE_FORWARDING_DELAY: Duration = Duration::from_millis(30);
/// A large block waits for as long as sending it at this speed takes: a tenth of what every needless copy would take
/// from an uplink of 50 Mbit/s, and 160 ms at most.
const FORWARDED_BYTES_PER_SECOND: u64 = 64 << 20;

/// How long a valid message waits before it is passed on. Small blocks do not wait: it would save nothing. No vote waits for
/// more than a hundredth of a slot, so that votes are in time in slots of 400 ms, too.
fn forwarding_delay(topic: Topic, bytes: usize, slot: SlotDuration) -> Duration {
    match topic {
        Topic::Attestation => VOTE_FORWARDING_DELAY.min(slot.slot() / 100),
        Topic::Block if bytes < LARGE_BYTES => Duration::ZERO,
        Topic::Block => {
            Duration::from_micros(bytes as u64 * 1_000_000 / FORWARDED_BYTES_PER_SECOND)
        }
    }
}

/// A verdict on a message.
#[derive(Debug)]
pub(super) struct JudgedMessage {
    topic: Topic,
    id: MessageId,
    source: PeerId,
    bytes: usize,
    verdict: Verdict,
}

impl NetworkService {
    pub(super) fn on_gossip(&mut self, event: Event) {
        match event {
            Event::Message {
                propagation_source,
                message_id,
                message,
            } => self.on_gossip_message(propagation_source, message_id, message),
            Event::GossipsubNotSupported { peer_id } => {
                debug!(peer = %peer_id, "the peer does not gossip");
            }
            Event::SlowPeer { peer_id, .. } => debug!(peer = %peer_id, "the peer is slow"),
            Event::Subscribed { peer_id, .. } => {
                if let Some(peer) = self.peers.get_mut(&peer_id) {
                    peer.subscribed = true;
                }
            }
            Event::Unsubscribed { .. } => {}
        }
    }

    fn on_gossip_message(&mut self, source: PeerId, id: MessageId, message: Message) {
        let Some(topic) = Topic::parse(message.topic.as_str(), &self.fork) else {
            return;
        };
        let meters = &self.swarm.behaviour().gossip.meters;
        meters.hold(source, topic, message.data.len());
        match topic {
            Topic::Block => self.receive_block(message.data, source, id),
            Topic::Attestation => {
                if let Err(error) = self.receive_attestation(&message.data, source, &id) {
                    self.reject_undecodable(topic, source, &id, message.data.len(), &error);
                }
            }
        }
    }

    /// Decodes a block, a large one off this task; the order in which they came is kept.
    fn receive_block(&mut self, ssz: Vec<u8>, source: PeerId, id: MessageId) {
        let bytes = ssz.len();
        histogram!("lean_gossip_block_size_bytes").record(bytes as f64);
        let decode = move || SignedBlockWithAttestation::from_ssz_bytes(&ssz).map(Arc::new);
        let decoded = move |block| DecodedBlock {
            block,
            source,
            id,
            bytes,
        };
        if bytes < LARGE_BYTES && self.decoding.is_empty() {
            return self.on_decoded(decoded(decode()));
        }
        let task = tokio::task::spawn_blocking(decode);
        let task = task.map(move |block| {
            let failed = |_| ssz::DecodeError::BytesInvalid("decoding broke off".into());
            decoded(block.map_err(failed).and_then(|block| block))
        });
        self.decoding.push_back(task.boxed());
    }

    /// Whether another block may be taken in to be decoded.
    pub(super) fn has_room_to_decode(&self) -> bool {
        self.decoding.len() < MAX_DECODING
    }

    pub(super) fn on_decoded(&mut self, decoded: DecodedBlock) {
        let DecodedBlock {
            block,
            source,
            id,
            bytes,
        } = decoded;
        let block = match block {
            Ok(block) => block,
            Err(error) => return self.reject_undecodable(Topic::Block, source, &id, bytes, &error),
        };
        let (peer, verdict) = self.ask_for_verdict(Topic::Block, source, &id, bytes);
        let message = ChainMessage::Block {
            block,
            peer,
            verdict,
        };
        self.outbox.push(message, bytes);
    }

    fn reject_undecodable(
        &mut self,
        topic: Topic,
        source: PeerId,
        id: &MessageId,
        bytes: usize,
        error: &ssz::DecodeError,
    ) {
        debug!(peer = %source, topic = topic.word(), ?error, "gossip that is not SSZ");
        count_refused(topic.word(), "ssz");
        self.report_validation(topic, id, &source, bytes, MessageAcceptance::Reject);
        self.on_faults(Faults {
            peer: source,
            reason: "ssz",
            count: 1,
        });
    }

    fn receive_attestation(
        &mut self,
        ssz: &[u8],
        source: PeerId,
        id: &MessageId,
    ) -> Result<(), ssz::DecodeError> {
        histogram!("lean_gossip_attestation_size_bytes").record(ssz.len() as f64);
        let attestation = SignedAttestation::from_ssz_bytes(ssz)?;
        let (peer, verdict) = self.ask_for_verdict(Topic::Attestation, source, id, ssz.len());
        self.chain.attestation(GossipAttestation {
            attestation,
            peer,
            verdict,
        });
        Ok(())
    }

    /// The sender's name, though it may have left, and where the chain sends its verdict. The meters limit how many wait.
    fn ask_for_verdict(
        &mut self,
        topic: Topic,
        source: PeerId,
        id: &MessageId,
        bytes: usize,
    ) -> (PeerName, VerdictSender) {
        let known = self.peers.get(&source);
        let name = known.map_or_else(|| name_of(&source), |peer| peer.name.clone());
        let (sender, verdict) = oneshot::channel();
        let id = id.clone();
        let delay = forwarding_delay(topic, bytes, self.clock.slot_duration());
        let judged = async move {
            // The chain dropped it without a verdict.
            let verdict = verdict.await.unwrap_or(Verdict::Ignore);
            if verdict == Verdict::Accept && !delay.is_zero() {
                sleep(delay).await;
            }
            JudgedMessage {
                topic,
                id,
                source,
                bytes,
                verdict,
            }
        };
        self.pending_verdicts.push(judged.boxed());
        gauge!("quartet_gossip_unjudged").set(self.pending_verdicts.len() as f64);
        (name, sender)
    }

    pub(super) fn on_verdict(&mut self, judged: JudgedMessage) {
        let JudgedMessage {
            topic,
            id,
            source,
            bytes,
            verdict,
        } = judged;
        let (acceptance, word) = match verdict {
            Verdict::Accept => (MessageAcceptance::Accept, "accept"),
            Verdict::Ignore => (MessageAcceptance::Ignore, "ignore"),
            Verdict::Reject => (MessageAcceptance::Reject, "reject"),
        };
        counter!("quartet_gossip_verdicts_total", "topic" => topic.word(), "verdict" => word)
            .increment(1);
        gauge!("quartet_gossip_unjudged").set(self.pending_verdicts.len() as f64);
        match verdict {
            Verdict::Accept => self.on_delivery(source),
            Verdict::Ignore => {}
            Verdict::Reject => {
                let client = self.client_of(&source);
                debug!(peer = %source, client, topic = topic.word(), "rejected by the chain");
                self.on_faults(Faults {
                    peer: source,
                    reason: "rejected",
                    count: 1,
                });
            }
        }
        self.report_validation(topic, &id, &source, bytes, acceptance);
    }

    /// Tells gossipsub the verdict on a message, and releases the message's bytes.
    fn report_validation(
        &mut self,
        topic: Topic,
        id: &MessageId,
        source: &PeerId,
        bytes: usize,
        acceptance: MessageAcceptance,
    ) {
        let MeteredGossip { gossip, meters } = &mut self.swarm.behaviour_mut().gossip;
        meters.release(source, topic, bytes);
        if !gossip.report_message_validation_result(id, source, acceptance) {
            // It is only kept for a few seconds; the chain took longer.
            counter!("quartet_gossip_late_verdicts_total").increment(1);
        }
    }

    pub(super) fn publish_block(&mut self, block: &SignedBlockWithAttestation) {
        self.publish(Topic::Block, block.as_ssz_bytes());
    }

    /// Whether our own side may hand over more to publish.
    pub(super) fn has_room_to_publish(&self) -> bool {
        self.to_publish.len() < MAX_TO_PUBLISH
    }

    /// Publishes some of the attestations that wait for it.
    pub(super) fn publish_some(&mut self) {
        let some = self.to_publish.len().min(PUBLISHED_AT_ONCE);
        let some: Vec<_> = self.to_publish.drain(..some).collect();
        for attestation in some {
            self.publish(Topic::Attestation, attestation.as_ssz_bytes());
        }
    }

    fn publish(&mut self, topic: Topic, ssz: Vec<u8>) {
        let hash = topic_hash(topic, &self.fork);
        let word = topic.word();
        let result = match self.swarm.behaviour_mut().gossip.gossip.publish(hash, ssz) {
            Ok(_) => "sent",
            Err(PublishError::Duplicate) => "duplicate",
            Err(PublishError::NoPeersSubscribedToTopic) => "nobody",
            Err(error @ PublishError::AllQueuesFull(_)) => {
                debug!(topic = word, %error, "could not publish");
                "congested"
            }
            Err(error) => {
                warn!(topic = word, %error, "cannot publish what this node has made");
                "error"
            }
        };
        debug!(topic = word, result, "publish");
        counter!("quartet_gossip_published_total", "topic" => word, "result" => result)
            .increment(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn votes_and_large_blocks_are_passed_on_after_a_moment_and_small_blocks_at_once() {
        let usual = SlotDuration::default();
        let milliseconds = |topic, bytes| forwarding_delay(topic, bytes, usual).as_millis();
        assert_eq!(milliseconds(Topic::Block, 10 << 20), 156);
        assert_eq!(milliseconds(Topic::Block, LARGE_BYTES), 3);
        assert_eq!(milliseconds(Topic::Block, LARGE_BYTES - 1), 0);
        assert_eq!(milliseconds(Topic::Attestation, 3_248), 30);
        let short = SlotDuration::from_millis(400).unwrap();
        let delay = forwarding_delay(Topic::Attestation, 3_248, short);
        assert_eq!(delay.as_millis(), 4);
    }
}
