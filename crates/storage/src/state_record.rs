//! The stored form of a state: what is in no other table.
//!
//! Left out are the roots of the history, which are in the finalized chain and the entries, and the registry, which is
//! stored once. The bits of justified slots are stored as lengths of runs wherever that is shorter.

use quartet_types::{
    BlockHeader, Checkpoint, HistoricalBlockHashes, JustificationRoots, JustificationValidators,
    JustifiedSlots, Root, Slot, State,
};
use ssz::{Decode as _, Encode as _};
use ssz_derive::{Decode, Encode};

use crate::{error::Failure, start::Registry};

/// Bits as they are.
const PLAIN: u8 = 0;
/// Lengths of runs, of zeros first, in LEB128.
const RUNS: u8 = 1;

/// A state without history and registry.
#[derive(Clone, Debug, Encode, Decode)]
pub(crate) struct StateRecord {
    slot: Slot,
    pub(crate) latest_block_header: BlockHeader,
    latest_justified: Checkpoint,
    latest_finalized: Checkpoint,
    justified_slots: Vec<u8>,
    justifications_roots: Vec<Root>,
    justifications_validators: JustificationValidators,
}

/// The bytes to store for a state.
pub(crate) fn encode(state: &State) -> Vec<u8> {
    let record = StateRecord {
        slot: state.slot,
        latest_block_header: state.latest_block_header,
        latest_justified: state.latest_justified,
        latest_finalized: state.latest_finalized,
        justified_slots: encode_bits(&state.justified_slots),
        justifications_roots: state.justifications_roots.iter().copied().collect(),
        justifications_validators: state.justifications_validators.clone(),
    };
    record.as_ssz_bytes()
}

impl StateRecord {
    /// The state, with what other tables have.
    pub(crate) fn expand(
        self,
        history: HistoricalBlockHashes,
        registry: Registry,
    ) -> Result<State, Failure> {
        let damaged = |what: &str| Failure::Damaged(format!("a stored state: {what}"));
        let justified_slots = decode_bits(&self.justified_slots)
            .filter(|bits| bits.len() == history.len())
            .ok_or_else(|| damaged("its bits of justified slots do not fit"))?;
        let roots = JustificationRoots::try_from_iter(self.justifications_roots)
            .map_err(|_| damaged("too many targets"))?;
        Ok(State {
            config: registry.config,
            slot: self.slot,
            latest_block_header: self.latest_block_header,
            latest_justified: self.latest_justified,
            latest_finalized: self.latest_finalized,
            historical_block_hashes: history,
            justified_slots,
            validators: registry.validators,
            justifications_roots: roots,
            justifications_validators: self.justifications_validators,
        })
    }
}

fn encode_bits(bits: &JustifiedSlots) -> Vec<u8> {
    let mut runs = vec![RUNS];
    let (mut current, mut length) = (false, 0);
    for bit in bits.iter() {
        if bit != current {
            push_number(&mut runs, length);
            (current, length) = (bit, 0);
        }
        length += 1;
    }
    push_number(&mut runs, length);
    if runs.len() <= bits.ssz_bytes_len() {
        return runs;
    }
    let mut plain = vec![PLAIN];
    bits.ssz_append(&mut plain);
    plain
}

fn decode_bits(bytes: &[u8]) -> Option<JustifiedSlots> {
    let (form, mut rest) = bytes.split_first()?;
    match *form {
        PLAIN => JustifiedSlots::from_ssz_bytes(rest).ok(),
        RUNS => {
            let mut bits = JustifiedSlots::new();
            let mut value = false;
            while !rest.is_empty() {
                let start = bits.len();
                let length = take_number(&mut rest)?;
                bits.extend_zeros(length).ok()?;
                for index in (start..bits.len()).filter(|_| value) {
                    bits.set(index, true).ok()?;
                }
                value = !value;
            }
            Some(bits)
        }
        _ => None,
    }
}

fn push_number(bytes: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// At most nine bytes, so that no number overflows.
fn take_number(bytes: &mut &[u8]) -> Option<usize> {
    let mut number = 0;
    for shift in (0..63).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bits(runs: &[usize]) -> JustifiedSlots {
        let values = runs.iter().zip([false, true].into_iter().cycle());
        let bits = values.flat_map(|(run, value)| std::iter::repeat_n(value, *run));
        JustifiedSlots::try_from_iter(bits).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..Default::default() })]

        #[test]
        fn bits_survive(runs in prop::collection::vec(0..400_usize, 0..80)) {
            let bits = bits(&runs);
            let encoded = encode_bits(&bits);
            prop_assert!(encoded.len() <= bits.len() / 8 + 2, "never much longer than plain");
            prop_assert_eq!(decode_bits(&encoded), Some(bits));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            decode_bits(&bytes);
        }
    }

    #[test]
    fn a_long_history_takes_few_bytes() {
        assert_eq!(encode_bits(&bits(&[1, 100_000])).len(), 5);
        assert_eq!(encode_bits(&bits(&[0, 7, 100_000, 1, 3])).len(), 8);
    }
}
