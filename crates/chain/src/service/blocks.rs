//! Blocks on their way into the chain.

use std::sync::Arc;

use metrics::{counter, histogram};
use quartet_clock::Stopwatch;
use quartet_fork_choice::{AttestationError, BlockError, BlockInfo};
use quartet_processor::Priority;
use quartet_types::{BlockWithAttestation, Root, SignedBlockWithAttestation};
use tracing::debug;

use super::{ChainService, Done, MAX_CHECKED_BLOCKS, MAX_INVALID};
use crate::{
    ChainEvent, ImportError, ImportableBlock, LeanChain, NetworkMessage, RequestError, Verdict,
    VerdictSender, lean_chain::Pruned, origin::Origin, parking::PendingBlock,
    persistence::block_root, verification::BlockCheck,
};

impl ChainService {
    /// A block has arrived.
    pub(super) fn on_block(
        &mut self,
        block: Arc<SignedBlockWithAttestation>,
        origin: Origin,
        verdict: Option<VerdictSender>,
    ) {
        self.dispatch(PendingBlock {
            root: block_root(&block),
            block,
            origin,
            verdicts: verdict.into_iter().collect(),
        });
    }

    /// Blocks that were asked for have arrived, or not.
    pub(super) fn on_requested_blocks(
        &mut self,
        request: u64,
        result: Result<Vec<Arc<SignedBlockWithAttestation>>, RequestError>,
    ) {
        let noted = self.with_sync(|sync, view| sync.on_response(request, &result, view));
        let Some((peer, actions)) = noted else {
            return;
        };
        self.act(actions);
        for block in result.unwrap_or_default() {
            self.on_block(block, Origin::Sync(peer.clone()), None);
        }
        self.poll_sync();
        self.update_sync_state();
    }

    /// Decides what to do with a block now: check it, hold it, park it, or drop it.
    pub(super) fn dispatch(&mut self, mut pending: PendingBlock) {
        self.catch_up_time();
        let (slot, parent) = (pending.slot(), pending.parent_root());
        let chain = self.chain.read();
        let current = chain.current_slot();
        if chain.contains(&pending.root) || slot <= chain.latest_finalized().slot {
            return answer(pending.verdicts, Verdict::Ignore);
        }
        if self.invalid_set.contains(&pending.root)
            || self.invalid_set.contains(&parent)
            || slot > current + 1
        {
            return answer(pending.verdicts, Verdict::Reject);
        }
        if let Some(same) = self.checking.get_mut(&pending.root) {
            // A copy with other signatures is let go; should it be the valid one, it will be fetched.
            if same.block == pending.block {
                same.verdicts.append(&mut pending.verdicts);
            }
            return;
        }
        if slot > current {
            // The sender's clock is a little ahead of ours.
            return self.parking.hold_block(pending);
        }
        match unknown_block(&chain, &pending) {
            Ok(None) => {}
            Ok(Some(unknown)) => {
                drop(chain);
                return self.park(pending, unknown);
            }
            // Finality has ruled its branch out, which its sender need not know.
            Err(BlockError::RuledOut { .. }) => {
                return answer(pending.verdicts, Verdict::Ignore);
            }
            Err(error) => {
                drop(chain);
                return self.refuse(pending, &error.into());
            }
        }
        if self.checking.len() >= MAX_CHECKED_BLOCKS {
            return answer(pending.verdicts, Verdict::Ignore);
        }
        let check = BlockCheck::new(&chain, pending.root, pending.block.clone());
        drop(chain);
        let root = pending.root;
        self.checking.insert(root, pending);
        match check {
            Ok(check) => self.check(root, check),
            Err(error) => self.on_block_checked(root, Err(error)),
        }
    }

    fn check(&mut self, root: Root, check: BlockCheck) {
        let scheme = self.scheme;
        let work = move || {
            let watch = Stopwatch::start();
            let result = check.run(scheme);
            histogram!("quartet_block_check_seconds").record(watch.seconds());
            result
        };
        let done = move |result: Result<_, ImportError>| Done::Block {
            root,
            result: result.and_then(|checked| checked),
        };
        self.spawn(Priority::Block, work, done);
    }

    /// Waits for a block that this one needs, and asks for it unless it is on its way.
    fn park(&mut self, pending: PendingBlock, unknown: Root) {
        let (root, slot) = (pending.root, pending.slot());
        let peer = pending.origin.peer().clone();
        debug!(%root, slot, %unknown, "parked: it needs an unknown block");
        let gossiped = matches!(pending.origin, Origin::Gossip(_));
        let parent = pending.parent_root();
        self.parking.park_block(pending, unknown);
        // The parents of what sync has asked for, it follows up itself.
        if (gossiped || unknown != parent) && self.parking.contains(&root) {
            self.with_sync(|sync, view| sync.want(root, slot, Some(peer), view));
            self.poll_sync();
        }
    }

    /// A block has been checked.
    pub(super) fn on_block_checked(
        &mut self,
        root: Root,
        result: Result<ImportableBlock, ImportError>,
    ) {
        let Some(pending) = self.checking.remove(&root) else {
            return;
        };
        let result = result.and_then(|importable| self.import_block(importable));
        match result {
            Ok(()) => answer(pending.verdicts, Verdict::Accept),
            // The check did not finish, which says nothing of the block.
            Err(ImportError::Processor(error)) => {
                debug!(%root, %error, "a block could not be checked");
                answer(pending.verdicts, Verdict::Ignore);
            }
            Err(error) => self.refuse(pending, &error),
        }
        self.poll_sync();
        self.update_sync_state();
    }

