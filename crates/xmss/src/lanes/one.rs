//! One lane in plain Rust: the reference that every other back-end is compared with, and what machines
//! without a vector back-end run.

use std::marker::PhantomData;

use super::{Lanes, OctetWork, Task, Vector, Words};
use crate::field::{self, P};

/// A single element. `S` names the vectors that the instruction set has for work on a whole state.
#[derive(Clone, Copy)]
pub(crate) struct One<S>(u32, PhantomData<S>);

/// One element at a time, whatever the work.
pub(crate) type Scalar = One<Nothing>;

/// What stands at a single lane's side.
pub(crate) trait Side: Copy {
    /// See [`Lanes::on_octets`].
    fn on_octets<W: OctetWork>(work: W) -> Result<(), W>;
}

/// No vectors.
#[derive(Clone, Copy)]
pub(crate) enum Nothing {}

impl Side for Nothing {
    #[inline(always)]
    fn on_octets<W: OctetWork>(work: W) -> Result<(), W> {
        Err(work)
    }
}

impl<S> One<S> {
    #[inline(always)]
    fn new(value: u32) -> Self {
        Self(value, PhantomData)
    }
}

impl<S: Side> Vector for One<S> {
    const WIDTH: usize = 1;

    #[inline(always)]
    fn splat(value: u32) -> Self {
        Self::new(value)
    }

    #[inline(always)]
    fn load(row: &[u32]) -> Self {
        Self::new(row[0])
    }

    #[inline(always)]
    fn store(self, row: &mut [u32]) {
        row[0] = self.0;
    }

    #[inline(always)]
    fn wrapping_add(self, rhs: Self) -> Self {
        Self::new(self.0.wrapping_add(rhs.0))
    }

    #[inline(always)]
    fn wrapping_sub(self, rhs: Self) -> Self {
        Self::new(self.0.wrapping_sub(rhs.0))
    }

    #[inline(always)]
    fn min(self, rhs: Self) -> Self {
        Self::new(self.0.min(rhs.0))
    }

    #[inline(always)]
    fn and(self, rhs: Self) -> Self {
        Self::new(self.0 & rhs.0)
    }

    #[inline(always)]
    fn shift_left(self, bits: u32) -> Self {
        Self::new(self.0 << bits)
    }

    #[inline(always)]
    fn shift_right(self, bits: u32) -> Self {
        Self::new(self.0 >> bits)
    }

    #[inline(always)]
    fn select(self, mask: Self, rhs: Self) -> Self {
        Self::new((self.0 & !mask.0) | (rhs.0 & mask.0))
    }
}

impl<S: Side> Lanes for One<S> {
    type Words = u64;
    type Narrow = Self;
    type Single = Self;

    #[inline(always)]
    fn mul(self, rhs: Self) -> Self {
        Self::new(field::multiply(self.0, rhs.0))
    }

    #[inline(always)]
    fn cube(self) -> Self {
        let x = self.0.min(self.0.wrapping_add(P));
        Self::new(field::multiply(field::multiply(x, x), x))
    }

    #[inline(never)]
    fn out_of_line<T: Task>(task: T) -> T::Output {
        task.run()
    }

    #[inline(always)]
    fn on_octets<W: OctetWork>(work: W) -> Result<(), W> {
        S::on_octets(work)
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
    fn rotate_left(self, bits: u32) -> Self {
        self.rotate_left(bits)
    }
}
