//! One state of Poseidon2 of width 24 spread over three AVX2 vectors: for work that has nothing else to fill lanes
//! with, as the sponge and the Merkle path of a single signature.

use std::arch::x86_64::*;

use super::avx2::Avx2;
use crate::field::{P, power_of_two};
use crate::lanes::{Lanes, Scalar};
use crate::poseidon2::Constants;

/// One element at a time, but for the permutation of width 24.
#[derive(Clone, Copy)]
pub(in crate::lanes) struct Single(Scalar);

/// Eight elements of the state in each.
type State = [Avx2; 3];

/// All bits of a mask's lane.
const ALL: u32 = u32::MAX;

/// 2^-n in Montgomery form.
const fn half_power(n: u32) -> u32 {
    power_of_two(32 - n)
}

/// −2^-n in Montgomery form.
const fn minus_half_power(n: u32) -> u32 {
    P - half_power(n)
}

const ONE: u32 = half_power(0);
const TWO: u32 = power_of_two(33);
const THREE: u32 = (ONE + TWO) % P;
const FOUR: u32 = power_of_two(34);

/// The diagonal of the internal matrix but for its first entry: that element is kept apart.
const DIAGONAL: [u32; 24] = [
    0,
    ONE,
    TWO,
    half_power(1),
    THREE,
    FOUR,
    minus_half_power(1),
    P - THREE,
    P - FOUR,
    half_power(8),
    half_power(2),
    half_power(3),
    half_power(4),
    half_power(5),
    half_power(6),
    half_power(24),
    minus_half_power(8),
    minus_half_power(3),
    minus_half_power(4),
    minus_half_power(5),
    minus_half_power(6),
    minus_half_power(7),
    minus_half_power(9),
    minus_half_power(24),
];

// SAFETY, for every block below: values of these types exist only where AVX2 does (see the parent module).

#[target_feature(enable = "avx2")]
fn permute24(state: &mut [Single; 24], constants: &Constants) {
    let mut words = [0; 24];
    for i in 0..24 {
        state[i].0.store(&mut words[i..]);
    }
    let rounds = &constants.width_24;
    let mut vectors = load(&words);
    external_layer(&mut vectors);
    for constants in &rounds.initial {
        full_round(&mut vectors, constants);
    }
    partial_rounds(&mut vectors, &rounds.partial);
    for constants in &rounds.terminal {
        full_round(&mut vectors, constants);
    }
    for (vector, words) in vectors.iter().zip(words.chunks_exact_mut(8)) {
        vector.store(words);
    }
    for i in 0..24 {
        state[i] = Single(Scalar::load(&words[i..]));
    }
}

#[inline(always)]
fn load(words: &[u32; 24]) -> State {
    [
        Avx2::load(&words[..8]),
        Avx2::load(&words[8..16]),
        Avx2::load(&words[16..]),
    ]
}

#[inline(always)]
fn full_round(state: &mut State, constants: &[u32; 24]) {
    let constants = load(constants);
    for i in 0..3 {
        state[i] = state[i].add_and_cube(constants[i]);
    }
    external_layer(state);
}

/// As in [`crate::poseidon2`], with the four elements of a block side by side.
#[inline(always)]
fn external_layer(state: &mut State) {
    let halves = state[0].add(state[1]).add(state[2]);
    let sums = halves.add(swap_halves(halves));
    for vector in state {
        let x = vector.add(sums);
        let pairs = x.add(turn::<0b10_11_00_01>(x));
        let all = pairs.add(turn::<0b01_00_11_10>(pairs));
        // Row i of M4 is one of each element, one more of the i-th, two more of the next.
        let next = turn::<0b00_11_10_01>(x);
        *vector = all.add(x).add(next.double());
    }
}

