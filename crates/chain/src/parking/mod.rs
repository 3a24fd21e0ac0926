//! Items that cannot be judged yet: a block that they build on or name is unknown.
//!
//! Everything here is bounded; when it is full, the block that has waited longest is dropped: what it waits for may not
//! exist, and a block that is needed after all comes again.

mod attestations;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    ops::{Bound, RangeInclusive},
};

use metrics::gauge;
use quartet_sync::Need;
use quartet_types::{
    Attestation, Checkpoint, Root, Signature, SignedAttestation, SignedBlockWithAttestation, Slot,
    ValidatorIndex,
};

use crate::{GossipAttestation, envelope::Binding, pending::PendingBlock};
use attestations::ParkedAttestations;

/// Most blocks that wait for a parent.
const MAX_BLOCKS: usize = 512;
/// Most memory of blocks that wait: a block can be as large as a gossip message.
const MAX_BLOCK_BYTES: usize = 64 << 20;
/// So many blocks of a slot wait until no more of it are taken from gossip, unless something needs them: one proposer can
/// sign as many as it likes.
const MAX_BLOCKS_OF_SLOT: usize = 4;
/// So many slots after an item's own slot its verdict is dropped: gossip forwards nothing that late. Items may wait here for as long
/// as there is no finality, and each verdict that is owed takes up some of its sender's budget.
const VERDICT_SLOTS: Slot = 2;

/// Why a block waits for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// It builds on it.
    Parent,
    /// One of its attestations names it.
    Name,
}

/// A vote for a block that waits.
#[derive(Debug)]
pub(crate) struct Ballot {
    pub(crate) vote: SignedAttestation,
    /// The waiting block in whose body it came; its signature has not been verified, and anybody can put a bad one beside
    /// an honest block. `None` for one from gossip, which has been.
    pub(crate) carrier: Option<ParkedCopy>,
}

/// One of the copies of a block that have waited here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ParkedCopy {
    root: Root,
    number: u64,
}

#[derive(Debug)]
struct Parked {
    block: PendingBlock,
    waits_for: Root,
    wait: Wait,
    /// Tells it from other copies of the same block.
    number: u64,
    /// A hash of the votes for it that were verified last, see [`Parking::ballots`].
    ballots: Option<u64>,
}

impl Parked {
    /// Whether its proposer has signed for a block that is not here. Anybody can put a known attestation into an
    /// envelope: an unbound block proves nothing, and a half-bound one proves only which parent its proposer has.
    fn is_signed_for_what_is_missing(&self) -> bool {
        let binds = match self.wait {
            Wait::Parent => Binding::HalfBound,
            Wait::Name => Binding::Bound,
        };
        self.block.is_authentic && self.block.binding() >= binds
    }
}

/// What waits.
#[derive(Debug, Default)]
pub(crate) struct Parking {
    blocks: HashMap<Root, Parked>,
    block_bytes: usize,
    /// How many blocks have ever been parked.
    parked: u64,
    /// What waits for each block: its children, and blocks whose attestations name it.
    waiting: HashMap<Root, Vec<Root>>,
    /// The waiting blocks by slot.
    by_slot: BTreeSet<(Slot, Root)>,
    /// The same by their numbers: the one that has waited longest comes first.
    by_arrival: BTreeMap<u64, Root>,
    /// The last block waiting for a name whose votes were counted: see [`Parking::next_waiting_for_names`].
    named_last: (Slot, Root),
    attestations: ParkedAttestations,
}

/// Blocks with what they wait for, and blocks with how many votes wait for them.
pub(crate) type Queued = (Vec<(Checkpoint, Root)>, Vec<(Root, usize)>);

impl Parking {
    /// Whether a block waits for another.
    pub(crate) fn contains(&self, root: &Root) -> bool {
        self.blocks.contains_key(root)
    }

    /// A block that waits for another.
    pub(crate) fn block(&self, root: &Root) -> Option<&SignedBlockWithAttestation> {
        self.blocks.get(root).map(|parked| &*parked.block.block)
    }

    /// Whether any block waits for another.
    pub(crate) fn holds_blocks(&self) -> bool {
        !self.blocks.is_empty()
    }

