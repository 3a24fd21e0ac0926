//! The chain as the services share it: one writer, any number of readers.

use std::sync::Arc;

use metrics::histogram;
use parking_lot::{RwLock, RwLockReadGuard};
use quartet_clock::Stopwatch;

use crate::{ForkChoiceView, LeanChain, equivocations::Found};

/// The chain, for reading. Clones share the chain; none of them can change it:
///
/// ```compile_fail
/// fn tamper(chain: &quartet_chain::SharedChain) {
///     chain.write().set_sync_speed(0);
/// }
/// ```
#[derive(Clone, Debug)]
pub struct SharedChain(Arc<RwLock<LeanChain>>);

impl SharedChain {
    /// Takes the read lock. Hold it for moments only, and never across an await: the guard is not `Send`.
    pub fn read(&self) -> RwLockReadGuard<'_, LeanChain> {
        self.0.read()
    }

    /// The chain itself, if this is the last one that shares it.
    pub fn into_inner(self) -> Option<LeanChain> {
        Arc::into_inner(self.0).map(RwLock::into_inner)
    }
}

/// The only way to change a shared chain. Each chain has one, which the chain service owns:
///
/// ```compile_fail
/// fn second(writer: &quartet_chain::ChainWriter) -> quartet_chain::ChainWriter {
///     writer.clone()
/// }
/// ```
#[derive(Debug)]
pub struct ChainWriter(SharedChain);

/// What one change of the chain has moved.
#[derive(Debug)]
#[must_use = "watchers are told of changes"]
pub(crate) struct Changes {
    pub(crate) before: ForkChoiceView,
    pub(crate) after: ForkChoiceView,
    /// Blocks of the old head's branch that the new head's does not have.
    pub(crate) reorg_depth: u64,
    /// How many equivocations it has found.
    pub(crate) equivocation_count: u64,
    /// The last 256 of them, in order.
    pub(crate) equivocations: Vec<Found>,
}

impl ChainWriter {
    /// Shares a chain.
    pub fn new(chain: LeanChain) -> Self {
        Self(SharedChain(Arc::new(RwLock::new(chain))))
    }

    /// The chain, for readers.
    pub fn reader(&self) -> SharedChain {
        self.0.clone()
    }

    /// As [`SharedChain::read`].
    pub fn read(&self) -> RwLockReadGuard<'_, LeanChain> {
        self.0.read()
    }

    /// Changes the chain under the write lock. Nobody is told: the chain service's own `change` does that.
    pub fn change<T>(&self, change: impl FnOnce(&mut LeanChain) -> T) -> T {
        self.change_and_compare(change).0
    }

    /// Changes the chain under the write lock, whose time `quartet_chain_write_lock_seconds` shows, and says what that has moved.
    pub(crate) fn change_and_compare<T>(
        &self,
        change: impl FnOnce(&mut LeanChain) -> T,
    ) -> (T, Changes) {
        let mut chain = self.0.0.write();
        let held = Stopwatch::start();
        let before = chain.view();
        let known = chain.equivocations().total();
        let result = change(&mut chain);
        let changes = Changes::since(before, known, &chain);
        drop(chain);
        histogram!("quartet_chain_write_lock_seconds").record(held.seconds());
        (result, changes)
    }
}

impl Changes {
    fn since(before: ForkChoiceView, known: u64, chain: &LeanChain) -> Self {
        let after = chain.view();
        let (from, to) = (before.head.root, after.head.root);
        let reorg_depth = if from == to {
            0
        } else {
            chain.reorg_depth(&from, &to)
        };
        Self {
            before,
            after,
            reorg_depth,
            equivocation_count: chain.equivocations().total().saturating_sub(known),
            equivocations: chain.equivocations().since(known).collect(),
        }
    }
}

#[cfg(test)]
mod tests;
