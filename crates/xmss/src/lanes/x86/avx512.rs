//! AVX-512: sixteen elements, or eight words of Keccak, side by side.

use std::arch::{asm, x86_64::*};

use super::{
    avx2::{Avx2, bits},
    products::Products,
};
use crate::lanes::{Task, Vector, Words};

#[inline]
#[target_feature(enable = "avx512f")]
fn multiply_signed(a: __m512i, b: __m512i) -> __m512i {
    let product;
    // SAFETY: the instruction computes with registers, and the processor has it, being in this function.
    unsafe {
        asm!(
            "vpmuldq {product}, {a}, {b}",
            product = lateout(zmm_reg) product,
            a = in(zmm_reg) a,
            b = in(zmm_reg) b,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    product
}

#[target_feature(enable = "avx512f,avx512bw")]
fn out_of_line<T: Task>(task: T) -> T::Output {
    task.run()
}

vector! {
    /// Sixteen numbers.
    Avx512(__m512i): Vector, 16 of u32;
    splat(value) = _mm512_set1_epi32(value as i32);
    load(from) = _mm512_loadu_si512(from.cast());
    store(to, vector) = _mm512_storeu_si512(to.cast(), vector);
    fn wrapping_add(self, rhs: Self) = _mm512_add_epi32(self.0, rhs.0);
    fn wrapping_sub(self, rhs: Self) = _mm512_sub_epi32(self.0, rhs.0);
    fn min(self, rhs: Self) = _mm512_min_epu32(self.0, rhs.0);
    fn and(self, rhs: Self) = _mm512_and_si512(self.0, rhs.0);
    fn shift_left(self, count: u32) = _mm512_sll_epi32(self.0, bits(count));
    fn shift_right(self, count: u32) = _mm512_srl_epi32(self.0, bits(count));
    // 0xca: the first operand chooses between the second and the third.
    fn select(self, mask: Self, rhs: Self) =
        _mm512_ternarylogic_epi32::<0xca>(mask.0, rhs.0, self.0);
    fn add_if_odd(self, number: Self, term: Self) = _mm512_mask_add_epi32(
        self.0,
        _mm512_test_epi32_mask(number.0, _mm512_set1_epi32(1)),
        self.0,
        term.0,
    );
}

impl Products for Avx512 {
    type Words = Avx512Words;
    type Narrow = Avx2;
    type Single = <Avx2 as Products>::Single;

    operations! {
        fn multiply_unsigned(self, rhs: Self) = _mm512_mul_epu32(self.0, rhs.0);
        fn multiply_signed(self, rhs: Self) = multiply_signed(self.0, rhs.0);
        fn wrapping_sub_wide(self, rhs: Self) = _mm512_sub_epi64(self.0, rhs.0);
        fn high_as_low(self) = _mm512_srli_epi64::<32>(self.0);
        fn high_halves(self, odd: Self) =
            _mm512_mask_shuffle_epi32::<0b11_11_01_01>(odd.0, 0x5555, self.0);
        fn sum_of_products(self, rhs: Self) = _mm512_madd_epi16(self.0, rhs.0);
        fn sum_of_byte_products(self, rhs: Self) = _mm512_maddubs_epi16(self.0, rhs.0);
    }

    #[inline(always)]
    fn out_of_line<T: Task>(task: T) -> T::Output {
        // SAFETY: only the back-end and its tasks name the type, so the processor has the instructions.
        unsafe { out_of_line(task) }
    }
}

vector! {
    /// Eight words.
    Avx512Words(__m512i): Words, 8 of u64;
    splat(value) = _mm512_set1_epi64(value as i64);
    load(from) = _mm512_loadu_si512(from.cast());
    store(to, vector) = _mm512_storeu_si512(to.cast(), vector);
    fn xor(self, rhs: Self) = _mm512_xor_si512(self.0, rhs.0);
    // 0xd2: first ⊕ (¬second ∧ third).
    fn chi(self, a: Self, b: Self) = _mm512_ternarylogic_epi64::<0xd2>(self.0, a.0, b.0);
    fn rotate_left(self, count: u32) =
        _mm512_rolv_epi64(self.0, _mm512_set1_epi64(i64::from(count)));
    // 0x96: the exclusive or of three.
    fn xor5(self, b: Self, c: Self, d: Self, e: Self) = _mm512_ternarylogic_epi64::<0x96>(
        _mm512_ternarylogic_epi64::<0x96>(self.0, b.0, c.0),
        d.0,
        e.0,
    );
}
