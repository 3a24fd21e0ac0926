//! A state for storing: without what the chain's index and the genesis hold anyway.

use ssz_derive::{Decode, Encode};
use typenum::U262144;

use crate::{
    BlockHeader, Checkpoint, Config, HistoricalBlockHashes, JustificationRoots,
    JustificationValidators, PackedBits, Slot, State, Validators,
};

/// Everything of a [`State`] but the roots of its history and its registry, of which it has the lengths.
///
/// Its size depends on the targets that have votes, 32 bytes and a bit for each validator, and not on the length of the
/// history: which slots are justified takes a few bytes as long as either most are or most are not. At worst, where
/// they alternate, it takes a bit a slot.
///
/// Reading one allocates in proportion to the bytes read.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct CompactState {
    /// As the state's.
    pub config: Config,
    /// As the state's.
    pub slot: Slot,
    /// As the state's.
    pub latest_block_header: BlockHeader,
    /// As the state's.
    pub latest_justified: Checkpoint,
    /// As the state's.
    pub latest_finalized: Checkpoint,
    /// How many roots the state's history has.
    pub history_length: u64,
    /// How many validators the registry has.
    pub validator_count: u64,
    /// As the state's, packed.
    pub justified_slots: PackedBits<U262144>,
    /// As the state's.
    pub justifications_roots: JustificationRoots,
    /// As the state's.
    pub justifications_validators: JustificationValidators,
}

/// A compact state does not fit what it is to be expanded with, or its parts do not fit each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected} {what}, found {found}")]
pub struct ExpandError {
    /// What there are too many or too few of.
    pub what: &'static str,
    /// How many there should be.
    pub expected: u64,
    /// How many there are.
    pub found: u64,
}

impl State {
    /// The state without the roots of its history and its registry.
    pub fn compact(&self) -> CompactState {
        CompactState {
            config: self.config,
            slot: self.slot,
            latest_block_header: self.latest_block_header,
            latest_justified: self.latest_justified,
            latest_finalized: self.latest_finalized,
            history_length: self.historical_block_hashes.len() as u64,
            validator_count: self.validator_count(),
            justified_slots: PackedBits::from(&self.justified_slots),
            justifications_roots: self.justifications_roots.clone(),
            justifications_validators: self.justifications_validators.clone(),
        }
    }
}

impl CompactState {
    /// The state again, given what was left out. Whether these are the roots and validators that the state had, its
    /// root tells; here only their number is checked.
    ///
    /// # Errors
    /// When there are more or fewer than the state had, or its tallies are not a bit for each target and validator.
    pub fn expand(
        self,
        history: HistoricalBlockHashes,
        validators: Validators,
    ) -> Result<State, ExpandError> {
        check("roots", self.history_length, history.len())?;
        check("validators", self.validator_count, validators.len())?;
        let targets = self.justifications_roots.len() as u64;
        let bits = targets.saturating_mul(self.validator_count);
        check("votes", bits, self.justifications_validators.len())?;
        let justified_slots = self.justified_slots.unpack();
        check("slots", self.history_length, justified_slots.len())?;
        Ok(State {
            config: self.config,
            slot: self.slot,
            latest_block_header: self.latest_block_header,
            latest_justified: self.latest_justified,
            latest_finalized: self.latest_finalized,
            historical_block_hashes: history,
            justified_slots,
            validators,
            justifications_roots: self.justifications_roots,
            justifications_validators: self.justifications_validators,
        })
    }
}

