//! A block on its way into the chain.

use std::sync::Arc;

use quartet_fork_choice::NamedBlocks;
use quartet_types::{Root, SignedAttestation, SignedBlockWithAttestation, Slot};

use crate::{PeerName, VerdictSender, envelope::Binding, origin::Origin, recent::block_bytes};

/// Most peers that are remembered as having sent another copy of a block on its way: one may be the honest one.
const MAX_OTHER_SENDERS: usize = 16;

/// A block on its way into the chain.
#[derive(Debug)]
pub(crate) struct PendingBlock {
    pub(crate) root: Root,
    pub(crate) block: Arc<SignedBlockWithAttestation>,
    pub(crate) origin: Origin,
    /// The verdicts that are owed for it. One that is dropped unsent means "ignore".
    pub(crate) verdicts: Vec<VerdictSender>,
    /// Peers that sent copies in other envelopes while this one waited or was checked.
    pub(crate) other_senders: Vec<PeerName>,
    /// Whether its proposer's signature has been verified.
    pub(crate) is_authentic: bool,
    /// Whether the blocks that its attestations name must be known.
    pub(crate) names: NamedBlocks,
}

impl PendingBlock {
    /// A block that has just arrived.
    pub(crate) fn new(
        root: Root,
        block: Arc<SignedBlockWithAttestation>,
        origin: Origin,
        verdicts: Vec<VerdictSender>,
    ) -> Self {
        Self {
            root,
            block,
            origin,
            verdicts,
            other_senders: Vec::new(),
            is_authentic: false,
            names: NamedBlocks::Known,
        }
    }

    /// The same block has come once more while this one waits.
    pub(crate) fn add_copy(&mut self, copy: &Self) {
        if copy.block != self.block {
            self.add_other_sender(copy.origin.peer().clone());
        }
    }

    /// A peer has sent a copy in another envelope.
    pub(crate) fn add_other_sender(&mut self, peer: PeerName) {
        if self.other_senders.len() < MAX_OTHER_SENDERS && !self.other_senders.contains(&peer) {
            self.other_senders.push(peer);
        }
    }

    /// What ties it to its proposer.
    pub(crate) fn binding(&self) -> Binding {
        Binding::of(self.root, &self.block.message)
    }

    /// Its proposer's attestation, if it comes with a signature.
    pub(crate) fn signed_proposer_attestation(&self) -> Option<SignedAttestation> {
        Some(SignedAttestation {
            message: self.block.message.proposer_attestation,
            signature: self.block.signature.last()?.clone(),
        })
    }

    pub(crate) fn slot(&self) -> Slot {
        self.block.block().slot
    }

    pub(crate) fn parent_root(&self) -> Root {
        self.block.block().parent_root
    }

    /// Memory that the block takes, in bytes, roughly.
    pub(crate) fn bytes(&self) -> usize {
        size_of::<Self>() + block_bytes(&self.block)
    }
}
