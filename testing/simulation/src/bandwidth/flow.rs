//! A stream in one direction: bytes that wait to leave, are under way, or were read by the receiver.

use std::collections::VecDeque;

use super::{Chunk, Nanos};

/// A stream in one direction.
#[derive(Debug)]
pub(super) struct Flow<T> {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) latency: Nanos,
    /// Counts the connections, so that what was under way on an earlier one is lost.
    pub(super) epoch: u32,
    pub(super) is_open: bool,
    pub(super) waiting: VecDeque<(u64, T)>,
    /// Bytes of the first of these that have left.
    pub(super) left: u64,
    pub(super) under_way: VecDeque<T>,
    /// Bytes that the receiver has not said to have read.
    pub(super) outstanding: u64,
    /// When it hears that how many have been read.
    pub(super) credits: VecDeque<(Nanos, u64)>,
    /// Whether the sender waits for room in the stream, and whether that is on the agenda already.
    pub(super) wants_room: bool,
    pub(super) has_turn: bool,
}

impl<T> Flow<T> {
    pub(super) fn new(from: usize, to: usize) -> Self {
        Self {
            from,
            to,
            latency: 0,
            epoch: 0,
            is_open: false,
            waiting: VecDeque::new(),
            left: 0,
            under_way: VecDeque::new(),
            outstanding: 0,
            credits: VecDeque::new(),
            wants_room: false,
            has_turn: false,
        }
    }

    pub(super) fn open(&mut self, latency: Nanos) {
        (self.is_open, self.latency) = (true, latency);
    }

    /// Closes it, and returns the bytes that had not left.
    pub(super) fn close(&mut self) -> u64 {
        let waiting: u64 = self.waiting.iter().map(|(bytes, _)| bytes).sum();
        let unsent = waiting - self.left;
        self.epoch += 1;
        self.is_open = false;
        self.waiting.clear();
        self.under_way.clear();
        self.credits.clear();
        (self.left, self.outstanding, self.wants_room) = (0, 0, false);
        unsent
    }

    pub(super) fn take_credits(&mut self, now: Nanos) {
        while let Some((_, bytes)) = self.credits.pop_front_if(|(time, _)| *time <= now) {
            self.outstanding -= bytes;
        }
    }

    /// What leaves in its next turn.
    pub(super) fn next_chunk(&self, flow: usize, turn: u64) -> Chunk {
        let (mut bytes, mut ends, mut left) = (0, 0, self.left);
        for (size, _) in &self.waiting {
            let rest = size - left;
            if bytes + rest > turn {
                bytes = turn;
                break;
            }
            bytes += rest;
            ends += 1;
            left = 0;
        }
        let epoch = self.epoch;
        Chunk {
            flow,
            epoch,
            bytes,
            ends,
        }
    }

    /// A chunk has left.
    pub(super) fn depart(&mut self, chunk: Chunk) {
        let mut bytes = chunk.bytes + self.left;
        for _ in 0..chunk.ends {
            if let Some((size, cargo)) = self.waiting.pop_front() {
                bytes -= size;
                self.under_way.push_back(cargo);
            }
        }
        self.left = bytes;
    }
}
