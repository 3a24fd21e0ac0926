//! What is handed on of the ranges, and what may come of it.

use std::sync::Arc;

use quartet_types::{Root, SignedBlockWithAttestation, Slot};

use crate::PeerName;

/// Blocks of a range that are to be imported next.
#[derive(Debug)]
pub struct Batch {
    /// Its number, to be given back with what came of it.
    pub number: u64,
    /// Who served it.
    pub peer: PeerName,
    /// Never empty, with ascending slots.
    pub blocks: Vec<Arc<SignedBlockWithAttestation>>,
}

/// What came of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchOutcome {
    /// All of it is in the chain.
    Imported {
        /// The slot of its last block.
        end: Slot,
        /// Whether the chain had not had all of it before.
        is_new: bool,
    },
    /// It does not build on what the chain has.
    Unattached,
    /// Something else has to be fetched before a block of it can be imported. That block waits with the chain, see
    /// [`View::pending`](crate::View::pending), and so do those after it.
    Blocked {
        /// The block.
        root: Root,
    },
    /// It does not build on blocks that the batch before has left, whose server has been told of.
    Adrift,
    /// Envelopes that proposers have not made keep it from being imported; what another peer serves may have good ones.
    Foreign,
    /// It holds what no honest peer serves.
    Invalid,
}
