//! One set of votes: the latest of each validator, in order of first arrival.

use quartet_types::{Attestation, AttestationData, ValidatorIndex};

use crate::tree::NodeIndex;

/// A validator's latest vote.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Vote {
    pub(crate) data: AttestationData,
    /// Where its head is in the tree; `None` once the tree has forgotten that block, when the vote has no weight.
    pub(crate) node: Option<NodeIndex>,
    /// Counts up with each validator that enters the set.
    arrival: u64,
}

/// At most one vote per validator of the registry, hence bounded.
#[derive(Debug, Clone)]
pub(crate) struct Votes {
    latest: Vec<Option<Vote>>,
    arrivals: u64,
}

impl Votes {
    pub(crate) fn new(validators: usize) -> Self {
        Self {
            latest: vec![None; validators],
            arrivals: 0,
        }
    }

    pub(crate) fn get(&self, validator: usize) -> Option<&Vote> {
        self.latest.get(validator)?.as_ref()
    }

    /// Puts a vote in the place of the validator's earlier one, which it returns; that one's place in the order stays.
    pub(crate) fn replace(
        &mut self,
        validator: usize,
        data: AttestationData,
        node: Option<NodeIndex>,
    ) -> Option<Vote> {
        let entry = self.latest.get_mut(validator)?;
        let arrival = entry.map_or(self.arrivals, |earlier| earlier.arrival);
        self.arrivals += 1;
        entry.replace(Vote {
            data,
            node,
            arrival,
        })
    }

    pub(crate) fn remove(&mut self, validator: usize) -> Option<Vote> {
        self.latest.get_mut(validator)?.take()
    }

    /// The votes by validator, in order of first arrival.
    pub(crate) fn in_order(&self) -> Vec<(usize, Vote)> {
        let votes = self.latest.iter().enumerate();
        let mut votes: Vec<_> = votes
            .filter_map(|(validator, vote)| Some((validator, (*vote)?)))
            .collect();
        votes.sort_unstable_by_key(|(_, vote)| vote.arrival);
        votes
    }

    /// The votes as attestations, in order of first arrival.
    pub(crate) fn attestations(&self) -> impl Iterator<Item = Attestation> + use<> {
        let votes = self.in_order().into_iter();
        votes.map(|(validator, vote)| Attestation {
            validator_id: validator as ValidatorIndex,
            data: vote.data,
        })
    }

    /// Positions in the tree that are voted for, in no order.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = NodeIndex> {
        self.latest.iter().flatten().filter_map(|vote| vote.node)
    }

    /// Empties the set, in order of first arrival.
    pub(crate) fn drain(&mut self) -> Vec<(usize, Vote)> {
        let votes = self.in_order();
        self.latest.fill(None);
        votes
    }

    /// Follows the blocks to where the tree has moved them.
    pub(crate) fn relocate(&mut self, moved_to: impl Fn(NodeIndex) -> Option<NodeIndex>) {
        for vote in self.latest.iter_mut().flatten() {
            vote.node = vote.node.and_then(&moved_to);
        }
    }
}
