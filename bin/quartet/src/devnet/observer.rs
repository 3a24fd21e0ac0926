//! Asks all nodes what they see, slot after slot.

use std::{net::SocketAddr, time::Duration};

use futures::future::join_all;
use quartet_clock::{Clock, Stopwatch};
use quartet_types::{INTERVALS_PER_SLOT, Slot, SlotDuration};
use tokio::sync::mpsc;

use super::view::{Agreement, NodeView, Views};

/// The nodes count the slot's votes at its last interval; a moment later they are asked. Of a usual slot; of another, as large
/// a part.
const SETTLE: Duration = Duration::from_millis(350);

/// What the nodes see in a slot.
#[derive(Debug)]
pub(super) struct Observation {
    pub(super) slot: Slot,
    pub(super) views: Views,
    /// Seconds from the start until a node was seen to have finalized a block after genesis.
    pub(super) first_finalization: Option<f64>,
}

/// Asks the nodes, once per slot, near its end.
#[derive(Debug)]
pub(super) struct Observer {
    clock: Clock,
    nodes: Vec<SocketAddr>,
    since_start: Stopwatch,
    first_finalization: Option<f64>,
}

impl Observer {
    /// Asks `nodes`, the addresses of their JSON-RPC.
    pub(super) fn new(clock: Clock, nodes: Vec<SocketAddr>, since_start: Stopwatch) -> Self {
        Self {
            clock,
            nodes,
            since_start,
            first_finalization: None,
        }
    }

    /// Tells what it sees until nobody listens.
    pub(super) async fn run(mut self, observations: mpsc::Sender<Observation>) {
        let mut ticks = self.clock.ticks();
        let part = SETTLE.as_secs_f64() / SlotDuration::default().as_secs_f64();
        let settle = self.clock.slot_duration().slot().mul_f64(part);
        loop {
            let tick = ticks.next().await;
            if tick.interval + 1 < INTERVALS_PER_SLOT {
                // The first finalization is told to the second, not to the slot.
                if self.first_finalization.is_none() && tick.slot > 0 {
                    self.ask_all().await;
                }
                continue;
            }
            tokio::time::sleep(settle).await;
            let mut views = self.ask_all().await;
            if !Agreement::among(&views).is_full() {
                // A block may just be on its way; there is time for a second look.
                tokio::time::sleep(settle).await;
                views = self.ask_all().await;
            }
            let observation = Observation {
                slot: tick.slot,
                views,
                first_finalization: self.first_finalization,
            };
            if observations.send(observation).await.is_err() {
                return;
            }
        }
    }

    async fn ask_all(&mut self) -> Views {
        let asked = self.nodes.iter().map(|node| NodeView::ask(*node));
        let views: Views = join_all(asked).await.into_iter().map(Result::ok).collect();
        let finalized = |view: &NodeView| view.chain.finalized.slot > 0;
        if self.first_finalization.is_none() && views.iter().flatten().any(finalized) {
            self.first_finalization = Some(self.since_start.seconds());
        }
        views
    }
}
