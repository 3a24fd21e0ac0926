//! The votes at hand with their signatures: what proposals are built from, and what need not be verified twice.

use quartet_types::{Attestation, AttestationData, Signature, SignedAttestation, ValidatorIndex};

/// Most votes of a validator: the newest, and older ones for other targets, which a proposer may have left out or only a
/// block has carried that the head has left. 12 KiB of signatures for each validator.
const MAX_VOTES: usize = 4;

/// Verified votes, at most [`MAX_VOTES`] of a validator.
#[derive(Debug)]
pub(crate) struct VotePool {
    /// By validator, the oldest first.
    votes: Vec<Vec<Vote>>,
}

#[derive(Debug)]
struct Vote {
    data: AttestationData,
    signature: Signature,
}

impl VotePool {
    pub(crate) fn new(validators: u64) -> Self {
        let votes = std::iter::repeat_with(Vec::new);
        Self {
            votes: votes.take(validators as usize).collect(),
        }
    }

    /// Adds a verified vote. It replaces an older one for the same target; when there are too many, the oldest gives way.
    /// Returns the validator's other vote of the same slot, if there is one, which then stays: nobody honest has two.
    pub(crate) fn insert(
        &mut self,
        attestation: &Attestation,
        signature: &Signature,
    ) -> Option<SignedAttestation> {
        let Attestation { validator_id, data } = *attestation;
        let votes = self.votes.get_mut(usize::try_from(validator_id).ok()?)?;
        if let Some(held) = votes.iter().find(|held| held.data.slot == data.slot) {
            return (held.data != data).then(|| held.signed(validator_id));
        }
        let same_target = |held: &Vote| held.data.target == data.target;
        if votes
            .iter()
            .any(|held| same_target(held) && held.data.slot > data.slot)
        {
            return None;
        }
        votes.retain(|held| !same_target(held));
        let place = votes.partition_point(|held| held.data.slot < data.slot);
        let signature = signature.clone();
        votes.insert(place, Vote { data, signature });
        if votes.len() > MAX_VOTES {
            votes.remove(0);
        }
        None
    }

    /// The validator's other vote of the same slot.
    pub(crate) fn conflicting(&self, attestation: &Attestation) -> Option<SignedAttestation> {
        let Attestation { validator_id, data } = *attestation;
        let mut votes = self.of(validator_id).iter();
        let other = votes.find(|held| held.data.slot == data.slot && held.data != data);
        other.map(|held| held.signed(validator_id))
    }

    /// The signature of this very attestation.
    pub(crate) fn signature(&self, attestation: &Attestation) -> Option<&Signature> {
        let votes = self.of(attestation.validator_id);
        let vote = votes.iter().find(|vote| vote.data == attestation.data);
        vote.map(|vote| &vote.signature)
    }

    /// All votes, validator by validator, the oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Attestation, &Signature)> {
        self.votes
            .iter()
            .zip(0..)
            .flat_map(|(votes, validator_id)| {
                votes.iter().map(move |vote| {
                    let data = vote.data;
                    (Attestation { validator_id, data }, &vote.signature)
                })
            })
    }

    fn of(&self, validator: ValidatorIndex) -> &[Vote] {
        let votes = usize::try_from(validator)
            .ok()
            .and_then(|validator| self.votes.get(validator));
        votes.map_or(&[], Vec::as_slice)
    }
}

impl Vote {
    fn signed(&self, validator_id: ValidatorIndex) -> SignedAttestation {
        SignedAttestation {
            message: Attestation {
                validator_id,
                data: self.data,
            },
            signature: self.signature.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use quartet_types::{Checkpoint, Root, Slot};

    use super::*;

    fn vote(slot: Slot, target: u8) -> Attestation {
        let target = Checkpoint {
            root: Root::repeat_byte(target),
            slot: target.into(),
        };
        Attestation {
            validator_id: 0,
            data: AttestationData {
                slot,
                target,
                ..AttestationData::default()
            },
        }
    }

    fn slots(pool: &VotePool) -> Vec<Slot> {
        pool.iter().map(|(vote, _)| vote.data.slot).collect()
    }

    #[test]
    fn the_newest_votes_for_different_targets_stay() {
        let mut pool = VotePool::new(1);
        let signature = Signature::default();
        for (slot, target) in [
            (3, 1),
            (5, 1),
            (4, 1),
            (6, 2),
            (9, 4),
            (8, 3),
            (10, 5),
            (2, 6),
        ] {
            assert_eq!(pool.insert(&vote(slot, target), &signature), None);
        }
        assert_eq!(slots(&pool), [6, 8, 9, 10]);
        assert_eq!(pool.insert(&vote(7, 6), &signature), None);
        assert_eq!(slots(&pool), [7, 8, 9, 10]);
        assert_eq!(pool.insert(&vote(6, 7), &signature), None);
        assert_eq!(slots(&pool), [7, 8, 9, 10]);
        assert!(pool.signature(&vote(9, 4)).is_some());
        assert!(pool.signature(&vote(9, 5)).is_none());
    }

    #[test]
    fn a_second_vote_of_a_slot_is_told_and_left_out() {
        let mut pool = VotePool::new(1);
        let signature = Signature::default();
        assert_eq!(pool.insert(&vote(3, 1), &signature), None);
        assert_eq!(pool.insert(&vote(3, 1), &signature), None);
        let first = pool.insert(&vote(3, 2), &signature);
        assert_eq!(first.map(|first| first.message), Some(vote(3, 1)));
        assert_eq!(slots(&pool), [3]);
    }

    #[test]
    fn a_vote_by_nobody_is_left_out() {
        let mut pool = VotePool::new(0);
        assert_eq!(pool.insert(&vote(3, 1), &Signature::default()), None);
        assert_eq!(pool.iter().count(), 0);
    }
}
