//! The connections of one listener: their number, the phase of each, and which one is closed for a new one.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
};

use metrics::{counter, gauge};
use parking_lot::Mutex;
use tokio::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::limits::Limits;

/// The phase of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The client is sending a request's head, or has yet to begin with the first one.
    Head,
    /// The client is sending a request's body.
    Body,
    /// We prepare the answer.
    Working,
    /// The client is taking the answer.
    Writing,
    /// There is no request.
    Idle,
    /// The client is a subscriber.
    Subscribed,
}

impl Phase {
    /// The reason in the metric when a connection is closed in this phase.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Head => "head",
            Self::Body => "body",
            Self::Working => "work",
            Self::Writing => "answer",
            Self::Idle => "idle",
            Self::Subscribed => "stall",
        }
    }
}

/// The client's network, for limits by address; `None` is the loopback.
type Network = Option<IpAddr>;

fn network(address: IpAddr) -> Network {
    match address.to_canonical() {
        address if address.is_loopback() => None,
        IpAddr::V4(address) => Some(address.into()),
        // A client with one address of a /64 has all of them.
        IpAddr::V6(address) => Some(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into()),
    }
}

#[derive(Debug)]
struct Entry {
    network: Network,
    phase: Phase,
    /// When the phase began.
    since: Instant,
    /// When the request that is being answered was there, its body apart.
    asked: Instant,
    /// Bytes of answers that the client has not taken.
    held: usize,
    /// Whether all of the answer is in the server's buffer, so that a flush is the end of it.
    buffered: bool,
    close: CancellationToken,
}

impl Entry {
    /// How long the client has kept us waiting; `None` when we are at work.
    fn waits_since(&self) -> Option<Instant> {
        let is_ours = matches!(self.phase, Phase::Working | Phase::Subscribed);
        (!is_ours).then_some(self.since)
    }

    fn enter(&mut self, phase: Phase, now: Instant) {
        self.phase = phase;
        self.since = now;
    }

    /// When the phase has to be over; never for subscribers, whose streams have time-outs of their own.
    fn deadline(&self, limits: &Limits) -> Option<Instant> {
        let whole = self.asked + limits.exchange;
        Some(match self.phase {
            Phase::Head => self.since + limits.head,
            Phase::Body => (self.since + limits.body).min(whole),
            Phase::Working | Phase::Writing => whole,
            Phase::Idle => self.since + limits.idle,
            Phase::Subscribed => return None,
        })
    }

    fn is_subscriber(&self) -> bool {
        self.phase == Phase::Subscribed
    }
}

#[derive(Debug)]
struct Inner {
    limits: Limits,
    next: u64,
    entries: BTreeMap<u64, Entry>,
    /// The sum of what the entries hold.
    held: usize,
}

impl Inner {
    fn remove(&mut self, id: u64) -> Option<Entry> {
        let entry = self.entries.remove(&id)?;
        self.release(entry.held);
        gauge!("quartet_http_connections").decrement(1.0);
        Some(entry)
    }

    fn hold(&mut self, bytes: usize) {
        self.held += bytes;
        gauge!("quartet_http_answer_bytes").increment(bytes as f64);
    }

    fn release(&mut self, bytes: usize) {
        self.held -= bytes;
        gauge!("quartet_http_answer_bytes").decrement(bytes as f64);
    }

    /// Closes the connection that has kept us waiting the longest among those that `may` name, if any.
    fn evict(&mut self, reason: &'static str, may: impl Fn(u64, &Entry) -> bool) -> bool {
        let waiting = self.entries.iter().filter(|(id, entry)| may(**id, entry));
        let waiting = waiting.filter_map(|(id, entry)| Some((entry.waits_since()?, *id)));
        let Some((_, id)) = waiting.min() else {
            return false;
        };
        if let Some(entry) = self.remove(id) {
            count_closed(reason);
            debug!(from = ?entry.network, phase = entry.phase.name(), reason, "closing a connection for another");
            entry.close.cancel();
        }
        true
    }

    /// Makes room for a connection.
    fn make_room(&mut self, from: Network) -> Result<(), &'static str> {
        let same = self.entries.values().filter(|entry| entry.network == from);
        let crowded = from.is_some() && same.count() >= self.limits.per_address;
        if crowded && !self.evict("address", |_, entry| entry.network == from) {
            return Err("address");
        }
        let others = self.entries.values().filter(|entry| !entry.is_subscriber());
        let full = others.count() >= self.limits.connections;
        if full && !self.evict("full", |_, _| true) {
            return Err("full");
        }
        Ok(())
    }
}

/// Counts a connection that was not the client's to end.
pub(super) fn count_closed(reason: &'static str) {
    counter!("quartet_http_connections_closed_total", "reason" => reason).increment(1);
}

/// The connections of one listener. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct ConnectionTable(Arc<Mutex<Inner>>);

