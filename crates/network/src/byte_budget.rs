//! Bytes that may be in memory for one purpose at a time.

use std::sync::Arc;

use metrics::gauge;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A budget of bytes. Those who wait for some get them in the order in which they asked.
#[derive(Clone, Debug)]
pub(crate) struct ByteBudget {
    free: Arc<Semaphore>,
    size: u32,
    gauge: &'static str,
}

/// Bytes reserved from a budget. They are free again when this is dropped.
#[derive(Debug)]
pub(crate) struct ReservedBytes {
    permit: Option<OwnedSemaphorePermit>,
    budget: ByteBudget,
}

impl ByteBudget {
    /// A budget of which nothing is reserved. The gauge shows how many bytes are.
    pub(crate) fn new(size: u32, gauge: &'static str) -> Self {
        Self {
            free: Arc::new(Semaphore::new(size as usize)),
            size,
            gauge,
        }
    }

    /// Reserves this many bytes as soon as they are free; all of the budget if it has fewer.
    pub(crate) async fn reserve(&self, bytes: usize) -> ReservedBytes {
        let permit = self.free.clone().acquire_many_owned(self.bytes(bytes));
        // It is never closed.
        self.reserved_bytes(permit.await.ok())
    }

    /// As [`Self::reserve`], if they are free now.
    pub(crate) fn try_reserve(&self, bytes: usize) -> Option<ReservedBytes> {
        let permit = self.free.clone().try_acquire_many_owned(self.bytes(bytes));
        permit.ok().map(|permit| self.reserved_bytes(Some(permit)))
    }

    /// Bytes that are reserved.
    pub(crate) fn reserved(&self) -> usize {
        self.size as usize - self.free.available_permits()
    }

    fn bytes(&self, bytes: usize) -> u32 {
        u32::try_from(bytes).unwrap_or(u32::MAX).min(self.size)
    }

    fn reserved_bytes(&self, permit: Option<OwnedSemaphorePermit>) -> ReservedBytes {
        self.update_gauge();
        let budget = self.clone();
        ReservedBytes { permit, budget }
    }

    fn update_gauge(&self) {
        gauge!(self.gauge).set(self.reserved() as f64);
    }
}

impl ReservedBytes {
    /// Holds what the other one holds as well.
    pub(crate) fn merge(&mut self, mut other: Self) {
        match (&mut self.permit, other.permit.take()) {
            (Some(permit), Some(more)) => permit.merge(more),
            (permit, more) => *permit = permit.take().or(more),
        }
    }
}

impl Drop for ReservedBytes {
    fn drop(&mut self) {
        self.permit = None;
        self.budget.update_gauge();
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn dropped_bytes_are_free_again_and_waiters_are_served_in_order() {
        let budget = ByteBudget::new(100, "test");
        let mut first = budget.reserve(40).await;
        first.merge(budget.reserve(20).await);
        assert_eq!(budget.reserved(), 60);
        assert!(budget.try_reserve(41).is_none());

        let mut large = Box::pin(budget.reserve(80));
        assert!(large.as_mut().now_or_never().is_none());
        // It fits, but somebody has asked before.
        let mut small = Box::pin(budget.reserve(10));
        assert!(small.as_mut().now_or_never().is_none());
        drop(first);
        let large = large.await;
        let small = small.await;
        assert_eq!(budget.reserved(), 90);
        drop((large, small));
        // More than there can be takes all there is.
        let all = budget.reserve(1_000).await;
        assert_eq!(budget.reserved(), 100);
        drop(all);
        assert_eq!(budget.reserved(), 0);
    }
}
