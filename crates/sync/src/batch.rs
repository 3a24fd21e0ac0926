//! Batches of blocks from ranges, and their outcomes.

use std::sync::Arc;

use quartet_types::{Root, SignedBlockWithAttestation, Slot};

use crate::PeerName;

/// Blocks of a range that are to be imported next.
#[derive(Debug)]
pub struct Batch {
    /// Its number, to be given back with its outcome.
    pub number: u64,
    /// The peer that served it.
    pub peer: PeerName,
    /// Never empty, with ascending slots.
    pub blocks: Vec<Arc<SignedBlockWithAttestation>>,
}

/// The outcome of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchOutcome {
    /// All of it is in the chain.
    Imported {
        /// The slot of its last block.
        end: Slot,
        /// Whether the chain had not had all of it before.
        is_new: bool,
    },
    /// This node could not check it, which says nothing of the peer.
    Unfinished,
    /// It does not build on what the chain has.
    Unattached,
    /// Something else has to be fetched before a block of it can be imported. That block waits with the chain, see
    /// [`ChainView::pending`](crate::ChainView::pending), and so do those after it.
    Blocked {
        /// The block.
        root: Root,
    },
    /// It does not build on what is left of the batch before, or that cannot be imported; the peer that served that one was
    /// reported.
    Adrift,
    /// It cannot be imported since the proposers have not signed its envelopes; another peer may serve the same blocks
    /// with good ones.
    Foreign,
    /// It holds what no honest peer serves.
    Invalid,
}
