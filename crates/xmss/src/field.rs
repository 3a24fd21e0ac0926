//! KoalaBear, the prime field of the scheme, one element at a time: p = 2^31 − 2^24 + 1.
//!
//! Everything inside this crate holds elements in Montgomery form (value · 2^32 mod p, below p) as plain
//! `u32`; only the codecs know the canonical values.

/// The field's prime, 2^31 − 2^24 + 1.
pub(crate) const P: u32 = 0x7f00_0001;

/// The inverse of p modulo 2^32: p = 1 + 127·2^24, so it is 1 − 127·2^24.
pub(crate) const MU: u32 = 0x8100_0001;

/// 2^64 mod p; a Montgomery product with it brings a canonical value into Montgomery form.
pub(crate) const R2: u32 = power_of_two(64);

/// 2^64, 2^96, 2^128 and 2^160 mod p: Montgomery products with them bring the limbs of a number of 128 bits, the
/// lowest first, to the Montgomery forms of what they stand for.
pub(crate) const LIMB_FACTORS: [u32; 4] =
    [R2, power_of_two(96), power_of_two(128), power_of_two(160)];

/// Field elements in a digest, a tree node or a chain value.
pub(crate) const DIGEST_ELEMENTS: usize = 8;

/// A digest in Montgomery form.
pub(crate) type Digest = [u32; DIGEST_ELEMENTS];

/// A power of two modulo p.
pub(crate) const fn power_of_two(exponent: u32) -> u32 {
    let mut value: u64 = 1;
    let mut i = 0;
    while i < exponent {
        value = (value * 2) % P as u64;
        i += 1;
    }
    value as u32
}

/// `x · 2^-32 mod p`, below p, for any x below p · 2^32.
#[inline(always)]
pub(crate) const fn reduce(x: u64) -> u32 {
    let q = (x as u32).wrapping_mul(MU);
    let (difference, borrow) = x.overflowing_sub(q as u64 * P as u64);
    let high = (difference >> 32) as u32;
    if borrow { high.wrapping_add(P) } else { high }
}

/// `x · 2^-32` modulo p, between −p and p, for products x of two numbers between −p and p.
#[inline(always)]
pub(crate) const fn reduce_signed(x: i64) -> i32 {
    let q = (x as i32).wrapping_mul(MU as i32);
    ((x - q as i64 * P as i64) >> 32) as i32
}

/// `x mod p`, for x below 2^37.
#[inline(always)]
pub(crate) fn residue(x: u64) -> u32 {
    // 2^31 = 2^24 − 1, so six bits move down as less than 2^30.
    let folded = (x as u32 & (u32::MAX >> 1)) + (x >> 31) as u32 * ((1 << 24) - 1);
    folded.min(folded.wrapping_sub(P))
}

/// The Montgomery product of two elements in Montgomery form.
#[inline(always)]
pub(crate) const fn multiply(a: u32, b: u32) -> u32 {
    reduce(a as u64 * b as u64)
}

/// Brings a canonical value into Montgomery form.
#[inline(always)]
pub(crate) const fn to_montgomery(canonical: u32) -> u32 {
    multiply(canonical, R2)
}

/// The canonical value, below p, of an element in Montgomery form.
#[inline(always)]
pub(crate) const fn to_canonical(element: u32) -> u32 {
    reduce(element as u64)
}

/// The element congruent to any 64-bit number, in Montgomery form.
#[inline(always)]
pub(crate) const fn from_u64(x: u64) -> u32 {
    to_montgomery((x % P as u64) as u32)
}

/// Writes elements as the codecs have them: canonical, four bytes each, little-endian.
pub(crate) fn write_canonical(elements: &[u32], bytes: &mut [u8]) {
    for (element, chunk) in elements.iter().zip(bytes.chunks_exact_mut(4)) {
        chunk.copy_from_slice(&to_canonical(*element).to_le_bytes());
    }
}

/// Reads elements as they are, without bringing them into Montgomery form; the error is the position and value of
/// the first number that is not below p.
pub(crate) fn read_values(bytes: &[u8], values: &mut [u32]) -> Result<(), (usize, u32)> {
    // No early exit: as a plain sum the check takes a vector instruction or two per four elements.
    let mut all_below = true;
    for (chunk, value) in bytes.chunks_exact(4).zip(&mut *values) {
        *value = u32::from_le_bytes([chunk[0], chunk[1], chunk[2], chunk[3]]);
        all_below &= *value < P;
    }
    if all_below {
        return Ok(());
    }
    let found = values.iter().enumerate().find(|(_, value)| **value >= P);
    found.map_or(Ok(()), |(index, value)| Err((index, *value)))
}

/// Reads canonical elements into Montgomery form; errors as [`read_values`].
pub(crate) fn read_canonical(bytes: &[u8], elements: &mut [u32]) -> Result<(), (usize, u32)> {
    read_values(bytes, elements)?;
    for element in elements {
        *element = to_montgomery(*element);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn montgomery_product_is_the_product(a in 0..P, b in 0..P) {
            let product = to_canonical(multiply(to_montgomery(a), to_montgomery(b)));
            prop_assert_eq!(product as u64, a as u64 * b as u64 % P as u64);
        }

        #[test]
        fn signed_product_is_congruent_and_small(a in 1 - P as i32..P as i32, b in 1 - P as i32..P as i32) {
            let product = reduce_signed(i64::from(a) * i64::from(b));
            prop_assert!(product.unsigned_abs() < P);
            let p = i64::from(P);
            let expected = (i64::from(a) * i64::from(b)).rem_euclid(p);
            let product = (i64::from(product).rem_euclid(p) << 32) % p;
            prop_assert_eq!(product, expected);
        }

        #[test]
        fn sums_of_elements_have_their_residues(x in 0..1u64 << 37) {
            prop_assert_eq!(u64::from(residue(x)), x % u64::from(P));
        }

        #[test]
        fn any_64_bit_number_reduces_to_its_residue(x: u64) {
            prop_assert_eq!(to_canonical(from_u64(x)) as u64, x % P as u64);
        }
    }
}
