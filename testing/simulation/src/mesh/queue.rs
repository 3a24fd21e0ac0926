//! What waits for a peer: control messages before all else, then messages in their order.

use std::collections::VecDeque;

use super::{Counts, Gossiped, Rpc};
use crate::bandwidth::Nanos;

/// Control messages that may wait; gossipsub's own limit.
const MAX_CONTROL: usize = 20_000;

#[derive(Debug)]
pub(super) struct Queue<M: Gossiped> {
    control: VecDeque<Rpc<M>>,
    others: VecDeque<(Rpc<M>, Nanos)>,
    /// How many of these the peer no longer wants. They stay where they are, and count no more.
    cancelled: usize,
    longest: usize,
}

impl<M: Gossiped> Default for Queue<M> {
    fn default() -> Self {
        Self {
            control: VecDeque::new(),
            others: VecDeque::new(),
            cancelled: 0,
            longest: 0,
        }
    }
}

impl<M: Gossiped> Queue<M> {
    /// Adds what may wait until a time, if fewer than `limit` wait.
    pub(super) fn push(&mut self, rpc: Rpc<M>, until: Nanos, limit: usize) -> bool {
        let waiting = self.others.len() - self.cancelled;
        if waiting >= limit {
            return false;
        }
        self.others.push_back((rpc, until));
        self.longest = self.longest.max(waiting + 1);
        true
    }

    pub(super) fn push_control(&mut self, rpc: Rpc<M>) {
        if self.control.len() < MAX_CONTROL {
            self.control.push_back(rpc);
        }
    }

    /// One of the messages is not wanted any more.
    pub(super) fn cancelled(&mut self) {
        self.cancelled += 1;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.control.is_empty() && self.others.is_empty()
    }

    pub(super) fn take_longest(&mut self) -> usize {
        std::mem::replace(&mut self.longest, self.others.len() - self.cancelled)
    }

    /// Takes the next one. `leaves` says of a message whether it is still wanted.
    pub(super) fn pop(
        &mut self,
        now: Nanos,
        counts: &mut Counts,
        mut leaves: impl FnMut(M::Id) -> bool,
    ) -> Option<Rpc<M>> {
        if let Some(control) = self.control.pop_front() {
            return Some(control);
        }
        while let Some((rpc, until)) = self.others.pop_front() {
            let Rpc::Message(message) = &rpc else {
                return Some(rpc);
            };
            if !leaves(message.id()) {
                self.cancelled -= 1;
            } else if now > until {
                counts.expired += 1;
            } else {
                return Some(rpc);
            }
        }
        None
    }
}
