//! The round constants, in their two orders; the numbers are those of `p3-koala-bear`.

use p3_field::PrimeField32;
use p3_koala_bear as koala_bear;

use crate::field::{P, to_montgomery};

/// Full rounds on each side of the partial ones.
const HALF_FULL_ROUNDS: usize = 4;
pub(super) const PARTIAL_ROUNDS_16: usize = 20;
pub(super) const PARTIAL_ROUNDS_24: usize = 23;

/// In which order the stream of round constants is dealt to the rounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConstantOrder {
    /// leanSig's, hence the network's: initial full rounds, final full rounds, partial rounds.
    Interop,
    /// The specification's: initial full rounds, partial rounds, final full rounds. Only for test vectors.
    Spec,
}

/// Round constants of one width, each as the Montgomery form of c minus p, which saves a reduction per S-box.
#[derive(Debug)]
pub(crate) struct Rounds<const W: usize, const PARTIAL: usize> {
    pub(crate) initial: [[u32; W]; HALF_FULL_ROUNDS],
    pub(crate) partial: [u32; PARTIAL],
    pub(crate) terminal: [[u32; W]; HALF_FULL_ROUNDS],
}

/// The round constants of both widths.
#[derive(Debug)]
pub(crate) struct Constants {
    pub(crate) width_16: Rounds<16, PARTIAL_ROUNDS_16>,
    pub(crate) width_24: Rounds<24, PARTIAL_ROUNDS_24>,
}

impl Constants {
    pub(crate) fn new(order: ConstantOrder) -> Self {
        Self {
            width_16: Rounds::deal(
                order,
                koala_bear::KOALABEAR_POSEIDON2_RC_16_EXTERNAL_INITIAL.as_flattened(),
                &koala_bear::KOALABEAR_POSEIDON2_RC_16_INTERNAL,
                koala_bear::KOALABEAR_POSEIDON2_RC_16_EXTERNAL_FINAL.as_flattened(),
            ),
            width_24: Rounds::deal(
                order,
                koala_bear::KOALABEAR_POSEIDON2_RC_24_EXTERNAL_INITIAL.as_flattened(),
                &koala_bear::KOALABEAR_POSEIDON2_RC_24_INTERNAL,
                koala_bear::KOALABEAR_POSEIDON2_RC_24_EXTERNAL_FINAL.as_flattened(),
            ),
        }
    }
}

impl<const W: usize, const PARTIAL: usize> Rounds<W, PARTIAL> {
    /// Deals the stream `initial ‖ internal ‖ terminal` of the crate's constants to the rounds.
    fn deal(
        order: ConstantOrder,
        initial: &[koala_bear::KoalaBear],
        internal: &[koala_bear::KoalaBear],
        terminal: &[koala_bear::KoalaBear],
    ) -> Self {
        let mut stream = [initial, internal, terminal]
            .concat()
            .into_iter()
            .map(|constant| to_montgomery(constant.as_canonical_u32()).wrapping_sub(P));
        let full = |stream: &mut dyn Iterator<Item = u32>| {
            let mut rounds = [[0; W]; HALF_FULL_ROUNDS];
            for (slot, constant) in rounds.as_flattened_mut().iter_mut().zip(stream) {
                *slot = constant;
            }
            rounds
        };
        let mut partial = [0; PARTIAL];
        let initial = full(&mut stream.by_ref().take(HALF_FULL_ROUNDS * W));
        let terminal_first = order == ConstantOrder::Interop;
        let mut terminal = [[0; W]; HALF_FULL_ROUNDS];
        if terminal_first {
            terminal = full(&mut stream.by_ref().take(HALF_FULL_ROUNDS * W));
        }
        for (slot, constant) in partial.iter_mut().zip(stream.by_ref().take(PARTIAL)) {
            *slot = constant;
        }
        if !terminal_first {
            terminal = full(&mut stream);
        }
        Self {
            initial,
            partial,
            terminal,
        }
    }
}
