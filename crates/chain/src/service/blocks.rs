//! Blocks on their way into the chain.

use std::{sync::Arc, time::Duration};

use metrics::{counter, gauge, histogram};
use quartet_clock::Stopwatch;
use quartet_fork_choice::{BlockError, Names};
use quartet_processor::Priority;
use quartet_recording::Decision;
use quartet_storage::StoredBlock;
use quartet_sync::{Need, Noted};
use quartet_types::{Checkpoint, Root, SignedBlockWithAttestation};
use tracing::{debug, warn};

use super::{
    ChainService, MAX_CHECKED_BLOCKS, MAX_CHECKED_BYTES, MAX_CHECKED_PER_PEER,
    jobs::Done,
    triage::{BlockTriage, Circumstances, condemns_block, is_needed, triage},
};
use crate::{
    ChainEvent, ImportError, ImportableBlock, ImportedBlock, LeanChain, NetworkMessage,
    RequestError, Source, Verdict, VerdictSender,
    envelope::Binding,
    lean_chain::Pruned,
    origin::Origin,
    parking::{PendingBlock, Wait},
    persistence::block_root,
    verification::{BlockCheck, authenticate},
};

/// Most blocks that are fetched because the attestations of one block name them. Honest proposers name a few that others may
/// lack; a block that names more has to wait until somebody vouches for it.
const MAX_NAMES_FETCHED: usize = 16;

