//! The pseudo-random function, SHAKE128, many inputs side by side (leanSpec: `xmss/prf.py`).
//!
//! Every input and output fits one block. An output element is some bytes, read as a big-endian number, modulo p;
//! how many is what the two [`Derivation`]s differ in.

use crate::{
    field::{DIGEST_ELEMENTS, Digest, LIMB_FACTORS},
    keccak,
    lanes::{Lanes, MAX_WIDTH, Row, Scalar, Words, load_rows, scatter},
    parameters::RANDOMNESS_ELEMENTS,
};

/// Length of the key, in bytes.
pub(crate) const KEY_BYTES: usize = 32;

/// How many bytes of the pseudo-random function make one field element. It concerns the key alone: a verifier cannot
/// tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Derivation {
    /// 16 bytes, as leanSig's keys have it; keys of our own too, so that leanSig can sign with them.
    LeanSig,
    /// 8 bytes, as in the specification.
    Spec,
}

impl Derivation {
    /// Words of output per element.
    const fn words(self) -> usize {
        match self {
            Self::LeanSig => 2,
            Self::Spec => 1,
        }
    }
}

const DOMAIN: [u8; 16] = [
    0xae, 0xae, 0x22, 0xff, 0x00, 0x01, 0xfa, 0xff, 0x21, 0xaf, 0x12, 0x00, 0x01, 0x11, 0xff, 0x00,
];
const CHAIN_TAG: u8 = 0;
const RANDOMNESS_TAG: u8 = 1;
/// Ours: the specification draws padding nodes at random, outside of the function.
const PADDING_TAG: u8 = 2;

/// SHAKE128 takes blocks of this many bytes.
const RATE_BYTES: usize = 168;
const RATE_WORDS: usize = RATE_BYTES / 8;

/// A padded block with room for the part that differs between lanes.
struct Block {
    words: [u64; RATE_WORDS],
}

impl Block {
    /// `domain ‖ tag ‖ key ‖ tail`, with SHAKE's padding. The block holds the key: it is wiped when dropped.
    fn new(tag: u8, key: &[u8; KEY_BYTES], tail: &[u8]) -> Self {
        let mut bytes = zeroize::Zeroizing::new([0; RATE_BYTES]);
        bytes[..16].copy_from_slice(&DOMAIN);
        bytes[16] = tag;
        bytes[17..49].copy_from_slice(key);
        bytes[49..49 + tail.len()].copy_from_slice(tail);
        bytes[49 + tail.len()] = 0x1f;
        bytes[RATE_BYTES - 1] |= 0x80;
        let mut words = [0; RATE_WORDS];
        for (word, chunk) in words.iter_mut().zip(bytes.chunks_exact(8)) {
            let mut eight = [0; 8];
            eight.copy_from_slice(chunk);
            *word = u64::from_le_bytes(eight);
        }
        Self { words }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.words);
    }
}

/// Hashes one block per lane: `common`, but with word `at` and the one after it from `own(lane)`.
/// The first `N` elements of output come back in Montgomery form.
#[inline(always)]
fn hash<L: Lanes, const N: usize>(
    derivation: Derivation,
    common: &Block,
    at: usize,
    own: impl Fn(usize) -> [u64; 2],
) -> [L; N] {
    let words_per_element = derivation.words();
    // The limbs of 32 bits of every element, the lowest first.
    let mut limbs = [[Row::ZERO; N]; 4];
    let width = <L::Words as Words>::WIDTH;
    for first in (0..L::WIDTH).step_by(width) {
        let mut state = [L::Words::splat(0); 25];
        for (lanes, word) in state.iter_mut().zip(&common.words) {
            *lanes = L::Words::splat(*word);
        }
        let mut rows = [[0; MAX_WIDTH / 2]; 2];
        for lane in 0..width {
            let words = own(first + lane);
            rows[0][lane] = words[0];
            rows[1][lane] = words[1];
        }
        state[at] = L::Words::load(&rows[0]);
        state[at + 1] = L::Words::load(&rows[1]);
        keccak::permute::<L>(&mut state);
        for i in 0..N {
            for word in 0..words_per_element {
                let mut row = [0; MAX_WIDTH / 2];
                state[i * words_per_element + word].store(&mut row);
                let limb = 2 * (words_per_element - 1 - word);
                for lane in 0..width {
                    let value = row[lane].swap_bytes();
                    limbs[limb + 1][i].0[first + lane] = (value >> 32) as u32;
                    limbs[limb][i].0[first + lane] = value as u32;
                }
            }
        }
    }
    let mut elements = [L::splat(0); N];
    for limb in 0..2 * words_per_element {
        let factor = L::splat(LIMB_FACTORS[limb]);
        let limbs = load_rows::<L, N>(&limbs[limb]);
        for (element, limb) in elements.iter_mut().zip(limbs) {
            *element = element.add(limb.scale(factor));
        }
    }
    elements
}

