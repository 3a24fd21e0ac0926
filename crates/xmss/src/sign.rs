//! The one-time part of signing: the search for a codeword, and the chains walked as far as it says.

use crate::{
    chains::{ChainWalk, walk_all},
    context::Context,
    field::{Digest, to_montgomery},
    hash::{self, message_elements},
    hypercube::HASH_ELEMENTS,
    lanes::{Kernel, Lanes, broadcast, scatter, store_rows},
    parameters::{PARAMETER_ELEMENTS, RANDOMNESS_ELEMENTS},
    prf::{ChainStarts, Derivation, KEY_BYTES, Randomness},
    tweak,
};

/// Computes the one-time signature of a message; the same key, epoch and message always give the same one.
pub(crate) struct SignOnce<'a> {
    pub(crate) context: &'a Context,
    pub(crate) derivation: Derivation,
    pub(crate) prf_key: &'a [u8; KEY_BYTES],
    pub(crate) parameter: &'a [u32; PARAMETER_ELEMENTS],
    pub(crate) epoch: u64,
    pub(crate) message: &'a [u8; 32],
}

/// Randomness, and one value of each chain.
pub(crate) type OneTimeSignature = ([u32; RANDOMNESS_ELEMENTS], Vec<Digest>);

impl Kernel for SignOnce<'_> {
    /// Nothing when no try gave a codeword.
    type Output = Option<OneTimeSignature>;

    #[inline(always)]
    fn run<L: Lanes>(self) -> Option<OneTimeSignature> {
        let (randomness, codeword) = self.search::<L>()?;
        let dimension = self.context.parameters.dimension;
        let starts = ChainStarts::new(self.derivation, self.prf_key);
        let mut values = Vec::with_capacity(dimension);
        for first in (0..dimension).step_by(L::WIDTH) {
            let start = starts.get::<L>(|lane| (self.epoch, first + lane));
            scatter(&start, |lane, digest| {
                if first + lane < dimension {
                    values.push(digest);
                }
            });
        }
        let walks: Vec<ChainWalk> = (0u8..)
            .zip(&codeword)
            .map(|(chain, digit)| ChainWalk {
                epoch: self.epoch,
                chain,
                from: 0,
                steps: *digit,
                parameter: 0,
                value: u32::from(chain),
            })
            .collect();
        walk_all::<L>(
            self.context,
            std::slice::from_ref(self.parameter),
            &walks,
            &mut values,
        );
        Some((randomness, values))
    }
}

impl SignOnce<'_> {
    /// Tries randomness after randomness, a lane each, and takes the first that gives a codeword.
    #[inline(always)]
    fn search<L: Lanes>(&self) -> Option<([u32; RANDOMNESS_ELEMENTS], Vec<u8>)> {
        let candidates = Randomness::new(self.derivation, self.prf_key, self.epoch, self.message);
        let parameter = broadcast::<L, PARAMETER_ELEMENTS>(self.parameter);
        let epoch = broadcast(&tweak::epoch(self.epoch).map(to_montgomery));
        let message = broadcast(&message_elements(self.message));
        let tries = self.context.parameters.max_tries;
        for first in (0..tries).step_by(L::WIDTH) {
            let randomness = candidates.get::<L>(first);
            let mut output = hash::message(
                self.context.constants,
                &randomness,
                &parameter,
                epoch,
                &message,
            );
            for element in &mut output {
                *element = element.to_canonical();
            }
            let rows = store_rows::<L, HASH_ELEMENTS>(&output);
            let left = (tries - first).min(L::WIDTH as u64) as usize;
            let found = (0..left).find_map(|lane| {
                let codeword = self
                    .context
                    .hypercube
                    .codeword(&rows.map(|row| row.0[lane]))?;
                Some((lane, codeword))
            });
            if let Some((lane, codeword)) = found {
                let rows = store_rows::<L, RANDOMNESS_ELEMENTS>(&randomness);
                return Some((rows.map(|row| row.0[lane]), codeword));
            }
        }
        None
    }
}