    /// Imports a checked block, tells the watchers, keeps it, and lets go what waited for it.
    pub(super) fn import_block(&mut self, importable: ImportableBlock) -> Result<(), ImportError> {
        self.catch_up_time();
        let (root, block) = (importable.root, importable.block.clone());
        let watch = Stopwatch::start();
        let pruned = self.change(|chain| chain.import_block(importable))?;
        histogram!("lean_fork_choice_block_processing_time_seconds").record(watch.seconds());
        counter!("quartet_blocks_imported_total").increment(1);
        let inner = block.block();
        self.events.send(ChainEvent::Block {
            block: quartet_types::Checkpoint {
                root,
                slot: inner.slot,
            },
            parent_root: inner.parent_root,
            proposer: inner.proposer_index,
        });
        debug!(%root, slot = inner.slot, proposer = inner.proposer_index, "imported");
        self.keep(root, block, pruned);

        let (blocks, attestations) = self.parking.release(&root);
        for block in blocks {
            self.dispatch(block);
        }
        self.on_attestations(attestations);
        Ok(())
    }

    /// Writes an imported block to the store, and drops what finality left behind, off this thread.
    ///
    /// The store keeps blocks of abandoned branches: blocks of the chain may carry votes that name them, and
    /// can be imported, after a restart or by a peer that catches up, only by who has these.
    fn keep(&mut self, root: Root, block: Arc<SignedBlockWithAttestation>, pruned: Pruned) {
        if !pruned.is_empty() {
            let finalized = self.chain.read().latest_finalized();
            self.parking.prune(finalized.slot);
        }
        let store = self.store.clone();
        let work = move || {
            store.put(root, &block)?;
            match pruned.is_empty() {
                true => Ok(()),
                // Finality moved: a good moment to make all of this durable.
                false => store.flush(),
            }
        };
        let done = |result: Result<Result<(), crate::StoreError>, ImportError>| match result {
            Ok(Ok(())) => Done::Stored(Ok(())),
            Ok(Err(crate::StoreError(reason))) => Done::Stored(Err(reason)),
            Err(error) => Done::Stored(Err(error.to_string())),
        };
        self.spawn(Priority::Background, work, done);
    }

    /// What came is invalid: the block, and then all that builds on it, or only its envelope, whose
    /// signatures and proposer's attestation its root does not cover. Of a block in a bad envelope another
    /// copy may be valid, or else anybody could have it refused.
    fn refuse(&mut self, pending: PendingBlock, error: &ImportError) {
        let (root, slot) = (pending.root, pending.slot());
        let peer = pending.origin.peer().clone();
        counter!("quartet_blocks_invalid_total").increment(1);
        debug!(%root, slot, %peer, %error, "invalid block");
        if let Origin::Sync(peer) = pending.origin {
            let reason = "it served an invalid block";
            self.network
                .try_send(NetworkMessage::Penalize { peer, reason });
        }
        answer(pending.verdicts, Verdict::Reject);
        if !condemns_block(error) {
            self.sync.on_bad_envelope(&root, peer);
            if self.parking.is_awaited(&root) {
                self.with_sync(|sync, view| sync.want(root, slot, None, view));
            }
            return self.poll_sync();
        }
        self.remember_invalid(root);
        self.sync.on_invalid(&root);
        for descendant in self.parking.release_descendants(root) {
            self.remember_invalid(descendant.root);
            answer(descendant.verdicts, Verdict::Reject);
        }
    }

    fn remember_invalid(&mut self, root: Root) {
        if self.invalid_set.insert(root) {
            self.invalid.push_back(root);
        }
        if self.invalid.len() > MAX_INVALID
            && let Some(oldest) = self.invalid.pop_front()
        {
            self.invalid_set.remove(&oldest);
        }
    }
}

/// Whether an error lies in what the block's root covers.
fn condemns_block(error: &ImportError) -> bool {
    match error {
        ImportError::StateTransition(_) => true,
        ImportError::Block(error) => !matches!(error, BlockError::ProposerAttestation(_)),
        ImportError::SignatureCount { .. }
        | ImportError::ValidatorOutOfRange { .. }
        | ImportError::InvalidSignature { .. }
        | ImportError::UnknownParent(_)
        | ImportError::Attestation(_)
        | ImportError::Processor(_) => false,
    }
}

/// The block that has to be imported before this one, if one has: its parent, or one that its
/// attestations name.
fn unknown_block(chain: &LeanChain, pending: &PendingBlock) -> Result<Option<Root>, BlockError> {
    let BlockWithAttestation {
        block,
        proposer_attestation,
    } = &pending.block.message;
    let info = BlockInfo {
        root: pending.root,
        parent_root: block.parent_root,
        slot: block.slot,
    };
    match chain
        .fork_choice()
        .validate_block(&info, &block.body.attestations, proposer_attestation)
    {
        Ok(()) => Ok(None),
        Err(BlockError::UnknownParent { parent_root, .. }) => Ok(Some(parent_root)),
        Err(
            error @ (BlockError::BodyAttestation { error: inner, .. }
            | BlockError::ProposerAttestation(inner)),
        ) => match inner {
            AttestationError::UnknownBlock { checkpoint, .. } if checkpoint.slot < block.slot => {
                Ok(Some(checkpoint.root))
            }
            _ => Err(error),
        },
        Err(error) => Err(error),
    }
}

pub(super) fn answer(verdicts: Vec<VerdictSender>, verdict: Verdict) {
    for sender in verdicts {
        // Nobody listens any more when the network has given up on the item.
        let _ = sender.send(verdict);
    }
}
