//! AVX2: eight elements, or four words of Keccak, side by side.

use std::arch::{asm, x86_64::*};

use super::products::Products;
use crate::lanes::{
    Octet, OctetWork, Task, Vector, Words,
    one::{One, Side},
};

/// A shift's distance; the compiler puts it into the instruction.
#[inline(always)]
pub(super) fn bits(count: u32) -> __m128i {
    // SAFETY: every processor of this architecture has SSE2.
    unsafe { _mm_cvtsi32_si128(count as i32) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn multiply_signed(a: __m256i, b: __m256i) -> __m256i {
    let product;
    // SAFETY: the instruction computes with registers, and the processor has it, being in this function.
    unsafe {
        asm!(
            "vpmuldq {product}, {a}, {b}",
            product = lateout(ymm_reg) product,
            a = in(ymm_reg) a,
            b = in(ymm_reg) b,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    product
}

#[target_feature(enable = "avx2")]
fn out_of_line<T: Task>(task: T) -> T::Output {
    task.run()
}

/// The sum of all elements.
#[inline]
#[target_feature(enable = "avx2")]
fn total(a: __m256i, b: __m256i, c: __m256i) -> u64 {
    // Two elements are below 2^32; more need their lanes of 64 bits.
    let ab = _mm256_add_epi32(a, b);
    let low = _mm256_set1_epi64x(i64::from(u32::MAX));
    let even = _mm256_add_epi64(_mm256_and_si256(ab, low), _mm256_and_si256(c, low));
    let odd = _mm256_add_epi64(_mm256_srli_epi64::<32>(ab), _mm256_srli_epi64::<32>(c));
    let four = _mm256_add_epi64(even, odd);
    let two = _mm_add_epi64(
        _mm256_castsi256_si128(four),
        _mm256_extracti128_si256::<1>(four),
    );
    _mm_cvtsi128_si64(_mm_add_epi64(two, _mm_unpackhi_epi64(two, two))) as u64
}

vector! {
    /// Eight numbers.
    Avx2(__m256i): Vector, 8 of u32;
    splat(value) = _mm256_set1_epi32(value as i32);
    load(from) = _mm256_loadu_si256(from.cast());
    store(to, vector) = _mm256_storeu_si256(to.cast(), vector);
    fn wrapping_add(self, rhs: Self) = _mm256_add_epi32(self.0, rhs.0);
    fn wrapping_sub(self, rhs: Self) = _mm256_sub_epi32(self.0, rhs.0);
    fn min(self, rhs: Self) = _mm256_min_epu32(self.0, rhs.0);
    fn and(self, rhs: Self) = _mm256_and_si256(self.0, rhs.0);
    fn shift_left(self, count: u32) = _mm256_sll_epi32(self.0, bits(count));
    fn shift_right(self, count: u32) = _mm256_srl_epi32(self.0, bits(count));
    fn select(self, mask: Self, rhs: Self) = _mm256_blendv_epi8(self.0, rhs.0, mask.0);
}

impl Products for Avx2 {
    type Words = Avx2Words;
    type Narrow = Self;
    type Single = One<Octets>;

    operations! {
        fn multiply_unsigned(self, rhs: Self) = _mm256_mul_epu32(self.0, rhs.0);
        fn multiply_signed(self, rhs: Self) = multiply_signed(self.0, rhs.0);
        fn wrapping_sub_wide(self, rhs: Self) = _mm256_sub_epi64(self.0, rhs.0);
        fn high_as_low(self) = _mm256_srli_epi64::<32>(self.0);
        fn high_halves(self, odd: Self) =
            _mm256_blend_epi32::<0b1010_1010>(_mm256_srli_epi64::<32>(self.0), odd.0);
        fn sum_of_products(self, rhs: Self) = _mm256_madd_epi16(self.0, rhs.0);
        fn sum_of_byte_products(self, rhs: Self) = _mm256_maddubs_epi16(self.0, rhs.0);
    }

    #[inline(always)]
    fn out_of_line<T: Task>(task: T) -> T::Output {
        // SAFETY: only the back-end and its tasks name the type, so the processor has the instructions.
        unsafe { out_of_line(task) }
    }
}

impl Octet for Avx2 {
    #[inline(always)]
    fn turn<const ORDER: i32>(self) -> Self {
        // SAFETY: there is a value of the type, so the processor has the instruction.
        Self(unsafe { _mm256_shuffle_epi32::<ORDER>(self.0) })
    }

    operations! {
        fn swap_blocks(self) = _mm256_permute4x64_epi64::<0b01_00_11_10>(self.0);
    }

    #[inline(always)]
    fn total(state: &[Self; 3]) -> u64 {
        // SAFETY: there are values of the type, so the processor has the instructions.
        unsafe { total(state[0].0, state[1].0, state[2].0) }
    }
}

/// At a single lane's side there are AVX2's vectors.
#[derive(Clone, Copy)]
pub(in crate::lanes) enum Octets {}

/// The work, as a task of its own.
struct OnAvx2<W>(W);

impl<W: OctetWork> Task for OnAvx2<W> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        self.0.run::<Avx2>();
    }
}

impl Side for Octets {
    #[inline(always)]
    fn on_octets<W: OctetWork>(work: W) -> Result<(), W> {
        <Avx2 as Products>::out_of_line(OnAvx2(work));
        Ok(())
    }
}

vector! {
    /// Four words.
    Avx2Words(__m256i): Words, 4 of u64;
    splat(value) = _mm256_set1_epi64x(value as i64);
    load(from) = _mm256_loadu_si256(from.cast());
    store(to, vector) = _mm256_storeu_si256(to.cast(), vector);
    fn xor(self, rhs: Self) = _mm256_xor_si256(self.0, rhs.0);
    fn chi(self, a: Self, b: Self) = _mm256_xor_si256(self.0, _mm256_andnot_si256(a.0, b.0));
    fn rotate_left(self, count: u32) = _mm256_or_si256(
        _mm256_sll_epi64(self.0, bits(count)),
        _mm256_srl_epi64(self.0, bits(64 - count)),
    );
}
