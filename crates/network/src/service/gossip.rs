//! Gossip in and out: to the chain, its verdict back, and on to other peers.

use std::sync::Arc;

use futures::FutureExt as _;
use libp2p::{
    PeerId,
    gossipsub::{Event, Message, MessageAcceptance, MessageId, PublishError},
};
use metrics::{counter, gauge, histogram};
use quartet_chain::{ChainMessage, GossipAttestation, Verdict, VerdictSender};
use quartet_types::{SignedAttestation, SignedBlockWithAttestation};
use ssz::{Decode as _, Encode as _};
use tokio::sync::oneshot;
use tracing::{debug, warn};

use super::NetworkService;
use crate::{
    config::name_of,
    gossip::{count_refused, topic_hash},
    wire::Topic,
};

/// Messages that may wait for a verdict. An attestation beyond is dropped and counted; a block beyond
/// goes to the chain but is not forwarded.
const MAX_UNJUDGED: usize = 8192;

/// A verdict on a message.
#[derive(Debug)]
pub(super) struct Judged {
    topic: Topic,
    id: MessageId,
    source: PeerId,
    verdict: Verdict,
}

impl NetworkService {
    pub(super) fn on_gossip(&mut self, event: Event) {
        match event {
            Event::Message {
                propagation_source,
                message_id,
                message,
            } => self.on_gossip_message(propagation_source, message_id, &message),
            Event::GossipsubNotSupported { peer_id } => {
                debug!(peer = %peer_id, "the peer does not gossip");
            }
            Event::SlowPeer { peer_id, .. } => debug!(peer = %peer_id, "the peer is slow"),
            Event::Subscribed { .. } | Event::Unsubscribed { .. } => {}
        }
    }

    fn on_gossip_message(&mut self, source: PeerId, id: MessageId, message: &Message) {
        let Some(topic) = Topic::parse(message.topic.as_str(), &self.fork) else {
            return;
        };
        let decoded = match topic {
            Topic::Block => self.take_block(&message.data, source, &id),
            Topic::Attestation => self.take_attestation(&message.data, source, &id),
        };
        if let Err(error) = decoded {
            debug!(peer = %source, topic = topic.word(), ?error, "gossip that is not SSZ");
            count_refused(topic.word(), "ssz");
            self.report(&id, &source, MessageAcceptance::Reject);
        }
    }

    fn take_block(
        &mut self,
        ssz: &[u8],
        source: PeerId,
        id: &MessageId,
    ) -> Result<(), ssz::DecodeError> {
        histogram!("lean_gossip_block_size_bytes").record(ssz.len() as f64);
        let block = Arc::new(SignedBlockWithAttestation::from_ssz_bytes(ssz)?);
        let verdict = match self.ask_for_verdict(Topic::Block, source, id) {
            Some(verdict) => verdict,
            None => {
                self.report(id, &source, MessageAcceptance::Ignore);
                oneshot::channel().0
            }
        };
        let message = ChainMessage::Block {
            block,
            peer: name_of(&source),
            verdict,
        };
        self.outbox.push(message, ssz.len());
        Ok(())
    }

    fn take_attestation(
        &mut self,
        ssz: &[u8],
        source: PeerId,
        id: &MessageId,
    ) -> Result<(), ssz::DecodeError> {
        histogram!("lean_gossip_attestation_size_bytes").record(ssz.len() as f64);
        let attestation = SignedAttestation::from_ssz_bytes(ssz)?;
        match self.ask_for_verdict(Topic::Attestation, source, id) {
            Some(verdict) => self.chain.attestation(GossipAttestation {
                attestation,
                peer: name_of(&source),
                verdict,
            }),
            None => {
                counter!("quartet_attestations_dropped_total").increment(1);
                self.report(id, &source, MessageAcceptance::Ignore);
            }
        }
        Ok(())
    }

    /// Where the chain's verdict goes, if there is room to wait for it.
    fn ask_for_verdict(
        &mut self,
        topic: Topic,
        source: PeerId,
        id: &MessageId,
    ) -> Option<VerdictSender> {
        if self.unjudged.len() >= MAX_UNJUDGED {
            return None;
        }
        let (sender, verdict) = oneshot::channel();
        let id = id.clone();
        let judged = verdict.map(move |verdict| Judged {
            topic,
            id,
            source,
            // The chain let go of it: it has no opinion.
            verdict: verdict.unwrap_or(Verdict::Ignore),
        });
        self.unjudged.push(judged.boxed());
        gauge!("quartet_gossip_unjudged").set(self.unjudged.len() as f64);
        Some(sender)
    }

    pub(super) fn on_verdict(&mut self, judged: Judged) {
        let Judged {
            topic,
            id,
            source,
            verdict,
        } = judged;
        let (acceptance, word) = match verdict {
            Verdict::Accept => (MessageAcceptance::Accept, "accept"),
            Verdict::Ignore => (MessageAcceptance::Ignore, "ignore"),
            Verdict::Reject => (MessageAcceptance::Reject, "reject"),
        };
        counter!("quartet_gossip_verdicts_total", "topic" => topic.word(), "verdict" => word)
            .increment(1);
        gauge!("quartet_gossip_unjudged").set(self.unjudged.len() as f64);
        self.report(&id, &source, acceptance);
    }

    fn report(&mut self, id: &MessageId, source: &PeerId, acceptance: MessageAcceptance) {
        let gossip = &mut self.swarm.behaviour_mut().gossip;
        if !gossip.report_message_validation_result(id, source, acceptance) {
            // It is only kept for a few seconds; the chain took longer.
            counter!("quartet_gossip_late_verdicts_total").increment(1);
        }
    }

    pub(super) fn publish_block(&mut self, block: &SignedBlockWithAttestation) {
        self.publish(Topic::Block, block.as_ssz_bytes());
    }

    pub(super) fn publish_attestation(&mut self, attestation: &SignedAttestation) {
        self.publish(Topic::Attestation, attestation.as_ssz_bytes());
    }

    fn publish(&mut self, topic: Topic, ssz: Vec<u8>) {
        let hash = topic_hash(topic, &self.fork);
        let word = topic.word();
        let result = match self.swarm.behaviour_mut().gossip.publish(hash, ssz) {
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
