//! The fixed-size part of a state, checked before anything is decoded.
//!
//! A list's length in memory is many times that in bytes, so a state is decoded only if its lists are as long as they
//! must be for its slot and for our registry.

use quartet_types::{HISTORICAL_ROOTS_LIMIT, Slot};

use crate::{
    error::Mismatch,
    limits::{FIXED_BYTES, VALIDATOR_BYTES},
};

/// Where the slot is; the genesis time is before it.
const SLOT_AT: usize = 8;
/// Where the offsets of the five lists are.
const OFFSETS_AT: usize = 208;
const LISTS: usize = 5;

/// What is known of every state of the network.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected {
    pub(crate) genesis_time: u64,
    pub(crate) validators: u64,
    /// The slot by the clock.
    pub(crate) current_slot: Slot,
}

impl Expected {
    /// Checks the outline of a state in SSZ.
    ///
    /// # Errors
    /// With the first thing that cannot be.
    pub(crate) fn check(&self, bytes: &[u8]) -> Result<(), Mismatch> {
        let lengths = lengths(bytes)?;
        let [genesis_time, slot] = [0, SLOT_AT].map(|at| number(bytes, at));
        if genesis_time != self.genesis_time {
            return Err(Mismatch::GenesisTime {
                expected: self.genesis_time,
                found: genesis_time,
            });
        }
        if slot > self.current_slot {
            let current = self.current_slot;
            return Err(Mismatch::Future { slot, current });
        }
        if slot > HISTORICAL_ROOTS_LIMIT {
            return Err(Mismatch::Inconsistent(
                "its slot is beyond what a history can hold",
            ));
        }
        let [history, justified, registry, targets, votes] = lengths;
        if history != slot * 32 {
            return Err(Mismatch::Inconsistent(
                "its history does not have an entry for each slot before",
            ));
        }
        if justified != bit_list_bytes(slot) {
            return Err(Mismatch::Inconsistent(
                "it does not say of each slot before whether it is justified",
            ));
        }
        if registry != self.validators * VALIDATOR_BYTES {
            let validator = (registry / VALIDATOR_BYTES).min(self.validators);
            return Err(Mismatch::Registry { validator });
        }
        let tallies = (targets / 32) * self.validators;
        if targets % 32 != 0 || votes != bit_list_bytes(tallies) {
            return Err(Mismatch::Inconsistent(
                "its tallies do not have a vote of each validator",
            ));
        }
        Ok(())
    }
}

/// Bytes of each list.
fn lengths(bytes: &[u8]) -> Result<[u64; LISTS], Mismatch> {
    let wrong = |why: &str| Mismatch::State(why.to_owned());
    if bytes.len() < FIXED_BYTES {
        return Err(wrong("it is too short"));
    }
    let offset = |list: usize| {
        let at = OFFSETS_AT + 4 * list;
        let word = bytes.get(at..at + 4).and_then(|word| word.try_into().ok());
        word.map_or(0, u32::from_le_bytes) as u64
    };
    if offset(0) != FIXED_BYTES as u64 {
        return Err(wrong("it is of another form"));
    }
    let mut lengths = [0; LISTS];
    for (list, length) in lengths.iter_mut().enumerate() {
        let end = match list + 1 {
            LISTS => bytes.len() as u64,
            next => offset(next),
        };
        let span = end.checked_sub(offset(list));
        *length = span.ok_or_else(|| wrong("its lists are out of order"))?;
    }
    Ok(lengths)
}

fn number(bytes: &[u8], at: usize) -> u64 {
    let word = bytes.get(at..at + 8).and_then(|word| word.try_into().ok());
    word.map_or(0, u64::from_le_bytes)
}

/// Bytes of a bit list of this length: its bits and its delimiter.
const fn bit_list_bytes(bits: u64) -> u64 {
    bits / 8 + 1
}
