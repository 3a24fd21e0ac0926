//! Decompression of gossip before its id is computed, so that each message is decompressed once.

use std::io;

use libp2p::gossipsub::{DataTransform, Message, RawMessage, TopicHash};
use metrics::counter;

use super::meter::{Admission, Meters};
use crate::wire::{Topic, WireError, announced_bytes, compress, decompress};

/// The topic of messages that are to be ignored: no peer subscribes to it, and gossipsub takes all of them for one
/// message.
const IGNORED_TOPIC: &str = "quartet/ignored";

/// Raw snappy on the wire, SSZ on our side. Refuses other topics and what is too long for its topic;
/// the sender's meter takes note, and gossipsub keeps nothing of it.
#[derive(Clone, Debug)]
pub(crate) struct SnappyTransform {
    fork: String,
    max_block_bytes: usize,
    meters: Meters,
}

impl SnappyTransform {
    pub(crate) fn new(fork: &str, max_block_bytes: usize, meters: Meters) -> Self {
        Self {
            fork: fork.into(),
            max_block_bytes,
            meters,
        }
    }

    /// The decompressed data, `None` when its sender is over a budget, or the block is longer than any of this network.
    fn decompress(&self, message: &RawMessage) -> Result<Option<Vec<u8>>, WireError> {
        let name = message.topic.as_str();
        let Some(topic) = Topic::parse(name, &self.fork) else {
            // We have not subscribed to this topic, so no peer has a reason to send it.
            return Err(self.refuse("other", WireError::ForeignTopic(name.into())));
        };
        let refuse = |error| self.refuse(topic.word(), error);
        let bytes = announced_bytes(&message.data, topic.max_bytes()).map_err(refuse)?;
        if topic == Topic::Block && bytes > self.max_block_bytes {
            // A client of another kind may pass it on.
            count_refused(topic.word(), "length");
            return Ok(None);
        }
        if let Admission::Ignored(budget) = self.meters.admit(topic, bytes) {
            count_refused(topic.word(), budget);
            return Ok(None);
        }
        let data = decompress(&message.data, topic.max_bytes()).map_err(refuse)?;
        Ok(Some(data))
    }

    fn refuse(&self, topic: &'static str, error: WireError) -> WireError {
        count_refused(topic, error.reason());
        self.meters.undecodable(error.reason());
        error
    }
}

/// Counts gossip that was refused without asking the chain.
pub(crate) fn count_refused(topic: &'static str, reason: &'static str) {
    counter!("quartet_gossip_refused_total", "topic" => topic, "reason" => reason).increment(1);
}

impl DataTransform for SnappyTransform {
    fn inbound_transform(&self, raw: RawMessage) -> Result<Message, io::Error> {
        let decompressed = self.decompress(&raw)?;
        let (topic, data) = match decompressed {
            Some(data) => (raw.topic, data),
            None => (TopicHash::from_raw(IGNORED_TOPIC), Vec::new()),
        };
        Ok(Message {
            source: raw.source,
            data,
            sequence_number: raw.sequence_number,
            topic,
        })
    }

    fn outbound_transform(&self, _: &TopicHash, ssz: Vec<u8>) -> Result<Vec<u8>, io::Error> {
        Ok(compress(&ssz)?)
    }
}

#[cfg(test)]
mod tests {
    use quartet_clock::Clock;

    use super::*;

    fn transform() -> SnappyTransform {
        SnappyTransform::new("devnet0", 10 << 20, Meters::new(Clock::system(0)))
    }

    fn inbound(topic: &str, data: Vec<u8>) -> Result<Message, io::Error> {
        transform().inbound_transform(RawMessage {
            source: None,
            data,
            sequence_number: None,
            topic: TopicHash::from_raw(topic),
            signature: None,
            key: None,
            validated: false,
        })
    }

    #[test]
    fn compressed_messages_are_read_back() {
        let transform = transform();
        for topic in Topic::ALL {
            let name = topic.name("devnet0");
            let ssz = vec![7; 3000];
            let raw = transform.outbound_transform(&TopicHash::from_raw(&name), ssz.clone());
            assert_eq!(inbound(&name, raw.unwrap()).unwrap().data, ssz);
        }
    }

    #[test]
    fn topics_of_other_networks_are_refused() {
        let data = compress(b"whatever").unwrap();
        for fork in ["devnet1", "devnet", ""] {
            let error = inbound(&Topic::Block.name(fork), data.clone()).unwrap_err();
            let error = WireError::in_io_error(&error).unwrap();
            assert!(matches!(error, WireError::ForeignTopic(_)), "{error}");
        }
    }

    #[test]
    fn a_message_too_long_for_its_topic_is_refused() {
        let data = compress(&vec![0; Topic::Attestation.max_bytes() + 1]).unwrap();
        assert!(inbound(&Topic::Block.name("devnet0"), data.clone()).is_ok());
        let error = inbound(&Topic::Attestation.name("devnet0"), data).unwrap_err();
        let error = WireError::in_io_error(&error).unwrap();
        assert!(matches!(error, WireError::Length { .. }), "{error}");
    }
}