impl ConnectionTable {
    pub(super) fn new(limits: Limits) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            limits,
            next: 0,
            entries: BTreeMap::new(),
            held: 0,
        })))
    }

    /// Gives a new connection a slot, if necessary that of another one which keeps us waiting.
    ///
    /// # Errors
    /// Why not, when all the others are being worked for.
    pub(super) fn admit(
        &self,
        address: IpAddr,
        now: Instant,
    ) -> Result<ConnectionSlot, &'static str> {
        let network = network(address);
        let mut table = self.0.lock();
        table.make_room(network)?;
        let id = table.next;
        table.next += 1;
        let close = CancellationToken::new();
        let entry = Entry {
            network,
            phase: Phase::Head,
            since: now,
            asked: now,
            held: 0,
            buffered: false,
            close: close.clone(),
        };
        table.entries.insert(id, entry);
        gauge!("quartet_http_connections").increment(1.0);
        let connection = Connection {
            table: self.clone(),
            id,
        };
        Ok(ConnectionSlot { connection, close })
    }
}

/// A connection's slot in the table, which is free again when this is dropped.
#[derive(Debug)]
pub(super) struct ConnectionSlot {
    pub(super) connection: Connection,
    /// Cancelled when the slot is given to another connection.
    pub(super) close: CancellationToken,
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        self.connection.table.0.lock().remove(self.connection.id);
    }
}

/// Records the phases of a connection. Without effect once the connection has lost its slot.
#[derive(Clone, Debug)]
pub(super) struct Connection {
    table: ConnectionTable,
    id: u64,
}

impl Connection {
    fn with(&self, change: impl FnOnce(&mut Entry)) {
        if let Some(entry) = self.table.0.lock().entries.get_mut(&self.id) {
            change(entry);
        }
    }

    /// Something came.
    pub(super) fn received(&self, now: Instant) {
        self.with(|entry| {
            if entry.phase == Phase::Idle {
                entry.enter(Phase::Head, now);
            }
        });
    }

    /// A request's head is there.
    pub(super) fn asked(&self, has_body: bool, now: Instant) {
        self.with(|entry| {
            // A pipelined request gives no more time for taking the last answer.
            if entry.phase != Phase::Writing {
                entry.asked = now;
            }
            let phase = if has_body {
                Phase::Body
            } else {
                Phase::Working
            };
            entry.enter(phase, now);
        });
    }

    /// Makes the client a subscriber.
    ///
    /// # Errors
    /// When the limit is reached.
    pub(super) fn subscribe(&self) -> Result<(), ()> {
        let mut table = self.table.0.lock();
        let subscribers = table.entries.values().filter(|entry| entry.is_subscriber());
        if subscribers.count() >= table.limits.subscribers {
            return Err(());
        }
        if let Some(entry) = table.entries.get_mut(&self.id) {
            entry.phase = Phase::Subscribed;
        }
        Ok(())
    }

    /// Whether the client is a subscriber.
    pub(super) fn is_subscriber(&self) -> bool {
        let table = self.table.0.lock();
        table
            .entries
            .get(&self.id)
            .is_some_and(Entry::is_subscriber)
    }

    /// How long a subscriber may take nothing.
    pub(super) fn stall(&self) -> Duration {
        self.table.0.lock().limits.stall
    }

    /// A request's body has been read or dropped.
    pub(super) fn body_done(&self, now: Instant) {
        self.with(|entry| {
            if entry.phase == Phase::Body {
                entry.enter(Phase::Working, now);
            }
        });
    }

    /// An answer of this many bytes is ready. Connections that are slow to take theirs are closed for it where needed.
    pub(super) fn answered(&self, bytes: usize, now: Instant) {
        let mut table = self.table.0.lock();
        let Some(entry) = table.entries.get_mut(&self.id) else {
            return;
        };
        if entry.is_subscriber() {
            return;
        }
        entry.enter(Phase::Writing, now);
        entry.buffered = false;
        entry.held += bytes;
        table.hold(bytes);
        let (id, most) = (self.id, table.limits.answer_bytes);
        // An answer that is larger than the limit passes alone.
        let takes = |other, entry: &Entry| other != id && entry.held > 0;
        while table.held > most && table.evict("answers", takes) {}
    }

    /// The server has put all of the answer into its buffer.
    pub(super) fn buffered(&self) {
        self.with(|entry| entry.buffered = true);
    }

    /// The server's buffer is empty.
    pub(super) fn flushed(&self, now: Instant) {
        let mut table = self.table.0.lock();
        let Some(entry) = table.entries.get_mut(&self.id) else {
            return;
        };
        if entry.phase == Phase::Writing && entry.buffered {
            entry.enter(Phase::Idle, now);
            let held = std::mem::take(&mut entry.held);
            table.release(held);
        }
    }

    /// The phase and its deadline; `None` once the connection has lost its slot.
    pub(super) fn deadline(&self) -> Option<(Phase, Option<Instant>)> {
        let table = self.table.0.lock();
        let entry = table.entries.get(&self.id)?;
        Some((entry.phase, entry.deadline(&table.limits)))
    }
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
