//! Lines with a bandwidth: bytes that a node sends leave through its uplink, take the link's latency, and come in through
//! that node's downlink.
//!
//! A connection has two streams, one for gossip and one for requests and answers. The streams of a node take turns at its uplink, of
//! [`Line::turn`] bytes, as the packets of QUIC connections do. Bytes come in at the other end in the order of their
//! arrival. Nothing is lost and no window has to grow first: it is the best that lines of this bandwidth can do. What a
//! stream has under way is limited, so that a sender's own queue fills, in which it can still drop messages that are not needed.
//!
//! Deterministic, with a time of its own in nanoseconds: the caller says until when to go on.

mod flow;
mod site;
#[cfg(test)]
mod tests;

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap, VecDeque},
};

use flow::Flow;
use site::{Arrival, Site};

/// Time in nanoseconds.
pub(crate) type Nanos = u64;

/// One second.
pub(crate) const SECOND: Nanos = 1_000_000_000;
/// What a stream sends before it is the next one's turn, unless a line says otherwise.
pub(crate) const TURN: u64 = 8 << 10;

/// What a node's line and its network task can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// Bits a second that it sends; `None` for any number.
    pub up: Option<u64>,
    /// Bits a second that it receives; `None` for any number.
    pub down: Option<u64>,
    /// Bytes that a stream sends before it is the next one's turn: a few packets where all streams share a line evenly, more than any
    /// message where one peer gets all of it before the next one gets any.
    pub turn: u64,
    /// What each message that comes in costs the task that decompresses and hashes it, in nanoseconds.
    pub message: u64,
    /// What each kibibyte that comes in costs it, in nanoseconds.
    pub kibibyte: u64,
}

/// Which of a connection's streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    Gossip = 0,
    Requests = 1,
}

/// An event at the end of a line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome<T> {
    /// The last byte of something has come in and been looked at.
    Delivered { from: usize, to: usize, cargo: T },
    /// A stream of gossip that was full has room again.
    Room { from: usize, to: usize },
}

/// When something happens, and the order of those that happen at once.
type Entry = (Nanos, u64, Step);

/// All lines, and what is under way on them.
#[derive(Debug)]
pub(crate) struct Bandwidth<T> {
    now: Nanos,
    sites: Vec<Site>,
    flows: Vec<Flow<T>>,
    /// The first of the two flows from one node to another.
    routes: BTreeMap<(usize, usize), usize>,
    agenda: BinaryHeap<Reverse<Entry>>,
    /// What is later than all before it needs no sorting: most of what is between two nodes, which is as many as it gets.
    in_order: VecDeque<Entry>,
    entries: u64,
    outcomes: VecDeque<Outcome<T>>,
    line: Line,
    window: u64,
}

/// Part of a stream, with the ends of this many messages in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Chunk {
    flow: usize,
    epoch: u32,
    bytes: u64,
    ends: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    /// A chunk has left through its uplink.
    Left(Chunk),
    Arrived(Chunk),
    /// The first arrival of a site has come in and been looked at.
    TakenIn(usize),
    Room {
        flow: usize,
        epoch: u32,
    },
}

impl Line {
    /// This many bits a second in both directions, `None` for any number, and no work with what comes in.
    pub fn of(bits_per_second: Option<u64>) -> Self {
        Self {
            up: bits_per_second,
            down: bits_per_second,
            turn: TURN,
            message: 0,
            kibibyte: 0,
        }
    }
}

impl<T> Bandwidth<T> {
    /// Lines of one kind for all nodes. A stream of gossip has at most `window` bytes under way, and the message that exceeds them.
    pub(crate) fn new(line: Line, window: u64) -> Self {
        Self {
            now: 0,
            sites: Vec::new(),
            flows: Vec::new(),
            routes: BTreeMap::new(),
            agenda: BinaryHeap::new(),
            in_order: VecDeque::new(),
            entries: 0,
            outcomes: VecDeque::new(),
            line,
            window,
        }
    }

