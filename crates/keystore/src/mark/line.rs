//! What a mark's file holds: the same line twice, each in a sector of its own.
//!
//! ```text
//! quartet mark 1, keep it beside its key: 0x… may have signed below epoch 00000000000000005001 <checksum>
//! ```
//!
//! A line is filled up with spaces to 512 bytes, so that a write which is cut off damages one of the two at most.

use quartet_types::PublicKey;
use sha2::{Digest as _, Sha256};

/// Bytes of a line, a disk's sector.
pub(super) const LINE_BYTES: usize = 512;
/// Bytes of a mark's file.
pub(super) const FILE_BYTES: usize = 2 * LINE_BYTES;

const BEGINNING: &str = "quartet mark 1, keep it beside its key: ";
const MIDDLE: &str = " may have signed below epoch ";
/// Digits of the largest number.
const DIGITS: usize = 20;
const CHECKSUM_BYTES: usize = 12;

/// The line that says that `key` may have signed in any epoch below `free_from`.
pub(super) fn encode(key: &PublicKey, free_from: u64) -> [u8; LINE_BYTES] {
    let text = format!("{BEGINNING}{key}{MIDDLE}{free_from:0DIGITS$} ");
    let checksum = const_hex::encode(&Sha256::digest(&text)[..CHECKSUM_BYTES]);
    let mut line = [b' '; LINE_BYTES];
    for (to, from) in line.iter_mut().zip(text.bytes().chain(checksum.bytes())) {
        *to = from;
    }
    line[LINE_BYTES - 1] = b'\n';
    line
}

/// The key and the epoch of a whole line.
pub(super) fn decode(line: &[u8]) -> Option<(PublicKey, u64)> {
    let text = str::from_utf8(line).ok()?;
    let (key, rest) = text.strip_prefix(BEGINNING)?.split_once(MIDDLE)?;
    let key = const_hex::decode(key).ok()?;
    let key = PublicKey::try_from(key.as_slice()).ok()?;
    let free_from = rest.get(..DIGITS)?.parse().ok()?;
    // The whole line is compared, so nothing else can differ.
    (encode(&key, free_from) == line).then_some((key, free_from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_back_and_no_changed_byte_goes_unnoticed() {
        let key = PublicKey([0xa7; 52]);
        for free_from in [0, 5_001, u64::MAX] {
            let line = encode(&key, free_from);
            assert_eq!(decode(&line), Some((key, free_from)));
            for at in 0..LINE_BYTES {
                for flip in [1, 4, 0x20] {
                    let mut changed = line;
                    changed[at] ^= flip;
                    assert_eq!(decode(&changed), None, "{at}");
                }
            }
            assert_eq!(decode(&line[..LINE_BYTES - 1]), None);
        }
        assert_eq!(decode(&[0; LINE_BYTES]), None);
    }
}
