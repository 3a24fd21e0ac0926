//! Messages of the request/response protocols.

use serde::{Deserialize, Serialize};
use ssz_derive::{Decode, Encode};
use ssz_types::VariableList;
use tree_hash_derive::TreeHash;
use typenum::U1024;

use crate::{Checkpoint, Root, Slot};

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

/// Roots of the blocks that are asked for, at most [`MAX_REQUEST_BLOCKS`](crate::MAX_REQUEST_BLOCKS); on the wire the
/// list is the whole message.
pub type BlocksByRootRequest = VariableList<Root, U1024>;

/// The slots whose blocks of the responder's chain are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct BlocksByRangeRequest {
    /// The first slot.
    pub start_slot: Slot,
    /// How many slots, 1 to [`crate::MAX_REQUEST_BLOCKS`]; empty ones count.
    pub count: u64,
}

impl BlocksByRangeRequest {
    /// The slots themselves; a range that would end after the last slot there can be ends before it.
    pub fn slots(&self) -> std::ops::Range<Slot> {
        self.start_slot..self.start_slot.saturating_add(self.count)
    }
}
