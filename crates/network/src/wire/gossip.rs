//! Gossip payloads: SSZ in raw (block, not framed) snappy, and the ids of messages.

use sha2::{Digest as _, Sha256};

use super::{MAX_MESSAGE_BYTES, WireError};

/// Bytes of a message id. Source: leanSpec `networking/gossipsub/message.py`.
pub const MESSAGE_ID_BYTES: usize = 20;

/// Whether a message's data decompresses; part of what its id is made of. Source: leanSpec `networking/config.py`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Domain {
    /// It does not, and the id is over the raw data.
    InvalidSnappy,
    /// It does, and the id is over the decompressed data.
    ValidSnappy,
}

impl Domain {
    /// The domain on the wire.
    pub fn bytes(self) -> [u8; 4] {
        match self {
            Self::InvalidSnappy => [0, 0, 0, 0],
            Self::ValidSnappy => [1, 0, 0, 0],
        }
    }
}

/// Compresses a payload.
///
/// # Errors
/// When it has 4 GiB or more, which the format has no length for.
pub fn compress(ssz: &[u8]) -> Result<Vec<u8>, WireError> {
    snap::raw::Encoder::new()
        .compress_vec(ssz)
        .map_err(WireError::Snappy)
}

/// The bytes that a payload says it decompresses to, at most `max`.
///
/// # Errors
/// When it does not say, or says more than `max`.
pub fn announced_bytes(data: &[u8], max: usize) -> Result<usize, WireError> {
    if data.is_empty() {
        return Err(WireError::Snappy(snap::Error::Empty));
    }
    let length = snap::raw::decompress_len(data).map_err(WireError::Snappy)?;
    if length > max {
        return Err(WireError::Length {
            min: 0,
            max,
            found: length as u64,
        });
    }
    Ok(length)
}

/// Decompresses a payload of at most `max` bytes. What it announces is looked at before any of it is
/// allocated.
///
/// # Errors
/// When it is not snappy or longer than `max`.
pub fn decompress(data: &[u8], max: usize) -> Result<Vec<u8>, WireError> {
    announced_bytes(data, max)?;
    snap::raw::Decoder::new()
        .decompress_vec(data)
        .map_err(WireError::Snappy)
}

/// The id of a message as it is on the wire: over the decompressed data in the domain of valid snappy,
/// or over the raw data in the other when it does not decompress.
///
/// Source: leanSpec `networking/gossipsub/message.py`, `GossipsubMessage.id`.
pub fn message_id(topic: &str, raw: &[u8]) -> [u8; MESSAGE_ID_BYTES] {
    match decompress(raw, MAX_MESSAGE_BYTES) {
        Ok(plain) => message_id_in_domain(Domain::ValidSnappy, topic.as_bytes(), &plain),
        Err(_) => message_id_in_domain(Domain::InvalidSnappy, topic.as_bytes(), raw),
    }
}

/// The first bytes of `SHA-256(domain ‖ uint64_le(len(topic)) ‖ topic ‖ data)`.
pub fn message_id_in_domain(domain: Domain, topic: &[u8], data: &[u8]) -> [u8; MESSAGE_ID_BYTES] {
    let mut hasher = Sha256::new();
    hasher.update(domain.bytes());
    hasher.update((topic.len() as u64).to_le_bytes());
    hasher.update(topic);
    hasher.update(data);
    let digest: [u8; 32] = hasher.finalize().into();
    let mut id = [0; MESSAGE_ID_BYTES];
    id.copy_from_slice(&digest[..MESSAGE_ID_BYTES]);
    id
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_payload_that_announces_too_much_is_refused_without_being_decompressed() {
        // Four gigabytes announced by five bytes.
        let bomb = [0xff, 0xff, 0xff, 0xff, 0x0f];
        let found = u64::from(u32::MAX);
        let (min, max) = (0, 1_000);
        assert_eq!(
            decompress(&bomb, max),
            Err(WireError::Length { min, max, found })
        );
        let fits = compress(&vec![0; max]).unwrap();
        assert_eq!(decompress(&fits, max).unwrap(), vec![0; max]);
        let over = compress(&vec![0; max + 1]).unwrap();
        let found = 1_001;
        assert_eq!(
            decompress(&over, max),
            Err(WireError::Length { min, max, found })
        );
    }

    #[test]
    fn nothing_at_all_is_not_snappy() {
        assert!(matches!(decompress(&[], 10), Err(WireError::Snappy(_))));
        assert_eq!(decompress(&[0], 10).unwrap(), Vec::<u8>::new());
    }

    proptest! {
        #[test]
        fn compression_is_undone(data: Vec<u8>) {
            let raw = compress(&data).unwrap();
            prop_assert_eq!(decompress(&raw, data.len()).unwrap(), data);
        }

        #[test]
        fn any_bytes_are_either_decompressed_or_refused(raw: Vec<u8>) {
            if let Ok(plain) = decompress(&raw, 4096) {
                prop_assert!(plain.len() <= 4096);
            }
            message_id("topic", &raw);
        }
    }
}