/// The partial rounds, without the pairs of [`crate::poseidon2`]: here a product costs the same for all elements.
#[inline(always)]
fn partial_rounds(state: &mut State, constants: &[u32]) {
    let diagonal = load(&DIAGONAL);
    let others = Avx2::load(&[0, ALL, ALL, ALL, ALL, ALL, ALL, ALL]);
    let zero = Avx2::splat(0);
    // The first element in the first place of a vector of its own, and zero in its old place.
    let mut first = state[0];
    state[0] = zero.select(others, state[0]);
    for constant in constants {
        let halves = state[0].add(state[1]).add(state[2]);
        let quarters = halves.add(swap_halves(halves));
        let eighths = quarters.add(turn::<0b01_00_11_10>(quarters));
        let rest = eighths.add(turn::<0b10_11_00_01>(eighths));
        let cube = first.add_and_cube(Avx2::splat(*constant));
        first = rest.sub(cube);
        let sum = rest.add(first_everywhere(cube));
        state[0] = state[0].mul(diagonal[0]).add(zero.select(others, sum));
        state[1] = state[1].mul(diagonal[1]).add(sum);
        state[2] = state[2].mul(diagonal[2]).add(sum);
    }
    state[0] = first.select(others, state[0]);
}

/// Shuffles the four elements of every block.
#[inline(always)]
fn turn<const ORDER: i32>(x: Avx2) -> Avx2 {
    Avx2(unsafe { _mm256_shuffle_epi32::<ORDER>(x.0) })
}

#[inline(always)]
fn swap_halves(x: Avx2) -> Avx2 {
    Avx2(unsafe { _mm256_permute4x64_epi64::<0b01_00_11_10>(x.0) })
}

#[inline(always)]
fn first_everywhere(x: Avx2) -> Avx2 {
    Avx2(unsafe { _mm256_broadcastd_epi32(_mm256_castsi256_si128(x.0)) })
}

impl Lanes for Single {
    const WIDTH: usize = 1;
    type Words = u64;
    type Narrow = Self;
    type Single = Self;

    #[inline(always)]
    fn splat(value: u32) -> Self {
        Self(Scalar::splat(value))
    }

    #[inline(always)]
    fn load(row: &[u32]) -> Self {
        Self(Scalar::load(row))
    }

    #[inline(always)]
    fn store(self, row: &mut [u32]) {
        self.0.store(row);
    }

    #[inline(always)]
    fn add(self, rhs: Self) -> Self {
        Self(self.0.add(rhs.0))
    }

    #[inline(always)]
    fn sub(self, rhs: Self) -> Self {
        Self(self.0.sub(rhs.0))
    }

    #[inline(always)]
    fn halve(self) -> Self {
        Self(self.0.halve())
    }

    #[inline(always)]
    fn mul(self, rhs: Self) -> Self {
        Self(self.0.mul(rhs.0))
    }

    #[inline(always)]
    fn add_and_cube(self, rhs: Self) -> Self {
        Self(self.0.add_and_cube(rhs.0))
    }

    #[inline(always)]
    fn shifted<const N: u32>(self) -> Self {
        Self(self.0.shifted::<N>())
    }

    #[inline(always)]
    fn times_power<const N: u32>(self) -> Self {
        Self(self.0.times_power::<N>())
    }

    #[inline(always)]
    fn select(self, mask: Self, rhs: Self) -> Self {
        Self(self.0.select(mask.0, rhs.0))
    }

    fn permute16(state: &mut [Self; 16], constants: &Constants) {
        let mut scalars = state.map(|element| element.0);
        Scalar::permute16(&mut scalars, constants);
        *state = scalars.map(Self);
    }

    #[inline(always)]
    fn permute24_to_8(state: &mut [Self; 24], constants: &Constants) {
        unsafe { permute24(state, constants) }
    }

    #[inline(always)]
    fn permute24(state: &mut [Self; 24], constants: &Constants) {
        unsafe { permute24(state, constants) }
    }

    fn keccak(state: &mut [u64; 25]) {
        Scalar::keccak(state);
    }
}
