//! Blocks and the envelopes in which they travel.

use serde::{Deserialize, Serialize};
use ssz_derive::{Decode, Encode};
use ssz_types::VariableList;
use tree_hash::TreeHash as _;
use tree_hash_derive::TreeHash;
use typenum::U4096;

use crate::{Attestation, Checkpoint, Root, Signature, Slot, ValidatorIndex};

/// The attestations of a block body: at most 4,096, as many as validators in the largest registry.
pub type Attestations = VariableList<Attestation, AttestationsLimit>;
/// Most attestations of a body.
pub(crate) type AttestationsLimit = U4096;
/// The signatures of a block, at most 4,096: those of its body's attestations in order, then the proposer's.
pub type BlockSignatures = VariableList<Signature, U4096>;

/// What a block carries.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct BlockBody {
    /// Attestations of earlier slots that the proposer had seen.
    pub attestations: Attestations,
}

/// A block with its body replaced by the body's root; a state keeps the latest one.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Hash,
    Encode,
    Decode,
    TreeHash,
    Serialize,
    Deserialize,
)]
#[serde(rename_all = "camelCase")]
pub struct BlockHeader {
    /// Slot of the block.
    pub slot: Slot,
    /// The validator that proposed it.
    pub proposer_index: ValidatorIndex,
    /// Root of the block it builds on.
    pub parent_root: Root,
    /// Root of the post-state; zero in a state until the next slot is processed.
    pub state_root: Root,
    /// Root of the body.
    pub body_root: Root,
}

/// A block.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, Encode, Decode, TreeHash, Serialize, Deserialize,
)]
#[serde(rename_all = "camelCase")]
pub struct Block {
    /// Slot of the block.
    pub slot: Slot,
    /// The validator that proposed it.
    pub proposer_index: ValidatorIndex,
    /// Root of the block it builds on.
    pub parent_root: Root,
    /// Root of the post-state.
    pub state_root: Root,
    /// What it carries.
    pub body: BlockBody,
}

impl Block {
    /// The block's header.
    pub fn header(&self) -> BlockHeader {
        BlockHeader {
            slot: self.slot,
            proposer_index: self.proposer_index,
            parent_root: self.parent_root,
            state_root: self.state_root,
            body_root: self.body.tree_hash_root(),
        }
    }

    /// The checkpoint that names this block. Hashes the block.
    pub fn checkpoint(&self) -> Checkpoint {
        Checkpoint {
            root: self.tree_hash_root(),
            slot: self.slot,
        }
    }
}

/// A block and its proposer's own attestation for it.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, Encode, Decode, TreeHash, Serialize, Deserialize,
)]
#[serde(rename_all = "camelCase")]
pub struct BlockWithAttestation {
    /// The block.
    pub block: Block,
    /// The proposer's attestation, whose head is the block itself.
    pub proposer_attestation: Attestation,
}

/// A block as it travels: with the proposer's attestation and all signatures.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, Encode, Decode, TreeHash, Serialize, Deserialize,
)]
pub struct SignedBlockWithAttestation {
    /// The block and the proposer's attestation.
    pub message: BlockWithAttestation,
    /// One signature per body attestation, then one over the proposer's attestation.
    pub signature: BlockSignatures,
}

impl SignedBlockWithAttestation {
    /// The block inside the envelope.
    pub fn block(&self) -> &Block {
        &self.message.block
    }

    /// Every attestation of the envelope in the order of the signatures: the body's, then the proposer's.
    pub fn attestations(&self) -> impl Iterator<Item = &Attestation> {
        let body = self.message.block.body.attestations.iter();
        body.chain([&self.message.proposer_attestation])
    }
}
