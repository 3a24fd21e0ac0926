//! An append-only list of roots that costs 32 bytes an entry however many clones there are, and little to hash.

mod chunk;

use std::{fmt, marker::PhantomData, sync::Arc};

use chunk::{CHUNK, CHUNK_DEPTH, Chunk, Full, Tail};
use ethereum_hashing::{ZERO_HASHES, hash32_concat};
use serde::{Serialize, Serializer};
use ssz::{Decode, DecodeError, Encode};
use tree_hash::{Hash256, PackedEncoding, TreeHash, TreeHashType, mix_in_length};
use typenum::Unsigned;

use crate::Root;

/// Bytes of one root.
const ROOT_BYTES: usize = 32;

/// A list of roots would grow beyond its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{length} roots exceed the limit of {limit}")]
pub struct TooManyRoots {
    /// Roots the list would have.
    pub length: usize,
    /// Roots it may have.
    pub limit: usize,
}

/// SSZ `List[Bytes32, N]`, to which roots are only ever appended.
///
/// Chunks of 128 roots are shared by all lists that have them in common; so is the last one, which has room: of several
/// clones the first that appends writes into it, and the others share that entry or, when theirs is another, take a
/// copy. Beside that a clone has seven hashes of its own. Appending costs one hash on average, the root as many as the
/// tree is deep.
#[derive(Clone)]
pub struct RootList<N> {
    full: Arc<Full>,
    tail: Arc<Tail>,
    /// How many entries of the tail are this list's: fewer than a chunk.
    in_tail: usize,
    /// Of the tail's entries, the root of each perfect subtree: at a level whose bit is set in their number.
    peaks: [Root; CHUNK_DEPTH],
    limit: PhantomData<N>,
}

impl<N: Unsigned> RootList<N> {
    /// The empty list.
    pub fn new() -> Self {
        Self {
            full: Arc::default(),
            tail: Arc::default(),
            in_tail: 0,
            peaks: [Root::ZERO; CHUNK_DEPTH],
            limit: PhantomData,
        }
    }

    /// Builds a list from roots.
    ///
    /// # Errors
    /// When there are more roots than the limit.
    pub fn try_from_iter(roots: impl IntoIterator<Item = Root>) -> Result<Self, TooManyRoots> {
        let mut list = Self::new();
        for root in roots {
            list.push(root)?;
        }
        Ok(list)
    }

    /// Number of roots.
    pub fn len(&self) -> usize {
        self.full.chunks().len() * CHUNK + self.in_tail
    }

    /// Whether there are no roots.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The root at `index`, or `None` beyond the length.
    pub fn get(&self, index: usize) -> Option<&Root> {
        match self.full.chunks().get(index / CHUNK) {
            Some(chunk) => chunk.roots().get(index % CHUNK),
            None => (index < self.len())
                .then(|| self.tail.get(index % CHUNK))
                .flatten(),
        }
    }

    /// The roots in order.
    pub fn iter(&self) -> impl Iterator<Item = &Root> {
        let full = self.full.chunks().iter().flat_map(|chunk| chunk.roots());
        full.chain(self.tail.iter().take(self.in_tail))
    }

    /// Appends one root.
    ///
    /// # Errors
    /// When the list is full.
    pub fn push(&mut self, root: Root) -> Result<(), TooManyRoots> {
        self.check_room(1)?;
        if !self.tail.put(self.in_tail, root) {
            self.tail = Arc::new(self.tail.beginning(self.in_tail));
            self.tail.put(self.in_tail, root);
        }
        let complete = add_leaf(&mut self.peaks, self.in_tail, root);
        self.in_tail += 1;
        if let Some(chunk_root) = complete {
            let chunk = self.tail.filled(chunk_root);
            Arc::make_mut(&mut self.full).push(chunk);
            self.tail = Arc::default();
            self.in_tail = 0;
        }
        Ok(())
    }

    /// Appends `count` zero roots; whole chunks of them cost no memory.
    ///
    /// # Errors
    /// When the list would exceed its limit; it is then unchanged.
    pub fn extend_zeros(&mut self, count: usize) -> Result<(), TooManyRoots> {
        self.check_room(count)?;
        let mut left = count;
        while left > 0 {
            if self.in_tail == 0 && left >= CHUNK {
                Arc::make_mut(&mut self.full).push(Chunk::zero());
                left -= CHUNK;
            } else {
                self.push(Root::ZERO)?;
                left -= 1;
            }
        }
        Ok(())
    }