fn check(what: &'static str, expected: u64, found: usize) -> Result<(), ExpandError> {
    let found = found as u64;
    if expected == found {
        Ok(())
    } else {
        Err(ExpandError {
            what,
            expected,
            found,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ssz::{Decode as _, Encode as _};
    use tree_hash::TreeHash as _;

    use super::*;
    use crate::{Bitlist, PublicKey, Root};

    /// A state with these justified slots, and of each of these targets the votes of the validators that `voted` says.
    fn state(
        validators: usize,
        justified: impl IntoIterator<Item = bool>,
        targets: usize,
        voted: impl Fn(usize) -> bool,
    ) -> State {
        let keys: Vec<_> = (0..validators)
            .map(|index| PublicKey([index as u8; 52]))
            .collect();
        let mut state = State::genesis(1_700_000_000, &keys).unwrap();
        let root = |number: usize| Root::left_padding_from(&(number + 1).to_be_bytes());
        state.justified_slots = Bitlist::try_from_iter(justified).unwrap();
        state.historical_block_hashes =
            HistoricalBlockHashes::try_from_iter((0..state.justified_slots.len()).map(root))
                .unwrap();
        state.slot = state.justified_slots.len() as u64;
        state.latest_block_header.slot = state.slot;
        state.latest_justified.slot = state.slot / 2;
        state.justifications_roots =
            JustificationRoots::try_from_iter((0..targets).map(root)).unwrap();
        let bits = (0..targets * validators).map(voted);
        state.justifications_validators = Bitlist::try_from_iter(bits).unwrap();
        state
    }

    fn expand(compact: CompactState, of: &State) -> Result<State, ExpandError> {
        compact.expand(of.historical_block_hashes.clone(), of.validators.clone())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_state_comes_back_as_it_was(
            validators in 1usize..20,
            justified in prop::collection::vec(any::<bool>(), 0..600),
            even in 0usize..600,
            targets in 0usize..12,
            votes in any::<u64>(),
        ) {
            let justified = justified.into_iter().chain(std::iter::repeat_n(true, even));
            let state = state(validators, justified, targets, |bit| votes >> (bit % 61) & 1 == 1);
            let bytes = state.compact().as_ssz_bytes();
            let again = expand(CompactState::from_ssz_bytes(&bytes).unwrap(), &state).unwrap();
            prop_assert_eq!(again.as_ssz_bytes(), state.as_ssz_bytes());
            prop_assert_eq!(again.tree_hash_root(), state.tree_hash_root());
            prop_assert_eq!(again, state);
        }

        #[test]
        fn any_bytes_are_read_or_refused(
            bytes in prop::collection::vec(any::<u8>(), 0..400),
            flip in (any::<prop::sample::Index>(), any::<u8>()),
        ) {
            let _ = CompactState::from_ssz_bytes(&bytes);
            let state = state(7, [true, false, true], 3, |bit| bit % 2 == 0);
            let mut flipped = state.compact().as_ssz_bytes();
            let index = flip.0.index(flipped.len());
            flipped[index] ^= flip.1;
            if let Ok(compact) = CompactState::from_ssz_bytes(&flipped) {
                let _ = expand(compact, &state);
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let good = state(4, [true, false, true], 2, |_| true);
        let expected = |change: fn(&mut CompactState)| {
            let mut compact = good.compact();
            change(&mut compact);
            expand(compact, &good).map_err(|error| (error.what, error.expected, error.found))
        };
        assert_eq!(expected(|_| {}).as_ref(), Ok(&good));
        assert_eq!(expected(|c| c.history_length = 2), Err(("roots", 2, 3)));
        assert_eq!(
            expected(|c| c.validator_count = 5),
            Err(("validators", 5, 4))
        );
        let no_votes = |c: &mut CompactState| c.justifications_validators = Bitlist::new();
        assert_eq!(expected(no_votes), Err(("votes", 8, 0)));
        let no_slots = |c: &mut CompactState| c.justified_slots = PackedBits::from(&Bitlist::new());
        assert_eq!(expected(no_slots), Err(("slots", 3, 0)));
    }

    #[test]
    fn the_size_of_a_compact_state_does_not_grow_with_history() {
        for (validators, targets, most) in
            [(64, 600, 24_400), (4096, 600, 326_800), (4096, 3, 2_000)]
        {
            let votes = |bit: usize| bit.is_multiple_of(3);
            let size = |slots: usize, justified: fn(usize) -> bool| {
                let slots = (0..slots).map(justified);
                let state = state(validators, slots, targets, votes);
                state.compact().as_ssz_bytes().len()
            };
            let stalled = |slots| size(slots, |slot| slot < 3);
            let healthy = |slots| size(slots, |_| true);
            assert!(stalled(100_000) < most, "{}", stalled(100_000));
            assert!(stalled(100_000) <= stalled(1_000) + 1);
            assert!(healthy(100_000) <= healthy(1_000) + 1);
        }
    }
}
