//! Blocks that are not imported: what becomes of them, of the items that wait for them, and of the peers that sent them.

use metrics::counter;
use quartet_recording::Decision;
use quartet_types::{Checkpoint, Root};
use tracing::{debug, warn};

use super::{
    ChainService,
    triage::{condemns_block, depends_on_view, is_signed_and_invalid},
};
use crate::{ImportError, NetworkMessage, Verdict, origin::Origin, pending::PendingBlock};

impl ChainService {
    /// Drops a block without a check. Sync's walk that began with it ends, unless the block is in the chain already.
    pub(super) fn drop_block(&mut self, pending: PendingBlock, verdict: Verdict) {
        let root = pending.root;
        if !pending.origin.is_gossip() && !self.chain.read().contains(&root) {
            self.sync.on_useless(&root);
        }
        self.answer(pending, verdict);
    }

    /// A check has found that a block is invalid, or has not finished: then the block may be valid.
    pub(super) fn on_failed_check(&mut self, pending: PendingBlock, error: &ImportError) {
        match error {
            ImportError::Processor(_) | ImportError::Store(_) => {
                warn!(root = %pending.root, %error, "a block could not be checked");
                self.sync.on_unchecked(&pending.root);
                self.answer(pending, Verdict::Ignore);
            }
            error => self.on_invalid_block(pending, error),
        }
    }

    /// A block is invalid: either the block itself, and then all that builds on it, or only its envelope, whose
    /// signatures and proposer's attestation the root does not cover. Another copy of a block in a bad envelope
    /// may be valid, or else anybody could have the block rejected by all.
    pub(super) fn on_invalid_block(&mut self, pending: PendingBlock, error: &ImportError) {
        let (root, slot) = (pending.root, pending.slot());
        let peer = pending.origin.peer().clone();
        counter!("quartet_blocks_invalid_total").increment(1);
        if is_signed_and_invalid(pending.binding(), error)
            && self.condemned.should_warn(self.clock.slot())
        {
            let proposer = pending.block.message.block.proposer_index;
            warn!(%root, slot, proposer, %peer, %error, "a validator has signed an invalid block: does its client differ?");
        } else {
            debug!(%root, slot, %peer, %error, "invalid block");
        }
        let other_senders = pending.other_senders.clone();
        if depends_on_view(error) {
            self.answer(pending, Verdict::Ignore);
        } else {
            self.reject_block(pending);
        }
        if !condemns_block(error) {
            self.sync.on_bad_envelope(&root, peer);
            let need = self.parking.need(&root);
            if need.is_some() && other_senders.is_empty() {
                self.with_sync(|sync, view| sync.want(root, slot, None, need, view));
            }
            for rival in other_senders {
                self.with_sync(|sync, view| sync.want(root, slot, Some(rival), need, view));
            }
            return self.poll_sync();
        }
        self.condemned.prove(root);
        self.drop_descendants(root);
    }

    /// A block is known to be invalid, or its parent is: all that builds on it is dropped.
    pub(super) fn drop_condemned(&mut self, pending: PendingBlock) {
        let root = pending.root;
        self.reject_block(pending);
        self.condemned.inherit(root);
        self.drop_descendants(root);
    }

    /// Rejects the parked blocks that build on an invalid one.
    fn drop_descendants(&mut self, root: Root) {
        self.sync.on_invalid(&root);
        for descendant in self.parking.release_descendants(root) {
            self.condemned.inherit(descendant.root);
            self.answer(descendant, Verdict::Reject);
        }
    }

    fn reject_block(&self, pending: PendingBlock) {
        if let Origin::Sync(peer) = &pending.origin {
            let (peer, reason) = (peer.clone(), "it served an invalid block");
            self.tell_network(NetworkMessage::Penalize { peer, reason });
        }
        self.answer(pending, Verdict::Reject);
    }

    /// Sends the verdict to all that wait for it.
    pub(super) fn answer(&self, pending: PendingBlock, verdict: Verdict) {
        if !pending.verdicts.is_empty() {
            let (root, slot) = (pending.root, pending.slot());
            self.tape.decide(|| Decision::Block {
                block: Checkpoint { root, slot },
                verdict: verdict.into(),
            });
        }
        for sender in pending.verdicts {
            // The receiver is gone when the network has given up on the item.
            let _ = sender.send(verdict);
        }
    }
}
