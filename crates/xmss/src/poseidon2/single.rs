//! One state of width 24 spread over three vectors: for work that has nothing else to fill lanes with, as the
//! sponge and the Merkle path of a single signature.

use super::constants::{PARTIAL_ROUNDS_24, Rounds};
use crate::{
    field::{P, power_of_two, reduce_signed, residue},
    lanes::{Lanes, Octet, OctetWork},
};

/// Eight elements of the state in each.
type State<O> = [O; 3];

/// A round constant of zero, less p as they are.
const NOTHING: u32 = P.wrapping_neg();

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
        *vector = all.add(x.add(next.double()));
    }
}

/// The partial rounds, without the pairs of [`super::partial`]: here a product costs the same for all elements.
///
/// The first element stays in a scalar register, and with it the sum `rest` of all others. A round with the sum s of
/// all elements makes `rest` into Σ d·x + 23·s. Vectors add up the products while the S-box is computed, so that the
/// chain from one S-box to the next does not go through them.
#[inline(always)]
fn partial_rounds<O: Octet>(state: &mut State<O>, constants: &[u32; PARTIAL_ROUNDS_24]) {
    let diagonal = load::<O>(&DIAGONAL);
    let mut words = [0; 8];
    state[0].store(&mut words);
    let first = words[0];
    let mut rest = residue(O::total(state) - u64::from(first));
    // What goes into the S-box, −p < x < p.
    let [constant, others @ ..] = constants;
    let mut x = first.wrapping_add(*constant) as i32;
    for next_constant in others.iter().chain([&NOTHING]) {
        let cube = reduce_signed(i64::from(reduce_signed(i64::from(x).pow(2))) * i64::from(x));
        let mut products = [O::splat(0); 3];
        for i in 0..3 {
            products[i] = state[i].mul(diagonal[i]);
        }
        let sum = add_signed(rest, cube);
        x = sub_signed(add_constant(rest, *next_constant), cube);
        // The first element's entry of the diagonal is zero, so what stands in its place counts for nothing.
        rest = residue(O::total(&products) + 23 * u64::from(sum));
        for i in 0..3 {
            state[i] = products[i].add(O::splat(sum));
        }
    }
    let others = O::load(&[0, ALL, ALL, ALL, ALL, ALL, ALL, ALL]);
    state[0] = O::splat(x as u32)
        .add_p_if_negative()
        .select(others, state[0]);
}

/// `a + c` in the field, where `constant` holds c − p.
#[inline(always)]
fn add_constant(a: u32, constant: u32) -> u32 {
    let sum = a.wrapping_add(constant);
    sum.min(sum.wrapping_add(P))
}

/// `a + b` in the field, for −p < b < p. Arithmetic, as a branch on the sign would be guessed wrong half the time.
#[inline(always)]
fn add_signed(a: u32, b: i32) -> u32 {
    let not_negative = !(b >> 31) as u32;
    let sum = a.wrapping_add(b as u32).wrapping_sub(P & not_negative);
    sum.min(sum.wrapping_add(P))
}

/// `a − b` modulo p, between −p and p, for −p < b < p.
#[inline(always)]
fn sub_signed(a: u32, b: i32) -> i32 {
    let negative = (b >> 31) as u32;
    a.wrapping_sub(b as u32).wrapping_sub(P & negative) as i32
}
