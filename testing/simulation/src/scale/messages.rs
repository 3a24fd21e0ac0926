//! What is gossiped, held once for all nodes: they pass on its number.

use std::{collections::BTreeMap, sync::Arc};

use quartet_chain::ImportableBlock;
use quartet_types::{Root, SignedAttestation, Slot};

use crate::{
    mesh::{Gossiped, Rpc, Topic},
    wire,
};

/// A message's number, and what the network has to know of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MessageRef {
    pub(super) number: u32,
    topic: Topic,
    bytes: u32,
}

impl Gossiped for MessageRef {
    type Id = u32;

    fn id(&self) -> u32 {
        self.number
    }

    fn topic(&self) -> Topic {
        self.topic
    }

    fn bytes(&self) -> u64 {
        self.bytes.into()
    }
}

/// What nodes send each other.
#[derive(Clone, Debug)]
pub(super) enum Packet {
    Gossip(Rpc<MessageRef>),
    /// A block is asked for.
    Request(Root),
    Block(MessageRef),
    /// The block that was asked for is not there.
    Nothing(Root),
}

impl Packet {
    /// Bytes on the line.
    pub(super) fn bytes(&self) -> u64 {
        wire::on_the_line(match self {
            Self::Gossip(rpc) => rpc.bytes(),
            Self::Block(reference) => reference.bytes(),
            Self::Request(_) | Self::Nothing(_) => wire::small(),
        })
    }
}

#[derive(Debug)]
pub(super) enum Content {
    Block(Arc<ImportableBlock>),
    Vote(SignedAttestation),
    /// By a validator that the registry has no place for.
    Talk,
}

#[derive(Debug)]
pub(super) struct Message {
    pub(super) slot: Slot,
    pub(super) content: Content,
}

/// All that has been gossiped.
#[derive(Debug)]
pub(super) struct Messages {
    /// What every block is taken to have in gossip, instead of what its attestations make it.
    block_bytes: Option<u64>,
    messages: Vec<Message>,
    blocks: BTreeMap<Root, MessageRef>,
}

impl Messages {
    pub(super) fn new(block_bytes: Option<u64>) -> Self {
        Self {
            block_bytes,
            messages: Vec::new(),
            blocks: BTreeMap::new(),
        }
    }

    fn bytes_of_block(&self, attestations: usize) -> u64 {
        self.block_bytes
            .unwrap_or_else(|| wire::block(attestations))
    }

    pub(super) fn store(&mut self, slot: Slot, content: Content) -> MessageRef {
        let (topic, bytes) = match &content {
            Content::Block(made) => (
                Topic::Block,
                self.bytes_of_block(made.block.block().body.attestations.len()),
            ),
            Content::Vote(_) | Content::Talk => (Topic::Vote, wire::vote()),
        };
        let number = self.messages.len() as u32;
        let reference = MessageRef {
            number,
            topic,
            bytes: bytes as u32,
        };
        if let Content::Block(made) = &content {
            self.blocks.insert(made.root, reference);
        }
        self.messages.push(Message { slot, content });
        reference
    }

    pub(super) fn get(&self, number: u32) -> &Message {
        &self.messages[number as usize]
    }

    pub(super) fn block(&self, root: &Root) -> Option<MessageRef> {
        self.blocks.get(root).copied()
    }
}
