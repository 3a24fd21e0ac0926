//! The beginning of the log's file: how much of it must be there.
//!
//! Two headers of 128 bytes are at offsets 0 and 512, in sectors of their own, and are written in turn; entries begin
//! at 1024.
//!
//! ```text
//!   0   4  magic "QSR2"
//!   4   4  zero
//!   8   8  entries that were durable when the last group was written
//!  16   8  entries of the last group
//!  24   8  entries that the file has room for
//!  32  84  zero
//! 116  12  checksum: the beginning of SHA-256 over the bytes before
//! ```
//!
//! Only the last group may be unreadable because of a crash: what any whole header counts as durable must be there, and
//! after the last group there are zeros.

use sha2::{Digest as _, Sha256};

use super::entry::ENTRY_BYTES;

/// What a file of this form begins with.
pub(super) const MAGIC: [u8; 4] = *b"QSR2";
/// Offsets of the two headers: each in a sector of its own.
pub(super) const HEADERS_AT: [usize; 2] = [0, 512];
/// Where the entries begin.
pub(super) const ENTRIES_AT: usize = 1024;

const HEADER_BYTES: usize = ENTRY_BYTES;
const CHECKSUM_AT: usize = 116;

/// What a header says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Header {
    /// Entries that were durable when the last group was written.
    pub(super) durable: u64,
    /// Entries of the last group.
    pub(super) group: u64,
    /// Entries that the file has room for.
    pub(super) room: u64,
}

impl Header {
    pub(super) fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[8..16].copy_from_slice(&self.durable.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.group.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.room.to_le_bytes());
        let checksum = Sha256::digest(&bytes[..CHECKSUM_AT]);
        bytes[CHECKSUM_AT..].copy_from_slice(&checksum[..HEADER_BYTES - CHECKSUM_AT]);
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let number = |at: usize| Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
        let header = Self {
            durable: number(8)?,
            group: number(16)?,
            room: number(24)?,
        };
        (header.encode() == *bytes).then_some(header)
    }

    /// Of the whole headers, the newest.
    pub(super) fn newest(file: &[u8]) -> Option<Self> {
        Self::whole(file)
            .max_by_key(|header| (header.durable.saturating_add(header.group), header.room))
    }

    /// Whether a file with so many whole entries, and room for so many, has what each of its whole headers counts.
    pub(super) fn all_allow(file: &[u8], entries: u64, room: u64) -> bool {
        Self::whole(file).all(|header| header.durable <= entries && header.room <= room)
    }

    fn whole(file: &[u8]) -> impl Iterator<Item = Self> {
        let headers = HEADERS_AT.iter();
        headers.filter_map(|at| Self::decode(file.get(*at..at + HEADER_BYTES)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_whole_header_counts_and_no_flipped_bit_goes_unnoticed() {
        let [older, newer] = [3, 7].map(|durable| Header {
            durable,
            group: 2,
            room: 2048,
        });
        let mut file = vec![0; ENTRIES_AT];
        assert_eq!(Header::newest(&file), None);
        file[512..640].copy_from_slice(&older.encode());
        assert_eq!(Header::newest(&file), Some(older));
        file[..128].copy_from_slice(&newer.encode());
        assert_eq!(Header::newest(&file), Some(newer));
        for bit in 0..128 * 8 {
            file[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Header::newest(&file), Some(older));
            file[bit / 8] ^= 1 << (bit % 8);
        }
        assert_eq!(Header::newest(&file[..100]), None);
    }

    #[test]
    fn no_number_is_too_large_to_be_compared() {
        let largest = Header {
            durable: u64::MAX,
            group: u64::MAX,
            room: u64::MAX,
        };
        let mut file = vec![0; ENTRIES_AT];
        file[..128].copy_from_slice(&largest.encode());
        file[512..640].copy_from_slice(&Header::default().encode());
        assert_eq!(Header::newest(&file), Some(largest));
    }
}
