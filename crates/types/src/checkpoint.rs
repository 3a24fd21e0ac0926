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

/// The part that a checkpoint plays in an attestation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckpointRole {
    /// The justified checkpoint that the vote builds on.
    Source,
    /// The checkpoint to justify.
    Target,
    /// The head of the chain as the validator sees it.
    Head,
}

impl fmt::Display for CheckpointRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Source => "source",
            Self::Target => "target",
            Self::Head => "head",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_written_in_lower_case() {
        let roles = [
            CheckpointRole::Source,
            CheckpointRole::Target,
            CheckpointRole::Head,
        ];
        assert_eq!(
            roles.map(|role| role.to_string()),
            ["source", "target", "head"]
        );
    }
}