    /// What waits: blocks with what they wait for, by slot and root, and how many votes wait for each block, by root.
    pub(crate) fn waiting(&self) -> Queued {
        let blocks = self.by_slot.iter().filter_map(|(slot, root)| {
            let (root, slot) = (*root, *slot);
            let parked = self.blocks.get(&root)?;
            Some((Checkpoint { root, slot }, parked.waits_for))
        });
        (blocks.collect(), self.attestations.counts())
    }

    /// Whether a waiting item needs this block, and for what.
    pub(crate) fn need(&self, root: &Root) -> Option<Need> {
        let blocks = self.waiting.get(root).into_iter().flatten();
        let parked = blocks.filter_map(|waiting| self.blocks.get(waiting));
        let needs = parked.map(|parked| match parked.wait {
            Wait::Parent => Need::Ancestor,
            Wait::Name => Need::Name,
        });
        let named = self.attestations.contains(root).then_some(Need::Name);
        needs.chain(named).max()
    }

    /// Whether a waiting block names this one, or a vote by somebody else than its proposer, who may lie about its slot and so about
    /// whose it is.
    pub(crate) fn is_named(&self, root: &Root, proposer: ValidatorIndex) -> bool {
        let waiting = self.waiting.get(root).into_iter().flatten();
        let mut blocks = waiting.filter_map(|waiting| self.blocks.get(waiting));
        let is_by_other = |item: &GossipAttestation| item.validator_and_slot().0 != proposer;
        blocks.any(|parked| parked.wait == Wait::Name)
            || self.attestations.of(root).any(is_by_other)
    }

    /// The oldest ancestor of `root` that is not here, which has to be fetched.
    pub(crate) fn missing_ancestor(&self, root: Root) -> Root {
        let mut missing = root;
        while let Some(parked) = self.blocks.get(&missing) {
            missing = parked.waits_for;
        }
        missing
    }

    /// The first block from `root` downwards that waits for a name.
    pub(crate) fn waits_for_name(&self, root: Root) -> Option<Root> {
        let parked = |root: &Root| self.blocks.get(root);
        let next = |root: &Root| parked(root).map(|parked| parked.waits_for);
        let mut down = std::iter::successors(Some(root), next);
        down.find(|root| parked(root).is_none_or(|parked| parked.wait == Wait::Name))
            .filter(|root| self.contains(root))
    }

    /// Whether so many blocks of a slot wait that another one has to be needed.
    pub(crate) fn is_crowded(&self, slot: Slot) -> bool {
        self.count_of(slot) >= MAX_BLOCKS_OF_SLOT
    }

    /// How many blocks of a slot wait.
    pub(crate) fn count_of(&self, slot: Slot) -> usize {
        let of_slot = (slot, Root::ZERO)..=(slot, Root::repeat_byte(0xff));
        self.by_slot.range(of_slot).count()
    }

    /// Parks a block until the block `waits_for` is imported. When full, the one that has waited longest gives way. Of two copies the
    /// first waits, and who sent the other one is remembered.
    pub(crate) fn park_block(&mut self, block: PendingBlock, waits_for: Root, wait: Wait) {
        if let Some(same) = self.blocks.get_mut(&block.root) {
            return same.block.add_copy(&block);
        }
        let (key, bytes) = ((block.slot(), block.root), block.bytes());
        while self.blocks.len() >= MAX_BLOCKS || self.block_bytes + bytes > MAX_BLOCK_BYTES {
            let Some(longest) = self.by_arrival.values().next().copied() else {
                return;
            };
            self.take_block(longest);
        }
        self.block_bytes += bytes;
        self.by_slot.insert(key);
        self.waiting.entry(waits_for).or_default().push(block.root);
        self.parked += 1;
        self.by_arrival.insert(self.parked, block.root);
        let parked = Parked {
            waits_for,
            wait,
            number: self.parked,
            ballots: None,
            block,
        };
        self.blocks.insert(parked.block.root, parked);
        self.record();
    }

    /// Takes out what waited for `root`.
    pub(crate) fn release(&mut self, root: &Root) -> (Vec<PendingBlock>, Vec<GossipAttestation>) {
        let waiting = self.waiting.get(root).cloned().unwrap_or_default();
        let blocks = waiting
            .into_iter()
            .filter_map(|root| self.take_block(root))
            .collect();
        let attestations = self.attestations.take(root);
        self.record();
        (blocks, attestations)
    }

