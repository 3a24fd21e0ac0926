//! Blocks that arrive, and what is done with each: see [`triage`](super::triage).

use std::sync::Arc;

use metrics::counter;
use quartet_fork_choice::{AttestationError, BlockError};
use quartet_processor::Priority;
use quartet_recording::Decision;
use quartet_sync::{Need, ResponseOutcome};
use quartet_types::{Checkpoint, CheckpointRole, Root, SignedBlockWithAttestation};
use tracing::debug;

use super::{
    ChainService, MAX_CHECKED_BLOCKS, MAX_CHECKED_BYTES, MAX_CHECKED_PER_PEER,
    jobs::Done,
    triage::{BlockTriage, Circumstances, triage},
};
use crate::{
    ImportError, LeanChain, RequestError, Verdict, VerdictSender, origin::Origin, parking::Wait,
    pending::PendingBlock, reader::block_root, verification::authenticate,
};

/// Most blocks that are fetched because the attestations of one block name them. Honest proposers name a few that others may
/// lack; a block that names more has to wait until somebody vouches for it.
const MAX_NAMES_FETCHED: usize = 16;

impl ChainService {
    /// A block has arrived.
    pub(super) fn on_block(
        &mut self,
        block: Arc<SignedBlockWithAttestation>,
        origin: Origin,
        verdict: Option<VerdictSender>,
    ) {
        let root = block_root(&block);
        let verdicts = verdict.into_iter().collect();
        self.dispatch(PendingBlock::new(root, block, origin, verdicts));
    }

    /// A request for blocks has been answered, or has failed.
    pub(super) fn on_requested_blocks(
        &mut self,
        request: u64,
        result: Result<Vec<Arc<SignedBlockWithAttestation>>, RequestError>,
    ) {
        let noted = self.with_sync(|sync, view| sync.on_response(request, &result, view));
        let Some(ResponseOutcome {
            peer,
            actions,
            is_range,
        }) = noted
        else {
            return;
        };
        self.act(actions);
        if is_range {
            self.take_batches()
        } else {
            for block in result.unwrap_or_default() {
                self.on_block(block, Origin::Sync(peer.clone()), None);
            }
        }
        self.poll_sync();
        self.update_sync_state();
    }

    /// Decides what to do with a block now, and does it.
    pub(super) fn dispatch(&mut self, mut pending: PendingBlock) {
        self.advance_to_now();
        let triage = {
            let chain = self.chain.read();
            triage(&pending, &self.circumstances(&chain, &pending))
        };
        match triage {
            BlockTriage::Answer(verdict) => self.drop_block(pending, verdict),
            BlockTriage::Condemned => self.drop_condemned(pending),
            BlockTriage::Hold(slot) => self.early.hold_block(pending, slot),
            BlockTriage::Join => {
                if let Some(same) = self.checking.get_mut(&pending.root) {
                    same.verdicts.append(&mut pending.verdicts);
                }
            }
            BlockTriage::OtherEnvelope => {
                if let Some(other) = self.checking.get_mut(&pending.root) {
                    other.add_other_sender(pending.origin.peer().clone());
                }
                self.answer(pending, Verdict::Ignore);
            }
            BlockTriage::CheckEvidence => {
                counter!("quartet_blocks_second_total").increment(1);
                self.authenticate(pending, |root, result| Done::EvidenceChecked {
                    root,
                    result,
                });
            }
            BlockTriage::Authenticate => {
                self.authenticate(pending, |root, result| Done::Authentic { root, result });
            }
            BlockTriage::Park(unknown, wait) => self.park(pending, unknown, wait),
            BlockTriage::Refuse(error) => self.on_invalid_block(pending, &error),
            BlockTriage::Check => self.check(pending),
        }
    }

