//! Verified votes with their signatures: proposals are built from them, and they need not be verified twice.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use quartet_types::{Attestation, AttestationData, Signature, SignedAttestation, ValidatorIndex};

/// Most votes of a validator: the newest, and older ones for other targets, which a proposer may have left out, or which only a
/// block of an abandoned branch has carried. 12 KiB of signatures for each validator.
const MAX_VOTES: usize = 4;

/// Verified votes, at most [`MAX_VOTES`] of a validator.
#[derive(Debug)]
pub(crate) struct VotePool {
    /// By validator, the oldest first; shared with snapshots until the validator's next vote.
    votes: Vec<Arc<Vec<Vote>>>,
    /// How many votes have this data.
    uses: HashMap<AttestationData, usize>,
}

#[derive(Clone, Debug)]
struct Vote {
    data: AttestationData,
    signature: Signature,
}

impl VotePool {
    pub(crate) fn new(validators: u64) -> Self {
        let votes = std::iter::repeat_with(Arc::default);
        Self {
            votes: votes.take(validators as usize).collect(),
            uses: HashMap::new(),
        }
    }

    /// Adds a verified vote. It replaces an older one for the same target; when there are too many, the oldest gives way.
    /// Returns the validator's other vote of the same slot, if there is one, which then stays: an honest validator has no two.
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
        let votes = Arc::make_mut(votes);
        for left in votes.extract_if(.., |held| same_target(held)) {
            release(&mut self.uses, &left.data);
        }
        *self.uses.entry(data).or_default() += 1;
        let place = votes.partition_point(|held| held.data.slot < data.slot);
        let signature = signature.clone();
        votes.insert(place, Vote { data, signature });
        if votes.len() > MAX_VOTES {
            release(&mut self.uses, &votes.remove(0).data);
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

    /// What a validator's votes at hand say, the oldest first.
    pub(crate) fn of_validator(
        &self,
        validator: ValidatorIndex,
    ) -> impl Iterator<Item = AttestationData> {
        self.of(validator).iter().map(|vote| vote.data)
    }

    /// The signature of this very attestation.
    pub(crate) fn signature(&self, attestation: &Attestation) -> Option<&Signature> {
        let votes = self.of(attestation.validator_id);
        let vote = votes.iter().find(|vote| vote.data == attestation.data);
        vote.map(|vote| &vote.signature)
    }

    /// Number of votes, each with its signature.
    pub(crate) fn count(&self) -> usize {
        self.uses.values().sum()
    }

    /// The data that there are votes with, each once, in no order: few, since most validators see the same.
    pub(crate) fn data(&self) -> impl Iterator<Item = &AttestationData> {
        self.uses.keys()
    }

    /// What a proposal may carry now: of the `known` votes, and `with_others` of all, those with the `carried` data.
    pub(crate) fn candidates(
        &self,
        known: Vec<Attestation>,
        carried: HashSet<AttestationData>,
        with_others: bool,
    ) -> Candidates {
        Candidates {
            known,
            votes: self.votes.clone(),
            carried,
            with_others,
        }
    }

    fn of(&self, validator: ValidatorIndex) -> &[Vote] {
        of(&self.votes, validator)
    }
}

/// The votes that a proposal may carry, as they were when it was asked for them. Taking them costs a pointer for each
/// validator; the selection itself is made by the caller, when the chain's lock is free again.
#[derive(Clone, Debug, Default)]
pub struct Candidates {
    known: Vec<Attestation>,
    votes: Vec<Arc<Vec<Vote>>>,
    carried: HashSet<AttestationData>,
    with_others: bool,
}

impl Candidates {
    /// The votes: the known ones in order of arrival, then others, validator by validator, the oldest first.
    pub fn votes(&self) -> Vec<Attestation> {
        let mut latest: Vec<Option<&AttestationData>> = vec![None; self.votes.len()];
        for Attestation { validator_id, data } in &self.known {
            let place = usize::try_from(*validator_id).ok();
            if let Some(place) = place.and_then(|place| latest.get_mut(place)) {
                *place = Some(data);
            }
        }
        let is_carried = |vote: &Attestation| self.carried.contains(&vote.data);
        let known = self.known.iter().copied();
        let mut candidates: Vec<Attestation> = known
            .filter(|vote| is_carried(vote) && self.signature(vote).is_some())
            .collect();
        if self.with_others {
            let others = self.votes.iter().zip(latest).zip(0..);
            candidates.extend(others.flat_map(|((votes, latest), validator_id)| {
                let others = votes.iter().filter(move |vote| latest != Some(&vote.data));
                let attestation = move |vote: &Vote| Attestation {
                    validator_id,
                    data: vote.data,
                };
                others.map(attestation).filter(is_carried)
            }));
        }
        candidates
    }

    /// The signature of one of them.
    pub fn signature(&self, attestation: &Attestation) -> Option<&Signature> {
        let votes = of(&self.votes, attestation.validator_id);
        let vote = votes.iter().find(|vote| vote.data == attestation.data);
        vote.map(|vote| &vote.signature)
    }

    /// Leaves none.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

fn of(votes: &[Arc<Vec<Vote>>], validator: ValidatorIndex) -> &[Vote] {
    let validator = usize::try_from(validator).ok();
    let votes = validator.and_then(|validator| votes.get(validator));
    votes.map_or(&[], |votes| votes.as_slice())
}

/// Notes that a vote with this data is gone.
fn release(uses: &mut HashMap<AttestationData, usize>, data: &AttestationData) {
    if let Some(count) = uses.get_mut(data) {
        *count -= 1;
        if *count == 0 {
            uses.remove(data);
        }
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
mod tests;
