//! Blocks that came by ranges of slots: verified many at a time, applied and imported in their order.
//!
//! Of a batch all signatures are verified together, while the batch before it is applied and imported. Where a batch
//! has a fault, its blocks are handled one by one, as those from gossip are.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use metrics::counter;
use quartet_fork_choice::{BlockError, NamedBlocks};
use quartet_processor::Priority;
use quartet_sync::{Batch, BatchOutcome, Need};
use quartet_types::{Root, SignedBlockWithAttestation, Slot, ValidatorIndex};
use tracing::warn;

use super::{ChainService, jobs::Done, triage::is_needed};
use crate::{
    ImportError, ImportableBlock, PeerName, Source,
    batch::{AppliedBatch, CheckedBatch, Rooted, apply_batch, check_batch},
    envelope::{Binding, is_bloated},
    lean_chain::Pruned,
    origin::Origin,
    pending::PendingBlock,
};

/// Most blocks in a row that nothing yet ties to their proposers: the votes that tie them come with a later batch.
const MAX_CARRIED: usize = 64;
/// Most signatures in them, of 3 KiB each: as much as an answer holds. A body may repeat an attestation 4,096 times.
const MAX_CARRIED_SIGNATURES: usize = 5_000;

/// Batches on their way into the chain, the oldest first; sync hands on two at most.
#[derive(Debug, Default)]
pub(super) struct BatchQueue {
    batches: VecDeque<Queued>,
    /// The end of the batch before, which waits for a block that needs it, and who served each block of it.
    carried: Vec<(Rooted, PeerName)>,
    /// Who served those blocks of the batch that is being applied that came with earlier ones.
    earlier: HashMap<Root, PeerName>,
}

#[derive(Debug)]
struct Queued {
    number: u64,
    peer: PeerName,
    /// `None` while its signatures are being verified, and again while it is being applied.
    checked: Option<Result<CheckedBatch, ImportError>>,
}

impl ChainService {
    /// Takes on the batches that are due.
    pub(super) fn take_batches(&mut self) {
        while let Some(Batch {
            number,
            peer,
            blocks,
        }) = self.sync.next_batch()
        {
            self.batch_queue.batches.push_back(Queued {
                number,
                peer,
                checked: None,
            });
            let verifier = self.verifier;
            let validators = self.chain.read().validators().clone();
            let work = move || check_batch(verifier, &validators, blocks);
            self.spawn(Priority::Block, work, move |checked| Done::BatchChecked {
                number,
                checked,
            });
        }
    }

    /// The signatures of a batch have been verified.
    pub(super) fn on_batch_checked(
        &mut self,
        number: u64,
        checked: Result<CheckedBatch, ImportError>,
    ) {
        let mut queued = self.batch_queue.batches.iter_mut();
        let Some(queued) = queued.find(|queued| queued.number == number) else {
            return;
        };
        queued.checked = Some(checked);
        self.apply_next_batch();
    }

    /// Applies the first batch, if its signatures are verified and it builds on the chain.
    pub(super) fn apply_next_batch(&mut self) {
        if !self.has_room_to_write() {
            return;
        }
        let Some(first) = self.batch_queue.batches.front_mut() else {
            return;
        };
        let Some(checked) = first.checked.take() else {
            return;
        };
        let checked = match checked {
            Ok(checked) => checked,
            Err(error) => return self.end_unfinished(&error),
        };
        let peer = first.peer.clone();
        let (mut blocks, earlier, is_adrift) = self.with_carried(checked.blocks);
        let end = blocks.last().map(|(_, block)| block.block().slot);
        let (parent, cut) = {
            let chain = self.chain.read();
            let finalized = chain.latest_finalized().slot;
            blocks.retain(|(root, block)| block.block().slot > finalized && !chain.contains(root));
            let parent = blocks.first().map(|(_, block)| block.block().parent_root);
            (
                parent.map(|root| chain.contains(&root).then_some(root)),
                self.last_with_a_place(&blocks),
            )
        };
        let carried = blocks.split_off(cut);
        // What is carried has to be fetched again should the way begin anew.
        let first_carried = carried.first().map(|(_, block)| block.block().slot - 1);
        let end = first_carried.or(end);
        let signatures = carried.iter().map(|(_, block)| block.signature.len());
        let is_too_much =
            carried.len() > MAX_CARRIED || signatures.sum::<usize>() > MAX_CARRIED_SIGNATURES;
        match (parent, checked.error) {
            (Some(None), _) if is_adrift => self.end_batch(BatchOutcome::Adrift),
            (Some(None), _) => self.end_batch(BatchOutcome::Unattached),
            (None, Some((root, block, error))) => self.end_badly(root, block, &error),
            (None, None) => self.end_batch(up_to(end, false)),
            (Some(Some(_)), None) if is_too_much => {
                self.end_batch(BatchOutcome::Foreign);
            }
            (Some(Some(parent)), error) => {
                let carried = carried.into_iter().map(|block| {
                    let server = earlier.get(&block.0).unwrap_or(&peer).clone();
                    (block, server)
                });
                self.batch_queue.carried = carried.collect();
                self.batch_queue.earlier = earlier;
                let reader = self.reader.clone();
                let work = move || apply_batch(&reader, parent, blocks, error);
                self.spawn(Priority::Block, work, move |applied| Done::BatchApplied {
                    end,
                    applied: applied.and_then(|applied| applied),
                });
            }
        }
    }