    /// Connects two nodes, with so much time from one to the other.
    pub(crate) fn connect(&mut self, one: usize, other: usize, latency: Nanos) {
        while self.sites.len() <= one.max(other) {
            self.sites.push(Site::new(self.line));
        }
        for (from, to) in [(one, other), (other, one)] {
            let route = *self.routes.entry((from, to)).or_insert_with(|| {
                self.flows.push(Flow::new(from, to));
                self.flows.push(Flow::new(from, to));
                self.flows.len() - 2
            });
            for flow in &mut self.flows[route..route + 2] {
                flow.open(latency);
            }
        }
    }

    /// Closes the connection of two nodes: what is under way is lost.
    pub(crate) fn close(&mut self, one: usize, other: usize) {
        for route in [(one, other), (other, one)] {
            if let Some(route) = self.routes.get(&route).copied() {
                for flow in &mut self.flows[route..route + 2] {
                    let site = &mut self.sites[flow.from];
                    site.backlog -= flow.close();
                }
            }
        }
    }

    /// Sends something of this many bytes, counted on the line. Without a connection it is lost.
    pub(crate) fn send(
        &mut self,
        now: Nanos,
        route: (usize, usize),
        stream: Stream,
        bytes: u64,
        cargo: T,
    ) {
        self.now = self.now.max(now);
        let Some(first) = self.routes.get(&route).copied() else {
            return;
        };
        let index = first + stream as usize;
        let flow = &mut self.flows[index];
        if !flow.is_open {
            return;
        }
        let bytes = bytes.max(1);
        flow.take_credits(now);
        flow.waiting.push_back((bytes, cargo));
        flow.outstanding += bytes;
        let site = &mut self.sites[flow.from];
        site.lay_up(bytes);
        if !flow.has_turn {
            flow.has_turn = true;
            site.turns.push_back(index);
        }
        self.next_turn(route.0);
    }

    /// Whether a stream of gossip takes more; if not, [`Outcome::Room`] comes as soon as it does.
    pub(crate) fn has_room(&mut self, now: Nanos, from: usize, to: usize) -> bool {
        let Some(index) = self.routes.get(&(from, to)).copied() else {
            return false;
        };
        let window = self.window;
        let flow = &mut self.flows[index];
        flow.take_credits(now);
        if flow.outstanding < window || !flow.is_open {
            return flow.is_open;
        }
        if !flow.wants_room {
            flow.wants_room = true;
            if let Some((time, _)) = flow.credits.front().copied() {
                let epoch = flow.epoch;
                self.enter(time, Step::Room { flow: index, epoch });
            }
        }
        false
    }

    /// When something happens next.
    pub(crate) fn next_time(&self) -> Option<Nanos> {
        if !self.outcomes.is_empty() {
            return Some(self.now);
        }
        let agenda = self.agenda.peek().map(|Reverse(entry)| entry);
        let next = agenda.into_iter().chain(self.in_order.front()).min()?;
        Some(next.0)
    }

    /// Goes on until something comes of it, at most until `until`. The time of what is returned is [`Self::now`].
    pub(crate) fn step(&mut self, until: Nanos) -> Option<Outcome<T>> {
        loop {
            if let Some(outcome) = self.outcomes.pop_front() {
                return Some(outcome);
            }
            let (time, _, step) = self.take(until)?;
            self.now = self.now.max(time);
            self.carry_out(step);
        }
    }

    /// The time of the latest event.
    pub(crate) fn now(&self) -> Nanos {
        self.now
    }

    /// What has gone through a node's line so far.
    pub(crate) fn traffic(&self, node: usize) -> (u64, u64) {
        self.sites
            .get(node)
            .map_or((0, 0), |site| (site.sent, site.received))
    }

    /// The most bytes that have waited at a node's uplink since this was last asked.
    pub(crate) fn take_longest_backlog(&mut self, node: usize) -> u64 {
        self.sites
            .get_mut(node)
            .map_or(0, Site::take_longest_backlog)
    }

    fn enter(&mut self, time: Nanos, step: Step) {
        self.entries += 1;
        let entry = (time, self.entries, step);
        let is_last = self.in_order.back().is_none_or(|last| *last < entry);
        match step {
            Step::Arrived(_) if is_last => self.in_order.push_back(entry),
            _ => self.agenda.push(Reverse(entry)),
        }
    }

