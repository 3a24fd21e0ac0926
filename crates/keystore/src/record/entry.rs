//! One entry of the log: 128 bytes that vouch for themselves.
//!
//! ```text
//!   0   4  magic "QSR1"
//!   4   1  kind: 1 signed, 2 sealed
//!   5   3  zero
//!   8   8  position of the entry in the log
//!  16   8  position of the first entry that was written together with it
//!  24   8  epoch
//!  32  52  public key
//!  84  32  message root; zero in a sealed entry
//! 116  12  checksum: the beginning of SHA-256 over the bytes before
//! ```
//!
//! Numbers are little-endian. The two positions tell a crash from damage: entries written together
//! become durable together, so an entry that reads well proves that all earlier groups were durable.

use quartet_types::{PUBLIC_KEY_BYTES, PublicKey, Root};
use sha2::{Digest as _, Sha256};

/// Bytes of an entry.
pub(super) const ENTRY_BYTES: usize = 128;
/// What every entry begins with.
pub(super) const MAGIC: [u8; 4] = *b"QSR1";

const SIGNED: u8 = 1;
const SEALED: u8 = 2;
const KEY_AT: usize = 32;
const ROOT_AT: usize = KEY_AT + PUBLIC_KEY_BYTES;
const CHECKSUM_AT: usize = ROOT_AT + 32;

/// That a key's epoch is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) public_key: PublicKey,
    pub(super) epoch: u64,
    /// The message, or `None` where it is unknown or disputed: then the epoch is sealed.
    pub(super) message_root: Option<Root>,
}

/// An entry at its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Placed {
    pub(super) entry: Entry,
    pub(super) position: u64,
    pub(super) group: u64,
}

impl Placed {
    pub(super) fn encode(&self) -> [u8; ENTRY_BYTES] {
        let mut bytes = [0; ENTRY_BYTES];
        let (kind, root) = match self.entry.message_root {
            Some(root) => (SIGNED, root),
            None => (SEALED, Root::ZERO),
        };
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[4] = kind;
        bytes[8..16].copy_from_slice(&self.position.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.group.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.entry.epoch.to_le_bytes());
        bytes[KEY_AT..ROOT_AT].copy_from_slice(self.entry.public_key.as_bytes());
        bytes[ROOT_AT..CHECKSUM_AT].copy_from_slice(root.as_slice());
        let checksum = Sha256::digest(&bytes[..CHECKSUM_AT]);
        bytes[CHECKSUM_AT..].copy_from_slice(&checksum[..ENTRY_BYTES - CHECKSUM_AT]);
        bytes
    }

    /// The entry, if the bytes are one, whole and unchanged, of this position.
    pub(super) fn decode(bytes: &[u8; ENTRY_BYTES], position: u64) -> Option<Self> {
        let checksum = Sha256::digest(&bytes[..CHECKSUM_AT]);
        let whole = bytes[..4] == MAGIC
            && bytes[CHECKSUM_AT..] == checksum[..ENTRY_BYTES - CHECKSUM_AT]
            && number(bytes, 8)? == position;
        if !whole {
            return None;
        }
        let message_root = match bytes[4] {
            SIGNED => Some(Root::from_slice(&bytes[ROOT_AT..CHECKSUM_AT])),
            SEALED => None,
            _ => return None,
        };
        Some(Self {
            entry: Entry {
                public_key: PublicKey::try_from(&bytes[KEY_AT..ROOT_AT]).ok()?,
                epoch: number(bytes, 24)?,
                message_root,
            },
            position,
            group: number(bytes, 16)?,
        })
    }
}

fn number(bytes: &[u8; ENTRY_BYTES], at: usize) -> Option<u64> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u64::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn placed() -> impl Strategy<Value = Placed> {
        let root = proptest::option::of(any::<[u8; 32]>().prop_map(Root::from));
        let numbers = (any::<u8>(), any::<u64>(), any::<u64>(), any::<u64>());
        (numbers, root).prop_map(|((key, epoch, position, group), message_root)| Placed {
            entry: Entry {
                public_key: PublicKey([key; PUBLIC_KEY_BYTES]),
                epoch,
                message_root,
            },
            position,
            group,
        })
    }

    proptest! {
        #[test]
        fn an_entry_survives_the_round_trip_and_no_flipped_bit(
            placed in placed(), byte in 0..ENTRY_BYTES, bit in 0..8u8,
        ) {
            let mut bytes = placed.encode();
            prop_assert_eq!(Placed::decode(&bytes, placed.position), Some(placed));
            prop_assert_eq!(Placed::decode(&bytes, placed.position ^ 1), None);
            bytes[byte] ^= 1 << bit;
            prop_assert_eq!(Placed::decode(&bytes, placed.position), None);
        }
    }
}
