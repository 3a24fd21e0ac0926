//! One target's votes while they are counted.

use quartet_types::JustificationValidators;

use crate::Error;

const WORD_BITS: usize = u64::BITS as usize;

/// Who has voted for a target.
pub(crate) struct Votes {
    /// A bit for each validator.
    words: Vec<u64>,
    validators: usize,
    count: usize,
}

impl Votes {
    /// Of no validator.
    pub(crate) fn none(validators: usize) -> Self {
        Self {
            words: vec![0; validators.div_ceil(WORD_BITS)],
            validators,
            count: 0,
        }
    }

    /// Those of the run that begins at bit `start`.
    pub(crate) fn read(bits: &JustificationValidators, start: usize, validators: usize) -> Self {
        let word = |(offset, count)| bits.bits(start + offset, count);
        let words: Vec<u64> = parts(validators).map(word).collect();
        let count = words.iter().map(|word| word.count_ones() as usize).sum();
        Self {
            words,
            validators,
            count,
        }
    }

    /// Adds the vote of a validator of the registry, and returns how many there are.
    pub(crate) fn add(&mut self, validator: usize) -> usize {
        let (word, bit) = (
            &mut self.words[validator / WORD_BITS],
            1 << (validator % WORD_BITS),
        );
        self.count += usize::from(*word & bit == 0);
        *word |= bit;
        self.count
    }

    /// Sets the votes in the run that begins at bit `start`; votes are only ever added, so no bit needs clearing.
    pub(crate) fn write(
        &self,
        bits: &mut JustificationValidators,
        start: usize,
    ) -> Result<(), Error> {
        for ((offset, count), word) in parts(self.validators).zip(&self.words) {
            bits.set_bits(start + offset, count, *word)?;
        }
        Ok(())
    }
}

/// The words of a run: where each begins and how many bits it has.
fn parts(validators: usize) -> impl Iterator<Item = (usize, usize)> {
    let starts = (0..validators).step_by(WORD_BITS);
    starts.map(move |start| (start, WORD_BITS.min(validators - start)))
}