/// What every chain start of a key has in common.
pub(crate) struct ChainStarts(Derivation, Block);

impl ChainStarts {
    pub(crate) fn new(derivation: Derivation, key: &[u8; KEY_BYTES]) -> Self {
        Self(derivation, Block::new(CHAIN_TAG, key, &[0; 12]))
    }

    /// The secret starts of one chain per lane, named by epoch and chain index.
    #[inline(always)]
    pub(crate) fn get<L: Lanes>(
        &self,
        of_lane: impl Fn(usize) -> (u64, usize),
    ) -> [L; DIGEST_ELEMENTS] {
        // The tail, epoch (4 bytes) and chain index (8 bytes) big-endian, is bytes 49 to 60: words 6 and 7.
        let (word_6, word_7) = (self.1.words[6], self.1.words[7]);
        hash::<L, DIGEST_ELEMENTS>(self.0, &self.1, 6, |lane| {
            let (epoch, chain) = of_lane(lane);
            let epoch = u64::from((epoch as u32).swap_bytes());
            let chain = (chain as u64).swap_bytes();
            [word_6 | epoch << 8 | chain << 40, word_7 | chain >> 24]
        })
    }
}

/// What all candidates for the randomness of one signature have in common.
pub(crate) struct Randomness(Derivation, Block);

impl Randomness {
    pub(crate) fn new(
        derivation: Derivation,
        key: &[u8; KEY_BYTES],
        epoch: u64,
        message: &[u8; 32],
    ) -> Self {
        let mut tail = [0; 44];
        tail[..4].copy_from_slice(&(epoch as u32).to_be_bytes());
        tail[4..36].copy_from_slice(message);
        Self(derivation, Block::new(RANDOMNESS_TAG, key, &tail))
    }

    /// The candidates of `WIDTH` tries in a row.
    #[inline(always)]
    pub(crate) fn get<L: Lanes>(&self, first_try: u64) -> [L; RANDOMNESS_ELEMENTS] {
        // The counter, 8 bytes big-endian, is bytes 85 to 92: words 10 and 11.
        let (word_10, word_11) = (self.1.words[10], self.1.words[11]);
        hash::<L, RANDOMNESS_ELEMENTS>(self.0, &self.1, 10, |lane| {
            let counter = (first_try + lane as u64).swap_bytes();
            [word_10 | counter << 40, word_11 | counter >> 24]
        })
    }
}

/// A padding node of the tree, at any layer from the leaves (0) on. The specification draws these at random and
/// publishes them in signatures; ours come from the key, so that a key can be rebuilt from its seed:
/// SHAKE128(domain ‖ 0x02 ‖ key ‖ layer, 4 bytes big-endian ‖ index, 8 bytes big-endian), eight bytes per element.
pub(crate) fn padding_node(key: &[u8; KEY_BYTES], layer: u32, index: u64) -> Digest {
    let mut tail = [0; 12];
    tail[..4].copy_from_slice(&layer.to_be_bytes());
    tail[4..].copy_from_slice(&index.to_be_bytes());
    let block = Block::new(PADDING_TAG, key, &tail);
    let own = [block.words[6], block.words[7]];
    let mut node = [0; DIGEST_ELEMENTS];
    scatter(
        &hash::<Scalar, DIGEST_ELEMENTS>(Derivation::Spec, &block, 6, |_| own),
        |_, digest| node = digest,
    );
    node
}
