//! The feed of events for subscribers: events of the chain and of peers, written as JSON once for all of them.
//!
//! One task turns events into JSON and puts them in a ring of [`CAPACITY`], in which each subscriber has a position. A subscriber
//! that falls behind by more than that has lost events, and is told so. One that does not read costs no queue.

mod records;
mod topic;

use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use tokio::sync::broadcast;

pub(crate) use records::{KEPT_SLOTS, LastVote, Record, Records, SeenVote};
pub(crate) use topic::{Topic, Topics, TopicsError};

/// Events by which a subscriber may be behind. With 400 bytes each, 3 MB are kept for all subscribers together, and none when there
/// are none.
pub(crate) const CAPACITY: usize = 8192;

/// An event for subscribers.
#[derive(Debug)]
pub(crate) struct FeedEvent {
    pub(crate) topic: Topic,
    /// The event as JSON.
    pub(crate) json: Box<RawValue>,
}

/// The JSON of an event: its topic, its time in Unix milliseconds by the node's clock, and its payload.
#[derive(Serialize)]
struct Event<T> {
    topic: Topic,
    at: u64,
    #[serde(flatten)]
    payload: T,
}

/// Where events are published. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Feed {
    events: broadcast::Sender<Arc<FeedEvent>>,
    records: Arc<Mutex<Records>>,
}

impl Default for Feed {
    fn default() -> Self {
        Self {
            events: broadcast::Sender::new(CAPACITY),
            records: Arc::default(),
        }
    }
}

impl Feed {
    /// All events from now on.
    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Arc<FeedEvent>> {
        self.events.subscribe()
    }

    /// The number of subscribers.
    pub(crate) fn subscriber_count(&self) -> usize {
        self.events.receiver_count()
    }

    /// What validators have done.
    pub(crate) fn records(&self) -> MutexGuard<'_, Records> {
        self.records.lock()
    }

    /// Publishes an event, if there are subscribers. `at` is in Unix milliseconds.
    pub(crate) fn publish(&self, topic: Topic, at: u64, payload: impl Serialize) {
        if self.subscriber_count() == 0 {
            return;
        }
        // Numbers, roots and strings can always be written.
        if let Ok(json) = to_raw_value(&Event { topic, at, payload }) {
            let _ = self.events.send(Arc::new(FeedEvent { topic, json }));
        }
    }
}
