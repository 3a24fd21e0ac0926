//! Containers of the specification that the node does not have: signatures as padded to 3116 bytes in the Python tree, and
//! the aggregated forms that no message of the network carries.

use alloy_primitives::hex;
use quartet_types::{Attestation, AttestationData, Bitlist, BlockWithAttestation};
use serde::{Serialize, Serializer};
use ssz_derive::{Decode, Encode};
use ssz_types::{FixedVector, VariableList};
use tree_hash::{Hash256, PackedEncoding, TreeHash, TreeHashType};
use tree_hash_derive::TreeHash;
use typenum::{Sum, U44, U1024, U2048, U4096};

type U3116 = Sum<Sum<U2048, U1024>, U44>;

/// A signature as the specification has it.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[ssz(struct_behaviour = "transparent")]
pub(crate) struct Signature(FixedVector<u8, U3116>);

impl TreeHash for Signature {
    fn tree_hash_type() -> TreeHashType {
        TreeHashType::Vector
    }

    fn tree_hash_packed_encoding(&self) -> PackedEncoding {
        unreachable!("a vector is never packed into a leaf")
    }

    fn tree_hash_packing_factor() -> usize {
        unreachable!("a vector is never packed into a leaf")
    }

    fn tree_hash_root(&self) -> Hash256 {
        self.0.tree_hash_root()
    }
}

impl Serialize for Signature {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode_prefixed(&self.0[..]))
    }
}

impl Signature {
    /// Its bytes, padding and all.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

pub(crate) type BlockSignatures = VariableList<Signature, U4096>;
pub(crate) type AggregationBits = Bitlist<U4096>;

#[derive(Debug, Clone, PartialEq, Encode, Decode, TreeHash, Serialize)]
pub(crate) struct SignedAttestation {
    pub(crate) message: Attestation,
    pub(crate) signature: Signature,
}

#[derive(Debug, Clone, PartialEq, Encode, Decode, TreeHash, Serialize)]
pub(crate) struct SignedBlockWithAttestation {
    pub(crate) message: BlockWithAttestation,
    pub(crate) signature: BlockSignatures,
}

#[derive(Debug, Clone, PartialEq, Encode, Decode, TreeHash, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AggregatedAttestations {
    pub(crate) aggregation_bits: AggregationBits,
    pub(crate) data: AttestationData,
}

#[derive(Debug, Clone, PartialEq, Encode, Decode, TreeHash, Serialize)]
pub(crate) struct SignedAggregatedAttestations {
    pub(crate) message: AggregatedAttestations,
    pub(crate) signature: BlockSignatures,
}
