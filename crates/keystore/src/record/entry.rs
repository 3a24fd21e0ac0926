//! One entry of the log: 128 bytes with a checksum.
//!
//! ```text
//!   0   4  magic "QSR1"
//!   4   1  kind: 1 signed, 2 sealed
//!   5   3  how many slots the source of the vote lies before the epoch; 0 if that is unknown
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
//!
//! The slot that is written for a source is never after it, or the validator might wait for a checkpoint that no node
//! has. So a source that does not lie before the epoch counts as the slot before it, and one that lies too far back for
//! three bytes (two years) is left out.

use quartet_types::{PUBLIC_KEY_BYTES, PublicKey, Root};
use sha2::{Digest as _, Sha256};

/// Bytes of an entry.
pub(super) const ENTRY_BYTES: usize = 128;
/// What every entry begins with.
pub(super) const MAGIC: [u8; 4] = *b"QSR1";

const SIGNED: u8 = 1;
const SEALED: u8 = 2;
const DISTANCE_AT: usize = 5;
/// The greatest distance of a source. All bits set is reserved.
const MAX_DISTANCE: u64 = 0xff_fffe;
const KEY_AT: usize = 32;
const ROOT_AT: usize = KEY_AT + PUBLIC_KEY_BYTES;
const CHECKSUM_AT: usize = ROOT_AT + 32;

/// That a key's epoch is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) public_key: PublicKey,
    pub(super) epoch: u64,
    /// The message, or `None` where it is unknown or disputed: then nothing may be signed in the epoch.
    pub(super) message_root: Option<Root>,
    /// The slot of the vote's source, where it is known and can be written.
    pub(super) source: Option<u64>,
}

impl Entry {
    /// An entry with as much of the source as can be written.
    pub(super) fn new(
        public_key: PublicKey,
        epoch: u64,
        message_root: Option<Root>,
        source: Option<u64>,
    ) -> Self {
        let before_epoch = source.and_then(|source| Some(source.min(epoch.checked_sub(1)?)));
        Self {
            public_key,
            epoch,
            message_root,
            source: before_epoch.filter(|source| epoch - source <= MAX_DISTANCE),
        }
    }

    /// How many slots the source lies before the epoch.
    fn distance(&self) -> u64 {
        let distance = self.source.map(|source| self.epoch.saturating_sub(source));
        distance.unwrap_or(0)
    }
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
        let distance = self.entry.distance().to_le_bytes();
        bytes[DISTANCE_AT..8].copy_from_slice(&distance[..8 - DISTANCE_AT]);
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
        // Most of a file is room, which costs no hash.
        if bytes[..4] != MAGIC || number(bytes, 8)? != position {
            return None;
        }
        let checksum = Sha256::digest(&bytes[..CHECKSUM_AT]);
        if bytes[CHECKSUM_AT..] != checksum[..ENTRY_BYTES - CHECKSUM_AT] {
            return None;
        }
        let message_root = match bytes[4] {
            SIGNED => Some(Root::from_slice(&bytes[ROOT_AT..CHECKSUM_AT])),
            SEALED => None,
            _ => return None,
        };
        let epoch = number(bytes, 24)?;
        let [a, b, c] = *bytes[DISTANCE_AT..].first_chunk()?;
        let source = match u64::from(u32::from_le_bytes([a, b, c, 0])) {
            0 => None,
            distance if distance > MAX_DISTANCE => return None,
            distance => Some(epoch.checked_sub(distance)?),
        };
        Some(Self {
            entry: Entry {
                public_key: PublicKey::try_from(&bytes[KEY_AT..ROOT_AT]).ok()?,
                epoch,
                message_root,
                source,
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
        let distance = proptest::option::of(0..=MAX_DISTANCE + 1);
        (numbers, root, distance).prop_map(
            |((key, epoch, position, group), message_root, distance)| {
                let public_key = PublicKey([key; PUBLIC_KEY_BYTES]);
                let source = distance.and_then(|distance| epoch.checked_sub(distance));
                Placed {
                    entry: Entry::new(public_key, epoch, message_root, source),
                    position,
                    group,
                }
            },
        )
    }

    fn written(epoch: u64, source: Option<u64>) -> Option<u64> {
        let entry = Entry::new(PublicKey([1; PUBLIC_KEY_BYTES]), epoch, None, source);
        let (position, group) = (0, 0);
        let placed = Placed {
            entry,
            position,
            group,
        };
        let read = Placed::decode(&placed.encode(), position).unwrap();
        assert_eq!(read, placed);
        read.entry.source
    }

    #[test]
    fn what_is_written_of_a_source_never_lies_after_it() {
        assert_eq!(written(9, None), None);
        assert_eq!(written(9, Some(0)), Some(0));
        assert_eq!(written(9, Some(8)), Some(8));
        assert_eq!(written(9, Some(9)), Some(8));
        assert_eq!(written(9, Some(u64::MAX)), Some(8));
        assert_eq!(written(0, Some(0)), None);
        assert_eq!(written(MAX_DISTANCE, Some(0)), Some(0));
        assert_eq!(written(MAX_DISTANCE + 1, Some(0)), None);
        assert_eq!(written(u64::MAX, Some(0)), None);
        assert_eq!(written(u64::MAX, Some(u64::MAX)), Some(u64::MAX - 1));
    }

    /// An entry with these three bytes as the distance, and everything else valid.
    fn read(epoch: u64, distance: [u8; 3]) -> Option<Entry> {
        let entry = Entry::new(PublicKey([1; PUBLIC_KEY_BYTES]), epoch, None, None);
        let (position, group) = (0, 0);
        let placed = Placed {
            entry,
            position,
            group,
        };
        let mut bytes = placed.encode();
        bytes[DISTANCE_AT..8].copy_from_slice(&distance);
        let checksum = Sha256::digest(&bytes[..CHECKSUM_AT]);
        bytes[CHECKSUM_AT..].copy_from_slice(&checksum[..ENTRY_BYTES - CHECKSUM_AT]);
        Some(Placed::decode(&bytes, position)?.entry)
    }

    #[test]
    fn an_entry_from_before_sources_were_written_reads_as_before() {
        let entry = read(9, [0; 3]).unwrap();
        assert_eq!((entry.epoch, entry.source), (9, None));
    }

    #[test]
    fn a_distance_that_nobody_writes_is_not_read() {
        assert!(read(9, [9, 0, 0]).is_some());
        assert!(read(9, [10, 0, 0]).is_none());
        assert!(read(u64::MAX, [0xfe, 0xff, 0xff]).is_some());
        assert!(read(u64::MAX, [0xff; 3]).is_none());
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
