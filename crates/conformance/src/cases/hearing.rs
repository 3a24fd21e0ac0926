//! What cases about gossip share: votes and blocks as they are heard, and whether something is passed on.

use std::{sync::Arc, time::Duration};

use quartet_types::{SignedAttestation, SignedBlockWithAttestation};
use ssz::Decode as _;
use tokio::time::{Instant, sleep};

use crate::{
    context::CaseContext,
    frames::unblock,
    gossip::Gossip,
    gossip_log::{Sounds, rpc::Message},
    verdict::{Failure, unsupported},
};

/// Slots in which something is heard where validators are at work.
const SLOTS: u32 = 8;

/// A message with its SSZ.
#[derive(Clone, Debug)]
pub(super) struct Raw {
    pub(super) data: Vec<u8>,
    pub(super) ssz: Vec<u8>,
}

/// The newest votes, with their messages, the newest first.
pub(super) fn votes(sounds: &Sounds, topic: &str) -> Vec<(SignedAttestation, Raw)> {
    let of_topic = sounds.of(topic).rev().filter(|heard| !heard.is_ours);
    let heard = of_topic.filter_map(|heard| {
        let raw = raw(&heard.message)?;
        Some((SignedAttestation::from_ssz_bytes(&raw.ssz).ok()?, raw))
    });
    heard.take(256).collect()
}

/// The newest blocks, with their messages, the newest first.
pub(super) fn blocks(sounds: &Sounds, topic: &str) -> Vec<(SignedBlockWithAttestation, Raw)> {
    let of_topic = sounds.of(topic).rev().filter(|heard| !heard.is_ours);
    let heard = of_topic.filter_map(|heard| {
        let raw = raw(&heard.message)?;
        Some((
            SignedBlockWithAttestation::from_ssz_bytes(&raw.ssz).ok()?,
            raw,
        ))
    });
    heard.take(32).collect()
}

fn raw(message: &Message) -> Option<Raw> {
    let ssz = unblock(&message.data)?;
    let data = message.data.clone();
    Some(Raw { data, ssz })
}

impl CaseContext {
    /// Waits for a message of a topic, for enough slots if validators are at work.
    ///
    /// # Errors
    /// When none comes.
    pub(super) async fn hear(&self, listener: &Gossip, word: &str) -> Result<Message, Failure> {
        let topic = self.topic(word);
        let until = Instant::now() + self.slots(SLOTS);
        let heard = listener.log().wait(until, |sounds| {
            let newest = sounds.of(&topic).rfind(|heard| !heard.is_ours);
            newest.map(|heard| heard.message.clone())
        });
        heard
            .await
            .ok_or_else(|| unsupported(format!("no {word} was heard within {SLOTS} slots")))
    }

    /// As [`CaseContext::hear`], one that comes from now on.
    pub(super) async fn hear_next(
        &self,
        listener: &Gossip,
        word: &str,
    ) -> Result<Message, Failure> {
        let topic = self.topic(word);
        let since = Instant::now();
        let until = since + self.slots(SLOTS);
        let heard = listener.log().wait(until, |sounds| {
            let newest = sounds.of(&topic).rfind(|heard| !heard.is_ours);
            let newest = newest.filter(|heard| heard.at >= since);
            newest.map(|heard| heard.message.clone())
        });
        heard
            .await
            .ok_or_else(|| unsupported(format!("no {word} was heard within {SLOTS} slots")))
    }

    /// The newest vote that was heard, once there is one.
    pub(super) async fn heard_vote(
        &self,
        listener: &Gossip,
    ) -> Result<(SignedAttestation, Raw), Failure> {
        self.hear(listener, "attestation").await?;
        let topic = self.topic("attestation");
        let newest = listener
            .log()
            .look(|sounds| votes(sounds, &topic).into_iter().next());
        newest.ok_or_else(|| unsupported("no vote was heard that can be decoded"))
    }

    /// The newest block that was heard, once there is one.
    pub(super) async fn heard_block(
        &self,
        listener: &Gossip,
    ) -> Result<(SignedBlockWithAttestation, Raw), Failure> {
        self.hear(listener, "block").await?;
        let topic = self.topic("block");
        let newest = listener
            .log()
            .look(|sounds| blocks(sounds, &topic).into_iter().next());
        newest.ok_or_else(|| unsupported("no block was heard that can be decoded"))
    }

    /// Whether the listener gets what a new peer publishes. It waits as long as for a message that must not come. Also the
    /// publisher, so that it is not gone too soon.
    pub(super) async fn passes_on(&self, message: Message) -> Result<(bool, Gossip), Failure> {
        self.passes_on_within(self.silence(), message).await
    }

    /// As [`CaseContext::passes_on`], for what should come: a busy machine is given time.
    pub(super) async fn brings_out(&self, message: Message) -> Result<(bool, Gossip), Failure> {
        self.passes_on_within(self.answer_timeout, message).await
    }

    async fn passes_on_within(
        &self,
        answer_timeout: Duration,
        message: Message,
    ) -> Result<(bool, Gossip), Failure> {
        let listener = self.listener().await?;
        let culprit = self.new_gossip_peer().await?;
        let passed = heard_from(&culprit, &listener, message, answer_timeout).await;
        Ok((passed, culprit))
    }

    /// Whether the listener gets what a peer publishes.
    pub(super) async fn passes_on_from(
        &self,
        from: &Gossip,
        listener: &Arc<Gossip>,
        message: Message,
    ) -> bool {
        heard_from(from, listener, message, self.silence()).await
    }

    /// Waits for a part of a slot.
    pub(super) async fn pause(&self, part: f64) {
        sleep(self.slot.slot().mul_f64(part)).await;
    }
}

/// Whether what one publishes is heard by the other within this time.
async fn heard_from(
    from: &Gossip,
    listener: &Gossip,
    message: Message,
    answer_timeout: Duration,
) -> bool {
    let (topic, data) = (message.topic.clone(), message.data.clone());
    let ssz = unblock(&data);
    listener.log().expect(&data);
    let since = Instant::now();
    from.publish_message(message).await;
    let heard = listener.log().wait(since + answer_timeout, |sounds| {
        let later = sounds.of(&topic).filter(|heard| heard.at >= since);
        let is_it = later
            .map(|heard| &heard.message.data)
            .any(|heard| *heard == data || ssz.is_some() && unblock(heard) == ssz);
        is_it.then_some(())
    });
    heard.await.is_some()
}
