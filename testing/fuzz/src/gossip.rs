//! A message of gossip: its topic's name, its id, and what it decompresses and decodes to.

use quartet_network::wire::{
    MAX_MESSAGE_BYTES, MESSAGE_ID_BYTES, Topic, announced_bytes, compress, decompress, message_id,
};
use quartet_types::{SignedAttestation, SignedBlockWithAttestation};
use ssz::{Decode, Encode};

use crate::input::Input;

const FORK: &str = "devnet0";

/// A name and a payload: what is accepted is read as it was written, and nothing is longer than its topic allows.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let name = match input.below(4) {
        0 => Topic::Block.name(FORK),
        1 => Topic::Attestation.name(FORK),
        _ => String::from_utf8_lossy(input.piece()).into_owned(),
    };
    let topic = Topic::parse(&name, FORK);
    if let Some(topic) = topic {
        assert_eq!(topic.name(FORK), name);
    }
    let payload = input.rest();
    let id: [u8; MESSAGE_ID_BYTES] = message_id(&name, payload);
    assert_eq!(id, message_id(&name, payload));

    let max = topic.map_or(MAX_MESSAGE_BYTES, Topic::max_bytes);
    let announced = announced_bytes(payload, max);
    match decompress(payload, max) {
        Err(_) => {}
        Ok(plain) => {
            assert_eq!(announced, Ok(plain.len()));
            assert!(plain.len() <= max);
            assert_eq!(
                decompress(&compress(&plain).unwrap(), max),
                Ok(plain.clone())
            );
            decode(topic, &plain);
        }
    }
    // Most inputs are not snappy, and would never come so far.
    decode(topic, payload);
}

fn decode(topic: Option<Topic>, ssz: &[u8]) {
    match topic {
        Some(Topic::Attestation) => canonical::<SignedAttestation>(ssz),
        Some(Topic::Block) => canonical::<SignedBlockWithAttestation>(ssz),
        None => {}
    }
}

fn canonical<T: Decode + Encode>(ssz: &[u8]) {
    if let Ok(value) = T::from_ssz_bytes(ssz) {
        assert!(value.as_ssz_bytes() == ssz, "another encoding was accepted");
    }
}
