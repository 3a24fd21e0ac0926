//! What sync wants done, and what may come of a request.

use quartet_types::{Root, Slot};

use crate::PeerName;

/// What is to be done for sync.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Ask a peer for blocks by their roots. Whatever comes of it is told with [`Sync::on_response`](crate::Sync::on_response).
    RequestBlocks {
        /// Number of the request, never used again.
        request: u64,
        /// Whom to ask.
        peer: PeerName,
        /// Roots of the blocks: at least one, at most 32.
        roots: Vec<Root>,
    },
    /// Ask a peer for the blocks of its head's chain in some slots. Whatever comes of it is told with
    /// [`Sync::on_response`](crate::Sync::on_response). The blocks of an answer must be in these slots and in ascending order;
    /// nothing else about them is taken to be sure, and it may end before the last one.
    RequestRange {
        /// Number of the request, never used again.
        request: u64,
        /// Whom to ask.
        peer: PeerName,
        /// The first slot.
        start_slot: Slot,
        /// How many slots, at least one and at most 64; empty ones count.
        count: u64,
    },
    /// Take leave of a peer that cannot be on our network.
    Disconnect {
        /// The peer.
        peer: PeerName,
        /// Why, for the log.
        reason: &'static str,
    },
    /// Hold it against a peer what it did.
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
    /// It never left, since we are busy ourselves: that is nobody's fault, and it is asked for again.
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

/// What came of an answer, beside its blocks.
#[derive(Debug)]
pub struct Noted {
    /// Who answered.
    pub peer: PeerName,
    /// What is to be done.
    pub actions: Vec<Action>,
    /// Whether the blocks are kept here until it is their turn, see [`Sync::next_batch`](crate::Sync::next_batch). Otherwise
    /// they are to be imported one by one, now.
    pub is_range: bool,
}
