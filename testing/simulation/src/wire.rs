//! What messages take on the wire: snappy, gossipsub's framing, QUIC and UDP.
//!
//! Sizes are computed from counts instead of making the bytes; a test holds them against messages that are encoded and compressed.

use quartet_types::SIGNATURE_BYTES;

/// A `SignedAttestation` in snappy: signatures are noise, and of the 136 bytes before it some zeros are saved.
const VOTE: u64 = SIGNATURE_BYTES as u64 + 122;
/// What a block has around the attestations of its body, in snappy: the proposer's attestation and signature, the header.
const BLOCK: u64 = SIGNATURE_BYTES as u64 + 236;
/// What snappy leaves of an attestation in a body, most of which have the same data, and its signature.
const VOTE_IN_BLOCK: u64 = SIGNATURE_BYTES as u64 + 16;

/// The RPC's length, tags and lengths of its parts, and the topic's name, `/leanconsensus/devnet0/attestation/ssz_snappy`.
const FRAMING: u64 = 64;
/// An id of 20 bytes in a list of ids.
const LISTED_ID: u64 = 22;
/// What an RPC of control messages has around the ids; an IHAVE names its topic besides.
const CONTROL: u64 = 8;

/// A datagram has 1,452 bytes, on 1,500 of Ethernet and IPv6; so many are UDP's, QUIC's and its cipher's, and IP's of either version.
const OF_DATAGRAM: u64 = 100;
const DATAGRAM: u64 = 1_500;

/// A vote in gossip, before QUIC.
pub(crate) fn vote() -> u64 {
    FRAMING + VOTE
}

/// A block with so many attestations in its body, before QUIC.
pub(crate) fn block(attestations: usize) -> u64 {
    FRAMING + BLOCK + VOTE_IN_BLOCK * attestations as u64
}

/// This many ids, in an IWANT or IDONTWANT.
pub(crate) fn ids(count: usize) -> u64 {
    CONTROL + LISTED_ID * count as u64
}

/// This many ids with their topic.
pub(crate) fn ids_of_topic(count: usize) -> u64 {
    FRAMING + ids(count)
}

/// A few small fields: a status, a request, a graft.
pub(crate) fn small() -> u64 {
    FRAMING + CONTROL
}

/// What bytes of a stream take on the line. Messages share datagrams, as they do where lines are busy; acknowledgements, some
/// 1 % in the other direction, are left out.
pub(crate) fn on_the_line(bytes: u64) -> u64 {
    bytes * DATAGRAM / (DATAGRAM - OF_DATAGRAM)
}

#[cfg(test)]
mod tests {
    use quartet_types::{
        Attestation, AttestationData, Attestations, Block, BlockBody, BlockSignatures,
        BlockWithAttestation, Checkpoint, Root, SignedAttestation, SignedBlockWithAttestation,
    };
    use ssz::Encode as _;

    use super::*;
    use crate::stall::scheme::{public_key, sign};

    fn attestation(validator_id: u64) -> Attestation {
        let checkpoint = |slot: u64| Checkpoint {
            root: Root::from(<[u8; 32]>::from(<sha2::Sha256 as sha2::Digest>::digest(
                slot.to_le_bytes(),
            ))),
            slot,
        };
        let data = AttestationData {
            slot: 1_000,
            head: checkpoint(1_000),
            target: checkpoint(998),
            source: checkpoint(997),
        };
        Attestation { validator_id, data }
    }

    fn signed(validator: u64) -> SignedAttestation {
        let message = attestation(validator);
        let signature = sign(
            &public_key(validator),
            message.data.slot,
            &[validator as u8; 32],
        );
        SignedAttestation { message, signature }
    }

    fn compressed(ssz: &[u8]) -> u64 {
        snap::raw::Encoder::new().compress_vec(ssz).unwrap().len() as u64
    }

    fn block_of(votes: u64) -> SignedBlockWithAttestation {
        let body: Vec<SignedAttestation> = (0..votes).map(signed).collect();
        let attestations: Vec<Attestation> = body.iter().map(|vote| vote.message).collect();
        let signatures: Vec<_> = body
            .into_iter()
            .map(|vote| vote.signature)
            .chain([signed(votes).signature])
            .collect();
        let block = Block {
            slot: 1_001,
            parent_root: attestation(0).data.head.root,
            state_root: attestation(0).data.source.root,
            body: BlockBody {
                attestations: Attestations::try_from(attestations).unwrap(),
            },
            ..Block::default()
        };
        SignedBlockWithAttestation {
            message: BlockWithAttestation {
                block,
                proposer_attestation: attestation(votes),
            },
            signature: BlockSignatures::try_from(signatures).unwrap(),
        }
    }

    #[test]
    fn sizes_are_those_of_encoded_and_compressed_messages() {
        let ssz = signed(77).as_ssz_bytes();
        assert_eq!(ssz.len(), 3_248);
        let found = compressed(&ssz);
        assert!(
            found.abs_diff(VOTE) <= 16,
            "a vote has {found} bytes, not {VOTE}"
        );
        for votes in [1, 64, 1_024, 2_731] {
            let found = compressed(&block_of(votes).as_ssz_bytes());
            let computed = BLOCK + VOTE_IN_BLOCK * votes;
            let off = found.abs_diff(computed);
            assert!(
                off <= 128 + found / 200,
                "{votes} votes: {found} bytes, not {computed}"
            );
        }
    }
}
