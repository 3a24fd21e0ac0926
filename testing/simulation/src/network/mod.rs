//! The simulated network: what lies between the nodes, and the agenda of all that is to happen.
//!
//! Everything that takes time goes through one agenda, ordered by time and then by the order of
//! entry, so that a run depends on nothing but its seed. This is the only place of a simulation that
//! waits for time to pass.

mod link;
mod meshed;
mod packet;
mod simulated_peer;
mod state;
mod wires;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use quartet_clock::Clock;
use quartet_types::SECONDS_PER_SLOT;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::{observer::Observer, validators::GENESIS_TIME};
use link::Link;
use wires::Wires;

pub use link::Conditions;
pub(crate) use packet::{Alarm, Gossip, Inbound, Item, Packet};
pub(crate) use simulated_peer::SimulatedPeer;
pub use wires::Wiring;

/// What may wait for a node to take it in; more is lost, as in a full buffer of a socket.
const INBOUND: usize = 8192;
/// How long after its start a node is connected.
const FIRST_DIAL: Duration = Duration::from_millis(100);
/// How long a connection outlives the other side or the link, and how long it takes to dial again.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);
const REDIAL: Duration = Duration::from_secs(2);
/// How long a peer that the chain has sent away is not dialled.
const BAN: Duration = Duration::from_secs(15 * SECONDS_PER_SLOT);

/// What lies between the nodes. Nodes are numbered; a pair has the lower number first.
pub(crate) struct Network {
    clock: Clock,
    seed: u64,
    /// What lines and gossip are like, where packets do not go straight from one node to another.
    wiring: Option<Wiring>,
    state: Mutex<State>,
    /// Something has been entered in the agenda.
    entered: Notify,
    observer: Arc<Mutex<Observer>>,
}

#[derive(Default)]
struct State {
    agenda: BTreeMap<(Duration, u64), Event>,
    entries: u64,
    links: BTreeMap<(usize, usize), Link>,
    wires: Option<Wires>,
    peers: BTreeMap<usize, Attached>,
    /// Nodes that do not support requests by range.
    without_ranges: BTreeSet<usize>,
    connections: u64,
    peers_attached: u64,
}

/// A node that takes part.
struct Attached {
    number: u64,
    inbound: mpsc::Sender<Inbound>,
}

enum Event {
    Deliver {
        connection: u64,
        from: usize,
        to: usize,
        packet: Packet,
    },
    Ring {
        node: usize,
        number: u64,
        alarm: Alarm,
    },
    Dial {
        dialler: usize,
        other: usize,
    },
    /// Close a connection over which nothing has come for long.
    Expire {
        pair: (usize, usize),
        connection: u64,
    },
    Wake(oneshot::Sender<()>),
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network")
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}

fn pair(one: usize, other: usize) -> (usize, usize) {
    (one.min(other), one.max(other))
}

impl Network {
    pub(crate) fn new(
        seed: u64,
        clock: Clock,
        observer: Arc<Mutex<Observer>>,
        wiring: Option<Wiring>,
    ) -> Arc<Self> {
        let wires = wiring.map(|wiring| Wires::new(&wiring));
        Arc::new(Self {
            clock,
            seed,
            wiring,
            state: Mutex::new(State {
                wires,
                ..State::default()
            }),
            entered: Notify::new(),
            observer,
        })
    }

    /// Lays a link between two nodes, whether they take part yet or not.
    pub(crate) fn add_link(&self, one: usize, other: usize, conditions: Conditions) {
        let (low, high) = pair(one, other);
        let link = Link::new(self.seed, low, high, conditions);
        self.state.lock().links.insert((low, high), link);
    }

    /// Changes what packets on a link go through from now on.
    pub(crate) fn set_conditions(&self, one: usize, other: usize, conditions: Conditions) {
        if let Some(link) = self.state.lock().links.get_mut(&pair(one, other)) {
            link.conditions = conditions;
        }
    }

    /// Says whether a node serves blocks by ranges of slots; all do unless told otherwise.
    pub(crate) fn set_serves_ranges(&self, node: usize, serves: bool) {
        let without = &mut self.state.lock().without_ranges;
        if serves {
            without.remove(&node)
        } else {
            without.insert(node)
        };
    }

    pub(crate) fn serves_ranges(&self, node: usize) -> bool {
        !self.state.lock().without_ranges.contains(&node)
    }

    /// Cuts a link: all that is sent is lost, and in time the connection expires.
    pub(crate) fn cut(&self, one: usize, other: usize) {
        let (now, pair) = (self.now(), pair(one, other));
        let mut state = self.state.lock();
        let Some(link) = state.links.get_mut(&pair) else {
            return;
        };
        if link.cut_since.is_some() {
            return;
        }
        link.cut_since = Some(now);
        if let Some(connection) = link.connection {
            state.enter(now + IDLE_TIMEOUT, Event::Expire { pair, connection });
        }
        drop(state);
        self.record(format_args!("{pair:?} is cut"));
    }

    /// Mends a link. A connection that has not expired goes on; else it is dialled again.
    pub(crate) fn mend(&self, one: usize, other: usize) {
        let pair = pair(one, other);
        if let Some(link) = self.state.lock().links.get_mut(&pair) {
            link.cut_since = None;
        }
        self.record(format_args!("{pair:?} is mended"));
    }

