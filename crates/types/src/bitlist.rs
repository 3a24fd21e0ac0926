//! A bit list whose clone shares storage and whose root is recomputed only where bits changed.

use std::{
    fmt,
    marker::PhantomData,
    sync::{Arc, OnceLock},
};

use ethereum_hashing::{ZERO_HASHES, hash32_concat};
use serde::{Serialize, Serializer};
use ssz::{Decode, DecodeError, Encode};
use tree_hash::{Hash256, PackedEncoding, TreeHash, TreeHashType, mix_in_length};
use typenum::Unsigned;

/// Bytes of one shared chunk: a subtree of 32 leaves.
const CHUNK_BYTES: usize = 1024;
const CHUNK_BITS: usize = CHUNK_BYTES * 8;
const CHUNK_LEAVES: usize = CHUNK_BYTES / 32;
const CHUNK_DEPTH: usize = CHUNK_LEAVES.ilog2() as usize;

/// An operation went beyond a bit list's length or limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BitlistError {
    /// A bit beyond the length was set.
    #[error("bit {index} is out of range, the list has {length}")]
    OutOfRange {
        /// The bit asked for.
        index: usize,
        /// Bits in the list.
        length: usize,
    },
    /// The list would grow beyond its limit.
    #[error("{length} bits exceed the limit of {limit}")]
    TooLong {
        /// Bits the list would have.
        length: usize,
        /// Bits it may have.
        limit: usize,
    },
}

/// SSZ `Bitlist[N]`. A clone shares all chunks of 8192 bits; writing copies the one it touches.
#[derive(Clone)]
pub struct Bitlist<N> {
    chunks: Vec<Arc<Chunk>>,
    length: usize,
    limit: PhantomData<N>,
}

#[derive(Clone)]
struct Chunk {
    bytes: [u8; CHUNK_BYTES],
    root: OnceLock<Hash256>,
}

impl Chunk {
    fn zero() -> Arc<Self> {
        Arc::new(Self {
            bytes: [0; CHUNK_BYTES],
            root: OnceLock::new(),
        })
    }

    /// Root of the chunk's 32 leaves; only the first `used` bytes can be other than zero.
    fn root(&self, used: usize) -> Hash256 {
        *self
            .root
            .get_or_init(|| tree_hash::merkle_root(&self.bytes[..used], CHUNK_LEAVES))
    }
}

impl<N: Unsigned> Bitlist<N> {
    /// The empty list.
    pub fn new() -> Self {
        Self {
            chunks: Vec::new(),
            length: 0,
            limit: PhantomData,
        }
    }

    /// Number of bits.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there are no bits.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The bit at `index`, or `None` beyond the length.
    pub fn get(&self, index: usize) -> Option<bool> {
        (index < self.length).then(|| {
            let bit = index % CHUNK_BITS;
            self.chunks[index / CHUNK_BITS].bytes[bit / 8] >> (bit % 8) & 1 == 1
        })
    }

    /// Sets the bit at `index`.
    ///
    /// # Errors
    /// When `index` is beyond the length.
    pub fn set(&mut self, index: usize, value: bool) -> Result<(), BitlistError> {
        match self.get(index) {
            None => Err(BitlistError::OutOfRange {
                index,
                length: self.length,
            }),
            Some(old) if old == value => Ok(()),
            Some(_) => {
                let chunk = Arc::make_mut(&mut self.chunks[index / CHUNK_BITS]);
                chunk.root.take();
                let bit = index % CHUNK_BITS;
                chunk.bytes[bit / 8] ^= 1 << (bit % 8);
                Ok(())
            }
        }
    }

    /// Appends one bit.
    ///
    /// # Errors
    /// When the list is full.
    pub fn push(&mut self, value: bool) -> Result<(), BitlistError> {
        self.extend_zeros(1)?;
        self.set(self.length - 1, value)
    }

    /// Appends `count` zero bits.
    ///
    /// # Errors
    /// When the list would exceed its limit; it is then unchanged.
    pub fn extend_zeros(&mut self, count: usize) -> Result<(), BitlistError> {
        let length = self.length.saturating_add(count);
        if length > N::USIZE {
            return Err(BitlistError::TooLong {
                length,
                limit: N::USIZE,
            });
        }
        // Bytes beyond the length are zero, so the roots of existing chunks stay true.
        self.chunks
            .resize_with(length.div_ceil(CHUNK_BITS), Chunk::zero);
        self.length = length;
        Ok(())
    }

    /// The last bit before `end` that is set. Skips zero bytes and chunks, so that it costs little over a long list.
    pub fn last_set_before(&self, end: usize) -> Option<usize> {
        let end = end.min(self.length);
        let last_chunk = end.div_ceil(CHUNK_BITS);
        (0..last_chunk).rev().find_map(|chunk| {
            let bits = (end - chunk * CHUNK_BITS).min(CHUNK_BITS);
            let bytes = &self.chunks[chunk].bytes[..bits.div_ceil(8)];
            let set_in = |(index, byte): (usize, &u8)| {
                let beyond = (8 * (index + 1)).saturating_sub(bits);
                let kept = byte & (0xff >> beyond);
                kept.checked_ilog2().map(|bit| 8 * index + bit as usize)
            };
            let found = bytes.iter().enumerate().rev().find_map(set_in);
            found.map(|bit| chunk * CHUNK_BITS + bit)
        })
    }