    /// Takes out every descendant of a block that turned out to be invalid, and the votes for them. Blocks that merely name it go on
    /// waiting: the name may stand in the envelope only, and another copy of the block may have another one.
    pub(crate) fn release_descendants(&mut self, root: Root) -> Vec<PendingBlock> {
        let descendants = self.subtree(root);
        for root in &descendants {
            self.attestations.take(root);
        }
        let released = descendants.into_iter().filter(|other| *other != root);
        let released = released.filter_map(|root| self.take_block(root)).collect();
        self.record();
        released
    }

    /// Parks a verified attestation under the block that it names and that is unknown. False when newer ones of its validator have
    /// its places, or it waits already.
    pub(crate) fn park_attestation(&mut self, unknown: Root, item: GossipAttestation) -> bool {
        let is_parked = self.attestations.insert(unknown, item);
        self.record();
        is_parked
    }

    /// Drops blocks and attestations of slots up to a finalized one.
    pub(crate) fn prune(&mut self, finalized: Slot) {
        let later = self.by_slot.split_off(&(finalized + 1, Root::ZERO));
        for (_, root) in std::mem::replace(&mut self.by_slot, later) {
            self.take_block(root);
        }
        self.attestations.prune(finalized);
        self.record();
    }

    /// Drops the verdicts of items that have waited for too long. Unsent, they mean "ignore".
    pub(crate) fn drop_late_verdicts(&mut self, current: Slot) {
        let is_late = |slot: Slot| slot.saturating_add(VERDICT_SLOTS) < current;
        #[expect(clippy::iter_over_hash_type, reason = "each by itself")]
        for parked in self.blocks.values_mut() {
            if is_late(parked.block.slot()) {
                parked.block.verdicts.clear();
            }
        }
        self.attestations.drop_verdicts(is_late);
    }

    /// Takes a block out.
    pub(crate) fn take_block(&mut self, root: Root) -> Option<PendingBlock> {
        let Parked {
            block,
            waits_for,
            number,
            ..
        } = self.blocks.remove(&root)?;
        self.by_slot.remove(&(block.slot(), root));
        self.by_arrival.remove(&number);
        self.block_bytes -= block.bytes();
        if let Some(waiting) = self.waiting.get_mut(&waits_for) {
            waiting.retain(|other| *other != root);
            if waiting.is_empty() {
                self.waiting.remove(&waits_for);
            }
        }
        Some(block)
    }

    /// Takes a copy of a block out, unless another one waits instead by now.
    pub(crate) fn take_copy(&mut self, copy: ParkedCopy) -> Option<PendingBlock> {
        let waits = self.blocks.get(&copy.root);
        waits.filter(|parked| parked.number == copy.number)?;
        self.take_block(copy.root)
    }

    /// The validators that have signed blocks or votes of these slots that wait here, and the newest slot of a block that they have
    /// signed for. Those that `has_moved_on`, with a vote for a known block after a slot, are left out.
    pub(crate) fn signers(
        &self,
        slots: RangeInclusive<Slot>,
        has_moved_on: impl Fn(ValidatorIndex, Slot) -> bool,
    ) -> (BTreeSet<ValidatorIndex>, Option<Slot>) {
        let within = (*slots.start(), Root::ZERO)..=(*slots.end(), Root::repeat_byte(0xff));
        let blocks = self.by_slot.range(within);
        let blocks = blocks
            .filter_map(|(_, root)| self.blocks.get(root))
            .filter(|parked| parked.is_signed_for_what_is_missing())
            .map(|parked| parked.block.block.block())
            .map(|block| (block.proposer_index, block.slot, block.slot));
        let votes = self.attestations.iter();
        let votes = votes
            .map(|item| &item.attestation.message)
            // Nobody can have seen a head of a later slot than that of the vote.
            .map(|vote| {
                (
                    vote.validator_id,
                    vote.data.slot,
                    vote.data.head.slot.min(vote.data.slot),
                )
            })
            .filter(|(_, slot, _)| slots.contains(slot));
        let (mut signers, mut newest) = (BTreeSet::new(), None);
        for (signer, slot, head) in blocks.chain(votes) {
            if !has_moved_on(signer, slot) {
                signers.insert(signer);
                newest = newest.max(Some(head));
            }
        }
        (signers, newest)
    }

