//! The part of a bit list that its clones share.

use std::sync::{Arc, LazyLock, OnceLock};

use ethereum_hashing::ZERO_HASHES;

use crate::merkle::{self, Node};

pub(super) const WORD_BITS: usize = u64::BITS as usize;
/// Words of a chunk. With the largest registry a target's votes are a whole chunk, and move without being touched when
/// another target comes or goes before it.
const CHUNK_WORDS: usize = 64;
pub(super) const CHUNK_BITS: usize = CHUNK_WORDS * WORD_BITS;
pub(super) const CHUNK_BYTES: usize = CHUNK_BITS / 8;
const CHUNK_LEAVES: usize = CHUNK_BYTES / 32;
/// Levels of a chunk's subtree.
pub(super) const CHUNK_DEPTH: usize = CHUNK_LEAVES.ilog2() as usize;

/// 4096 bits; those beyond the list's length are zero.
#[derive(Clone)]
pub(super) struct Chunk {
    words: [u64; CHUNK_WORDS],
    /// How many bits are set.
    ones: usize,
    root: OnceLock<Node>,
}

impl Chunk {
    /// The chunk without a set bit.
    pub(super) fn zero() -> Arc<Self> {
        static ZERO: LazyLock<Arc<Chunk>> = LazyLock::new(|| {
            Arc::new(Chunk {
                words: [0; CHUNK_WORDS],
                ones: 0,
                root: OnceLock::new(),
            })
        });
        ZERO.clone()
    }

    pub(super) fn words(&self) -> &[u64; CHUNK_WORDS] {
        &self.words
    }

    /// Sets and clears the bits of a word.
    pub(super) fn put(&mut self, index: usize, word: u64) {
        let old = std::mem::replace(&mut self.words[index], word);
        self.ones = self.ones + word.count_ones() as usize - old.count_ones() as usize;
        self.root.take();
    }

    pub(super) fn bytes(&self) -> [u8; CHUNK_BYTES] {
        let mut bytes = [0; CHUNK_BYTES];
        let (places, _) = bytes.as_chunks_mut();
        for (place, word) in places.iter_mut().zip(&self.words) {
            *place = word.to_le_bytes();
        }
        bytes
    }

    pub(super) fn leaves(&self) -> [Node; CHUNK_LEAVES] {
        let mut leaves = [Node::default(); CHUNK_LEAVES];
        leaves.as_flattened_mut().copy_from_slice(&self.bytes());
        leaves
    }

    /// Root of the chunk's subtree.
    pub(super) fn root(&self) -> Node {
        *self.root.get_or_init(|| match self.ones {
            0 => ZERO_HASHES[CHUNK_DEPTH],
            _ => merkle::root(&mut self.leaves(), 0..CHUNK_DEPTH),
        })
    }

    /// The last bit before `end` that is set.
    pub(super) fn last_set_before(&self, end: usize) -> Option<usize> {
        if self.ones == 0 {
            return None;
        }
        let words = self.words.iter().enumerate().take(end.div_ceil(WORD_BITS));
        let last = |(index, word): (usize, &u64)| {
            let beyond = (WORD_BITS * (index + 1)).saturating_sub(end);
            let bit = (word & (u64::MAX >> beyond)).checked_ilog2()?;
            Some(WORD_BITS * index + bit as usize)
        };
        words.rev().find_map(last)
    }
}
