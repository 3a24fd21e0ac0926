//! The stored form of a block: a checksum, then its SSZ encoding.
//!
//! The database's own checksums are only looked at after a crash; this one makes sure that a block is
//! never served with a bit flipped, signatures included.

use ethereum_hashing::hash_fixed;
use quartet_types::SignedBlockWithAttestation;
use ssz::{Decode as _, Encode as _};

/// Leading bytes of SHA-256 over the encoding; against decay, not against an adversary.
const CHECKSUM_BYTES: usize = 8;

fn checksum(ssz: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let mut checksum = [0; CHECKSUM_BYTES];
    checksum.copy_from_slice(&hash_fixed(ssz)[..CHECKSUM_BYTES]);
    checksum
}

/// The bytes to store for a block.
pub(crate) fn encode(block: &SignedBlockWithAttestation) -> Vec<u8> {
    let mut record = Vec::with_capacity(CHECKSUM_BYTES + block.ssz_bytes_len());
    record.resize(CHECKSUM_BYTES, 0);
    block.ssz_append(&mut record);
    let checksum = checksum(&record[CHECKSUM_BYTES..]);
    record[..CHECKSUM_BYTES].copy_from_slice(&checksum);
    record
}

/// The block that was stored, or what is wrong with its bytes.
pub(crate) fn decode(record: &[u8]) -> Result<SignedBlockWithAttestation, String> {
    let (found, ssz) = record
        .split_at_checked(CHECKSUM_BYTES)
        .ok_or_else(|| format!("a record of {} bytes has no checksum", record.len()))?;
    let expected = checksum(ssz);
    if found != expected {
        return Err(format!(
            "expected checksum {expected:02x?}, found {found:02x?}"
        ));
    }
    SignedBlockWithAttestation::from_ssz_bytes(ssz)
        .map_err(|error| format!("a record is not a block: {error:?}"))
}
