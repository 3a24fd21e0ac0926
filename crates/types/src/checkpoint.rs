//! The checkpoint: a block by root and slot.

use std::fmt;

use serde::{Deserialize, Serialize};
use ssz_derive::{Decode, Encode};
use tree_hash_derive::TreeHash;

use crate::{Root, Slot};

/// A block, named by its root and slot.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Encode,
    Decode,
    TreeHash,
    Serialize,
    Deserialize,
)]
pub struct Checkpoint {
    /// Root of the block.
    pub root: Root,
    /// Slot of the block.
    pub slot: Slot,
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.root, self.slot)
    }
}