    fn circumstances<'a>(
        &'a self,
        chain: &'a LeanChain,
        pending: &PendingBlock,
    ) -> Circumstances<'a> {
        let (root, slot, binding) = (pending.root, pending.slot(), pending.binding());
        let current = chain.current_slot();
        let proposer = pending.block.block().proposer_index;
        let is_condemned = |root: &Root| self.condemned.contains(root);
        Circumstances {
            chain,
            is_condemned: is_condemned(&root) || is_condemned(&pending.parent_root()),
            checking: self.checking.get(&root),
            has_room: self.has_room_to_check(pending),
            need: self.need_of(pending),
            has_place: self.admissions.has_place(slot, root, binding, current),
            has_early_place: self.early.has_place(pending, current + 1),
            is_crowded: self.parking.is_crowded(slot) && !self.parking.contains(&root),
            wants_evidence: !chain.fork_choice().has_equivocated(proposer, slot),
        }
    }

    /// Whether another block can be checked: there are places, memory, and a share for each peer. The first block of a peer finds
    /// room whatever others have sent, since gossip brings nothing twice; the network limits how many bytes wait for a verdict.
    fn has_room_to_check(&self, pending: &PendingBlock) -> bool {
        let checking = || self.checking.values();
        let bytes: usize = checking().map(PendingBlock::bytes).sum();
        let peer = pending.origin.peer();
        let of_peer = checking()
            .filter(|other| other.origin.peer() == peer)
            .count();
        let is_gossip = pending.origin.is_gossip();
        let is_large = !self.checking.is_empty() && bytes + pending.bytes() > MAX_CHECKED_BYTES;
        let is_full = self.checking.len() >= MAX_CHECKED_BLOCKS || is_large;
        let is_greedy =
            is_gossip && of_peer >= MAX_CHECKED_PER_PEER && self.need(&pending.root).is_none();
        let is_first = is_gossip && of_peer == 0;
        (is_first || !is_full && !is_greedy) && self.has_room_to_write()
    }

    /// Whether a waiting item, or a gap that is being closed, needs this block, and for what.
    pub(super) fn need(&self, root: &Root) -> Option<Need> {
        self.parking.need(root).max(self.sync.need(root))
    }

    /// What a block is needed for. Too many of its slot are not imported because something merely names them, nor is one that nobody
    /// names but its proposer.
    pub(super) fn need_of(&self, pending: &PendingBlock) -> Option<Need> {
        let proposer = pending.block.block().proposer_index;
        let may_be_named = || {
            self.admissions.has_place_for_named(pending.slot())
                && self.parking.is_named(&pending.root, proposer)
        };
        let need = self.need(&pending.root);
        need.filter(|need| *need == Need::Ancestor || may_be_named())
    }

    /// Verifies the proposer's signature alone.
    fn authenticate(
        &mut self,
        pending: PendingBlock,
        done: impl FnOnce(Root, Result<(), ImportError>) -> Done + Send + 'static,
    ) {
        let (root, block, verifier) = (pending.root, pending.block.clone(), self.verifier);
        let validators = self.chain.read().validators().clone();
        self.checking.insert(root, pending);
        let work = move || authenticate(verifier, &block, &validators);
        self.spawn(Priority::Block, work, move |result| {
            done(root, result.and_then(|verified| verified))
        });
    }

    /// The proposer's signature of a block that has to wait has been verified.
    pub(super) fn on_authenticated(&mut self, root: Root, result: Result<(), ImportError>) {
        let Some(mut pending) = self.checking.remove(&root) else {
            return;
        };
        match result {
            Ok(()) => {
                pending.is_authentic = true;
                self.tell_of_sightings([&pending.block.message.proposer_attestation].into_iter());
                self.sync.on_authentic(&root);
                self.dispatch(pending);
                // What was a mere claim may be something to catch up with now.
                self.after_check();
            }
            Err(error) => self.on_failed_check(pending, &error),
        }
    }

    /// The proposer's signature of a second block of its slot has been looked at: it may be evidence, and the block may
    /// be needed by now.
    pub(super) fn on_evidence_checked(&mut self, root: Root, result: Result<(), ImportError>) {
        let Some(mut pending) = self.checking.remove(&root) else {
            return;
        };
        match result {
            Ok(()) => {
                pending.is_authentic = true;
                self.tell_of_sightings([&pending.block.message.proposer_attestation].into_iter());
                self.note_evidence(&pending);
                match self.need_of(&pending) {
                    Some(_) => self.dispatch(pending),
                    None => self.drop_block(pending, Verdict::Ignore),
                }
            }
            Err(error) => self.on_failed_check(pending, &error),
        }
    }

    pub(super) fn note_evidence(&self, pending: &PendingBlock) {
        if let Some(signed) = pending.signed_proposer_attestation() {
            self.change(|chain| chain.note_evidence(&signed));
        }
    }

    /// Waits for a block that this one needs, and asks for it unless it is on its way.
    fn park(&mut self, pending: PendingBlock, unknown: Root, wait: Wait) {
        let (root, slot) = (pending.root, pending.slot());
        if self.parking.missing_ancestor(unknown) == root {
            // They would wait for each other. Only an envelope can name what builds on its own block: another may fit.
            match self.parking.waits_for_name(unknown) {
                Some(other) => drop(self.parking.take_block(other)),
                None => {
                    let role = CheckpointRole::Head;
                    let checkpoint = Checkpoint {
                        root: unknown,
                        slot,
                    };
                    let unknown = AttestationError::UnknownBlock { role, checkpoint };
                    let error = BlockError::ProposerAttestation(unknown);
                    return self.on_invalid_block(pending, &error.into());
                }
            }
        }
        let peer = pending.origin.peer().clone();
        debug!(%root, slot, %unknown, ?wait, "parked: it needs an unknown block");
        self.tape.decide(|| Decision::Parked {
            block: Checkpoint { root, slot },
            waits_for: unknown,
            by_name: wait == Wait::Name,
        });
        let is_gossip = pending.origin.is_gossip();
        self.parking.park_block(pending, unknown, wait);
        if !self.parking.contains(&root) {
            return;
        }
        let need = match wait {
            Wait::Parent => Need::Ancestor,
            Wait::Name => {
                self.recall(unknown);
                Need::Name
            }
        };
        // Of several that one proposer signs for a slot, the first is followed up for its own sake: the others may be made up so that
        // no more gaps can be closed.
        if is_gossip && self.parking.count_of(slot) > 1 && self.need(&root).is_none() {
            return;
        }
        // Sync asks for the parents of its own blocks itself.
        if is_gossip || wait == Wait::Name {
            if wait == Wait::Name && self.names_fetched(root) > MAX_NAMES_FETCHED {
                return;
            }
            self.with_sync(|sync, view| sync.want(unknown, slot, Some(peer), Some(need), view));
            self.poll_sync();
        }
    }
}
