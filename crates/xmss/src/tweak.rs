//! How tweaks, epochs and messages become field elements: packed into one number, then its digits in base p
//! (leanSpec: `xmss/tweak_hash.py`, `xmss/message_hash.py`). All digits here are canonical values.

use crate::{
    field::P,
    parameters::{MESSAGE_ELEMENTS, TWEAK_ELEMENTS},
};

const CHAIN_PREFIX: u64 = 0;
const TREE_PREFIX: u64 = 1;
const MESSAGE_PREFIX: u64 = 2;

/// The digits of a number in base p, the lowest first; what does not fit is dropped.
pub(crate) fn base_p<const N: usize>(mut value: u128) -> [u32; N] {
    let mut digits = [0; N];
    for digit in &mut digits {
        *digit = (value % u128::from(P)) as u32;
        value /= u128::from(P);
    }
    digits
}

/// Two digits of a number that has no more.
#[inline(always)]
fn two_digits(value: u64) -> [u32; TWEAK_ELEMENTS] {
    let high = value / u64::from(P);
    [(value - high * u64::from(P)) as u32, high as u32]
}

/// The tweak of the `step`-th step (from 1) of a chain.
#[inline(always)]
pub(crate) fn chain(epoch: u64, chain: usize, step: usize) -> [u32; TWEAK_ELEMENTS] {
    two_digits(epoch << 24 | (chain as u64) << 16 | (step as u64) << 8 | CHAIN_PREFIX)
}

/// The tweak of a tree node; level 0 are the leaves.
#[inline(always)]
pub(crate) fn tree(level: u32, index: u64) -> [u32; TWEAK_ELEMENTS] {
    two_digits(u64::from(level) << 40 | index << 8 | TREE_PREFIX)
}

/// The epoch, as the message hash takes it.
#[inline(always)]
pub(crate) fn epoch(epoch: u64) -> [u32; TWEAK_ELEMENTS] {
    two_digits(epoch << 8 | MESSAGE_PREFIX)
}

/// A message, read as a little-endian number of 256 bits.
pub(crate) fn message(message: &[u8; 32]) -> [u32; MESSAGE_ELEMENTS] {
    let mut limbs = [0u32; 8];
    for (limb, chunk) in limbs.iter_mut().zip(message.chunks_exact(4)) {
        *limb = u32::from_le_bytes([chunk[0], chunk[1], chunk[2], chunk[3]]);
    }
    let mut digits = [0; MESSAGE_ELEMENTS];
    for digit in &mut digits {
        let mut remainder = 0;
        for limb in limbs.iter_mut().rev() {
            let value = remainder << 32 | u64::from(*limb);
            *limb = (value / u64::from(P)) as u32;
            remainder = value % u64::from(P);
        }
        *digit = remainder as u32;
    }
    digits
}
