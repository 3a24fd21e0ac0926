//! What a back-end has to offer, and the field's arithmetic on top of it.

use std::marker::PhantomData;

use crate::field::{P, R2};

/// No back-end has more lanes than this; scratch rows are this long.
pub(crate) const MAX_WIDTH: usize = 16;

/// Unsigned numbers of 32 bits side by side, with what instruction sets do to them: arithmetic modulo 2^32.
pub(crate) trait Vector: Copy {
    /// Number of lanes.
    const WIDTH: usize;

    fn splat(value: u32) -> Self;
    /// Reads the first `WIDTH` numbers.
    fn load(row: &[u32]) -> Self;
    /// Writes the first `WIDTH` numbers.
    fn store(self, row: &mut [u32]);
    fn wrapping_add(self, rhs: Self) -> Self;
    fn wrapping_sub(self, rhs: Self) -> Self;
    /// The smaller number.
    fn min(self, rhs: Self) -> Self;
    fn and(self, rhs: Self) -> Self;
    /// Shifts of less than 32 bits, which are known when this is compiled.
    fn shift_left(self, bits: u32) -> Self;
    fn shift_right(self, bits: u32) -> Self;
    /// `rhs` where `mask` is all ones, `self` where it is zero.
    fn select(self, mask: Self, rhs: Self) -> Self;

    /// `self + term` where `number` is odd, else `self`.
    #[inline(always)]
    fn add_if_odd(self, number: Self, term: Self) -> Self {
        let odd = Self::splat(0).wrapping_sub(number.and(Self::splat(1)));
        self.wrapping_add(odd.and(term))
    }
}

/// A vector of field elements in Montgomery form. Unless said otherwise, operands and results are below p.
pub(crate) trait Lanes: Vector {
    /// The 64-bit vector of the same instruction set; its width divides `WIDTH`.
    type Words: Words;
    /// A narrower vector that is faster for work that fits it, or this one.
    type Narrow: Lanes;
    /// One lane, for what has to be done one by one.
    type Single: Lanes;

    /// Montgomery product.
    fn mul(self, rhs: Self) -> Self;
    /// The third power of a signed number, −p < `self` < p.
    fn cube(self) -> Self;
    /// Runs a task as a function of its own, compiled for this instruction set.
    fn out_of_line<T: Task>(task: T) -> T::Output;

    /// Runs the work on vectors of eight elements, if this is a single lane and the instruction set has such vectors;
    /// else gives the work back.
    #[inline(always)]
    fn on_octets<W: OctetWork>(work: W) -> Result<(), W> {
        Err(work)
    }

    /// Brings −p < x < p, as a signed number, into the field.
    #[inline(always)]
    fn add_p_if_negative(self) -> Self {
        // As an unsigned number a negative one is larger than any sum.
        self.min(self.wrapping_add(Self::splat(P)))
    }

    /// Brings x < 2p into the field.
    #[inline(always)]
    fn subtract_p_if_reached(self) -> Self {
        self.min(self.wrapping_sub(Self::splat(P)))
    }

    #[inline(always)]
    fn add(self, rhs: Self) -> Self {
        self.wrapping_add(rhs).subtract_p_if_reached()
    }

    #[inline(always)]
    fn sub(self, rhs: Self) -> Self {
        self.wrapping_sub(rhs).add_p_if_negative()
    }

    #[inline(always)]
    fn double(self) -> Self {
        self.add(self)
    }

    #[inline(always)]
    fn halve(self) -> Self {
        let half_p = Self::splat(P.div_ceil(2));
        self.shift_right(1).add_if_odd(self, half_p)
    }

    /// The Montgomery product of any 32-bit number with an element.
    #[inline(always)]
    fn scale(self, rhs: Self) -> Self {
        self.mul(rhs)
    }

    /// `(self + c)^3`, where `rhs` holds c − p.
    #[inline(always)]
    fn add_and_cube(self, rhs: Self) -> Self {
        self.wrapping_add(rhs).cube()
    }

    /// `self / 2^N` for N from 1 to 24.
    #[inline(always)]
    fn shifted<const N: u32>(self) -> Self {
        // As 1 = −127 · 2^24, each of the low N bits moves down as −127 · 2^(24−N).
        let low = self.shift_left(32 - N);
        let high = self.shift_right(N).wrapping_add(low.shift_right(8));
        high.wrapping_sub(low.shift_right(1)).add_p_if_negative()
    }

    /// `self · 2^N` for N from 1 to 4.
    #[inline(always)]
    fn times_power<const N: u32>(self) -> Self {
        // As 2^31 = 2^24 − 1, what moves beyond 31 bits comes back as that multiple.
        let high = self.shift_right(31 - N);
        let low = self.shift_left(N).and(Self::splat(u32::MAX >> 1));
        let moved = high.shift_left(24).wrapping_sub(high);
        low.wrapping_add(moved).subtract_p_if_reached()
    }

    /// Brings canonical values, or any 32-bit numbers, into Montgomery form.
    #[inline(always)]
    fn to_montgomery(self) -> Self {
        self.scale(Self::splat(R2))
    }

    /// Takes elements out of Montgomery form.
    #[inline(always)]
    fn to_canonical(self) -> Self {
        self.mul(Self::splat(1))
    }
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
    /// Turns by 1 to 63 bits, which are known when this is compiled.
    fn rotate_left(self, bits: u32) -> Self;

    #[inline(always)]
    fn xor5(self, b: Self, c: Self, d: Self, e: Self) -> Self {
        self.xor(b).xor(c).xor(d).xor(e)
    }
}

/// Eight elements side by side that belong to one state, in two blocks of four. Only x86-64 has them so far.
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
pub(crate) trait Octet: Lanes {
    /// Shuffles the four elements of both blocks; `ORDER` has two bits for each, the first lowest.
    fn turn<const ORDER: i32>(self) -> Self;
    /// Exchanges the blocks.
    fn swap_blocks(self) -> Self;
    /// The sum of all elements of a state, as a number.
    fn total(state: &[Self; 3]) -> u64;
}

/// Work that is written over lanes of any width.
pub(crate) trait Kernel {
    type Output;
    /// Implementations are `#[inline(always)]`.
    fn run<L: Lanes>(self) -> Self::Output;

    /// Runs the kernel, compiled for the instruction set of `L`.
    fn start<L: Lanes>(self) -> Self::Output
    where
        Self: Sized,
    {
        L::out_of_line(On::<Self, L>(self, PhantomData))
    }
}

/// A kernel on the lanes chosen.
struct On<K, L>(K, PhantomData<L>);

impl<K: Kernel, L: Lanes> Task for On<K, L> {
    type Output = K::Output;

    #[inline(always)]
    fn run(self) -> K::Output {
        self.0.run::<L>()
    }
}

/// Work over the lanes of one back-end that is compiled once, not into every kernel.
pub(crate) trait Task {
    type Output;
    /// Implementations are `#[inline(always)]`.
    fn run(self) -> Self::Output;
}

/// Work on one state that is spread over vectors.
pub(crate) trait OctetWork {
    /// Implementations are `#[inline(always)]`.
    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
    fn run<O: Octet>(self);
}
