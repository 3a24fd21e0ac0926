//! Several field elements side by side: what the vectorised hashing is written in.
//!
//! [`Lanes`] is one vector register's worth of Montgomery elements, [`Words`] the same for the 64-bit words of
//! Keccak. A [`Kernel`] is a piece of work written once over both; [`Backend::run`] compiles it for each
//! instruction set and calls the one chosen. Whatever a kernel calls must be `#[inline(always)]`, or it would
//! be compiled without the instruction set of its caller.

mod backend;
mod portable;
#[cfg(test)]
mod tests;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use backend::Backend;
pub(crate) use portable::Scalar;

use crate::poseidon2::Constants;

/// No back-end has more lanes than this; scratch rows are this long.
pub(crate) const MAX_WIDTH: usize = 16;

/// A scratch row: one number for each lane.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub(crate) struct Row(pub(crate) [u32; MAX_WIDTH]);

impl Row {
    pub(crate) const ZERO: Self = Self([0; MAX_WIDTH]);
}

/// A vector of field elements in Montgomery form. Unless said otherwise, operands and results are below p.
pub(crate) trait Lanes: Copy {
    /// Number of lanes.
    const WIDTH: usize;
    /// The 64-bit vector of the same instruction set; its width divides `WIDTH`.
    type Words: Words;
    /// A narrower vector that is faster for as much as it holds, or this one.
    type Narrow: Lanes;
    /// One lane, for what has to be done one by one.
    type Single: Lanes;

    fn splat(value: u32) -> Self;
    /// Reads the first `WIDTH` numbers.
    fn load(row: &[u32]) -> Self;
    /// Writes the first `WIDTH` numbers.
    fn store(self, row: &mut [u32]);
    fn add(self, rhs: Self) -> Self;
    fn sub(self, rhs: Self) -> Self;
    fn halve(self) -> Self;
    /// Montgomery product; the left operand may be any 32-bit number.
    fn mul(self, rhs: Self) -> Self;
    /// `(self + c)^3`, where `rhs` holds c − p.
    fn add_and_cube(self, rhs: Self) -> Self;
    /// `self / 2^N` for N from 1 to 24.
    fn shifted<const N: u32>(self) -> Self;
    /// `self · 2^N` for N from 1 to 4.
    fn times_power<const N: u32>(self) -> Self;
    /// `rhs` where `mask` is all ones, `self` where it is zero.
    fn select(self, mask: Self, rhs: Self) -> Self;

    #[inline(always)]
    fn double(self) -> Self {
        self.add(self)
    }

    /// Brings canonical values, or any 32-bit numbers, into Montgomery form.
    #[inline(always)]
    fn to_montgomery(self) -> Self {
        self.mul(Self::splat(crate::field::R2))
    }

    /// Takes elements out of Montgomery form.
    #[inline(always)]
    fn to_canonical(self) -> Self {
        self.mul(Self::splat(1))
    }

    // The permutations are functions of their own, so that each kernel does not carry copies.

    /// The first half of Poseidon2 of width 16, in place; what is left in the other half means nothing.
    fn permute16(state: &mut [Self; 16], constants: &Constants);
    /// The first eight elements of Poseidon2 of width 24, in place; what is left in the others means nothing.
    fn permute24_to_8(state: &mut [Self; 24], constants: &Constants);
    /// Poseidon2 of width 24.
    fn permute24(state: &mut [Self; 24], constants: &Constants);
    /// Keccak-f[1600].
    fn keccak(state: &mut [Self::Words; 25]);
}

/// A vector of 64-bit words.
pub(crate) trait Words: Copy {
    const WIDTH: usize;

    fn splat(value: u64) -> Self;
    fn load(row: &[u64]) -> Self;
    fn store(self, row: &mut [u64]);
    fn xor(self, rhs: Self) -> Self;
    /// `self ⊕ (¬a ∧ b)`, the step χ.
    fn chi(self, a: Self, b: Self) -> Self;
    fn rotate_left<const N: u32>(self) -> Self;

    #[inline(always)]
    fn xor5(self, b: Self, c: Self, d: Self, e: Self) -> Self {
        self.xor(b).xor(c).xor(d).xor(e)
    }
}

/// Work that is written over lanes of any width.
pub(crate) trait Kernel {
    type Output;
    /// Implementations are `#[inline(always)]`.
    fn run<L: Lanes>(self) -> Self::Output;
}

/// Transposes one digest per lane into one vector per element.
#[inline(always)]
pub(crate) fn gather<'a, L: Lanes, const N: usize>(
    of_lane: impl Fn(usize) -> &'a [u32; N],
) -> [L; N] {
    let mut rows = [Row::ZERO; N];
    for lane in 0..L::WIDTH {
        let source = of_lane(lane);
        for (row, value) in rows.iter_mut().zip(source) {
            row.0[lane] = *value;
        }
    }
    load_rows(&rows)
}

/// Loads scratch rows as vectors.
#[inline(always)]
pub(crate) fn load_rows<L: Lanes, const N: usize>(rows: &[Row; N]) -> [L; N] {
    let mut lanes = [L::splat(0); N];
    for (lanes, row) in lanes.iter_mut().zip(rows) {
        *lanes = L::load(&row.0);
    }
    lanes
}

/// Stores vectors as scratch rows.
#[inline(always)]
pub(crate) fn store_rows<L: Lanes, const N: usize>(lanes: &[L; N]) -> [Row; N] {
    let mut rows = [Row::ZERO; N];
    for (lanes, row) in lanes.iter().zip(&mut rows) {
        lanes.store(&mut row.0);
    }
    rows
}

/// The same element in every lane.
#[inline(always)]
pub(crate) fn broadcast<L: Lanes, const N: usize>(elements: &[u32; N]) -> [L; N] {
    let mut lanes = [L::splat(0); N];
    for (lanes, element) in lanes.iter_mut().zip(elements) {
        *lanes = L::splat(*element);
    }
    lanes
}

/// Writes each lane's digest back, undoing [`gather`].
#[inline(always)]
pub(crate) fn scatter<L: Lanes, const N: usize>(
    lanes: &[L; N],
    mut write: impl FnMut(usize, [u32; N]),
) {
    let rows = store_rows(lanes);
    for lane in 0..L::WIDTH {
        let mut digest = [0; N];
        for (element, row) in digest.iter_mut().zip(&rows) {
            *element = row.0[lane];
        }
        write(lane, digest);
    }
}

/// Brings many elements into Montgomery form.
#[inline(always)]
pub(crate) fn all_to_montgomery<L: Lanes>(elements: &mut [u32]) {
    let mut chunks = elements.chunks_exact_mut(L::WIDTH);
    for chunk in &mut chunks {
        L::load(chunk).to_montgomery().store(chunk);
    }
    for element in chunks.into_remainder() {
        *element = crate::field::to_montgomery(*element);
    }
}
