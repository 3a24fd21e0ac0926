//! What travels between nodes.

use std::sync::Arc;

use quartet_types::{Root, SignedAttestation, SignedBlockWithAttestation, Slot, Status};
use tree_hash::TreeHash as _;

/// A gossip message with the identity by which it is recognised when it comes again.
#[derive(Debug)]
pub(crate) struct Gossip {
    pub(crate) id: Root,
    pub(crate) item: Item,
}

#[derive(Debug)]
pub(crate) enum Item {
    Block(Arc<SignedBlockWithAttestation>),
    Attestation(Box<SignedAttestation>),
}

#[derive(Clone, Debug)]
pub(crate) enum Packet {
    Gossip(Arc<Gossip>),
    Status {
        status: Status,
        /// The answer to a status, not to be answered again.
        answer: bool,
    },
    BlocksRequest {
        request: u64,
        roots: Vec<Root>,
    },
    RangeRequest {
        request: u64,
        start_slot: Slot,
        count: u64,
    },
    /// The peer does not serve ranges.
    Unsupported {
        request: u64,
    },
    BlocksResponse {
        request: u64,
        blocks: Vec<Arc<SignedBlockWithAttestation>>,
    },
}

/// What a station takes in.
#[derive(Debug)]
pub(crate) enum Inbound {
    Connected {
        peer: usize,
        /// Whether this side opened the connection.
        dialled: bool,
    },
    Disconnected {
        peer: usize,
    },
    Packet {
        peer: usize,
        packet: Packet,
    },
    Alarm(Alarm),
}

/// What a station has set for itself.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Alarm {
    /// Time to tell the peers of our chain.
    Status,
    /// A request has waited long enough.
    Timeout { request: u64 },
}

impl Gossip {
    pub(crate) fn block(block: Arc<SignedBlockWithAttestation>) -> Arc<Self> {
        let id = block.tree_hash_root();
        let item = Item::Block(block);
        Arc::new(Self { id, item })
    }

    pub(crate) fn attestation(attestation: Box<SignedAttestation>) -> Arc<Self> {
        let id = attestation.tree_hash_root();
        let item = Item::Attestation(attestation);
        Arc::new(Self { id, item })
    }
}

impl Packet {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Gossip(gossip) => match gossip.item {
                Item::Block(_) => "block",
                Item::Attestation(_) => "attestation",
            },
            Self::Status { .. } => "status",
            Self::BlocksRequest { .. } => "request",
            Self::RangeRequest { .. } => "range request",
            Self::Unsupported { .. } => "unsupported",
            Self::BlocksResponse { .. } => "response",
        }
    }
}
