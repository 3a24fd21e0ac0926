//! What stands in for signatures where a run is longer than any key of the test scheme lives.

use quartet_chain::VerifySignatures;
use quartet_types::{PublicKey, SIGNATURE_BYTES, Signature, Slot, ValidatorIndex};
use quartet_xmss::Verification;
use sha2::{Digest as _, Sha256};

/// Bytes of a signature that are looked at; the rest is noise, so that it takes the space of a real one on any disk.
const TAG_BYTES: usize = 32;

/// A keyed hash in the place of a signature. It is not secure: it serves this program alone, and no node
/// knows of it.
#[derive(Debug)]
pub(crate) struct StandIn;

pub(crate) fn public_key(validator: ValidatorIndex) -> PublicKey {
    let mut key = PublicKey::default();
    let digest = Sha256::digest(validator.to_le_bytes());
    key.0[..TAG_BYTES].copy_from_slice(&digest);
    key
}

pub(crate) fn sign(key: &PublicKey, epoch: Slot, message: &[u8; 32]) -> Signature {
    let tag = tag(&key.0, epoch, message);
    let mut bytes = [0; SIGNATURE_BYTES];
    bytes[..TAG_BYTES].copy_from_slice(&tag);
    let mut noise = u64::from_le_bytes(tag.first_chunk().copied().unwrap_or_default()) | 1;
    for chunk in bytes[TAG_BYTES..].chunks_mut(8) {
        // Marsaglia's xorshift.
        noise ^= noise << 13;
        noise ^= noise >> 7;
        noise ^= noise << 17;
        chunk.copy_from_slice(&noise.to_le_bytes()[..chunk.len()]);
    }
    Signature::from(bytes)
}

fn tag(key: &[u8], epoch: Slot, message: &[u8]) -> [u8; TAG_BYTES] {
    let hash = Sha256::new_with_prefix(key);
    let hash = hash.chain_update(epoch.to_le_bytes());
    hash.chain_update(message).finalize().into()
}

impl VerifySignatures for StandIn {
    fn verify_many(&self, items: &[Verification<'_>]) -> Vec<bool> {
        let is_valid = |item: &Verification<'_>| {
            let tag = tag(item.public_key, item.epoch, item.message);
            item.signature.len() == SIGNATURE_BYTES && item.signature.starts_with(&tag)
        };
        items.iter().map(is_valid).collect()
    }
}
