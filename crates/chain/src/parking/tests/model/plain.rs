//! The plain list.
// A test that unwraps fails as it should.
#![allow(clippy::unwrap_used)]

use super::*;

/// A waiting block: which, for what, and whose votes for it were looked at last, with the arrival of what carried them.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    pub(super) at: usize,
    pub(super) waits_for: Root,
    wait: Wait,
    number: u64,
    counted: Option<Vec<(ValidatorIndex, Option<u64>)>>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct WaitingVote {
    pub(super) under: Root,
    pub(super) validator: ValidatorIndex,
    pub(super) slot: Slot,
    pub(super) head: usize,
}

/// All that waits, in order of arrival.
#[derive(Default)]
pub(super) struct Plain {
    blocks: Vec<Waiting>,
    votes: Vec<WaitingVote>,
    parked: u64,
}

impl Plain {
    fn find(&self, blocks: &Blocks, root: Root) -> Option<&Waiting> {
        self.blocks
            .iter()
            .find(|waiting| blocks.roots[waiting.at] == root)
    }

    pub(super) fn park(&mut self, blocks: &Blocks, at: usize, waits_for: Root, wait: Wait) {
        if self.find(blocks, blocks.roots[at]).is_none() {
            self.parked += 1;
            self.blocks.push(Waiting {
                at,
                waits_for,
                wait,
                number: self.parked,
                counted: None,
            });
        }
    }

    pub(super) fn vote(&mut self, vote: WaitingVote) -> bool {
        let is_same = |other: &&WaitingVote| {
            (other.validator, other.slot, other.under) == (vote.validator, vote.slot, vote.under)
        };
        if self.votes.iter().any(|other| is_same(&other)) {
            return false;
        }
        let own = self
            .votes
            .iter()
            .filter(|other| other.validator == vote.validator);
        if own.clone().count() == MAX_ATTESTATIONS_PER_VALIDATOR {
            let oldest = own.min_by_key(|other| other.slot).unwrap().clone();
            if vote.slot < oldest.slot {
                return false;
            }
            self.votes.retain(|other| *other != oldest);
        }
        self.votes.push(vote);
        true
    }

    /// A block and what builds on it and waits here.
    pub(super) fn subtree(&self, blocks: &Blocks, root: Root) -> BTreeSet<Root> {
        let mut subtree = BTreeSet::from([root]);
        // Each round finds the next generation.
        for _ in 0..self.blocks.len() {
            let builds = |waiting: &&Waiting| {
                waiting.wait == Wait::Parent && subtree.contains(&waiting.waits_for)
            };
            let more = self.blocks.iter().filter(builds);
            let more: Vec<Root> = more.map(|waiting| blocks.roots[waiting.at]).collect();
            subtree.extend(more);
        }
        subtree
    }

    fn need(&self, root: Root) -> Option<Need> {
        let waits = |wait| {
            let waits = |waiting: &&Waiting| waiting.waits_for == root && waiting.wait == wait;
            self.blocks.iter().find(waits).is_some()
        };
        let is_voted_for = self.votes.iter().any(|vote| vote.under == root);
        if waits(Wait::Parent) {
            Some(Need::Ancestor)
        } else {
            (waits(Wait::Name) || is_voted_for).then_some(Need::Name)
        }
    }

    /// Whose votes for a block are looked at, with the block that has carried each, if they are others than the last time.
    pub(super) fn count(
        &mut self,
        blocks: &Blocks,
        root: Root,
        threshold: usize,
    ) -> Option<Vec<(ValidatorIndex, Option<Root>)>> {
        let subtree = self.subtree(blocks, root);
        let is_for_it = |head: usize| subtree.contains(&blocks.roots[head]);
        let mut ballots = BTreeMap::new();
        for vote in &self.votes {
            if subtree.contains(&vote.under) && is_for_it(vote.head) {
                ballots.insert(vote.validator, None);
            }
        }
        for carrier in &subtree {
            let carried = self.find(blocks, *carrier).map(|waiting| waiting.at);
            let votes = carried.into_iter().flat_map(|at| blocks.votes(at));
            for (validator, _) in votes.filter(|(_, head)| is_for_it(*head)) {
                ballots.entry(validator).or_insert(Some(*carrier));
            }
        }
        let number = |carrier: &Root| Some(self.find(blocks, *carrier)?.number);
        let counted = ballots.iter();
        let counted: Vec<_> = counted
            .map(|(validator, carrier)| (*validator, carrier.as_ref().and_then(number)))
            .collect();
        let is_it = |waiting: &&mut Waiting| blocks.roots[waiting.at] == root;
        if ballots.len() <= threshold {
            return None;
        }
        let waiting = self.blocks.iter_mut().find(is_it)?;
        let before = waiting.counted.replace(counted.clone());
        (before != Some(counted)).then(|| ballots.into_iter().collect())
    }

