//! One lane in plain Rust: the reference that every other back-end is compared with, and what machines
//! without a vector back-end run.

use super::{Lanes, Words};
use crate::field::{self, P};
use crate::poseidon2::{self, Constants};

/// A single element.
#[derive(Clone, Copy)]
pub(crate) struct Scalar(u32);

impl Lanes for Scalar {
    const WIDTH: usize = 1;
    type Words = u64;
    type Narrow = Self;
    type Single = Self;

    #[inline(always)]
    fn splat(value: u32) -> Self {
        Self(value)
    }

    #[inline(always)]
    fn load(row: &[u32]) -> Self {
        Self(row[0])
    }

    #[inline(always)]
    fn store(self, row: &mut [u32]) {
        row[0] = self.0;
    }

    #[inline(always)]
    fn add(self, rhs: Self) -> Self {
        let sum = self.0 + rhs.0;
        Self(sum.min(sum.wrapping_sub(P)))
    }

    #[inline(always)]
    fn sub(self, rhs: Self) -> Self {
        let difference = self.0.wrapping_sub(rhs.0);
        Self(difference.min(difference.wrapping_add(P)))
    }

    #[inline(always)]
    fn halve(self) -> Self {
        Self((self.0 >> 1) + (self.0 & 1) * P.div_ceil(2))
    }

    #[inline(always)]
    fn mul(self, rhs: Self) -> Self {
        Self(field::multiply(self.0, rhs.0))
    }

    #[inline(always)]
    fn add_and_cube(self, rhs: Self) -> Self {
        let sum = self.0.wrapping_add(rhs.0);
        let x = sum.min(sum.wrapping_add(P));
        Self(field::multiply(field::multiply(x, x), x))
    }

    #[inline(always)]
    fn shifted<const N: u32>(self) -> Self {
        // As 1 = −127 · 2^24, each of the low N bits moves down as −127 · 2^(24−N).
        let low = self.0 << (32 - N);
        let difference = ((self.0 >> N) + (low >> 8)).wrapping_sub(low >> 1);
        Self(difference.min(difference.wrapping_add(P)))
    }

    #[inline(always)]
    fn times_power<const N: u32>(self) -> Self {
        // As 2^31 = 2^24 − 1, what moves beyond 31 bits comes back as that multiple.
        let high = self.0 >> (31 - N);
        let sum = ((self.0 << N) & (u32::MAX >> 1)) + (high << 24) - high;
        Self(sum.min(sum.wrapping_sub(P)))
    }

    #[inline(always)]
    fn select(self, mask: Self, rhs: Self) -> Self {
        Self((self.0 & !mask.0) | (rhs.0 & mask.0))
    }

    fn permute16(state: &mut [Self; 16], constants: &Constants) {
        poseidon2::permute16::<_, 8>(state, constants);
    }

    fn permute24_to_8(state: &mut [Self; 24], constants: &Constants) {
        poseidon2::permute24::<_, 8>(state, constants);
    }

    fn permute24(state: &mut [Self; 24], constants: &Constants) {
        poseidon2::permute24::<_, 24>(state, constants);
    }

    fn keccak(state: &mut [u64; 25]) {
        crate::keccak::permute(state);
    }
}

impl Words for u64 {
    const WIDTH: usize = 1;

    #[inline(always)]
    fn splat(value: u64) -> Self {
        value
    }

    #[inline(always)]
    fn load(row: &[u64]) -> Self {
        row[0]
    }

    #[inline(always)]
    fn store(self, row: &mut [u64]) {
        row[0] = self;
    }

    #[inline(always)]
    fn xor(self, rhs: Self) -> Self {
        self ^ rhs
    }

    #[inline(always)]
    fn chi(self, a: Self, b: Self) -> Self {
        self ^ (!a & b)
    }

    #[inline(always)]
    fn rotate_left<const N: u32>(self) -> Self {
        self.rotate_left(N)
    }
}
