//! Reads decisions from bytes, for targets that need structured input.

use proptest::{
    strategy::{Strategy, ValueTree as _},
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

/// Input that is read from the front. Missing bytes are zero, so that any input is a whole run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is left of it.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.0
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let [byte] = self.array();
        byte
    }

    pub(crate) fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// A number below `limit`, which is at most 256.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        usize::from(self.byte()) % limit.max(1)
    }

    pub(crate) fn number(&mut self) -> u64 {
        u64::from_le_bytes(self.array())
    }

    /// A number of any size, most often a small one.
    pub(crate) fn any_size(&mut self) -> u64 {
        match self.byte() {
            byte @ 0..200 => u64::from(byte),
            200..230 => u64::from(u16::from_le_bytes(self.array())),
            230..250 => self.number(),
            byte => u64::MAX - u64::from(byte - 250),
        }
    }

    pub(crate) fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut array = [0; N];
        let found = self.take(N);
        array[..found.len()].copy_from_slice(found);
        array
    }

    /// The next `count` bytes, or what is left.
    pub(crate) fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// A piece that says how long it is.
    pub(crate) fn piece(&mut self) -> &'a [u8] {
        let length = u16::from_le_bytes(self.array());
        self.take(usize::from(length))
    }
}

/// A value of a property test's strategy, drawn by four bytes of the input: those that follow one another in an input are
/// independent, so that one can be left out, doubled or exchanged without a change of the others.
pub(crate) fn generate<S: Strategy>(strategy: &S, input: &mut Input<'_>) -> Option<S::Value> {
    let mut seed = [0x51; 32];
    seed[..4].copy_from_slice(&input.array::<4>());
    let lots = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let mut runner = TestRunner::new_with_rng(Config::default(), lots);
    Some(strategy.new_tree(&mut runner).ok()?.current())
}
