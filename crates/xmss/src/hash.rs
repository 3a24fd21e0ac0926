//! The tweakable hash over lanes: chain steps, tree nodes, leaves, and the message hash
//! (leanSpec: `xmss/tweak_hash.py`, `xmss/poseidon.py`).

use crate::{
    context::Context,
    field::{DIGEST_ELEMENTS, Digest, to_montgomery},
    hypercube::HASH_ELEMENTS,
    lanes::{Kernel, Lanes, Row, broadcast, gather, load_rows, scatter},
    parameters::{
        CAPACITY_ELEMENTS, MESSAGE_ELEMENTS, PARAMETER_ELEMENTS, RANDOMNESS_ELEMENTS,
        TWEAK_ELEMENTS,
    },
    poseidon2::{self, Constants},
    tweak,
};

/// Elements that the sponge takes per permutation.
const RATE: usize = 24 - CAPACITY_ELEMENTS;

/// The public parameter in every lane.
pub(crate) type ParameterLanes<L> = [L; PARAMETER_ELEMENTS];

/// Loads one tweak per lane and brings it into Montgomery form.
#[inline(always)]
pub(crate) fn tweaks<L: Lanes>(
    of_lane: impl Fn(usize) -> [u32; TWEAK_ELEMENTS],
) -> [L; TWEAK_ELEMENTS] {
    let mut rows = [Row::ZERO; TWEAK_ELEMENTS];
    for lane in 0..L::WIDTH {
        let [low, high] = of_lane(lane);
        rows[0].0[lane] = low;
        rows[1].0[lane] = high;
    }
    let mut tweak = load_rows::<L, TWEAK_ELEMENTS>(&rows);
    for element in &mut tweak {
        *element = element.to_montgomery();
    }
    tweak
}

/// Compression of up to 16 elements to a digest: permutation, plus the input, cut off.
#[inline(always)]
fn compress16<L: Lanes>(input: &[L; 16], constants: &Constants) -> [L; DIGEST_ELEMENTS] {
    let mut state = *input;
    poseidon2::permute16::<L, DIGEST_ELEMENTS>(&mut state, constants);
    let mut output = [L::splat(0); DIGEST_ELEMENTS];
    for i in 0..DIGEST_ELEMENTS {
        output[i] = state[i].add(input[i]);
    }
    output
}

/// Compression of up to 24 elements to `N`.
#[inline(always)]
fn compress24<L: Lanes, const N: usize>(input: &[L; 24], constants: &Constants) -> [L; N] {
    let mut state = *input;
    if N <= 8 {
        poseidon2::permute24::<L, 8>(&mut state, constants);
    } else {
        poseidon2::permute24::<L, 24>(&mut state, constants);
    }
    let mut output = [L::splat(0); N];
    for i in 0..N {
        output[i] = state[i].add(input[i]);
    }
    output
}

/// One step of a chain.
#[inline(always)]
pub(crate) fn chain_step<L: Lanes>(
    constants: &Constants,
    parameter: &ParameterLanes<L>,
    tweak: [L; TWEAK_ELEMENTS],
    value: &[L; DIGEST_ELEMENTS],
) -> [L; DIGEST_ELEMENTS] {
    let mut input = [L::splat(0); 16];
    input[..5].copy_from_slice(parameter);
    input[5..7].copy_from_slice(&tweak);
    input[7..15].copy_from_slice(value);
    compress16(&input, constants)
}

/// A tree node from its children.
#[inline(always)]
pub(crate) fn node<L: Lanes>(
    constants: &Constants,
    parameter: &ParameterLanes<L>,
    tweak: [L; TWEAK_ELEMENTS],
    left: &[L; DIGEST_ELEMENTS],
    right: &[L; DIGEST_ELEMENTS],
) -> [L; DIGEST_ELEMENTS] {
    let mut input = [L::splat(0); 24];
    input[..5].copy_from_slice(parameter);
    input[5..7].copy_from_slice(&tweak);
    input[7..15].copy_from_slice(left);
    input[15..23].copy_from_slice(right);
    compress24(&input, constants)
}

