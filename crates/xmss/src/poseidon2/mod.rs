//! The Poseidon2 permutation of widths 16 and 24 over lanes, and its two orders of round constants.
//!
//! The structure is leanSpec's `poseidon2/permutation.py`; the numbers are those of `p3-koala-bear`.

mod constants;
mod partial;
mod permutation;
// Without vectors of eight elements nothing runs it.
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
mod single;

pub use constants::ConstantOrder;
pub(crate) use constants::Constants;
use constants::{PARTIAL_ROUNDS_16, PARTIAL_ROUNDS_24, Rounds};

use crate::lanes::{Lanes, Task};

/// The first `OUTPUT` elements of the permutation of width 16, for every lane, in place; the other elements are
/// undefined afterwards.
#[inline(always)]
pub(crate) fn permute16<L: Lanes, const OUTPUT: usize>(state: &mut [L; 16], constants: &Constants) {
    L::out_of_line(Permute16::<L, OUTPUT>(state, &constants.width_16));
}

/// The permutation of width 24, likewise.
#[inline(always)]
pub(crate) fn permute24<L: Lanes, const OUTPUT: usize>(state: &mut [L; 24], constants: &Constants) {
    let single = single::Permute24(state, &constants.width_24);
    if let Err(single::Permute24(state, rounds)) = L::on_octets(single) {
        L::out_of_line(Permute24::<L, OUTPUT>(state, rounds));
    }
}

struct Permute16<'a, L, const OUTPUT: usize>(&'a mut [L; 16], &'a Rounds<16, PARTIAL_ROUNDS_16>);

impl<L: Lanes, const OUTPUT: usize> Task for Permute16<'_, L, OUTPUT> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        permutation::permute::<L, partial::Diagonal16, 16, _, 6, 3, OUTPUT>(self.0, self.1);
    }
}

struct Permute24<'a, L, const OUTPUT: usize>(&'a mut [L; 24], &'a Rounds<24, PARTIAL_ROUNDS_24>);

impl<L: Lanes, const OUTPUT: usize> Task for Permute24<'_, L, OUTPUT> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        permutation::permute::<L, partial::Diagonal24, 24, _, 9, 5, OUTPUT>(self.0, self.1);
    }
}