    /// The bits in order.
    pub fn iter(&self) -> impl Iterator<Item = bool> + '_ {
        (0..self.length).map_while(|index| self.get(index))
    }

    /// Builds a list from bits.
    ///
    /// # Errors
    /// When there are more bits than the limit.
    pub fn try_from_iter(bits: impl IntoIterator<Item = bool>) -> Result<Self, BitlistError> {
        let mut list = Self::new();
        for bit in bits {
            list.push(bit)?;
        }
        Ok(list)
    }

    /// Bytes of chunk `index` that bits of the list can occupy.
    fn used_bytes(&self, index: usize) -> usize {
        (self.length - index * CHUNK_BITS)
            .div_ceil(8)
            .min(CHUNK_BYTES)
    }
}

impl<N: Unsigned> Default for Bitlist<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<N: Unsigned> PartialEq for Bitlist<N> {
    fn eq(&self, other: &Self) -> bool {
        let same = |(a, b): (&Arc<Chunk>, &Arc<Chunk>)| Arc::ptr_eq(a, b) || a.bytes == b.bytes;
        self.length == other.length && self.chunks.iter().zip(&other.chunks).all(same)
    }
}

impl<N: Unsigned> Eq for Bitlist<N> {}

impl<N: Unsigned> fmt::Debug for Bitlist<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits: String = self.iter().map(|bit| if bit { '1' } else { '0' }).collect();
        write!(f, "Bitlist({bits})")
    }
}

impl<N: Unsigned> Encode for Bitlist<N> {
    fn is_ssz_fixed_len() -> bool {
        false
    }

    fn ssz_bytes_len(&self) -> usize {
        self.length / 8 + 1
    }

    fn ssz_append(&self, buf: &mut Vec<u8>) {
        let start = buf.len();
        for (index, chunk) in self.chunks.iter().enumerate() {
            buf.extend_from_slice(&chunk.bytes[..self.used_bytes(index)]);
        }
        buf.resize(start + self.ssz_bytes_len(), 0);
        // The delimiter: one set bit behind the last.
        buf[start + self.length / 8] |= 1 << (self.length % 8);
    }
}

impl<N: Unsigned> Decode for Bitlist<N> {
    fn is_ssz_fixed_len() -> bool {
        false
    }

    fn from_ssz_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let invalid = |why: String| DecodeError::BytesInvalid(why);
        let last = match bytes.last() {
            None => return Err(invalid("a bit list has at least one byte".into())),
            Some(0) => return Err(invalid("a bit list ends with its delimiter bit".into())),
            Some(last) => *last,
        };
        let delimiter = last.ilog2() as usize;
        let mut list = Self::new();
        list.extend_zeros((bytes.len() - 1) * 8 + delimiter)
            .map_err(|error| invalid(error.to_string()))?;
        for (index, part) in bytes.chunks(CHUNK_BYTES).enumerate() {
            // The delimiter alone may open a chunk that holds no bit.
            if let Some(chunk) = list.chunks.get_mut(index) {
                Arc::make_mut(chunk).bytes[..part.len()].copy_from_slice(part);
            }
        }
        if delimiter != 0 || !list.length.is_multiple_of(CHUNK_BITS) {
            let end = list.length % CHUNK_BITS;
            if let Some(chunk) = list.chunks.last_mut() {
                Arc::make_mut(chunk).bytes[end / 8] &= !(1 << (end % 8));
            }
        }
        Ok(list)
    }
}

impl<N: Unsigned> TreeHash for Bitlist<N> {
    fn tree_hash_type() -> TreeHashType {
        TreeHashType::List
    }

    fn tree_hash_packed_encoding(&self) -> PackedEncoding {
        unreachable!("a list is never packed into a leaf")
    }

    fn tree_hash_packing_factor() -> usize {
        unreachable!("a list is never packed into a leaf")
    }

    fn tree_hash_root(&self) -> Hash256 {
        let depth = N::USIZE.div_ceil(256).next_power_of_two().ilog2() as usize;
        if depth < CHUNK_DEPTH {
            // The whole list is less than a chunk, whose cached root would be that of too deep a tree.
            let bytes = self.chunks.first().map_or(&[][..], |chunk| &chunk.bytes);
            let used = &bytes[..self.length.div_ceil(8)];
            return mix_in_length(&tree_hash::merkle_root(used, 1 << depth), self.length);
        }
        let mut layer: Vec<[u8; 32]> = self
            .chunks
            .iter()
            .enumerate()
            .map(|(index, chunk)| chunk.root(self.used_bytes(index)).0)
            .collect();
        if layer.is_empty() {
            layer.push(ZERO_HASHES[CHUNK_DEPTH]);
        }
        for zero in &ZERO_HASHES[CHUNK_DEPTH..depth] {
            layer = layer
                .chunks(2)
                .map(|pair| hash32_concat(&pair[0], pair.get(1).unwrap_or(zero)))
                .collect();
        }
        mix_in_length(&layer[0].into(), self.length)
    }
}

