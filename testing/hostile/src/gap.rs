//! Slots without a block, made by letting their proposers stand still.

use std::time::Duration;

use futures::future::join_all;
use quartet_clock::{Clock, Stopwatch};
use quartet_types::{SECONDS_PER_INTERVAL, SECONDS_PER_SLOT, Slot};

use crate::{
    node::Node,
    process::{self, Order},
};

/// Slots in a row that are left empty.
const EMPTY: Slot = 2;

/// How long before its slot a proposer is stopped.
const BEFORE: Duration = Duration::from_millis(300);

/// How long after its slot's start it goes on: an interval into the next slot. If it went on as that begins, it would still
/// propose in its own.
const AFTER: Duration = Duration::from_millis(1_000 * (SECONDS_PER_SLOT + SECONDS_PER_INTERVAL));

/// A node that stands still. Dropped, it goes on.
struct Stopped(u32);

impl Stopped {
    fn new(pid: u32) -> Self {
        process::tell(pid, Order::Stop);
        Self(pid)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        process::tell(self.0, Order::Continue);
    }
}

/// Leaves [`EMPTY`] slots without a block, from `first` on, and tells of each node for how long it was stopped. Validators are
/// dealt out to the nodes in turn.
pub(crate) async fn leave_empty(
    nodes: &[Node],
    clock: &Clock,
    validators: u64,
    first: Slot,
    tell: impl Fn(&Node, Duration),
) {
    // The next proposer is stopped before the one of the slot before goes on.
    let slots = first..first + EMPTY;
    let tell = &tell;
    let skips = slots.map(|slot| async move {
        let validator = slot.checked_rem(validators).unwrap_or_default();
        let node = &nodes[validator as usize % nodes.len()];
        tell(node, skip(node, clock, slot).await);
    });
    join_all(skips).await;
}

/// Stops the proposer of a slot from just before it until it is over; returns for how long.
async fn skip(node: &Node, clock: &Clock, slot: Slot) -> Duration {
    let start = Duration::from_secs(slot * SECONDS_PER_SLOT);
    let until = |moment: Duration| moment.saturating_sub(clock.since_genesis());
    tokio::time::sleep(until(start.saturating_sub(BEFORE))).await;
    let (since, _stopped) = (Stopwatch::start(), Stopped::new(node.pid));
    tokio::time::sleep(until(start + AFTER)).await;
    since.elapsed()
}
