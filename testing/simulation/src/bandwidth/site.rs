//! A node's end of its lines.

use std::collections::VecDeque;

use super::{Chunk, Line, Nanos, SECOND};

/// A node's end of its lines.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) line: Line,
    /// The flows that have something to send, in the order of their turns.
    pub(super) turns: VecDeque<usize>,
    pub(super) is_sending: bool,
    /// Bytes that have not left.
    pub(super) backlog: u64,
    longest_backlog: u64,
    arrivals: VecDeque<Arrival>,
    /// When the downlink, and the task behind it, have done with what has arrived so far.
    down_until: Nanos,
    task_until: Nanos,
    pub(super) sent: u64,
    pub(super) received: u64,
}

/// What has arrived at a downlink.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) chunk: Chunk,
    /// When it has come in and been looked at.
    done: Nanos,
}

impl Site {
    pub(super) fn new(line: Line) -> Self {
        Self {
            line,
            turns: VecDeque::new(),
            is_sending: false,
            backlog: 0,
            longest_backlog: 0,
            arrivals: VecDeque::new(),
            down_until: 0,
            task_until: 0,
            sent: 0,
            received: 0,
        }
    }

    pub(super) fn lay_up(&mut self, bytes: u64) {
        self.backlog += bytes;
        self.longest_backlog = self.longest_backlog.max(self.backlog);
    }

    pub(super) fn take_longest_backlog(&mut self) -> u64 {
        std::mem::replace(&mut self.longest_backlog, self.backlog)
    }

    pub(super) fn time_up(&self, bytes: u64) -> Nanos {
        time(bytes, self.line.up)
    }

    /// Takes note of an arrival; if it is the only one, says when it will have been taken in.
    pub(super) fn arrive(&mut self, now: Nanos, chunk: Chunk) -> Option<Nanos> {
        self.down_until = self.down_until.max(now) + time(chunk.bytes, self.line.down);
        let work =
            self.line.message * u64::from(chunk.ends) + self.line.kibibyte * chunk.bytes / 1024;
        self.task_until = self.task_until.max(self.down_until) + work;
        let done = self.task_until;
        self.arrivals.push_back(Arrival { chunk, done });
        (self.arrivals.len() == 1).then_some(done)
    }

    /// The first arrival has been taken in; says when the next one will have been.
    pub(super) fn take_in(&mut self) -> (Option<Arrival>, Option<Nanos>) {
        let arrival = self.arrivals.pop_front();
        self.received += arrival.as_ref().map_or(0, |arrival| arrival.chunk.bytes);
        (arrival, self.arrivals.front().map(|next| next.done))
    }
}

fn time(bytes: u64, bits_per_second: Option<u64>) -> Nanos {
    bits_per_second.map_or(0, |rate| (bytes * 8 * SECOND).div_ceil(rate.max(1)))
}
