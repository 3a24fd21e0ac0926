//! The node's pool of verified votes, plainly: four of a validator, by which it notices a validator that votes twice in
//! a slot.

use std::collections::BTreeMap;

use quartet_types::Attestation;

/// Most votes of a validator.
const MOST: usize = 4;

/// By validator, its votes.
#[derive(Debug, Default)]
pub(crate) struct Pool(BTreeMap<u64, Vec<Attestation>>);

impl Pool {
    /// Whether another vote of the slot is at hand.
    pub(crate) fn contradicts(&self, vote: &Attestation) -> bool {
        let votes = self.0.get(&vote.validator_id).into_iter().flatten();
        let mut of_slot = votes.filter(|held| held.data.slot == vote.data.slot);
        of_slot.any(|held| held != vote)
    }

    /// Keeps a vote that was accepted. True if another one of its slot is at hand, which stays.
    pub(crate) fn insert(&mut self, vote: &Attestation) -> bool {
        if self.contradicts(vote) {
            return true;
        }
        let votes = self.0.entry(vote.validator_id).or_default();
        let same_target = |held: &&Attestation| held.data.target == vote.data.target;
        let newest = votes
            .iter()
            .filter(same_target)
            .map(|held| held.data.slot)
            .max();
        if newest.is_none_or(|newest| newest < vote.data.slot) {
            votes.retain(|held| !same_target(&held));
            votes.push(*vote);
            votes.sort_by_key(|held| held.data.slot);
        }
        if votes.len() > MOST {
            votes.remove(0);
        }
        false
    }
}
