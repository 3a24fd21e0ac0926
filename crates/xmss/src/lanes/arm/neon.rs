//! NEON: four elements, or two words of Keccak, side by side.

use std::arch::aarch64::*;

use crate::{
    field::{MU, P},
    lanes::{Lanes, Scalar, Task, Vector, Words},
};

#[target_feature(enable = "neon")]
fn out_of_line<T: Task>(task: T) -> T::Output {
    task.run()
}

/// `a · b / 2^32` modulo p, between −p and p, for signed numbers between −p and p.
#[inline]
#[target_feature(enable = "neon")]
fn multiply_signed(a: int32x4_t, b: int32x4_t) -> int32x4_t {
    // The instruction doubles products before it takes their high halves; the difference is halved again. It
    // loses nothing: the low halves of both products are the same.
    let high = vqdmulhq_s32(a, b);
    let q = vmulq_s32(vmulq_s32(a, b), vdupq_n_s32(MU as i32));
    vhsubq_s32(high, vqdmulhq_s32(q, vdupq_n_s32(P as i32)))
}

/// Shifts to the left, or to the right by a negative count; the compiler puts the distance into the instruction.
#[inline]
#[target_feature(enable = "neon")]
fn shift(x: uint32x4_t, count: i32) -> uint32x4_t {
    vshlq_u32(x, vdupq_n_s32(count))
}

#[inline]
#[target_feature(enable = "neon")]
fn shift_words(x: uint64x2_t, count: i64) -> uint64x2_t {
    vshlq_u64(x, vdupq_n_s64(count))
}

#[inline]
#[target_feature(enable = "neon")]
fn product(a: uint32x4_t, b: uint32x4_t) -> uint32x4_t {
    vreinterpretq_u32_s32(multiply_signed(
        vreinterpretq_s32_u32(a),
        vreinterpretq_s32_u32(b),
    ))
}

vector! {
    /// Four numbers.
    Neon(uint32x4_t): Vector, 4 of u32;
    splat(value) = vdupq_n_u32(value);
    load(from) = vld1q_u32(from);
    store(to, vector) = vst1q_u32(to, vector);
    fn wrapping_add(self, rhs: Self) = vaddq_u32(self.0, rhs.0);
    fn wrapping_sub(self, rhs: Self) = vsubq_u32(self.0, rhs.0);
    fn min(self, rhs: Self) = vminq_u32(self.0, rhs.0);
    fn and(self, rhs: Self) = vandq_u32(self.0, rhs.0);
    fn shift_left(self, count: u32) = shift(self.0, count as i32);
    fn shift_right(self, count: u32) = shift(self.0, -(count as i32));
    fn select(self, mask: Self, rhs: Self) = vbslq_u32(mask.0, rhs.0, self.0);
}

impl Neon {
    operations! {
        /// A product of signed numbers, see [`multiply_signed`].
        fn signed_product(self, rhs: Self) = product(self.0, rhs.0);
    }
}

impl Lanes for Neon {
    type Words = NeonWords;
    type Narrow = Self;
    type Single = Scalar;

    #[inline(always)]
    fn mul(self, rhs: Self) -> Self {
        self.signed_product(rhs).add_p_if_negative()
    }

    #[inline(always)]
    fn scale(self, rhs: Self) -> Self {
        // The products are signed: a number of 32 bits is first brought below p.
        self.subtract_p_if_reached()
            .subtract_p_if_reached()
            .mul(rhs)
    }

    #[inline(always)]
    fn cube(self) -> Self {
        self.signed_product(self)
            .signed_product(self)
            .add_p_if_negative()
    }

    #[inline(always)]
    fn out_of_line<T: Task>(task: T) -> T::Output {
        // SAFETY: only the back-end and its tasks name the type, so the processor has the instructions.
        unsafe { out_of_line(task) }
    }
}

vector! {
    /// Two words.
    NeonWords(uint64x2_t): Words, 2 of u64;
    splat(value) = vdupq_n_u64(value);
    load(from) = vld1q_u64(from);
    store(to, vector) = vst1q_u64(to, vector);
    fn xor(self, rhs: Self) = veorq_u64(self.0, rhs.0);
    fn chi(self, a: Self, b: Self) = veorq_u64(self.0, vbicq_u64(b.0, a.0));
    fn rotate_left(self, count: u32) = vorrq_u64(
        shift_words(self.0, i64::from(count)),
        shift_words(self.0, i64::from(count) - 64),
    );
}
