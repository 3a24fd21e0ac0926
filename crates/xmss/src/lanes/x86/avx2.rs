//! AVX2: eight elements, or four words of Keccak, side by side.

use std::arch::asm;
use std::arch::x86_64::*;

use crate::field::{MU, P};
use crate::keccak;
use crate::lanes::{Kernel, Lanes, Words};
use crate::poseidon2::{self, Constants};

#[target_feature(enable = "avx2")]
pub(super) fn run<K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<Avx2>()
}

#[target_feature(enable = "avx2")]
fn permute16(state: &mut [Avx2; 16], constants: &Constants) {
    poseidon2::permute16::<_, 8>(state, constants);
}

#[target_feature(enable = "avx2")]
fn permute24_to_8(state: &mut [Avx2; 24], constants: &Constants) {
    poseidon2::permute24::<_, 8>(state, constants);
}

#[target_feature(enable = "avx2")]
fn permute24(state: &mut [Avx2; 24], constants: &Constants) {
    poseidon2::permute24::<_, 24>(state, constants);
}

#[target_feature(enable = "avx2")]
fn permute_keccak(state: &mut [Avx2Words; 25]) {
    keccak::permute(state);
}

#[derive(Clone, Copy)]
pub(super) struct Avx2(pub(super) __m256i);

// SAFETY, for every block below: values of these types exist only where AVX2 does (see the parent module).

#[inline(always)]
fn splat(value: u32) -> __m256i {
    unsafe { _mm256_set1_epi32(value as i32) }
}

/// `x` where it is below p as an unsigned number, else `x + p`: brings −p < x < p into the field.
#[inline(always)]
fn add_p_if_negative(x: __m256i) -> __m256i {
    unsafe { _mm256_min_epu32(x, _mm256_add_epi32(x, splat(P))) }
}

/// High halves of the even products, next to those of the odd ones.
#[inline(always)]
fn high_halves(even: __m256i, odd: __m256i) -> __m256i {
    unsafe { _mm256_blend_epi32::<0b1010_1010>(_mm256_srli_epi64::<32>(even), odd) }
}

