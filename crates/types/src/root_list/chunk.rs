//! The parts of a list of roots that its clones share.

use std::sync::{Arc, LazyLock, OnceLock};

use ethereum_hashing::ZERO_HASHES;

use super::parent;
use crate::Root;

/// Levels of a chunk's subtree.
pub(super) const CHUNK_DEPTH: usize = 7;
/// Roots of a chunk. A branch copies half a chunk on average; for each shared chunk a list has only a pointer of its
/// own.
pub(super) const CHUNK: usize = 1 << CHUNK_DEPTH;

/// The full chunks of a list, shared until one is added.
#[derive(Clone, Default)]
pub(super) struct Full {
    chunks: Vec<Arc<Chunk>>,
    /// Of the chunks' roots, the root of each perfect subtree: at a level whose bit is set in their number.
    peaks: Vec<Root>,
}

impl Full {
    pub(super) fn chunks(&self) -> &[Arc<Chunk>] {
        &self.chunks
    }

    pub(super) fn peaks(&self) -> &[Root] {
        &self.peaks
    }

    pub(super) fn push(&mut self, chunk: Arc<Chunk>) {
        let mut node = chunk.root;
        let merged = self.chunks.len().trailing_ones() as usize;
        for peak in &self.peaks[..merged] {
            node = parent(peak, &node.0);
        }
        match self.peaks.get_mut(merged) {
            Some(peak) => *peak = node,
            None => self.peaks.push(node),
        }
        self.chunks.push(chunk);
    }

    /// The first `count` chunks.
    pub(super) fn beginning(&self, count: usize) -> Self {
        let mut beginning = Self::default();
        for chunk in &self.chunks[..count] {
            beginning.push(chunk.clone());
        }
        beginning
    }
}

/// As many roots as a chunk has, which never change.
pub(super) struct Chunk {
    roots: [Root; CHUNK],
    /// Root of the chunk's subtree.
    root: Root,
}

impl Chunk {
    /// The chunk of zero roots.
    pub(super) fn zero() -> Arc<Self> {
        static ZERO: LazyLock<Arc<Chunk>> = LazyLock::new(|| {
            Arc::new(Chunk {
                roots: [Root::ZERO; CHUNK],
                root: ZERO_HASHES[CHUNK_DEPTH].into(),
            })
        });
        ZERO.clone()
    }

    pub(super) fn roots(&self) -> &[Root; CHUNK] {
        &self.roots
    }
}

/// A chunk with room. Each entry is written once, so that lists that are alike up to there can share it.
pub(super) struct Tail {
    roots: [OnceLock<Root>; CHUNK],
    /// The chunk that it became.
    filled: OnceLock<Arc<Chunk>>,
}

impl Tail {
    /// A tail that begins with these roots, at most a chunk's worth.
    pub(super) fn of(roots: &[Root]) -> Self {
        let tail = Self::default();
        for (index, root) in roots.iter().enumerate() {
            tail.put(index, *root);
        }
        tail
    }

    /// A tail of its own with the first `count` entries.
    pub(super) fn beginning(&self, count: usize) -> Self {
        let roots: Vec<Root> = self.iter().take(count).copied().collect();
        Self::of(&roots)
    }

    pub(super) fn get(&self, index: usize) -> Option<&Root> {
        self.roots.get(index)?.get()
    }

    /// The entries written so far, those of other lists included.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Root> {
        self.roots.iter().map_while(OnceLock::get)
    }

    /// Writes an entry. False if another one has been written there.
    pub(super) fn put(&self, index: usize, root: Root) -> bool {
        self.roots
            .get(index)
            .is_some_and(|entry| *entry.get_or_init(|| root) == root)
    }

    /// The chunk of all entries, whose root is given; one for all lists that have filled this tail.
    pub(super) fn filled(&self, root: Root) -> Arc<Chunk> {
        let chunk = || {
            let entry = |index: usize| self.get(index).copied().unwrap_or_default();
            let roots = std::array::from_fn(entry);
            Arc::new(Chunk { roots, root })
        };
        self.filled.get_or_init(chunk).clone()
    }
}

impl Default for Tail {
    fn default() -> Self {
        Self {
            roots: [const { OnceLock::new() }; CHUNK],
            filled: OnceLock::new(),
        }
    }
}
