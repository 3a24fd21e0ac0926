//! A bit list's SSZ, JSON and root.

use std::sync::Arc;

use serde::{Serialize, Serializer};
use ssz::{Decode, DecodeError, Encode};
use tree_hash::{Hash256, PackedEncoding, TreeHash, TreeHashType, mix_in_length};
use typenum::Unsigned;

use super::{
    Bitlist, WORD_BITS,
    chunk::{CHUNK_DEPTH, Chunk},
};
use crate::merkle::{self, Node};

/// Bits of a leaf.
const LEAF_BITS: usize = 256;

impl<N: Unsigned> Encode for Bitlist<N> {
    fn is_ssz_fixed_len() -> bool {
        false
    }

    fn ssz_bytes_len(&self) -> usize {
        self.length / 8 + 1
    }

    fn ssz_append(&self, buf: &mut Vec<u8>) {
        let start = buf.len();
        for chunk in &self.chunks {
            buf.extend_from_slice(&chunk.bytes());
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
        for (number, part) in bytes.chunks(WORD_BITS / 8).enumerate() {
            let mut word = [0; WORD_BITS / 8];
            word[..part.len()].copy_from_slice(part);
            // Without the delimiter, which may be alone behind the last word.
            let count = list.length.saturating_sub(number * WORD_BITS);
            let bits = u64::from_le_bytes(word) & super::mask(count.min(WORD_BITS));
            list.or(number, bits);
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
        let depth = N::USIZE.div_ceil(LEAF_BITS).next_power_of_two().ilog2() as usize;
        let root = if depth < CHUNK_DEPTH {
            // The whole list is less than a chunk, whose cached root would be that of too deep a tree.
            let mut leaves = self
                .chunks
                .first()
                .map_or_else(Default::default, |chunk| chunk.leaves());
            merkle::root(&mut leaves[..1 << depth], 0..depth)
        } else {
            let root = |chunk: &Arc<Chunk>| chunk.root();
            let mut roots: Vec<Node> = self.chunks.iter().map(root).collect();
            merkle::root(&mut roots, CHUNK_DEPTH..depth)
        };
        mix_in_length(&root.into(), self.length)
    }
}

impl<N: Unsigned> Serialize for Bitlist<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}
