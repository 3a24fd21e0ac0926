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

#[cfg(test)]
mod tests {
    use quartet_types::{SIGNATURE_BYTES, Signature};

    use super::*;
    use crate::parking::tests::block;

    #[test]
    fn sixteen_other_senders_of_a_block_are_remembered_each_once() {
        let mut pending = block(3, Root::ZERO);
        for number in 0..40 {
            pending.add_other_sender(PeerName::new(format!("peer {}", number / 2)));
        }
        let senders = (0..16).map(|number| PeerName::new(format!("peer {number}")));
        assert!(pending.other_senders.into_iter().eq(senders));
    }

    #[test]
    fn a_block_is_signed_by_its_proposer_with_the_last_of_its_signatures() {
        let mut pending = block(3, Root::ZERO);
        assert_eq!(pending.signed_proposer_attestation(), None);
        let bare = pending.bytes();
        let mut envelope = pending.block.as_ref().clone();
        let [first, last] = [1, 2].map(|byte| Signature::from([byte; SIGNATURE_BYTES]));
        envelope.signature = vec![first, last.clone()].try_into().unwrap_or_default();
        let message = envelope.message.proposer_attestation;
        pending.block = Arc::new(envelope);
        let signed = SignedAttestation {
            message,
            signature: last,
        };
        assert_eq!(pending.signed_proposer_attestation(), Some(signed));
        assert!(pending.bytes() >= bare + 2 * SIGNATURE_BYTES);
        let envelope = block_bytes(&block(3, Root::ZERO).block);
        assert!((envelope + 100..envelope + 1_000).contains(&bare));
    }
}