    /// The blocks of a batch behind those that the batch before has left, who served these, and whether it does not follow on them.
    fn with_carried(
        &mut self,
        blocks: Vec<Rooted>,
    ) -> (Vec<Rooted>, HashMap<Root, PeerName>, bool) {
        let carried = std::mem::take(&mut self.batch_queue.carried);
        let first = blocks.first().map(|(_, block)| block.block().parent_root);
        let Some(((last, _), carrier)) = carried.last() else {
            return (blocks, HashMap::new(), false);
        };
        if first != Some(*last) {
            if first.is_some() {
                self.sync.on_unconnected_blocks(carrier.clone());
            }
            return (blocks, HashMap::new(), first.is_some());
        }
        let servers = carried.iter();
        let servers = servers.map(|((root, _), peer)| (*root, peer.clone()));
        let servers = servers.collect();
        let carried = carried.into_iter().map(|(block, _)| block);
        (carried.chain(blocks).collect(), servers, false)
    }

    /// How many blocks there are up to the last one that may pass by itself; all before it are its ancestors.
    pub(super) fn last_with_a_place(&self, blocks: &[Rooted]) -> usize {
        let (current, validators) = {
            let chain = self.chain.read();
            (chain.current_slot(), chain.validator_count())
        };
        let named = named(blocks);
        let passes = |(root, block): &Rooted| {
            let binding = Binding::of(*root, &block.message);
            let slot = block.block().slot;
            let has_place = match named.get(root) {
                Some(_) => self.admissions.is_free_for(slot, *root, binding),
                None => self.admissions.has_place(slot, *root, binding, current),
            };
            let is_bloated = || is_bloated(&block.block().body.attestations, validators);
            let need = (named.get(root) == Some(&Named::ByOthers)).then_some(Need::Name);
            slot <= current && (is_needed(binding, need) || has_place && !is_bloated())
        };
        blocks.iter().rposition(passes).map_or(0, |last| last + 1)
    }

    /// A batch has been applied: what is valid of it is imported.
    pub(super) fn on_batch_applied(
        &mut self,
        end: Option<Slot>,
        applied: Result<AppliedBatch, ImportError>,
    ) {
        let earlier = std::mem::take(&mut self.batch_queue.earlier);
        let AppliedBatch { importable, error } = match applied {
            Ok(applied) => applied,
            Err(error) => return self.end_unfinished(&error),
        };
        self.advance_to_now();
        let mut imported = Vec::with_capacity(importable.len());
        let (mut pruned, mut justifies) = (Pruned::default(), false);
        let mut importable = importable.into_iter();
        let (mut stuck, mut is_foreign) = (None, false);
        for next in importable.by_ref() {
            let (root, block) = (next.root, next.block.clone());
            match self.commit_block(next, NamedBlocks::Known, Source::Sync) {
                Ok(None) => {}
                Ok(Some(committed)) => {
                    imported.push(committed.stored);
                    pruned.extend(committed.pruned);
                    justifies |= committed.justifies;
                }
                Err(error) => {
                    is_foreign = is_envelopes(&error)
                        && Binding::of(root, &block.message) == Binding::Unbound;
                    stuck = Some((root, block));
                    break;
                }
            }
        }
        counter!("quartet_blocks_by_range_total").increment(imported.len() as u64);
        let is_new = !imported.is_empty();
        let roots: Vec<Root> = imported.iter().map(|stored| stored.root).collect();
        self.persist(imported, pruned, justifies);
        for root in roots {
            self.release(root);
        }
        match (stuck, error) {
            (Some((root, _)), _) if is_foreign => match earlier.get(&root) {
                // Who served this batch has not served that envelope.
                Some(carrier) => {
                    self.sync.on_unconnected_blocks(carrier.clone());
                    self.end_batch(BatchOutcome::Adrift);
                }
                None => self.end_batch(BatchOutcome::Foreign),
            },
            (Some(stuck), _) => self.end_singly(stuck, importable),
            (None, Some((root, block, error))) => self.end_badly(root, block, &error),
            (None, None) => self.end_batch(up_to(end, is_new)),
        }
    }

