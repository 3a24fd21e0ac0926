//! Validators that have signed two attestations for one slot. A proposer's attestation names its block, so
//! a validator that proposes twice in a slot is found here too.

use std::collections::BTreeMap;

use quartet_types::{SignedAttestation, Slot, ValidatorIndex};

/// Most pairs that are kept, some 7 KiB each; further ones are only counted.
const MAX_KEPT: usize = 256;
/// Most pairs of one validator that are kept: nobody fills the list alone.
const MAX_KEPT_PER_VALIDATOR: usize = 4;

/// Two messages of one slot that one validator has signed, as evidence. It has revealed its key for that slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Equivocation {
    /// The one that counts.
    pub first: SignedAttestation,
    /// The other one.
    pub second: SignedAttestation,
}

/// What has been found, bounded.
#[derive(Debug, Default)]
pub struct Equivocations {
    kept: BTreeMap<(ValidatorIndex, Slot), Equivocation>,
    /// The one that was found last, kept or not.
    newest: Option<(ValidatorIndex, Slot)>,
    total: u64,
}

impl Equivocation {
    /// Who has signed both.
    pub fn validator(&self) -> ValidatorIndex {
        self.first.message.validator_id
    }

    /// The slot of both.
    pub fn slot(&self) -> Slot {
        self.first.message.data.slot
    }
}

impl Equivocations {
    /// The pairs that are kept, by validator and slot: at most 256, and four of one validator.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Equivocation> {
        self.kept.values()
    }

    /// How many slots of validators have been found with two messages, kept or not.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Validator and slot of the pair that was found last.
    pub fn newest(&self) -> Option<(ValidatorIndex, Slot)> {
        self.newest
    }

    /// Whether no more than one pair of the validator is kept.
    pub(crate) fn is_first_of(&self, validator: ValidatorIndex) -> bool {
        self.count_of(validator) <= 1
    }

    /// Keeps a pair, both verified, the first of its validator and slot.
    pub(crate) fn record(&mut self, equivocation: Equivocation) {
        let key = (equivocation.validator(), equivocation.slot());
        if self.newest == Some(key) || self.kept.contains_key(&key) {
            return;
        }
        self.total += 1;
        self.newest = Some(key);
        if self.kept.len() < MAX_KEPT && self.count_of(key.0) < MAX_KEPT_PER_VALIDATOR {
            self.kept.insert(key, equivocation);
        }
    }

    fn count_of(&self, validator: ValidatorIndex) -> usize {
        let of_validator = (validator, Slot::MIN)..=(validator, Slot::MAX);
        self.kept.range(of_validator).count()
    }
}

#[cfg(test)]
mod tests {
    use quartet_types::{Attestation, AttestationData, Signature};

    use super::*;

    fn pair(validator_id: ValidatorIndex, slot: Slot) -> Equivocation {
        let data = AttestationData {
            slot,
            ..AttestationData::default()
        };
        let message = Attestation { validator_id, data };
        let signature = Signature::default();
        let signed = SignedAttestation { message, signature };
        Equivocation {
            first: signed.clone(),
            second: signed,
        }
    }

    #[test]
    fn one_pair_of_a_slot_is_kept_and_no_validator_fills_the_list() {
        let mut found = Equivocations::default();
        found.record(pair(1, 7));
        found.record(pair(1, 7));
        assert!(found.is_first_of(1));
        for slot in 8..20 {
            found.record(pair(1, slot));
            found.record(pair(1, slot));
        }
        assert!(!found.is_first_of(1));
        assert_eq!(found.newest(), Some((1, 19)));
        assert_eq!((found.iter().len(), found.total()), (4, 13));
        for validator in 2..2_000 {
            found.record(pair(validator, 1));
        }
        assert_eq!(found.iter().len(), MAX_KEPT);
    }
}