    fn signers(
        &self,
        blocks: &Blocks,
        slots: RangeInclusive<Slot>,
    ) -> (BTreeSet<u64>, Option<Slot>) {
        let signed = self.blocks.iter().filter(|waiting| {
            let plan = blocks.plans[waiting.at].as_ref().unwrap();
            let binds = match plan.own {
                Own::Block => true,
                Own::Parent => waiting.wait == Wait::Parent,
                Own::Other => false,
            };
            plan.is_authentic && binds
        });
        let signed = signed.map(|waiting| {
            let slot = blocks.slots[waiting.at];
            (blocks.proposer(waiting.at), slot, slot)
        });
        let votes = self.votes.iter();
        let voted = votes.map(|vote| (vote.validator, vote.slot, vote.slot.min(1)));
        let all = signed.chain(voted);
        // The third has moved on since slot 8.
        let all =
            all.filter(|(signer, slot, _)| slots.contains(slot) && (*signer != 3 || *slot >= 8));
        let all: Vec<_> = all.collect();
        let newest = all.iter().map(|(_, _, head)| *head).max();
        (all.into_iter().map(|(signer, ..)| signer).collect(), newest)
    }

    pub(super) fn check(&self, blocks: &Blocks, parking: &Parking) {
        assert_eq!(parking.holds_blocks(), !self.blocks.is_empty());
        let mut queued: Vec<_> = self
            .blocks
            .iter()
            .map(|waiting| {
                let (root, slot) = (blocks.roots[waiting.at], blocks.slots[waiting.at]);
                (slot, root, waiting.waits_for)
            })
            .collect();
        queued.sort_unstable();
        let queued = queued
            .into_iter()
            .map(|(slot, root, waits_for)| (Checkpoint { root, slot }, waits_for));
        let mut votes = BTreeMap::new();
        for vote in &self.votes {
            *votes.entry(vote.under).or_insert(0) += 1;
        }
        assert_eq!(
            parking.waiting(),
            (queued.collect(), votes.into_iter().collect())
        );
        assert_eq!(parking.attestations.len(), self.votes.len());
        let bytes = self
            .blocks
            .iter()
            .map(|waiting| blocks.make(waiting.at).bytes());
        assert_eq!(parking.block_bytes, bytes.sum::<usize>());
        for root in &blocks.roots {
            let found = self.find(blocks, *root);
            assert_eq!(parking.contains(root), found.is_some());
            let block = found.map(|waiting| blocks.make(waiting.at).block);
            assert_eq!(parking.block(root), block.as_deref());
            assert_eq!(parking.need(root), self.need(*root));
            // Down to what is not here.
            let (mut missing, mut named) = (*root, None);
            while let Some(waiting) = self.find(blocks, missing) {
                if waiting.wait == Wait::Name && named.is_none() {
                    named = Some(missing);
                }
                missing = waiting.waits_for;
            }
            assert_eq!(parking.missing_ancestor(*root), missing);
            assert_eq!(parking.waits_for_name(*root), named);
        }
        for slots in [0..=20, 3..=9, 5..=5] {
            let has_moved_on = |validator, slot| validator == 3 && slot < 8;
            let found = parking.signers(slots.clone(), has_moved_on);
            assert_eq!(found, self.signers(blocks, slots));
        }
    }

    /// Takes out the blocks that are meant, in the order of their roots.
    pub(super) fn take(
        &mut self,
        blocks: &Blocks,
        is_meant: impl Fn(&Waiting) -> bool,
    ) -> Vec<Root> {
        let taken = self.blocks.extract_if(.., |waiting| is_meant(waiting));
        let mut taken: Vec<Root> = taken.map(|waiting| blocks.roots[waiting.at]).collect();
        taken.sort_unstable();
        taken
    }

    /// Takes out how many votes are meant.
    pub(super) fn take_votes(&mut self, is_meant: impl Fn(&WaitingVote) -> bool) -> usize {
        self.votes.extract_if(.., |vote| is_meant(vote)).count()
    }
}