    /// The list as it was when it had `length` roots, or as it is when it has fewer. Shares the chunks before the end.
    #[must_use]
    pub fn truncated(&self, length: usize) -> Self {
        if length >= self.len() {
            return self.clone();
        }
        let (chunks, in_tail) = (length / CHUNK, length % CHUNK);
        let full = if chunks == self.full.chunks().len() {
            self.full.clone()
        } else {
            Arc::new(self.full.beginning(chunks))
        };
        let tail = match self.full.chunks().get(chunks) {
            Some(chunk) => Arc::new(Tail::of(&chunk.roots()[..in_tail])),
            None => self.tail.clone(),
        };
        let mut peaks = [Root::ZERO; CHUNK_DEPTH];
        for (index, root) in tail.iter().take(in_tail).enumerate() {
            add_leaf(&mut peaks, index, *root);
        }
        Self {
            full,
            tail,
            in_tail,
            peaks,
            limit: PhantomData,
        }
    }

    fn check_room(&self, more: usize) -> Result<(), TooManyRoots> {
        let length = self.len().saturating_add(more);
        if length > N::USIZE {
            Err(TooManyRoots {
                length,
                limit: N::USIZE,
            })
        } else {
            Ok(())
        }
    }

    /// Root of the perfect subtree of this level that ends where no larger one does, if there is one.
    fn peak(&self, level: usize) -> Option<&Root> {
        let is_there = self.len() >> level & 1 == 1;
        let peak = || {
            if level < CHUNK_DEPTH {
                self.peaks.get(level)
            } else {
                self.full.peaks().get(level - CHUNK_DEPTH)
            }
        };
        is_there.then(peak).flatten()
    }
}

/// Adds the leaf behind `count` others of a tree of `peaks.len()` levels, and returns the tree's root if that completes
/// it.
fn add_leaf(peaks: &mut [Root], count: usize, leaf: Root) -> Option<Root> {
    let mut node = leaf;
    for (level, peak) in peaks.iter_mut().enumerate() {
        if count >> level & 1 == 0 {
            *peak = node;
            return None;
        }
        node = parent(peak, &node.0);
    }
    Some(node)
}

fn parent(left: &Root, right: &[u8; ROOT_BYTES]) -> Root {
    hash32_concat(left.as_slice(), right).into()
}

impl<N: Unsigned> Default for RootList<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<N: Unsigned> PartialEq for RootList<N> {
    fn eq(&self, other: &Self) -> bool {
        // The peaks are hashes of all entries.
        let peaks = |list: &'_ Self| -> Vec<Root> {
            let levels = 0..usize::BITS as usize;
            levels
                .filter_map(|level| list.peak(level))
                .copied()
                .collect()
        };
        self.len() == other.len() && peaks(self) == peaks(other)
    }
}

impl<N: Unsigned> Eq for RootList<N> {}

impl<N: Unsigned> fmt::Debug for RootList<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<N: Unsigned> Encode for RootList<N> {
    fn is_ssz_fixed_len() -> bool {
        false
    }

    fn ssz_bytes_len(&self) -> usize {
        self.len() * ROOT_BYTES
    }

    fn ssz_append(&self, buf: &mut Vec<u8>) {
        for root in self.iter() {
            buf.extend_from_slice(root.as_slice());
        }
    }
}

impl<N: Unsigned> Decode for RootList<N> {
    fn is_ssz_fixed_len() -> bool {
        false
    }

    fn from_ssz_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let (roots, rest) = bytes.as_chunks::<ROOT_BYTES>();
        if !rest.is_empty() {
            let why = format!("{} bytes are no whole number of roots", bytes.len());
            return Err(DecodeError::BytesInvalid(why));
        }
        // Before anything is hashed.
        let invalid = |error: TooManyRoots| DecodeError::BytesInvalid(error.to_string());
        let mut list = Self::new();
        list.check_room(roots.len()).map_err(invalid)?;
        for root in roots {
            list.push(Root::from(*root)).map_err(invalid)?;
        }
        Ok(list)
    }
}

impl<N: Unsigned> TreeHash for RootList<N> {
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
        let depth = N::USIZE.next_power_of_two().ilog2() as usize;
        // Root of what comes behind the peaks of the levels above, zero leaves included.
        let mut rest: Option<Root> = None;
        for (level, zero) in ZERO_HASHES[..depth].iter().enumerate() {
            rest = match (self.peak(level), rest) {
                (Some(peak), Some(rest)) => Some(parent(peak, &rest.0)),
                (Some(peak), None) => Some(parent(peak, zero)),
                (None, Some(rest)) => Some(parent(&rest, zero)),
                (None, None) => None,
            };
        }
        let whole = rest.or(self.peak(depth).copied());
        mix_in_length(&whole.unwrap_or(ZERO_HASHES[depth].into()), self.len())
    }
}

impl<N: Unsigned> Serialize for RootList<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

#[cfg(test)]
mod tests;
