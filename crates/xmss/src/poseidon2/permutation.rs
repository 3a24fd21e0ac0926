//! The permutation of any width, with every element of the state in a vector of its own.

use super::{
    constants::Rounds,
    partial::{Diagonal, partial_rounds},
};
use crate::lanes::Lanes;

/// The permutation, of which only the first `OUTPUT` elements are wanted: whatever the others take in the last
/// layer is not computed, and they are left undefined.
#[inline(always)]
pub(super) fn permute<
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
