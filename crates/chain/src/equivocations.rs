//! Validators that have signed two attestations for one slot. A proposer's attestation names its block, so
//! a validator that proposes twice in a slot is found here too.

use std::collections::{BTreeMap, VecDeque};

use quartet_types::{SignedAttestation, Slot, ValidatorIndex};

/// Most pairs that are kept, some 7 KiB each; further ones are only counted. Of so many it is known which were found last.
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
    /// By validator, at most one for each of the registry, the newest slot that was counted.
    newest: BTreeMap<ValidatorIndex, Slot>,
    /// Those that were counted last, at most [`MAX_KEPT`], the newest at the end.
    latest: VecDeque<Found>,
    total: u64,
}

/// A slot for which a validator was found to have signed two messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) validator: ValidatorIndex,
    pub(crate) slot: Slot,
    /// Whether it is the first one known of its validator.
    pub(crate) is_first: bool,
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

    /// How many slots of validators have been found with two messages: all that were kept, and of further ones those that
    /// were newer than all of their validator before.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Validator and slot of the pair that was found last.
    pub fn newest(&self) -> Option<(ValidatorIndex, Slot)> {
        let found = self.latest.back()?;
        Some((found.validator, found.slot))
    }

    /// What has been found since the total was this, the newest at the end: the last 256 at most.
    pub(crate) fn since(&self, total: u64) -> impl ExactSizeIterator<Item = Found> + '_ {
        let count = usize::try_from(self.total.saturating_sub(total));
        let known = self
            .latest
            .len()
            .saturating_sub(count.unwrap_or(usize::MAX));
        self.latest.range(known..).copied()
    }

    /// Keeps a pair, both verified, the first of its validator and slot. Votes come again, by gossip and in blocks: a pair counts
    /// once, whether it is kept or not.
    pub(crate) fn record(&mut self, equivocation: Equivocation) {
        let (validator, slot) = (equivocation.validator(), equivocation.slot());
        if self.kept.contains_key(&(validator, slot)) {
            return;
        }
        let newest = self.newest.get(&validator).copied();
        let fits = self.kept.len() < MAX_KEPT && self.count_of(validator) < MAX_KEPT_PER_VALIDATOR;
        if !fits && newest.is_some_and(|newest| newest >= slot) {
            return;
        }
        self.total += 1;
        self.newest
            .insert(validator, newest.map_or(slot, |newest| newest.max(slot)));
        self.latest.push_back(Found {
            validator,
            slot,
            is_first: newest.is_none(),
        });
        if self.latest.len() > MAX_KEPT {
            self.latest.pop_front();
        }
        if fits {
            self.kept.insert((validator, slot), equivocation);
        }
    }

    fn count_of(&self, validator: ValidatorIndex) -> usize {
        let of_validator = (validator, Slot::MIN)..=(validator, Slot::MAX);
        self.kept.range(of_validator).count()
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};
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

    /// The list as it is meant: what has been counted, in order.
    #[derive(Default)]
    struct Plain {
        kept: Vec<(ValidatorIndex, Slot)>,
        counted: Vec<Found>,
    }

    impl Plain {
        fn record(&mut self, validator: ValidatorIndex, slot: Slot) {
            let kept = self.kept.iter().filter(|kept| kept.0 == validator);
            let fits = self.kept.len() < 256 && kept.count() < 4;
            let mut before = self
                .counted
                .iter()
                .filter(|found| found.validator == validator);
            let is_first = before.clone().next().is_none();
            let is_newer = before.all(|found| found.slot < slot);
            if self.kept.contains(&(validator, slot)) || !fits && !is_newer {
                return;
            }
            if fits {
                self.kept.push((validator, slot));
            }
            self.counted.push(Found {
                validator,
                slot,
                is_first,
            });
        }
    }

    fn check(pairs: impl IntoIterator<Item = (ValidatorIndex, Slot)>) -> Plain {
        let (mut plain, mut found) = (Plain::default(), Equivocations::default());
        assert_eq!(found.newest(), None);
        for (validator, slot) in pairs {
            let before = found.total();
            found.record(pair(validator, slot));
            plain.record(validator, slot);
            assert_eq!(found.total(), plain.counted.len() as u64);
            let news: Vec<Found> = found.since(before).collect();
            assert_eq!(news, plain.counted[before as usize..]);
        }
        let mut kept = plain.kept.clone();
        kept.sort_unstable();
        assert!(
            found
                .iter()
                .map(|kept| (kept.validator(), kept.slot()))
                .eq(kept)
        );
        let latest = plain.counted.len().saturating_sub(256);
        assert!(found.since(0).eq(plain.counted[latest..].iter().copied()));
        let newest = plain.counted.last();
        assert_eq!(
            found.newest(),
            newest.map(|newest| (newest.validator, newest.slot))
        );
        plain
    }

    proptest! {
        #[test]
        fn each_slot_of_a_validator_is_found_once_and_kept_where_there_is_room(
            pairs in vec((0u64..4, 0u64..12), 0..60),
        ) {
            check(pairs);
        }
    }

    #[test]
    fn no_validator_fills_the_list_and_a_full_list_still_tells_each_validator_once() {
        // Two nodes sign with the keys of a hundred validators, and each vote comes by gossip and in a block.
        let slot = |slot| {
            (0..100)
                .chain(0..100)
                .map(move |validator| (validator, slot))
        };
        let plain = check((1..=6).flat_map(slot));
        assert_eq!((plain.kept.len(), plain.counted.len()), (256, 600));
        let firsts = plain.counted.iter().filter(|found| found.is_first);
        assert_eq!(firsts.count(), 100);
        let plain = check((1..=300).map(|validator| (validator, 1)).chain([(300, 2)]));
        assert_eq!(plain.kept.last(), Some(&(256, 1)));
        assert!(plain.counted[299].is_first && !plain.counted[300].is_first);
    }
}
