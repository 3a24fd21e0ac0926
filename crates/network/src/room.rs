//! Bytes that may be in memory for one purpose at a time.

use std::sync::Arc;

use metrics::gauge;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Room for so many bytes. Who waits for some gets it in the order of asking.
#[derive(Clone, Debug)]
pub(crate) struct Room {
    free: Arc<Semaphore>,
    size: u32,
    gauge: &'static str,
}

/// Bytes taken from a room, which has them again when this is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    permit: Option<OwnedSemaphorePermit>,
    room: Room,
}

impl Room {
    /// An empty room. The gauge shows how many bytes of it are taken.
    pub(crate) fn new(size: u32, gauge: &'static str) -> Self {
        Self {
            free: Arc::new(Semaphore::new(size as usize)),
            size,
            gauge,
        }
    }

    /// Takes room for so many bytes when it is there; for all of it when there are more.
    pub(crate) async fn take(&self, bytes: usize) -> Held {
        let taken = self.free.clone().acquire_many_owned(self.bytes(bytes));
        // It is never closed.
        self.held(taken.await.ok())
    }

    /// As [`Self::take`] if there is room now.
    pub(crate) fn try_take(&self, bytes: usize) -> Option<Held> {
        let taken = self.free.clone().try_acquire_many_owned(self.bytes(bytes));
        taken.ok().map(|permit| self.held(Some(permit)))
    }

    /// Bytes that are taken.
    pub(crate) fn taken(&self) -> usize {
        self.size as usize - self.free.available_permits()
    }

    fn bytes(&self, bytes: usize) -> u32 {
        u32::try_from(bytes).unwrap_or(u32::MAX).min(self.size)
    }

    fn held(&self, permit: Option<OwnedSemaphorePermit>) -> Held {
        self.show();
        let room = self.clone();
        Held { permit, room }
    }

    fn show(&self) {
        gauge!(self.gauge).set(self.taken() as f64);
    }
}

impl Held {
    /// Holds what the other one holds as well.
    pub(crate) fn merge(&mut self, mut other: Self) {
        match (&mut self.permit, other.permit.take()) {
            (Some(permit), Some(more)) => permit.merge(more),
            (permit, more) => *permit = permit.take().or(more),
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.permit = None;
        self.room.show();
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn what_is_dropped_is_free_again_and_who_waits_is_served_in_order() {
        let room = Room::new(100, "test");
        let mut first = room.take(40).await;
        first.merge(room.take(20).await);
        assert_eq!(room.taken(), 60);
        assert!(room.try_take(41).is_none());

        let mut large = Box::pin(room.take(80));
        assert!(large.as_mut().now_or_never().is_none());
        // It fits, but somebody has asked before.
        let mut small = Box::pin(room.take(10));
        assert!(small.as_mut().now_or_never().is_none());
        drop(first);
        let large = large.await;
        let small = small.await;
        assert_eq!(room.taken(), 90);
        drop((large, small));
        // More than there can be takes all there is.
        let all = room.take(1_000).await;
        assert_eq!(room.taken(), 100);
        drop(all);
        assert_eq!(room.taken(), 0);
    }
}
