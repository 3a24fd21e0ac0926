//! One state of width 24 spread over three vectors: for work that has nothing else to fill lanes with, as the
//! sponge and the Merkle path of a single signature.

use super::constants::{PARTIAL_ROUNDS_24, Rounds};
use crate::field::{P, power_of_two};
use crate::lanes::{Lanes, Octet, OctetWork};

/// Eight elements of the state in each.
type State<O> = [O; 3];

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

/// The permutation of width 24 on a single lane's state.
pub(super) struct Permute24<'a, L>(
    pub(super) &'a mut [L; 24],
    pub(super) &'a Rounds<24, PARTIAL_ROUNDS_24>,
);

impl<L: Lanes> OctetWork for Permute24<'_, L> {
    #[inline(always)]
    fn run<O: Octet>(self) {
        let Self(state, rounds) = self;
        let mut words = [0; 24];
        for i in 0..24 {
            state[i].store(&mut words[i..]);
        }
        let mut vectors = load::<O>(&words);
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
            state[i] = L::load(&words[i..]);
        }
    }
}

#[inline(always)]
fn load<O: Octet>(words: &[u32; 24]) -> State<O> {
    [
        O::load(&words[..8]),
        O::load(&words[8..16]),
        O::load(&words[16..]),
    ]
}

#[inline(always)]
fn full_round<O: Octet>(state: &mut State<O>, constants: &[u32; 24]) {
    let constants = load::<O>(constants);
    for i in 0..3 {
        state[i] = state[i].add_and_cube(constants[i]);
    }
    external_layer(state);
}

/// As in [`super::permutation`], with the four elements of a block side by side.
#[inline(always)]
fn external_layer<O: Octet>(state: &mut State<O>) {
    let halves = state[0].add(state[1]).add(state[2]);
    let sums = halves.add(halves.swap_blocks());
    for vector in state {
        let x = vector.add(sums);
        let pairs = x.add(x.turn::<0b10_11_00_01>());
        let all = pairs.add(pairs.turn::<0b01_00_11_10>());
        // Row i of M4 is one of each element, one more of the i-th, two more of the next.
        let next = x.turn::<0b00_11_10_01>();
        *vector = all.add(x).add(next.double());
    }
}

/// The partial rounds, without the pairs of [`super::partial`]: here a product costs the same for all elements.
#[inline(always)]
fn partial_rounds<O: Octet>(state: &mut State<O>, constants: &[u32]) {
    let diagonal = load::<O>(&DIAGONAL);
    let others = O::load(&[0, ALL, ALL, ALL, ALL, ALL, ALL, ALL]);
    let zero = O::splat(0);
    // The first element in the first place of a vector of its own, and zero in its old place.
    let mut first = state[0];
    state[0] = zero.select(others, state[0]);
    for constant in constants {
        let halves = state[0].add(state[1]).add(state[2]);
        let quarters = halves.add(halves.swap_blocks());
        let eighths = quarters.add(quarters.turn::<0b01_00_11_10>());
        let rest = eighths.add(eighths.turn::<0b10_11_00_01>());
        let cube = first.add_and_cube(O::splat(*constant));
        first = rest.sub(cube);
        let sum = rest.add(cube.splat_first());
        state[0] = state[0].mul(diagonal[0]).add(zero.select(others, sum));
        state[1] = state[1].mul(diagonal[1]).add(sum);
        state[2] = state[2].mul(diagonal[2]).add(sum);
    }
    state[0] = first.select(others, state[0]);
}
