//! The Poseidon2 permutation of widths 16 and 24 over lanes, and its two orders of round constants.
//!
//! The structure is leanSpec's `poseidon2/permutation.py`; the numbers are those of `p3-koala-bear`.

use p3_field::PrimeField32;
use p3_koala_bear as koala_bear;

use crate::field::{P, to_montgomery};
use crate::lanes::Lanes;

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
    initial: [[u32; W]; HALF_FULL_ROUNDS],
    partial: [u32; PARTIAL],
    terminal: [[u32; W]; HALF_FULL_ROUNDS],
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

/// The permutation, for every lane.
#[inline(always)]
pub(crate) fn permute<L: Lanes, const W: usize, const PARTIAL: usize>(
    state: &mut [L; W],
    rounds: &Rounds<W, PARTIAL>,
) {
    external_layer(state);
    for constants in &rounds.initial {
        full_round(state, constants);
    }
    for constant in &rounds.partial {
        partial_round(state, *constant);
    }
    for constants in &rounds.terminal {
        full_round(state, constants);
    }
}

#[inline(always)]
fn full_round<L: Lanes, const W: usize>(state: &mut [L; W], constants: &[u32; W]) {
    for (element, constant) in state.iter_mut().zip(constants) {
        *element = element.add_and_cube(L::splat(*constant));
    }
    external_layer(state);
}

/// The external matrix: circ(2·M4, M4, …, M4). As M4 is linear, adding the column sums before M4 instead of
/// after it gives the same result, with every block then on its own.
#[inline(always)]
fn external_layer<L: Lanes, const W: usize>(state: &mut [L; W]) {
    let mut sums = [state[0], state[1], state[2], state[3]];
    for block in state[4..].chunks_exact(4) {
        for (sum, element) in sums.iter_mut().zip(block) {
            *sum = sum.add(*element);
        }
    }
    for block in state.chunks_exact_mut(4) {
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

/// One S-box, then the internal matrix: all ones plus a diagonal.
#[inline(always)]
fn partial_round<L: Lanes, const W: usize>(s: &mut [L; W], constant: u32) {
    let rest = sum_of_rest(s);
    let first = s[0].add_and_cube(L::splat(constant));
    let sum = rest.add(first);
    // The diagonal is −2, 1, 2, ½, 3, 4, −½, −3, −4, then powers of ½ that depend on the width.
    s[0] = rest.sub(first);
    s[1] = sum.add(s[1]);
    s[2] = sum.add(s[2].double());
    s[3] = sum.add(s[3].halve());
    s[4] = sum.add(s[4].double()).add(s[4]);
    s[5] = sum.add(s[5].double().double());
    s[6] = sum.sub(s[6].halve());
    s[7] = sum.sub(s[7].double()).sub(s[7]);
    s[8] = sum.sub(s[8].double().double());
    if W == 16 {
        s[9] = sum.add_shifted::<8>(s[9]);
        s[10] = sum.add_shifted::<3>(s[10]);
        s[11] = sum.add_shifted::<24>(s[11]);
        s[12] = sum.sub_shifted::<8>(s[12]);
        s[13] = sum.sub_shifted::<3>(s[13]);
        s[14] = sum.sub_shifted::<4>(s[14]);
        s[15] = sum.sub_shifted::<24>(s[15]);
    } else {
        s[9] = sum.add_shifted::<8>(s[9]);
        s[10] = sum.add_shifted::<2>(s[10]);
        s[11] = sum.add_shifted::<3>(s[11]);
        s[12] = sum.add_shifted::<4>(s[12]);
        s[13] = sum.add_shifted::<5>(s[13]);
        s[14] = sum.add_shifted::<6>(s[14]);
        s[15] = sum.add_shifted::<24>(s[15]);
        s[16] = sum.sub_shifted::<8>(s[16]);
        s[17] = sum.sub_shifted::<3>(s[17]);
        s[18] = sum.sub_shifted::<4>(s[18]);
        s[19] = sum.sub_shifted::<5>(s[19]);
        s[20] = sum.sub_shifted::<6>(s[20]);
        s[21] = sum.sub_shifted::<7>(s[21]);
        s[22] = sum.sub_shifted::<9>(s[22]);
        s[23] = sum.sub_shifted::<24>(s[23]);
    }
}

/// The sum of all elements but the first, as four independent chains: it is off the path of the S-box.
#[inline(always)]
fn sum_of_rest<L: Lanes, const W: usize>(s: &[L; W]) -> L {
    let mut sums = [s[1], s[2], s[3], s[4]];
    for (i, element) in s.iter().enumerate().skip(5) {
        sums[(i - 1) % 4] = sums[(i - 1) % 4].add(*element);
    }
    sums[0].add(sums[1]).add(sums[2].add(sums[3]))
}
