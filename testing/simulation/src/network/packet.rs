//! What travels between nodes.

use std::sync::Arc;

use quartet_types::{Root, SignedAttestation, SignedBlockWithAttestation, Slot, Status};
use tree_hash::TreeHash as _;

use crate::{
    bandwidth::Stream,
    mesh::{Gossiped, Rpc, Topic},
    wire,
};

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
    /// Gossip where it has a mesh.
    Rpc(Rpc<Arc<Gossip>>),
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

/// What a node takes in.
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
    /// The line to a peer takes more gossip.
    Room {
        peer: usize,
    },
    Alarm(Alarm),
}

/// What a node has set for itself.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Alarm {
    /// Time to send our status to the peers.
    Status,
    /// Time to mend the mesh.
    Heartbeat,
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

impl Gossiped for Arc<Gossip> {
    type Id = Root;

    fn id(&self) -> Root {
        self.id
    }

    fn topic(&self) -> Topic {
        match self.item {
            Item::Block(_) => Topic::Block,
            Item::Attestation(_) => Topic::Vote,
        }
    }

    fn bytes(&self) -> u64 {
        match &self.item {
            Item::Block(block) => block_bytes(block),
            Item::Attestation(_) => wire::vote(),
        }
    }
}

fn block_bytes(block: &SignedBlockWithAttestation) -> u64 {
    wire::block(block.block().body.attestations.len())
}

impl Packet {
    /// Bytes on a line.
    pub(crate) fn bytes(&self) -> u64 {
        wire::on_the_line(match self {
            Self::Gossip(gossip) => gossip.bytes(),
            Self::Rpc(rpc) => rpc.bytes(),
            Self::Status { .. } | Self::RangeRequest { .. } | Self::Unsupported { .. } => {
                wire::small()
            }
            Self::BlocksRequest { roots, .. } => wire::small() + 32 * roots.len() as u64,
            Self::BlocksResponse { blocks, .. } => {
                wire::small() + blocks.iter().map(|block| block_bytes(block)).sum::<u64>()
            }
        })
    }

    /// The stream of a connection that it takes.
    pub(crate) fn stream(&self) -> Stream {
        match self {
            Self::Gossip(_) | Self::Rpc(_) => Stream::Gossip,
            _ => Stream::Requests,
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Gossip(gossip) => match gossip.item {
                Item::Block(_) => "block",
                Item::Attestation(_) => "attestation",
            },
            Self::Rpc(Rpc::Message(gossip)) => match gossip.item {
                Item::Block(_) => "block",
                Item::Attestation(_) => "attestation",
            },
            Self::Rpc(_) => "control",
            Self::Status { .. } => "status",
            Self::BlocksRequest { .. } => "request",
            Self::RangeRequest { .. } => "range request",
            Self::Unsupported { .. } => "unsupported",
            Self::BlocksResponse { .. } => "response",
        }
    }
}
