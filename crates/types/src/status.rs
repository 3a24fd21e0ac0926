//! Messages of the request/response protocols.

use serde::{Deserialize, Serialize};
use ssz_derive::{Decode, Encode};
use ssz_types::VariableList;
use tree_hash_derive::TreeHash;
use typenum::U1024;

use crate::{Checkpoint, Root};

/// What a peer says of its chain when it connects.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, TreeHash, Serialize, Deserialize,
)]
pub struct Status {
    /// Its latest finalized checkpoint.
    pub finalized: Checkpoint,
    /// Its head.
    pub head: Checkpoint,
}

/// Roots of the blocks that are asked for; on the wire the list is the whole message.
pub type BlocksByRootRequest = VariableList<Root, U1024>;