    /// A block of a batch needs something else first: it and those after it are handled one by one.
    fn end_singly(&mut self, stuck: Rooted, rest: impl Iterator<Item = ImportableBlock>) {
        let Some(peer) = self
            .batch_queue
            .batches
            .front()
            .map(|first| first.peer.clone())
        else {
            return;
        };
        let first = stuck.0;
        let rest = rest.map(|importable| (importable.root, importable.block));
        for (root, block) in std::iter::once(stuck).chain(rest) {
            let origin = Origin::Sync(peer.clone());
            self.dispatch(PendingBlock::new(root, block, origin, Vec::new()));
        }
        self.end_batch(BatchOutcome::Blocked { root: first });
    }

    /// A block of a batch is invalid.
    fn end_badly(
        &mut self,
        root: Root,
        block: Arc<SignedBlockWithAttestation>,
        error: &ImportError,
    ) {
        if let Some(first) = self.batch_queue.batches.front() {
            let origin = Origin::Sync(first.peer.clone());
            self.on_invalid_block(PendingBlock::new(root, block, origin, Vec::new()), error);
        }
        self.end_batch(BatchOutcome::Invalid);
    }

    /// This machine could not check or apply a batch, which says nothing of its blocks.
    fn end_unfinished(&mut self, error: &ImportError) {
        warn!(%error, "blocks that came by a range could not be checked: they are asked for again");
        self.end_batch(BatchOutcome::Unfinished);
    }

    fn end_batch(&mut self, outcome: BatchOutcome) {
        let Some(Queued { number, peer, .. }) = self.batch_queue.batches.pop_front() else {
            return;
        };
        counter!("quartet_range_batches_total", "outcome" => name(outcome)).increment(1);
        if !matches!(outcome, BatchOutcome::Imported { .. }) {
            // What comes after it cannot be imported either.
            self.batch_queue.batches.clear();
            self.batch_queue.carried.clear();
        }
        self.with_sync(|sync, view| sync.on_batch(number, &peer, outcome, view));
        self.poll_sync();
        self.take_batches();
        self.apply_next_batch();
        self.update_sync_state();
    }
}

/// The validators whose verified attestations name a block as head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Named {
    /// Its proposer's, in what builds on it: others may not have made it in its name.
    ByItself,
    ByOthers,
}

/// Which blocks of a run are named by its attestations, whose signatures have been verified. Where all proposers attest to
/// the parent, each block has the next one's word.
fn named(blocks: &[Rooted]) -> HashMap<Root, Named> {
    let proposers = blocks.iter();
    let proposers = proposers.map(|(root, block)| (*root, block.block().proposer_index));
    let proposers: HashMap<Root, ValidatorIndex> = proposers.collect();
    let mut named = HashMap::new();
    for (carrier, block) in blocks {
        for vote in block.attestations() {
            let root = vote.data.head.root;
            match proposers.get(&root) {
                Some(proposer) if *proposer != vote.validator_id => {
                    named.insert(root, Named::ByOthers);
                }
                Some(_) if root != *carrier => _ = named.entry(root).or_insert(Named::ByItself),
                _ => {}
            }
        }
    }
    named
}

/// Whether it is the envelope's attestation alone that is of no use.
fn is_envelopes(error: &ImportError) -> bool {
    matches!(
        error,
        ImportError::Block(BlockError::ProposerAttestation(_))
    )
}

/// A batch is in the chain up to its last block.
fn up_to(end: Option<Slot>, is_new: bool) -> BatchOutcome {
    match end {
        Some(end) => BatchOutcome::Imported { end, is_new },
        None => BatchOutcome::Unattached,
    }
}

fn name(outcome: BatchOutcome) -> &'static str {
    match outcome {
        BatchOutcome::Imported { .. } => "imported",
        BatchOutcome::Unfinished => "unfinished",
        BatchOutcome::Unattached => "unattached",
        BatchOutcome::Blocked { .. } => "blocked",
        BatchOutcome::Adrift => "adrift",
        BatchOutcome::Foreign => "foreign",
        BatchOutcome::Invalid => "invalid",
    }
}

#[cfg(test)]
mod tests {
    use quartet_processor::ProcessorError;

    use super::*;
    use crate::service::tests::service;

    #[test]
    fn what_follows_a_batch_that_could_not_be_applied_is_given_up() {
        let (mut service, _messages) = service();
        for number in [1, 2] {
            service.batch_queue.batches.push_back(Queued {
                number,
                peer: PeerName::new("peer"),
                checked: None,
            });
        }
        service.on_batch_applied(Some(64), Err(ProcessorError::Panicked.into()));
        assert!(service.batch_queue.batches.is_empty());
    }
}