    /// The next blocks, `most` at most, of those that wait for one that their attestations name: each has its turn, or else a few
    /// that nobody votes for would take up all the work.
    pub(crate) fn next_waiting_for_names(&mut self, most: usize) -> Vec<Root> {
        let waits_for_name = |(_, root): &&(Slot, Root)| {
            let parked = self.blocks.get(root);
            parked.is_some_and(|parked| parked.wait == Wait::Name)
        };
        let after = (Bound::Excluded(self.named_last), Bound::Unbounded);
        let later = self.by_slot.range(after).filter(waits_for_name);
        let earlier = self.by_slot.range(..=self.named_last);
        let turn: Vec<(Slot, Root)> = later
            .chain(earlier.filter(waits_for_name))
            .take(most)
            .copied()
            .collect();
        self.named_last = turn.last().copied().unwrap_or_default();
        turn.into_iter().map(|(_, root)| root).collect()
    }

    /// A vote of each validator for a waiting block or for what builds on it and waits here, if by now more than `threshold`
    /// validators have voted so, and these are not the votes of the last call: they are by other validators, or from another copy of a
    /// block, whose signatures may be valid.
    pub(crate) fn ballots(&mut self, root: Root, threshold: usize) -> Option<Vec<Ballot>> {
        let subtree = self.subtree(root);
        let mut ballots: BTreeMap<ValidatorIndex, (Attestation, &Signature, Option<ParkedCopy>)> =
            BTreeMap::new();
        for (vote, signature, carrier) in self.votes_in(&subtree) {
            if subtree.contains(&vote.data.head.root) {
                let ballot = ballots.entry(vote.validator_id);
                ballot.or_insert((vote, signature, carrier));
            }
        }
        if ballots.len() <= threshold {
            return None;
        }
        let mut hasher = DefaultHasher::new();
        for (validator, (.., carrier)) in &ballots {
            (validator, carrier).hash(&mut hasher);
        }
        let ballots: Vec<Ballot> = ballots
            .into_values()
            .map(|(message, signature, carrier)| Ballot {
                vote: SignedAttestation {
                    message,
                    signature: signature.clone(),
                },
                carrier,
            })
            .collect();
        let parked = self.blocks.get_mut(&root)?;
        let now = Some(hasher.finish());
        let before = std::mem::replace(&mut parked.ballots, now);
        (before != now).then_some(ballots)
    }

    /// The votes for a waiting block were not verified after all.
    pub(crate) fn forget_ballots(&mut self, root: &Root) {
        if let Some(parked) = self.blocks.get_mut(root) {
            parked.ballots = None;
        }
    }

    /// The votes that wait for these blocks, verified ones first, and those in their bodies with the block they came in.
    fn votes_in<'a>(
        &'a self,
        roots: &'a BTreeSet<Root>,
    ) -> impl Iterator<Item = (Attestation, &'a Signature, Option<ParkedCopy>)> {
        let by_gossip = roots
            .iter()
            .flat_map(|root| self.attestations.of(root))
            .map(|item| &item.attestation)
            .map(|signed| (signed.message, &signed.signature, None));
        let in_bodies = roots
            .iter()
            .filter_map(|root| self.blocks.get(root))
            .flat_map(|parked| {
                let (root, number) = (parked.block.root, parked.number);
                let carrier = Some(ParkedCopy { root, number });
                let block = &parked.block.block;
                let votes = block.attestations().copied();
                votes
                    .zip(&block.signature)
                    .map(move |(vote, signature)| (vote, signature, carrier))
            });
        by_gossip.chain(in_bodies)
    }

    /// A waiting block and all that waits for it, down to the last descendant.
    fn subtree(&self, root: Root) -> BTreeSet<Root> {
        let mut subtree = BTreeSet::from([root]);
        let mut open = vec![root];
        while let Some(root) = open.pop() {
            let children = self.waiting.get(&root).into_iter().flatten();
            let children = children.filter(|child| {
                let parked = self.blocks.get(*child);
                parked.is_some_and(|parked| parked.wait == Wait::Parent)
            });
            for child in children {
                if subtree.insert(*child) {
                    open.push(*child);
                }
            }
        }
        subtree
    }

    fn record(&self) {
        gauge!("quartet_parked_blocks").set(self.blocks.len() as f64);
        gauge!("quartet_parked_attestations").set(self.attestations.len() as f64);
    }
}

#[cfg(test)]
pub(crate) mod tests;
