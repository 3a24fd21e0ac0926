//! AVX-512: sixteen elements, or eight words of Keccak, side by side.

use std::arch::x86_64::*;

use crate::field::{MU, P};
use crate::keccak;
use crate::lanes::{Kernel, Lanes, Words};
use crate::poseidon2::{self, Constants};

#[target_feature(enable = "avx512f,avx512bw")]
pub(super) fn run<K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<Avx512>()
}

#[target_feature(enable = "avx512f,avx512bw")]
fn permute16(state: &mut [Avx512; 16], constants: &Constants) {
    poseidon2::permute(state, &constants.width_16);
}

#[target_feature(enable = "avx512f,avx512bw")]
fn permute24(state: &mut [Avx512; 24], constants: &Constants) {
    poseidon2::permute(state, &constants.width_24);
}

#[target_feature(enable = "avx512f,avx512bw")]
fn permute_keccak(state: &mut [Avx512Words; 25]) {
    keccak::permute(state);
}

#[derive(Clone, Copy)]
pub(super) struct Avx512(__m512i);

// SAFETY, for every block below: values of these types exist only where AVX-512 does (see the parent module).

#[inline(always)]
fn splat(value: u32) -> __m512i {
    unsafe { _mm512_set1_epi32(value as i32) }
}

/// `x` where it is below p as an unsigned number, else `x + p`: brings −p < x < p into the field.
#[inline(always)]
fn add_p_if_negative(x: __m512i) -> __m512i {
    unsafe { _mm512_min_epu32(x, _mm512_add_epi32(x, splat(P))) }
}

/// High halves of the even products, next to those of the odd ones.
#[inline(always)]
fn high_halves(even: __m512i, odd: __m512i) -> __m512i {
    unsafe { _mm512_mask_shuffle_epi32::<0b11_11_01_01>(odd, 0x5555, even) }
}

/// Subtracts q·p, which clears the low half of each signed product; what is left is in the high half.
#[inline(always)]
fn reduce_signed(product: __m512i) -> __m512i {
    unsafe {
        let q = _mm512_mul_epi32(product, splat(MU));
        _mm512_sub_epi64(product, _mm512_mul_epi32(q, splat(P)))
    }
}

/// `x / 2^N` in the field; see the scalar back-end for the rule.
#[inline(always)]
fn shift<const N: u32>(x: __m512i) -> __m512i {
    unsafe {
        let high = _mm512_srl_epi32(x, _mm_cvtsi32_si128(N as i32));
        if N <= 8 {
            // 127 times the low N bits, from the lowest byte of each lane, in one instruction.
            let low = if N == 8 {
                x
            } else {
                _mm512_and_si512(x, splat((1 << N) - 1))
            };
            let low_127 = _mm512_maddubs_epi16(low, splat(127));
            let low_127 = _mm512_sll_epi32(low_127, _mm_cvtsi32_si128(24 - N as i32));
            add_p_if_negative(_mm512_sub_epi32(high, low_127))
        } else {
            let low = _mm512_sll_epi32(x, _mm_cvtsi32_si128(32 - N as i32));
            let high = _mm512_add_epi32(high, _mm512_srli_epi32::<8>(low));
            add_p_if_negative(_mm512_sub_epi32(high, _mm512_srli_epi32::<1>(low)))
        }
    }
}

impl Lanes for Avx512 {
    const WIDTH: usize = 16;
    type Words = Avx512Words;

    #[inline(always)]
    fn splat(value: u32) -> Self {
        Self(splat(value))
    }

    #[inline(always)]
    fn load(row: &[u32]) -> Self {
        let row = &row[..16];
        Self(unsafe { _mm512_loadu_si512(row.as_ptr().cast()) })
    }

    #[inline(always)]
    fn store(self, row: &mut [u32]) {
        let row = &mut row[..16];
        unsafe { _mm512_storeu_si512(row.as_mut_ptr().cast(), self.0) }
    }

    #[inline(always)]
    fn add(self, rhs: Self) -> Self {
        unsafe {
            let sum = _mm512_add_epi32(self.0, rhs.0);
            Self(_mm512_min_epu32(sum, _mm512_sub_epi32(sum, splat(P))))
        }
    }

    #[inline(always)]
    fn sub(self, rhs: Self) -> Self {
        Self(add_p_if_negative(unsafe {
            _mm512_sub_epi32(self.0, rhs.0)
        }))
    }