impl<N: Unsigned> Serialize for Bitlist<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ssz_types::BitList as Reference;
    use typenum::{U4096, U65536, U262144};

    use super::*;

    fn reference(bits: &[bool]) -> Reference<U262144> {
        let mut list = Reference::with_capacity(bits.len()).unwrap();
        for (index, bit) in bits.iter().enumerate() {
            list.set(index, *bit).unwrap();
        }
        list
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn the_last_set_bit_is_found_from_anywhere(
            length in 0usize..20_000,
            set in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
            ends in prop::collection::vec(0usize..21_000, 1..40),
        ) {
            let mut list = Bitlist::<U262144>::new();
            list.extend_zeros(length).unwrap();
            for index in set.iter().filter(|_| length > 0) {
                list.set(index.index(length), true).unwrap();
            }
            let bits: Vec<bool> = list.iter().collect();
            let around = set.iter().filter(|_| length > 0).map(|index| index.index(length));
            let around = around.flat_map(|bit| [bit, bit + 1]);
            for end in ends.iter().copied().chain(around) {
                let naive = bits.iter().take(end).rposition(|bit| *bit);
                prop_assert_eq!(list.last_set_before(end), naive, "before {}", end);
            }
        }

        #[test]
        fn agrees_with_the_plain_bit_list(
            bits in prop::collection::vec(any::<bool>(), 0..20_000),
            flips in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
            zeros in 0usize..9_000,
        ) {
            let mut list = Bitlist::<U262144>::try_from_iter(bits.iter().copied()).unwrap();
            prop_assert_eq!(list.tree_hash_root(), reference(&bits).tree_hash_root());

            let before = (list.clone(), list.tree_hash_root());
            let mut bits = bits;
            bits.resize(bits.len() + zeros, false);
            list.extend_zeros(zeros).unwrap();
            for flip in &flips {
                if bits.is_empty() {
                    break;
                }
                let index = flip.index(bits.len());
                bits[index] = !bits[index];
                list.set(index, bits[index]).unwrap();
            }
            let plain = reference(&bits);
            prop_assert_eq!(list.as_ssz_bytes(), plain.as_ssz_bytes());
            prop_assert_eq!(list.tree_hash_root(), plain.tree_hash_root());
            prop_assert_eq!(before.0.tree_hash_root(), before.1, "a clone is not written through");

            let decoded = Bitlist::<U262144>::from_ssz_bytes(&plain.as_ssz_bytes()).unwrap();
            prop_assert_eq!(&decoded, &list);
            prop_assert_eq!(decoded.tree_hash_root(), list.tree_hash_root());
        }

        #[test]
        fn decoding_accepts_what_the_plain_bit_list_accepts(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let plain = Reference::<U262144>::from_ssz_bytes(&bytes);
            let ours = Bitlist::<U262144>::from_ssz_bytes(&bytes);
            prop_assert_eq!(plain.is_ok(), ours.is_ok());
            if let Ok(ours) = ours {
                prop_assert_eq!(ours.as_ssz_bytes(), bytes);
            }
        }
    }

    #[test]
    fn whole_chunks_round_trip() {
        let list = Bitlist::<U65536>::try_from_iter((0..CHUNK_BITS).map(|i| i % 3 == 0)).unwrap();
        let decoded = Bitlist::<U65536>::from_ssz_bytes(&list.as_ssz_bytes()).unwrap();
        assert_eq!(decoded, list);
        assert_eq!(decoded.tree_hash_root(), list.tree_hash_root());
    }

    #[test]
    fn a_list_smaller_than_a_chunk_has_the_root_of_its_own_depth() {
        for length in [0, 1, 255, 256, 300, 4096] {
            let bits = (0..length).map(|i| i % 3 == 0);
            let list = Bitlist::<U4096>::try_from_iter(bits).unwrap();
            let plain = ssz_types::BitList::<U4096>::from_ssz_bytes(&list.as_ssz_bytes()).unwrap();
            assert_eq!(list.tree_hash_root(), plain.tree_hash_root());
        }
    }

    #[test]
    fn the_limit_holds() {
        let mut list = Bitlist::<U65536>::new();
        list.extend_zeros(65536).unwrap();
        let error = BitlistError::TooLong {
            length: 65537,
            limit: 65536,
        };
        assert_eq!(list.push(true), Err(error));
        assert_eq!(list.len(), 65536);
        let out = BitlistError::OutOfRange {
            index: 65536,
            length: 65536,
        };
        assert_eq!(list.set(65536, true), Err(out));
    }
}
