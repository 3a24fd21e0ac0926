//! What sync wants done, and what may come of a request.

use quartet_types::{Root, Slot};

use crate::PeerName;

/// An action that sync asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Ask a peer for blocks by their roots. The result is reported with
    /// [`SyncMachine::on_response`](crate::SyncMachine::on_response).
    RequestBlocks {
        /// Number of the request, never used again.
        request: u64,
        /// The peer to ask.
        peer: PeerName,
        /// Roots of the blocks: at least one, at most 32.
        roots: Vec<Root>,
    },
    /// Ask a peer for the blocks of its head's chain in some slots. The result is reported with
    /// [`SyncMachine::on_response`](crate::SyncMachine::on_response). The blocks of an answer must be in these slots
    /// and in ascending order; nothing else about them is relied on, and the answer may end before the last one.
    RequestRange {
        /// Number of the request, never used again.
        request: u64,
        /// The peer to ask.
        peer: PeerName,
        /// The first slot.
        start_slot: Slot,
        /// How many slots, at least one and at most 64; empty ones count.
        count: u64,
    },
    /// Disconnect a peer that cannot be on our network.
    Disconnect {
        /// The peer.
        peer: PeerName,
        /// Why, for the log.
        reason: &'static str,
    },
    /// Lower a peer's score.
    Penalize {
        /// The peer.
        peer: PeerName,
        /// Why, for the log.
        reason: &'static str,
    },
}

impl Action {
    /// The number of the request, if it is one.
    pub fn request(&self) -> Option<u64> {
        match self {
            Self::RequestBlocks { request, .. } | Self::RequestRange { request, .. } => {
                Some(*request)
            }
            Self::Disconnect { .. } | Self::Penalize { .. } => None,
        }
    }
}

/// A request for blocks did not bring them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// It was not sent, since we are busy ourselves: no peer is to blame, and the blocks are requested again.
    #[error("the request was not sent")]
    NotSent,
    /// No answer in time, or the connection broke.
    #[error("the peer did not answer")]
    NoAnswer,
    /// The peer does not speak this protocol; it may serve blocks by the other one.
    #[error("the peer does not serve blocks")]
    Unsupported,
    /// The answer broke the protocol's rules.
    #[error("the peer's answer was malformed")]
    Malformed,
}

/// The outcome of a response, without its blocks.
#[derive(Debug)]
pub struct ResponseOutcome {
    /// The peer that answered.
    pub peer: PeerName,
    /// What is to be done.
    pub actions: Vec<Action>,
    /// Whether the blocks are kept here until it is their turn, see
    /// [`SyncMachine::next_batch`](crate::SyncMachine::next_batch). Otherwise they are to be imported one by one, now.
    pub is_range: bool,
}
