//! One set of votes: the latest of each validator, in order of first arrival.

use quartet_types::{Attestation, AttestationData, ValidatorIndex};

use crate::nodes::NodeIndex;

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

    /// The validators that have a vote, in order of its first arrival.
    fn in_order(&self) -> Vec<usize> {
        let votes = self.latest.iter().enumerate();
        let mut arrivals: Vec<_> = votes
            .filter_map(|(validator, vote)| Some((vote.as_ref()?.arrival, validator)))
            .collect();
        arrivals.sort_unstable();
        arrivals
            .into_iter()
            .map(|(_, validator)| validator)
            .collect()
    }

    /// The votes as attestations, in order of first arrival.
    pub(crate) fn attestations(&self) -> impl Iterator<Item = Attestation> + use<> {
        let votes = self.in_order().into_iter().filter_map(|validator| {
            let vote = self.get(validator)?;
            Some(Attestation {
                validator_id: validator as ValidatorIndex,
                data: vote.data,
            })
        });
        votes.collect::<Vec<_>>().into_iter()
    }

    /// Positions in the tree that are voted for, in no order.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = NodeIndex> {
        self.latest.iter().flatten().filter_map(|vote| vote.node)
    }

    /// Moves all votes to another set, in order of first arrival. `moved` is told of each: where it is, and where the
    /// validator's vote in the other set has been.
    pub(crate) fn move_to(
        &mut self,
        other: &mut Self,
        mut moved: impl FnMut(Option<NodeIndex>, Option<NodeIndex>),
    ) {
        for validator in self.in_order() {
            if let Some(vote) = self.remove(validator) {
                let earlier = other.replace(validator, vote.data, vote.node);
                moved(earlier.and_then(|vote| vote.node), vote.node);
            }
        }
    }

    /// Follows the blocks to where the tree has moved them.
    pub(crate) fn relocate(&mut self, moved_to: impl Fn(NodeIndex) -> Option<NodeIndex>) {
        for vote in self.latest.iter_mut().flatten() {
            vote.node = vote.node.and_then(&moved_to);
        }
    }
}