    /// Lets a node take part; the ends of its links are dialled.
    pub(crate) fn attach(&self, node: usize) -> mpsc::Receiver<Inbound> {
        let (inbound, receiver) = mpsc::channel(INBOUND);
        let now = self.now();
        let mut state = self.state.lock();
        state.peers_attached += 1;
        let number = state.peers_attached;
        state.peers.insert(node, Attached { number, inbound });
        let links = state.links.keys().copied();
        let others: Vec<usize> = links
            .filter_map(|(low, high)| match node {
                _ if low == node => Some(high),
                _ if high == node => Some(low),
                _ => None,
            })
            .filter(|other| state.peers.contains_key(other))
            .collect();
        for other in others {
            let dialler = node;
            state.enter(now + FIRST_DIAL, Event::Dial { dialler, other });
        }
        drop(state);
        self.entered.notify_one();
        receiver
    }

    /// Takes a node away. When it took its leave its peers know at once, otherwise when the
    /// connections expire.
    pub(crate) fn detach(&self, node: usize, takes_leave: bool) {
        let now = self.now();
        let mut state = self.state.lock();
        state.peers.remove(&node);
        let ends = state
            .links
            .iter()
            .filter(|((low, high), _)| *low == node || *high == node);
        let open: Vec<((usize, usize), u64)> = ends
            .filter_map(|(pair, link)| Some((*pair, link.connection?)))
            .collect();
        for (pair, connection) in open {
            if takes_leave {
                state.close(pair)
            } else {
                state.enter(now + IDLE_TIMEOUT, Event::Expire { pair, connection })
            }
        }
    }

    /// Sends a packet over an open connection; without one it is lost.
    pub(crate) fn send(&self, from: usize, to: usize, packet: Packet) {
        let now = self.now();
        let mut state = self.state.lock();
        if let Some(wires) = &mut state.wires {
            wires.send(now, from, to, packet);
            drop(state);
            return self.entered.notify_one();
        }
        let Some(link) = state.links.get_mut(&pair(from, to)) else {
            return;
        };
        let Some(connection) = link.connection else {
            return;
        };
        let Some(latency) = link.transmit(from < to) else {
            let name = packet.name();
            drop(state);
            return self.record(format_args!("{from} to {to}: {name} lost"));
        };
        let deliver = Event::Deliver {
            connection,
            from,
            to,
            packet,
        };
        state.enter(now + latency, deliver);
        drop(state);
        self.entered.notify_one();
    }

    /// Has an alarm delivered to a node after a while, unless it has been replaced by then.
    pub(crate) fn set_alarm(&self, node: usize, after: Duration, alarm: Alarm) {
        let now = self.now();
        let mut state = self.state.lock();
        let Some(number) = state.peers.get(&node).map(|attached| attached.number) else {
            return;
        };
        let ring = Event::Ring {
            node,
            number,
            alarm,
        };
        state.enter(now + after, ring);
        drop(state);
        self.entered.notify_one();
    }

    /// Closes a connection that one side does not want, for a while.
    pub(crate) fn disconnect_for_a_while(&self, node: usize, peer: usize) {
        let until = self.now() + BAN;
        let pair = pair(node, peer);
        let mut state = self.state.lock();
        if let Some(link) = state.links.get_mut(&pair) {
            link.banned_until = until;
        }
        state.close(pair);
        let dial = Event::Dial {
            dialler: node,
            other: peer,
        };
        state.enter(until, dial);
        drop(state);
        self.entered.notify_one();
        self.record(format_args!("{node} shuns {peer}"));
    }

    /// Completes at a time since the Unix epoch.
    pub(crate) fn at(&self, time: Duration) -> oneshot::Receiver<()> {
        let (wake, woken) = oneshot::channel();
        self.state.lock().enter(time, Event::Wake(wake));
        self.entered.notify_one();
        woken
    }

    /// Whether two nodes are connected.
    pub(crate) fn are_connected(&self, one: usize, other: usize) -> bool {
        let state = self.state.lock();
        let link = state.links.get(&pair(one, other));
        link.is_some_and(|link| link.connection.is_some())
    }

    /// Time since the Unix epoch.
    pub(crate) fn now(&self) -> Duration {
        self.clock.now()
    }

    /// Shows the observer something.
    pub(crate) fn observe(&self, show: impl FnOnce(&mut Observer, Duration)) {
        // Slot 0 starts at a round time that says less than the time since.
        let time = self.now().saturating_sub(Duration::from_secs(GENESIS_TIME));
        show(&mut self.observer.lock(), time);
    }

    fn record(&self, entry: fmt::Arguments<'_>) {
        self.observe(|observer, time| observer.record(time, entry));
    }

    /// Carries out the agenda.
    pub(crate) async fn run(self: Arc<Self>, stop: CancellationToken) {
        loop {
            let next = self.state.lock().next_time();
            let due = async {
                match next {
                    Some(time) => tokio::time::sleep(time.saturating_sub(self.now())).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = self.entered.notified() => {}
                () = due => self.carry_out_due(),
            }
        }
    }

    fn carry_out_due(&self) {
        let now = self.now();
        loop {
            let mut state = self.state.lock();
            if let Some(told) = state.carry_out_wired(now) {
                drop(state);
                self.record(format_args!("{told}"));
                continue;
            }
            match state.agenda.first_key_value() {
                Some(((time, _), _)) if *time <= now => {}
                _ => return,
            }
            let Some((_, event)) = state.agenda.pop_first() else {
                return;
            };
            let told = state.carry_out(event, now);
            drop(state);
            if let Some(told) = told {
                self.record(format_args!("{told}"));
            }
        }
    }
}
