//! The Poseidon2 permutation of widths 16 and 24 over lanes, and its two orders of round constants.
//!
//! The structure is leanSpec's `poseidon2/permutation.py`; the numbers are those of `p3-koala-bear`.

mod partial;

use p3_field::PrimeField32;
use p3_koala_bear as koala_bear;

use crate::field::{P, to_montgomery};
use crate::lanes::Lanes;
use partial::{Diagonal, partial_rounds};

/// Full rounds on each side of the partial ones.
const HALF_FULL_ROUNDS: usize = 4;
const PARTIAL_ROUNDS_16: usize = 20;
const PARTIAL_ROUNDS_24: usize = 23;

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

/// The permutation of width 16, for every lane; see [`permute`] for `OUTPUT`.
#[inline(always)]
pub(crate) fn permute16<L: Lanes, const OUTPUT: usize>(state: &mut [L; 16], constants: &Constants) {
    permute::<L, partial::Diagonal16, 16, PARTIAL_ROUNDS_16, 6, 3, OUTPUT>(
        state,
        &constants.width_16,
    );
}

/// The permutation of width 24, likewise.
#[inline(always)]
pub(crate) fn permute24<L: Lanes, const OUTPUT: usize>(state: &mut [L; 24], constants: &Constants) {
    permute::<L, partial::Diagonal24, 24, PARTIAL_ROUNDS_24, 9, 5, OUTPUT>(
        state,
        &constants.width_24,
    );
}

/// The permutation, of which only the first `OUTPUT` elements are wanted: whatever the others take in the last
/// layer is not computed, and they are left undefined.
#[inline(always)]
fn permute<
    L: Lanes,
    D: Diagonal<W, PAIRS, SINGLES>,
    const W: usize,
    const PARTIAL: usize,
    const PAIRS: usize,
    const SINGLES: usize,
    const OUTPUT: usize,
>(
    state: &mut [L; W],
    rounds: &Rounds<W, PARTIAL>,
) {
    external_layer::<L, W, W>(state);
    for constants in &rounds.initial {
        full_round::<L, W, W>(state, constants);
    }
    partial_rounds::<L, D, W, PAIRS, SINGLES>(state, &rounds.partial);
    let [terminal @ .., last] = &rounds.terminal;
    for constants in terminal {
        full_round::<L, W, W>(state, constants);
    }
    full_round::<L, W, OUTPUT>(state, last);
}

#[inline(always)]
fn full_round<L: Lanes, const W: usize, const OUTPUT: usize>(
    state: &mut [L; W],
    constants: &[u32; W],
) {
    for (element, constant) in state.iter_mut().zip(constants) {
        *element = element.add_and_cube(L::splat(*constant));
    }
    external_layer::<L, W, OUTPUT>(state);
}

/// The external matrix: circ(2·M4, M4, …, M4). As M4 is linear, adding the column sums before M4 instead of
/// after it gives the same result, with every block then on its own.
#[inline(always)]
fn external_layer<L: Lanes, const W: usize, const OUTPUT: usize>(state: &mut [L; W]) {
    let mut sums = [state[0], state[1], state[2], state[3]];
    for block in state[4..].chunks_exact(4) {
        for (sum, element) in sums.iter_mut().zip(block) {
            *sum = sum.add(*element);
        }
    }
    for block in state[..OUTPUT.next_multiple_of(4)].chunks_exact_mut(4) {
        let x = [
            block[0].add(sums[0]),
            block[1].add(sums[1]),
            block[2].add(sums[2]),
            block[3].add(sums[3]),
        ];
        // M4 has the rows (2 3 1 1), (1 2 3 1), (1 1 2 3), (3 1 1 2).
        let pair_01 = x[0].add(x[1]);
        let pair_23 = x[2].add(x[3]);
        let all = pair_01.add(pair_23);
        let all_and_1 = all.add(x[1]);
        let all_and_3 = all.add(x[3]);
        block[0] = all_and_1.add(pair_01);
        block[1] = all_and_1.add(x[2].double());
        block[2] = all_and_3.add(pair_23);
        block[3] = all_and_3.add(x[0].double());
    }
}
