//! Queries all nodes for their view of the chain, slot after slot.

use std::{net::SocketAddr, time::Duration};

use futures::future::join_all;
use quartet_clock::{Clock, Stopwatch};
use quartet_types::{INTERVALS_PER_SLOT, Slot, SlotDuration};
use tokio::sync::mpsc;

use super::{
    guests::{GuestView, Questions},
    view::{Agreement, NodeView, Views},
};

/// The nodes count the slot's votes at its last interval; a moment later they are asked. Of a usual slot; of another, as large
/// a part.
const SETTLE: Duration = Duration::from_millis(350);

/// The views of the nodes in a slot.
#[derive(Debug)]
pub(super) struct Observation {
    pub(super) slot: Slot,
    /// Of our own nodes that are there from the start.
    pub(super) views: Views,
    /// Of the nodes of other clients.
    pub(super) guests: Vec<Option<GuestView>>,
    /// Of our own node that starts late.
    pub(super) late: Option<NodeView>,
    /// Seconds from the start until a node was seen to have finalized a block after genesis.
    pub(super) first_finalization: Option<f64>,
}

impl Observation {
    /// How far all agree, but for the node that starts late.
    pub(super) fn agreement(&self) -> Agreement {
        Agreement::among(&self.views).with(&self.guests)
    }
}

/// A node to query.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// The addresses of the JSON-RPC of our own nodes that are there from the start.
    pub(super) members: Vec<SocketAddr>,
    pub(super) guests: Vec<Questions>,
    pub(super) late: Option<SocketAddr>,
}

/// Asks the nodes, once per slot, near its end.
#[derive(Debug)]
pub(super) struct Observer {
    clock: Clock,
    asked: Asked,
    since_start: Stopwatch,
    first_finalization: Option<f64>,
}

impl Observer {
    /// Asks these.
    pub(super) fn new(clock: Clock, asked: Asked, since_start: Stopwatch) -> Self {
        Self {
            clock,
            asked,
            since_start,
            first_finalization: None,
        }
    }

    /// Sends its observations until the receiver is dropped.
    pub(super) async fn run(mut self, observations: mpsc::Sender<Observation>) {
        let mut ticks = self.clock.ticks();
        let part = SETTLE.as_secs_f64() / SlotDuration::default().as_secs_f64();
        let settle = self.clock.slot_duration().slot().mul_f64(part);
        loop {
            let tick = ticks.next().await;
            if tick.interval + 1 < INTERVALS_PER_SLOT {
                // The time of the first finalization is reported in seconds, not in slots.
                if self.first_finalization.is_none() && tick.slot > 0 {
                    self.ask_all().await;
                }
                continue;
            }
            tokio::time::sleep(settle).await;
            let mut observation = self.observe(tick.slot).await;
            if !observation.agreement().is_full() {
                // A block may just be on its way; there is time for a second look.
                tokio::time::sleep(settle).await;
                observation = self.observe(tick.slot).await;
            }
            if observations.send(observation).await.is_err() {
                return;
            }
        }
    }

    async fn observe(&mut self, slot: Slot) -> Observation {
        let Asked { guests, late, .. } = self.asked.clone();
        let guests = join_all(guests.iter().map(Questions::ask));
        let late = async {
            match late {
                Some(node) => NodeView::ask(node).await.ok(),
                None => None,
            }
        };
        let (views, guests, late) = tokio::join!(self.ask_all(), guests, late);
        Observation {
            slot,
            views,
            guests: guests.into_iter().map(Result::ok).collect(),
            late,
            first_finalization: self.first_finalization,
        }
    }

    async fn ask_all(&mut self) -> Views {
        let asked = self.asked.members.iter().map(|node| NodeView::ask(*node));
        let views: Views = join_all(asked).await.into_iter().map(Result::ok).collect();
        let finalized = |view: &NodeView| view.chain.finalized.slot > 0;
        if self.first_finalization.is_none() && views.iter().flatten().any(finalized) {
            self.first_finalization = Some(self.since_start.seconds());
        }
        views
    }
}