/// The signed products of the low halves of the 64-bit lanes. Written as an instruction because the compiler
/// knows the intrinsic as arithmetic, and turns products with a constant into longer sequences.
#[inline]
#[target_feature(enable = "avx2")]
fn multiply_signed(a: __m256i, b: __m256i) -> __m256i {
    let product;
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

/// Subtracts q·p, which clears the low half of each signed product; what is left is in the high half.
#[inline(always)]
fn reduce_signed(product: __m256i) -> __m256i {
    unsafe {
        let q = multiply_signed(product, splat(MU));
        _mm256_sub_epi64(product, multiply_signed(q, splat(P)))
    }
}

impl Lanes for Avx2 {
    const WIDTH: usize = 8;
    type Words = Avx2Words;
    type Narrow = Self;
    type Single = super::single::Single;

    #[inline(always)]
    fn splat(value: u32) -> Self {
        Self(splat(value))
    }

    #[inline(always)]
    fn load(row: &[u32]) -> Self {
        let row = &row[..8];
        Self(unsafe { _mm256_loadu_si256(row.as_ptr().cast()) })
    }

    #[inline(always)]
    fn store(self, row: &mut [u32]) {
        let row = &mut row[..8];
        unsafe { _mm256_storeu_si256(row.as_mut_ptr().cast(), self.0) }
    }

    #[inline(always)]
    fn add(self, rhs: Self) -> Self {
        unsafe {
            let sum = _mm256_add_epi32(self.0, rhs.0);
            Self(_mm256_min_epu32(sum, _mm256_sub_epi32(sum, splat(P))))
        }
    }

    #[inline(always)]
    fn sub(self, rhs: Self) -> Self {
        Self(add_p_if_negative(unsafe {
            _mm256_sub_epi32(self.0, rhs.0)
        }))
    }

    #[inline(always)]
    fn halve(self) -> Self {
        unsafe {
            let odd = _mm256_sub_epi32(_mm256_setzero_si256(), _mm256_and_si256(self.0, splat(1)));
            let half_p = _mm256_and_si256(odd, splat(P.div_ceil(2)));
            Self(_mm256_add_epi32(_mm256_srli_epi32::<1>(self.0), half_p))
        }
    }

    #[inline(always)]
    fn mul(self, rhs: Self) -> Self {
        unsafe {
            let even = _mm256_mul_epu32(self.0, rhs.0);
            let odd = _mm256_mul_epu32(
                _mm256_srli_epi64::<32>(self.0),
                _mm256_srli_epi64::<32>(rhs.0),
            );
            let q_even = _mm256_mul_epu32(even, splat(MU));
            let q_odd = _mm256_mul_epu32(odd, splat(MU));
            let qp_even = _mm256_mul_epu32(q_even, splat(P));
            let qp_odd = _mm256_mul_epu32(q_odd, splat(P));
            let difference = _mm256_sub_epi32(high_halves(even, odd), high_halves(qp_even, qp_odd));
            Self(add_p_if_negative(difference))
        }
    }

    #[inline(always)]
    fn add_and_cube(self, rhs: Self) -> Self {
        unsafe {
            // Between −p and p, as a signed number; so are all values until the last line.
            let even = _mm256_add_epi32(self.0, rhs.0);
            let odd = _mm256_srli_epi64::<32>(even);
            let square_even = _mm256_srli_epi64::<32>(reduce_signed(multiply_signed(even, even)));
            let square_odd = _mm256_srli_epi64::<32>(reduce_signed(multiply_signed(odd, odd)));
            let cube_even = reduce_signed(multiply_signed(square_even, even));
            let cube_odd = reduce_signed(multiply_signed(square_odd, odd));
            Self(add_p_if_negative(high_halves(cube_even, cube_odd)))
        }
    }

    #[inline(always)]
    fn shifted<const N: u32>(self) -> Self {
        // See the scalar back-end for the rule. Multiplying bytes or halves of a lane by 127 takes one
        // instruction where they are few bits.
        unsafe {
            let x = self.0;
            let count = |n: u32| _mm_cvtsi32_si128(n as i32);
            let difference = if N == 16 {
                // The low half counts as signed, so the high one is rounded.
                let low_127 = _mm256_madd_epi16(x, splat(127 << 8));
                let rounded = _mm256_add_epi32(x, splat(1 << 15));
                _mm256_sub_epi32(_mm256_srli_epi32::<16>(rounded), low_127)
            } else if N < 16 {
                let low_127 = if N == 8 {
                    _mm256_maddubs_epi16(x, splat(127))
                } else {
                    _mm256_madd_epi16(_mm256_and_si256(x, splat((1 << N) - 1)), splat(127))
                };
                _mm256_sub_epi32(
                    _mm256_srl_epi32(x, count(N)),
                    _mm256_sll_epi32(low_127, count(24 - N)),
                )
            } else {
                let low = _mm256_sll_epi32(x, count(32 - N));
                let high =
                    _mm256_add_epi32(_mm256_srl_epi32(x, count(N)), _mm256_srli_epi32::<8>(low));
                _mm256_sub_epi32(high, _mm256_srli_epi32::<1>(low))
            };
            Self(add_p_if_negative(difference))
        }
    }

    #[inline(always)]
    fn times_power<const N: u32>(self) -> Self {
        unsafe {
            let count = |n: u32| _mm_cvtsi32_si128(n as i32);
            let high = _mm256_srl_epi32(self.0, count(31 - N));
            let low = _mm256_and_si256(_mm256_sll_epi32(self.0, count(N)), splat(u32::MAX >> 1));
            let sum = _mm256_add_epi32(low, _mm256_sub_epi32(_mm256_slli_epi32::<24>(high), high));
            Self(_mm256_min_epu32(sum, _mm256_sub_epi32(sum, splat(P))))
        }
    }

    #[inline(always)]
    fn select(self, mask: Self, rhs: Self) -> Self {
        Self(unsafe { _mm256_blendv_epi8(self.0, rhs.0, mask.0) })
    }

    #[inline(always)]
    fn permute16(state: &mut [Self; 16], constants: &Constants) {
        unsafe { permute16(state, constants) }
    }

    #[inline(always)]
    fn permute24_to_8(state: &mut [Self; 24], constants: &Constants) {
        unsafe { permute24_to_8(state, constants) }
    }

    #[inline(always)]
    fn permute24(state: &mut [Self; 24], constants: &Constants) {
        unsafe { permute24(state, constants) }
    }

    #[inline(always)]
    fn keccak(state: &mut [Avx2Words; 25]) {
        unsafe { permute_keccak(state) }
    }
}

#[derive(Clone, Copy)]
pub(super) struct Avx2Words(__m256i);

impl Words for Avx2Words {
    const WIDTH: usize = 4;

    #[inline(always)]
    fn splat(value: u64) -> Self {
        Self(unsafe { _mm256_set1_epi64x(value as i64) })
    }

    #[inline(always)]
    fn load(row: &[u64]) -> Self {
        let row = &row[..4];
        Self(unsafe { _mm256_loadu_si256(row.as_ptr().cast()) })
    }

    #[inline(always)]
    fn store(self, row: &mut [u64]) {
        let row = &mut row[..4];
        unsafe { _mm256_storeu_si256(row.as_mut_ptr().cast(), self.0) }
    }

    #[inline(always)]
    fn xor(self, rhs: Self) -> Self {
        Self(unsafe { _mm256_xor_si256(self.0, rhs.0) })
    }

    #[inline(always)]
    fn chi(self, a: Self, b: Self) -> Self {
        unsafe { Self(_mm256_xor_si256(self.0, _mm256_andnot_si256(a.0, b.0))) }
    }

    #[inline(always)]
    fn rotate_left<const N: u32>(self) -> Self {
        unsafe {
            let left = _mm256_sll_epi64(self.0, _mm_cvtsi32_si128(N as i32));
            let right = _mm256_srl_epi64(self.0, _mm_cvtsi32_si128(64 - N as i32));
            Self(_mm256_or_si256(left, right))
        }
    }
}