    #[inline(always)]
    fn halve(self) -> Self {
        unsafe {
            let odd = _mm512_test_epi32_mask(self.0, splat(1));
            let half = _mm512_srli_epi32::<1>(self.0);
            Self(_mm512_mask_add_epi32(half, odd, half, splat(P.div_ceil(2))))
        }
    }

    #[inline(always)]
    fn mul(self, rhs: Self) -> Self {
        unsafe {
            let even = _mm512_mul_epu32(self.0, rhs.0);
            let odd = _mm512_mul_epu32(
                _mm512_srli_epi64::<32>(self.0),
                _mm512_srli_epi64::<32>(rhs.0),
            );
            let q_even = _mm512_mul_epu32(even, splat(MU));
            let q_odd = _mm512_mul_epu32(odd, splat(MU));
            let qp_even = _mm512_mul_epu32(q_even, splat(P));
            let qp_odd = _mm512_mul_epu32(q_odd, splat(P));
            let difference = _mm512_sub_epi32(high_halves(even, odd), high_halves(qp_even, qp_odd));
            Self(add_p_if_negative(difference))
        }
    }

    #[inline(always)]
    fn add_and_cube(self, rhs: Self) -> Self {
        unsafe {
            // Between −p and p, as a signed number; so are all values until the last line.
            let even = _mm512_add_epi32(self.0, rhs.0);
            let odd = _mm512_srli_epi64::<32>(even);
            let square_even = _mm512_srli_epi64::<32>(reduce_signed(_mm512_mul_epi32(even, even)));
            let square_odd = _mm512_srli_epi64::<32>(reduce_signed(_mm512_mul_epi32(odd, odd)));
            let cube_even = reduce_signed(_mm512_mul_epi32(square_even, even));
            let cube_odd = reduce_signed(_mm512_mul_epi32(square_odd, odd));
            Self(add_p_if_negative(high_halves(cube_even, cube_odd)))
        }
    }

    #[inline(always)]
    fn add_shifted<const N: u32>(self, x: Self) -> Self {
        self.add(Self(shift::<N>(x.0)))
    }

    #[inline(always)]
    fn sub_shifted<const N: u32>(self, x: Self) -> Self {
        self.sub(Self(shift::<N>(x.0)))
    }

    #[inline(always)]
    fn select(self, mask: Self, rhs: Self) -> Self {
        // 0xca: the first operand chooses between the second and the third.
        Self(unsafe { _mm512_ternarylogic_epi32::<0xca>(mask.0, rhs.0, self.0) })
    }

    #[inline(always)]
    fn permute16(state: &mut [Self; 16], constants: &Constants) {
        unsafe { permute16(state, constants) }
    }

    #[inline(always)]
    fn permute24(state: &mut [Self; 24], constants: &Constants) {
        unsafe { permute24(state, constants) }
    }

    #[inline(always)]
    fn keccak(state: &mut [Avx512Words; 25]) {
        unsafe { permute_keccak(state) }
    }
}

#[derive(Clone, Copy)]
pub(super) struct Avx512Words(__m512i);

impl Words for Avx512Words {
    const WIDTH: usize = 8;

    #[inline(always)]
    fn splat(value: u64) -> Self {
        Self(unsafe { _mm512_set1_epi64(value as i64) })
    }

    #[inline(always)]
    fn load(row: &[u64]) -> Self {
        let row = &row[..8];
        Self(unsafe { _mm512_loadu_si512(row.as_ptr().cast()) })
    }

    #[inline(always)]
    fn store(self, row: &mut [u64]) {
        let row = &mut row[..8];
        unsafe { _mm512_storeu_si512(row.as_mut_ptr().cast(), self.0) }
    }

    #[inline(always)]
    fn xor(self, rhs: Self) -> Self {
        Self(unsafe { _mm512_xor_si512(self.0, rhs.0) })
    }

    #[inline(always)]
    fn chi(self, a: Self, b: Self) -> Self {
        // 0xd2: first ⊕ (¬second ∧ third).
        Self(unsafe { _mm512_ternarylogic_epi64::<0xd2>(self.0, a.0, b.0) })
    }

    #[inline(always)]
    fn rotate_left<const N: u32>(self) -> Self {
        Self(unsafe { _mm512_rolv_epi64(self.0, _mm512_set1_epi64(i64::from(N))) })
    }

    #[inline(always)]
    fn xor5(self, b: Self, c: Self, d: Self, e: Self) -> Self {
        // 0x96: the exclusive or of three.
        unsafe {
            let three = _mm512_ternarylogic_epi64::<0x96>(self.0, b.0, c.0);
            Self(_mm512_ternarylogic_epi64::<0x96>(three, d.0, e.0))
        }
    }
}
