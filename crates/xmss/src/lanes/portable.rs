//! One lane in plain Rust: the reference that every other back-end is compared with, and what machines
//! without a vector back-end run.

use super::{Lanes, Words};
use crate::field::{self, P};
use crate::poseidon2::{self, Constants};

/// A single element.
#[derive(Clone, Copy)]
pub(crate) struct Scalar(u32);

impl Scalar {
    /// `self + y` for y between −p and p.
    #[inline(always)]
    fn add_signed(self, y: i32) -> Self {
        let sum = i64::from(self.0) + i64::from(y);
        let p = i64::from(P);
        Self(if sum < 0 {
            sum + p
        } else if sum >= p {
            sum - p
        } else {
            sum
        } as u32)
    }
}

/// `x / 2^N` between −p and p. As 1 = −127 · 2^24, the low N bits move down as −127 · 2^(24−N) each.
#[inline(always)]
fn shift<const N: u32>(x: u32) -> i32 {
    let low = x << (32 - N);
    ((x >> N) + (low >> 8)) as i32 - (low >> 1) as i32
}

impl Lanes for Scalar {
    const WIDTH: usize = 1;
    type Words = u64;

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
    fn add_shifted<const N: u32>(self, x: Self) -> Self {
        self.add_signed(shift::<N>(x.0))
    }

    #[inline(always)]
    fn sub_shifted<const N: u32>(self, x: Self) -> Self {
        self.add_signed(-shift::<N>(x.0))
    }

    #[inline(always)]
    fn select(self, mask: Self, rhs: Self) -> Self {
        Self((self.0 & !mask.0) | (rhs.0 & mask.0))
    }

    fn permute16(state: &mut [Self; 16], constants: &Constants) {
        poseidon2::permute(state, &constants.width_16);
    }

    fn permute24(state: &mut [Self; 24], constants: &Constants) {
        poseidon2::permute(state, &constants.width_24);
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