/// What else an import means.
pub(super) struct Committed {
    /// What is to be written of it.
    pub(super) stored: StoredBlock,
    pub(super) pruned: Pruned,
    /// Whether the latest justified checkpoint has moved.
    pub(super) justifies: bool,
}

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

    /// Blocks that were asked for have arrived, or not.
    pub(super) fn on_requested_blocks(
        &mut self,
        request: u64,
        result: Result<Vec<Arc<SignedBlockWithAttestation>>, RequestError>,
    ) {
        let noted = self.with_sync(|sync, view| sync.on_response(request, &result, view));
        let Some(Noted {
            peer,
            actions,
            is_range,
        }) = noted
        else {
            return;
        };
        self.act(actions);
        match is_range {
            true => self.take_batches(),
            false => {
                for block in result.unwrap_or_default() {
                    self.on_block(block, Origin::Sync(peer.clone()), None);
                }
            }
        }
        self.poll_sync();
        self.update_sync_state();
    }

    /// Decides what to do with a block now, and does it.
    pub(super) fn dispatch(&mut self, mut pending: PendingBlock) {
        self.catch_up_time();
        let triage = {
            let chain = self.chain.read();
            triage(&pending, &self.circumstances(&chain, &pending))
        };
        match triage {
            BlockTriage::Answer(verdict) => self.let_go(pending, verdict),
            BlockTriage::Condemned => self.drop_condemned(pending),
            BlockTriage::Hold(slot) => self.parking.hold_block(pending, slot),
            BlockTriage::Join => {
                if let Some(same) = self.checking.get_mut(&pending.root) {
                    same.verdicts.append(&mut pending.verdicts);
                }
            }
            BlockTriage::Rival => {
                if let Some(other) = self.checking.get_mut(&pending.root) {
                    other.add_rival(pending.origin.peer().clone());
                }
                self.answer(pending, Verdict::Ignore);
            }
            BlockTriage::Witness => {
                counter!("quartet_blocks_second_total").increment(1);
                self.authenticate(pending, |root, result| Done::Witnessed { root, result });
            }
            BlockTriage::Authenticate => {
                self.authenticate(pending, |root, result| Done::Authentic { root, result });
            }
            BlockTriage::Park(unknown, wait) => self.park(pending, unknown, wait),
            BlockTriage::Refuse(error) => self.refuse(pending, &error),
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
            need: self.need(&root),
            has_place: self.admissions.has_place(slot, root, binding, current),
            wants_evidence: !chain.fork_choice().has_equivocated(proposer, slot),
        }
    }

    /// Whether another block can be checked: there are places, memory, and a share for each peer.
    fn has_room_to_check(&self, pending: &PendingBlock) -> bool {
        let checking = || self.checking.values();
        let bytes: usize = checking().map(PendingBlock::bytes).sum();
        let peer = pending.origin.peer();
        let of_peer = checking().filter(|other| other.origin.peer() == peer);
        let is_large = !self.checking.is_empty() && bytes + pending.bytes() > MAX_CHECKED_BYTES;
        let is_greedy = pending.origin.is_gossip()
            && of_peer.count() >= MAX_CHECKED_PER_PEER
            && self.need(&pending.root).is_none();
        self.checking.len() < MAX_CHECKED_BLOCKS
            && !is_large
            && !is_greedy
            && self.has_room_to_write()
    }

    /// Why what waits, or a gap that is being closed, needs this block.
    fn need(&self, root: &Root) -> Option<Need> {
        self.parking.need(root).max(self.sync.need(root))
    }

    /// Nothing is done with a block. A walk that began with it leads nowhere, unless it is in the chain already.
    fn let_go(&mut self, pending: PendingBlock, verdict: Verdict) {
        let root = pending.root;
        if !pending.origin.is_gossip() && !self.chain.read().contains(&root) {
            self.sync.on_unwanted(&root);
        }
        self.answer(pending, verdict);
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

    /// The proposer's signature of a block that has to wait has been looked at.
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
            }
            Err(error) => self.refuse(pending, &error),
        }
    }

    /// The proposer's signature of a second block of its slot has been looked at: it may be evidence, and the block may
    /// be needed by now.
    pub(super) fn on_witnessed(&mut self, root: Root, result: Result<(), ImportError>) {
        let Some(mut pending) = self.checking.remove(&root) else {
            return;
        };
        match result {
            Ok(()) => {
                pending.is_authentic = true;
                self.tell_of_sightings([&pending.block.message.proposer_attestation].into_iter());
                self.witness(&pending);
                match self.need(&root) {
                    Some(_) => self.dispatch(pending),
                    None => self.let_go(pending, Verdict::Ignore),
                }
            }
            Err(error) => self.refuse(pending, &error),
        }
    }

    fn witness(&self, pending: &PendingBlock) {
        if let Some(signed) = pending.signed_proposer_attestation() {
            self.change(|chain| chain.witness(&signed));
        }
    }

    fn check(&mut self, pending: PendingBlock) {
        let (root, block) = (pending.root, pending.block.clone());
        let check = BlockCheck::new(&self.chain.read(), root, block, pending.is_authentic);
        let begun = Stopwatch::start();
        self.checking.insert(root, pending);
        let check = match check {
            Ok(check) => check,
            Err(error) => return self.on_block_checked(root, begun, Err(error)),
        };
        let (verifier, reader) = (self.verifier, self.reader.clone());
        let work = move || {
            let watch = Stopwatch::start();
            let result = check.run(verifier, &reader);
            histogram!("quartet_block_check_seconds").record(watch.seconds());
            result
        };
        let done = move |result: Result<_, ImportError>| Done::Block {
            root,
            begun,
            result: result.and_then(|checked| checked),
        };
        self.spawn(Priority::Block, work, done);
    }

    /// Waits for a block that this one needs, and asks for it unless it is on its way.
    fn park(&mut self, pending: PendingBlock, unknown: Root, wait: Wait) {
        let (root, slot) = (pending.root, pending.slot());
        if self.parking.missing_ancestor(unknown) == root {
            // They would wait for each other. Only an envelope can name what builds on its own block: another may fit.
            match self.parking.waits_for_name(unknown) {
                Some(other) => drop(self.parking.take_block(other)),
                None => return self.refuse(pending, &ImportError::UnknownParent(unknown)),
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
        // The parents of what sync has asked for, it follows up itself.
        if is_gossip || wait == Wait::Name {
            if wait == Wait::Name && self.names_fetched(root) > MAX_NAMES_FETCHED {
                return;
            }
            self.with_sync(|sync, view| sync.want(unknown, slot, Some(peer), Some(need), view));
            self.poll_sync();
        }
    }

    /// A block has been checked.
    pub(super) fn on_block_checked(
        &mut self,
        root: Root,
        begun: Stopwatch,
        result: Result<ImportableBlock, ImportError>,
    ) {
        let Some(pending) = self.checking.remove(&root) else {
            return;
        };
        let imported = match result {
            Ok(_) if self.has_lost_its_place(&pending) => {
                self.witness(&pending);
                self.answer(pending, Verdict::Ignore);
                return self.after_check();
            }
            Ok(importable) => self.import_block(importable, pending.names, pending.origin.source()),
            Err(error) => Err(error),
        };
        match imported {
            Ok(()) => {
                self.answer(pending, Verdict::Accept);
                self.note_import(begun.elapsed());
            }
            // Finality has passed it while it was checked, with it or without. That is no fault of whoever sent it.
            Err(ImportError::Block(BlockError::RuledOut { .. })) => {
                debug!(%root, "finality has passed a block that was being checked");
                self.answer(pending, Verdict::Ignore);
            }
            // The check did not finish, which says nothing of the block.
            Err(error @ (ImportError::Processor(_) | ImportError::Store(_))) => {
                warn!(%root, %error, "a block could not be checked");
                self.answer(pending, Verdict::Ignore);
            }
            Err(error) => self.refuse(pending, &error),
        }
        self.after_check();
    }

    fn after_check(&mut self) {
        self.poll_sync();
        self.update_sync_state();
    }

    fn note_import(&mut self, took: Duration) {
        histogram!("quartet_block_import_seconds").record(took.as_secs_f64());
        self.longest_import = self.longest_import.max(took);
        gauge!("quartet_block_import_longest_seconds").set(self.longest_import.as_secs_f64());
    }

    /// Whether another block of its slot was imported while this one was checked, and nothing needs this one.
    fn has_lost_its_place(&self, pending: &PendingBlock) -> bool {
        let binding = pending.binding();
        let current = self.chain.read().current_slot();
        !is_needed(binding, self.need(&pending.root))
            && !self
                .admissions
                .has_place(pending.slot(), pending.root, binding, current)
    }

    /// Imports a checked block, tells the watchers, keeps it, and lets go what waited for it.
    pub(super) fn import_block(
        &mut self,
        importable: ImportableBlock,
        names: Names,
        origin: Source,
    ) -> Result<(), ImportError> {
        self.catch_up_time();
        let root = importable.root;
        let Committed {
            stored,
            pruned,
            justifies,
        } = self.commit_block(importable, names, origin)?;
        self.keep(vec![stored], pruned, justifies);
        self.release(root);
        Ok(())
    }

    /// Imports a checked block and tells the watchers.
    pub(super) fn commit_block(
        &mut self,
        importable: ImportableBlock,
        names: Names,
        origin: Source,
    ) -> Result<Committed, ImportError> {
        let (root, block) = (importable.root, importable.block.clone());
        let slot = block.block().slot;
        let watch = Stopwatch::start();
        let (stored, justified) = {
            let chain = self.chain.read();
            (chain.to_store(&importable), chain.latest_justified())
        };
        let inner = block.block();
        let imported = ChainEvent::Block(ImportedBlock {
            block: Checkpoint {
                root,
                slot: inner.slot,
            },
            parent_root: inner.parent_root,
            state_root: inner.state_root,
            proposer: inner.proposer_index,
            attestations: inner.body.attestations.len(),
            origin,
        });
        let pruned = self.change_for(
            |chain| chain.import_block_with(importable, names),
            |outcome| outcome.is_ok().then_some(imported),
        );
        let pruned = pruned.inspect_err(|error| {
            self.tape.decide(|| Decision::NotImported {
                block: Checkpoint { root, slot },
                error: error.to_string(),
            });
        })?;
        let justifies = self.chain.read().latest_justified() != justified;
        histogram!("lean_fork_choice_block_processing_time_seconds").record(watch.seconds());
        counter!("quartet_blocks_imported_total").increment(1);
        if inner.slot == self.chain.read().current_slot() {
            // With it comes its proposer's vote.
            self.note_votes(inner.slot, 1);
        }
        let binding = Binding::of(root, &block.message);
        self.admissions.admit(inner.slot, root, binding);
        self.tell_of_sightings(block.attestations());
        debug!(%root, slot = inner.slot, proposer = inner.proposer_index, "imported");
        Ok(Committed {
            stored,
            pruned,
            justifies,
        })
    }

    /// Lets go what waited for a block.
    pub(super) fn release(&mut self, root: Root) {
        let (blocks, attestations) = self.parking.release(&root);
        for block in blocks {
            self.dispatch(block);
        }
        self.on_attestations(attestations);
    }

    /// What came is invalid: the block, and then all that builds on it, or only its envelope, whose
    /// signatures and proposer's attestation its root does not cover. Of a block in a bad envelope another
    /// copy may be valid, or else anybody could have it refused.
    pub(super) fn refuse(&mut self, pending: PendingBlock, error: &ImportError) {
        let (root, slot) = (pending.root, pending.slot());
        let peer = pending.origin.peer().clone();
        counter!("quartet_blocks_invalid_total").increment(1);
        // The transition is applied to what the proposer has signed, and to nothing else: strangers cannot cause the warning.
        if matches!(error, ImportError::StateTransition(_))
            && self.condemned.is_to_be_told(self.clock.slot())
        {
            let proposer = pending.block.message.block.proposer_index;
            warn!(%root, slot, proposer, %peer, %error, "a validator has signed an invalid block: does its client differ?");
        } else {
            debug!(%root, slot, %peer, %error, "invalid block");
        }
        let rivals_from = pending.rivals_from.clone();
        self.reject(pending);
        if !condemns_block(error) {
            self.sync.on_bad_envelope(&root, peer);
            let need = self.parking.need(&root);
            if need.is_some() && rivals_from.is_empty() {
                self.with_sync(|sync, view| sync.want(root, slot, None, need, view));
            }
            for rival in rivals_from {
                self.with_sync(|sync, view| sync.want(root, slot, Some(rival), need, view));
            }
            return self.poll_sync();
        }
        self.condemned.prove(root);
        self.drop_descendants(root);
    }

    /// A block has come that is known to be invalid, or whose parent is: whatever needs it is of no use.
    fn drop_condemned(&mut self, pending: PendingBlock) {
        let root = pending.root;
        self.reject(pending);
        self.condemned.inherit(root);
        self.drop_descendants(root);
    }

    /// What builds on an invalid block is of no use to anybody.
    fn drop_descendants(&mut self, root: Root) {
        self.sync.on_invalid(&root);
        for descendant in self.parking.release_descendants(root) {
            self.condemned.inherit(descendant.root);
            self.answer(descendant, Verdict::Reject);
        }
    }

    fn reject(&self, pending: PendingBlock) {
        if let Origin::Sync(peer) = &pending.origin {
            let (peer, reason) = (peer.clone(), "it served an invalid block");
            self.tell_network(NetworkMessage::Penalize { peer, reason });
        }
        self.answer(pending, Verdict::Reject);
    }

    /// Says what becomes of a block to all that wait to hear it.
    fn answer(&self, pending: PendingBlock, verdict: Verdict) {
        if !pending.verdicts.is_empty() {
            let (root, slot) = (pending.root, pending.slot());
            self.tape.decide(|| Decision::Block {
                block: Checkpoint { root, slot },
                verdict: verdict.into(),
            });
        }
        for sender in pending.verdicts {
            // Nobody listens any more when the network has given up on the item.
            let _ = sender.send(verdict);
        }
    }
}