/// The message hash: elements that name a vertex of the hypercube.
#[inline(always)]
pub(crate) fn message<L: Lanes>(
    constants: &Constants,
    randomness: &[L; RANDOMNESS_ELEMENTS],
    parameter: &ParameterLanes<L>,
    epoch: [L; TWEAK_ELEMENTS],
    message: &[L; MESSAGE_ELEMENTS],
) -> [L; HASH_ELEMENTS] {
    // The last element counts the invocations; there is only the one numbered zero.
    let mut input = [L::splat(0); 24];
    input[..7].copy_from_slice(randomness);
    input[7..12].copy_from_slice(parameter);
    input[12..14].copy_from_slice(&epoch);
    input[14..23].copy_from_slice(message);
    compress24(&input, constants)
}

/// The sponge that makes a leaf out of the parameter, a tweak and the ends of all chains.
pub(crate) struct LeafSponge<'a, L> {
    constants: &'a Constants,
    state: [L; 24],
    filled: usize,
}

impl<'a, L: Lanes> LeafSponge<'a, L> {
    #[inline(always)]
    pub(crate) fn new(
        context: &'a Context,
        parameter: &ParameterLanes<L>,
        tweak: [L; TWEAK_ELEMENTS],
    ) -> Self {
        let mut state = [L::splat(0); 24];
        state[..5].copy_from_slice(parameter);
        state[5..7].copy_from_slice(&tweak);
        for (lanes, element) in state[RATE..].iter_mut().zip(&context.leaf_capacity) {
            *lanes = L::splat(*element);
        }
        Self {
            constants: context.constants,
            state,
            filled: PARAMETER_ELEMENTS + TWEAK_ELEMENTS,
        }
    }

    #[inline(always)]
    pub(crate) fn absorb(&mut self, digest: &[L; DIGEST_ELEMENTS]) {
        for element in digest {
            if self.filled == RATE {
                poseidon2::permute24::<L, 24>(&mut self.state, self.constants);
                self.filled = 0;
            }
            self.state[self.filled] = self.state[self.filled].add(*element);
            self.filled += 1;
        }
    }

    /// Missing elements of the last block count as zero.
    #[inline(always)]
    pub(crate) fn finish(mut self) -> [L; DIGEST_ELEMENTS] {
        poseidon2::permute24::<L, DIGEST_ELEMENTS>(&mut self.state, self.constants);
        let mut output = [L::splat(0); DIGEST_ELEMENTS];
        output.copy_from_slice(&self.state[..DIGEST_ELEMENTS]);
        output
    }
}

/// Computes a whole layer of a tree from the one below it.
pub(crate) struct ParentLayer<'a> {
    pub(crate) context: &'a Context,
    pub(crate) parameter: &'a [u32; PARAMETER_ELEMENTS],
    /// Level of the parents.
    pub(crate) level: u32,
    /// Index of the first parent within its level.
    pub(crate) first: u64,
    pub(crate) children: &'a [Digest],
}

impl Kernel for ParentLayer<'_> {
    type Output = Vec<Digest>;

    #[inline(always)]
    fn run<L: Lanes>(self) -> Vec<Digest> {
        let count = self.children.len() / 2;
        let mut parents = Vec::with_capacity(count);
        let parameter = broadcast::<L, PARAMETER_ELEMENTS>(self.parameter);
        for start in (0..count).step_by(L::WIDTH) {
            // Lanes past the end repeat the last parent.
            let of_lane = |lane: usize| (start + lane).min(count - 1);
            let left = gather::<L, 8>(|lane| &self.children[2 * of_lane(lane)]);
            let right = gather::<L, 8>(|lane| &self.children[2 * of_lane(lane) + 1]);
            let tweak =
                tweaks::<L>(|lane| tweak::tree(self.level, self.first + of_lane(lane) as u64));
            let nodes = node(self.context.constants, &parameter, tweak, &left, &right);
            scatter(&nodes, |lane, digest| {
                if start + lane < count {
                    parents.push(digest);
                }
            });
        }
        parents
    }
}

/// Digits of a message in Montgomery form.
pub(crate) fn message_elements(message: &[u8; 32]) -> [u32; MESSAGE_ELEMENTS] {
    tweak::message(message).map(to_montgomery)
}
