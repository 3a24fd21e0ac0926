//! A bit list whose clone shares storage and whose root is recomputed only where bits changed.

mod chunk;
mod encoding;

use std::{fmt, marker::PhantomData, ops::Range, sync::Arc};

use chunk::{CHUNK_BITS, Chunk, WORD_BITS};
use typenum::Unsigned;

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

/// SSZ `Bitlist[N]`. A clone shares all chunks of 4096 bits; writing copies the chunk it touches, and all chunks
/// without a set bit share one allocation.
#[derive(Clone)]
pub struct Bitlist<N> {
    chunks: Vec<Arc<Chunk>>,
    length: usize,
    limit: PhantomData<N>,
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
        let bit = || self.word(index / WORD_BITS) >> (index % WORD_BITS) & 1 == 1;
        (index < self.length).then(bit)
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
                let number = index / WORD_BITS;
                self.put(number, self.word(number) ^ 1 << (index % WORD_BITS));
                Ok(())
            }
        }
    }

    /// Up to 64 bits from `start` on, the first of them as the lowest; zero where there are none.
    pub fn bits(&self, start: usize, count: usize) -> u64 {
        let (number, offset) = (start / WORD_BITS, start % WORD_BITS);
        let low = self.word(number) >> offset;
        let high = match offset {
            0 => 0,
            _ => self.word(number + 1) << (WORD_BITS - offset),
        };
        (low | high) & mask(count)
    }

    /// Of the `count` bits from `start` on, at most 64, sets those that are set in `bits`.
    ///
    /// # Errors
    /// When they reach beyond the length; nothing has changed then.
    pub fn set_bits(&mut self, start: usize, count: usize, bits: u64) -> Result<(), BitlistError> {
        let end = start.saturating_add(count);
        if end > self.length {
            return Err(BitlistError::OutOfRange {
                index: end - 1,
                length: self.length,
            });
        }
        let bits = bits & mask(count);
        let (number, offset) = (start / WORD_BITS, start % WORD_BITS);
        self.or(number, bits << offset);
        if offset > 0 {
            self.or(number + 1, bits >> (WORD_BITS - offset));
        }
        Ok(())
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
        // Bits beyond the length are zero, so the roots of existing chunks stay true.
        self.chunks
            .resize_with(length.div_ceil(CHUNK_BITS), Chunk::zero);
        self.length = length;
        Ok(())
    }

    /// Appends `count` bits of the same value.
    ///
    /// # Errors
    /// When the list would exceed its limit; it is then unchanged.
    pub fn extend(&mut self, count: usize, value: bool) -> Result<(), BitlistError> {
        let start = self.length;
        self.extend_zeros(count)?;
        if value {
            for start in (start..self.length).step_by(WORD_BITS) {
                let count = WORD_BITS.min(self.length - start);
                self.set_bits(start, count, u64::MAX)?;
            }
        }
        Ok(())
    }

    /// Appends bits of another list, zero where it has none. Shares whole chunks where they stay whole.
    ///
    /// # Errors
    /// When the list would exceed its limit; it is then unchanged.
    pub fn extend_from(&mut self, other: &Self, range: Range<usize>) -> Result<(), BitlistError> {
        let (mut from, mut to) = (range.start, self.length);
        self.extend_zeros(range.len())?;
        while from < range.end {
            let left = range.end - from;
            let is_whole = |at: usize| at.is_multiple_of(CHUNK_BITS);
            let count = match other.chunks.get(from / CHUNK_BITS) {
                Some(chunk) if left >= CHUNK_BITS && is_whole(from) && is_whole(to) => {
                    self.chunks[to / CHUNK_BITS] = chunk.clone();
                    CHUNK_BITS
                }
                _ => {
                    let count = left.min(WORD_BITS);
                    self.set_bits(to, count, other.bits(from, count))?;
                    count
                }
            };
            from += count;
            to += count;
        }
        Ok(())
    }

    /// The last bit before `end` that is set. Chunks without a set bit are skipped.
    pub(crate) fn last_set_before(&self, end: usize) -> Option<usize> {
        let end = end.min(self.length);
        let chunks = self.chunks.iter().enumerate();
        let last = |(index, chunk): (usize, &Arc<Chunk>)| {
            let start = index * CHUNK_BITS;
            let bit = chunk.last_set_before((end - start).min(CHUNK_BITS))?;
            Some(start + bit)
        };
        chunks.take(end.div_ceil(CHUNK_BITS)).rev().find_map(last)
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

    /// A word of the list, zero beyond the length.
    fn word(&self, number: usize) -> u64 {
        let (chunk, index) = place(number);
        self.chunks
            .get(chunk)
            .map_or(0, |chunk| chunk.words()[index])
    }

    /// Sets bits of a word within the length; those that are zero may lie beyond it.
    fn or(&mut self, number: usize, bits: u64) {
        let word = self.word(number);
        if word | bits != word {
            self.put(number, word | bits);
        }
    }

    fn put(&mut self, number: usize, word: u64) {
        let (chunk, index) = place(number);
        Arc::make_mut(&mut self.chunks[chunk]).put(index, word);
    }
}

/// The chunk of a word, and its place there.
fn place(number: usize) -> (usize, usize) {
    const CHUNK_WORDS: usize = CHUNK_BITS / WORD_BITS;
    (number / CHUNK_WORDS, number % CHUNK_WORDS)
}

/// The lowest `count` bits.
fn mask(count: usize) -> u64 {
    match count {
        0 => 0,
        _ => u64::MAX >> WORD_BITS.saturating_sub(count),
    }
}

impl<N: Unsigned> Default for Bitlist<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<N: Unsigned> PartialEq for Bitlist<N> {
    fn eq(&self, other: &Self) -> bool {
        let same = |(a, b): (&Arc<Chunk>, &Arc<Chunk>)| Arc::ptr_eq(a, b) || a.words() == b.words();
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

#[cfg(test)]
mod tests;
