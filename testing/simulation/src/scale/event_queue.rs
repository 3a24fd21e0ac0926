//! The order in which things happen at the nodes.

use std::collections::BTreeMap;

use super::messages::MessageRef;
use crate::bandwidth::Nanos;

/// What happens at a node, or at all of them.
#[derive(Debug)]
pub(super) enum Event {
    /// The nodes' clocks enter an interval.
    Interval(u64),
    Heartbeat(usize),
    /// A node's cores are done with what they were at.
    Done(usize),
    /// A node has signed what it publishes.
    Publish(usize, Vec<MessageRef>),
}

/// What is to happen, by time and then in the order of entry.
#[derive(Debug, Default)]
pub(super) struct EventQueue {
    events: BTreeMap<(Nanos, u64), Event>,
    entries: u64,
}

impl EventQueue {
    pub(super) fn push(&mut self, time: Nanos, event: Event) {
        self.entries += 1;
        self.events.insert((time, self.entries), event);
    }

    pub(super) fn next_time(&self) -> Option<Nanos> {
        self.events.first_key_value().map(|((time, _), _)| *time)
    }

    pub(super) fn pop(&mut self) -> Option<(Nanos, Event)> {
        self.events
            .pop_first()
            .map(|((time, _), event)| (time, event))
    }
}
