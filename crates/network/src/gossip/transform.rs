//! Decompression of gossip before its id is computed, so that each message is decompressed once.

use std::io;

use libp2p::gossipsub::{DataTransform, Message, RawMessage, TopicHash};
use metrics::counter;

use crate::wire::{Topic, WireError, compress, decompress};

/// Raw snappy on the wire, SSZ on our side. Refuses other topics and what is too long for its topic;
/// gossipsub holds that against the sender and keeps nothing of it.
#[derive(Clone, Debug)]
pub(crate) struct SnappyTransform {
    fork: String,
}

impl SnappyTransform {
    pub(crate) fn new(fork: &str) -> Self {
        Self { fork: fork.into() }
    }

    fn decompress(&self, message: &RawMessage) -> Result<Vec<u8>, WireError> {
        let name = message.topic.as_str();
        let Some(topic) = Topic::parse(name, &self.fork) else {
            return Err(refuse("other", WireError::ForeignTopic(name.into())));
        };
        decompress(&message.data, topic.max_bytes()).map_err(|error| refuse(topic.word(), error))
    }
}

fn refuse(topic: &'static str, error: WireError) -> WireError {
    count_refused(topic, error.reason());
    error
}

/// Counts gossip that was refused without asking the chain.
pub(crate) fn count_refused(topic: &'static str, reason: &'static str) {
    counter!("quartet_gossip_refused_total", "topic" => topic, "reason" => reason).increment(1);
}

impl DataTransform for SnappyTransform {
    fn inbound_transform(&self, raw: RawMessage) -> Result<Message, io::Error> {
        let data = self.decompress(&raw)?;
        Ok(Message {
            source: raw.source,
            data,
            sequence_number: raw.sequence_number,
            topic: raw.topic,
        })
    }

    fn outbound_transform(&self, _: &TopicHash, ssz: Vec<u8>) -> Result<Vec<u8>, io::Error> {
        Ok(compress(&ssz)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inbound(topic: &str, data: Vec<u8>) -> Result<Message, io::Error> {
        SnappyTransform::new("devnet0").inbound_transform(RawMessage {
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
    fn what_goes_out_comes_in() {
        let transform = SnappyTransform::new("devnet0");
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
    fn what_is_too_long_for_its_topic_is_refused_though_another_might_carry_it() {
        let data = compress(&vec![0; Topic::Attestation.max_bytes() + 1]).unwrap();
        assert!(inbound(&Topic::Block.name("devnet0"), data.clone()).is_ok());
        let error = inbound(&Topic::Attestation.name("devnet0"), data).unwrap_err();
        let error = WireError::in_io_error(&error).unwrap();
        assert!(matches!(error, WireError::Length { .. }), "{error}");
    }
}