    /// The next entry, if it is due.
    fn take(&mut self, until: Nanos) -> Option<Entry> {
        let sorted = self.in_order.front();
        let heaped = self.agenda.peek().map(|Reverse(entry)| entry);
        let is_sorted = match (sorted, heaped) {
            (Some(sorted), Some(heaped)) => sorted < heaped,
            (sorted, _) => sorted.is_some(),
        };
        if is_sorted {
            self.in_order.pop_front_if(|entry| entry.0 <= until)
        } else {
            let is_due = heaped.is_some_and(|entry| entry.0 <= until);
            is_due
                .then(|| self.agenda.pop())
                .flatten()
                .map(|Reverse(entry)| entry)
        }
    }

    fn carry_out(&mut self, step: Step) {
        match step {
            Step::Left(chunk) => self.on_left(chunk),
            Step::Arrived(chunk) => self.on_arrived(chunk),
            Step::TakenIn(site) => self.on_taken_in(site),
            Step::Room { flow: index, epoch } => {
                let flow = &mut self.flows[index];
                if flow.epoch == epoch {
                    flow.wants_room = false;
                    let (from, to) = (flow.from, flow.to);
                    self.outcomes.push_back(Outcome::Room { from, to });
                }
            }
        }
    }

    /// Lets the next stream of a node send, if the uplink is free.
    fn next_turn(&mut self, node: usize) {
        while !self.sites[node].is_sending {
            let Some(index) = self.sites[node].turns.pop_front() else {
                return;
            };
            let flow = &mut self.flows[index];
            let chunk = flow.next_chunk(index, self.sites[node].line.turn);
            if chunk.bytes == 0 {
                // It was closed meanwhile.
                flow.has_turn = false;
                continue;
            }
            let site = &mut self.sites[node];
            site.is_sending = true;
            let time = self.now + site.time_up(chunk.bytes);
            self.enter(time, Step::Left(chunk));
        }
    }

    fn on_left(&mut self, chunk: Chunk) {
        let flow = &mut self.flows[chunk.flow];
        let (node, latency) = (flow.from, flow.latency);
        let is_lost = flow.epoch != chunk.epoch;
        if !is_lost {
            flow.depart(chunk);
        }
        let site = &mut self.sites[node];
        site.is_sending = false;
        if flow.waiting.is_empty() {
            flow.has_turn = false
        } else {
            site.turns.push_back(chunk.flow)
        }
        site.sent += chunk.bytes;
        if !is_lost {
            site.backlog -= chunk.bytes;
            self.enter(self.now + latency, Step::Arrived(chunk));
        }
        self.next_turn(node);
    }

    fn on_arrived(&mut self, chunk: Chunk) {
        let flow = &self.flows[chunk.flow];
        let (node, is_lost) = (flow.to, flow.epoch != chunk.epoch);
        if is_lost {
            return;
        }
        let now = self.now;
        if let Some(time) = self.sites[node].arrive(now, chunk) {
            self.enter(time, Step::TakenIn(node));
        }
    }

    fn on_taken_in(&mut self, node: usize) {
        let (arrival, next) = self.sites[node].take_in();
        if let Some(time) = next {
            self.enter(time, Step::TakenIn(node));
        }
        let Some(Arrival { chunk, .. }) = arrival else {
            return;
        };
        let flow = &mut self.flows[chunk.flow];
        if flow.epoch != chunk.epoch {
            return;
        }
        let heard = self.now + flow.latency;
        flow.credits.push_back((heard, chunk.bytes));
        let wants_room = flow.wants_room && flow.credits.len() == 1;
        let (from, to, epoch) = (flow.from, flow.to, flow.epoch);
        for cargo in flow.under_way.drain(..chunk.ends as usize) {
            self.outcomes
                .push_back(Outcome::Delivered { from, to, cargo });
        }
        if wants_room {
            let flow = chunk.flow;
            self.enter(heard, Step::Room { flow, epoch });
        }
    }
}
