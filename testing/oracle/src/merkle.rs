//! `hash_tree_root` by the letter of SSZ, with nothing remembered between two calls.

use quartet_types::{
    Attestation, AttestationData, Block, BlockBody, BlockHeader, Checkpoint, PublicKey, Root,
};
use sha2::{Digest as _, Sha256};

/// Hashes two nodes.
fn pair(left: [u8; 32], right: [u8; 32]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(left);
    hasher.update(right);
    hasher.finalize().into()
}

/// The root of a tree with room for `limit` chunks, zero where there are none.
pub fn merkleize(mut chunks: Vec<[u8; 32]>, limit: usize) -> [u8; 32] {
    let mut zero = [0; 32];
    let mut width = 1;
    while width < limit.max(1) {
        if chunks.len() % 2 == 1 {
            chunks.push(zero);
        }
        chunks = chunks.chunks(2).map(|two| pair(two[0], two[1])).collect();
        zero = pair(zero, zero);
        width *= 2;
    }
    chunks.first().copied().unwrap_or(zero)
}

/// Mixes the length of a list into its root.
pub fn mix_in_length(root: [u8; 32], length: usize) -> [u8; 32] {
    pair(root, number(length as u64))
}

/// A number as a chunk.
pub fn number(value: u64) -> [u8; 32] {
    let mut chunk = [0; 32];
    chunk[..8].copy_from_slice(&value.to_le_bytes());
    chunk
}

/// The root of a list of roots.
pub fn list_of_roots(roots: &[Root], limit: usize) -> [u8; 32] {
    let chunks = roots.iter().map(|root| root.0).collect();
    mix_in_length(merkleize(chunks, limit), roots.len())
}

/// The root of a bit list.
pub fn bitlist(bits: &[bool], limit: usize) -> [u8; 32] {
    let chunk = |bits: &[bool]| {
        let mut chunk = [0_u8; 32];
        for (position, _) in bits.iter().enumerate().filter(|(_, bit)| **bit) {
            chunk[position / 8] |= 1 << (position % 8);
        }
        chunk
    };
    let chunks = bits.chunks(256).map(chunk).collect();
    mix_in_length(merkleize(chunks, limit.div_ceil(256)), bits.len())
}

/// The root of a checkpoint.
pub fn checkpoint(checkpoint: &Checkpoint) -> [u8; 32] {
    merkleize(vec![checkpoint.root.0, number(checkpoint.slot)], 2)
}

/// The root of a registry.
pub fn registry(keys: &[PublicKey], limit: usize) -> [u8; 32] {
    let entry = |(index, key): (usize, &PublicKey)| {
        let mut bytes = [0_u8; 64];
        bytes[..key.as_bytes().len()].copy_from_slice(key.as_bytes());
        let mut chunks = vec![[0; 32]; 2];
        chunks[0].copy_from_slice(&bytes[..32]);
        chunks[1].copy_from_slice(&bytes[32..]);
        merkleize(vec![merkleize(chunks, 2), number(index as u64)], 2)
    };
    let entries = keys.iter().enumerate().map(entry).collect();
    mix_in_length(merkleize(entries, limit), keys.len())
}

/// The root of an attestation's data.
pub fn attestation_data(data: &AttestationData) -> [u8; 32] {
    let [head, target, source] = [&data.head, &data.target, &data.source].map(checkpoint);
    merkleize(vec![number(data.slot), head, target, source], 4)
}

/// The root of an attestation.
pub fn attestation(attestation: &Attestation) -> [u8; 32] {
    let data = attestation_data(&attestation.data);
    merkleize(vec![number(attestation.validator_id), data], 2)
}

/// The root of a body: its one field is a list of at most 4,096 attestations.
pub fn body(body: &BlockBody) -> Root {
    let attestations: Vec<_> = body.attestations.iter().map(attestation).collect();
    let length = attestations.len();
    mix_in_length(merkleize(attestations, 4096), length).into()
}

/// The root of a header.
pub fn header(header: &BlockHeader) -> Root {
    let fields = vec![
        number(header.slot),
        number(header.proposer_index),
        header.parent_root.0,
        header.state_root.0,
        header.body_root.0,
    ];
    merkleize(fields, 5).into()
}

/// The root of a block.
pub fn block(block: &Block) -> Root {
    header(&BlockHeader {
        slot: block.slot,
        proposer_index: block.proposer_index,
        parent_root: block.parent_root,
        state_root: block.state_root,
        body_root: body(&block.body),
    })
}
