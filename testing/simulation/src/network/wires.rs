//! Links with a bandwidth: how packets travel where a run is wired.

use std::time::Duration;

use super::{Conditions, Inbound, Network, Packet, State, pair};
use crate::{
    GossipSettings, Line,
    bandwidth::{Bandwidth, Nanos, Outcome},
};

/// What lines and gossip are like in a run whose links have a bandwidth. Packets then take the shortest time that
/// [`Conditions`] allow besides, none is lost on an open connection, and gossip goes through a mesh instead of to every peer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wiring {
    /// Every node's line.
    pub line: Line,
    /// How gossip is set.
    pub gossip: GossipSettings,
}

/// The lines of a run, on the time of its clock.
#[derive(Debug)]
pub(super) struct Wires(Bandwidth<Packet>);

fn nanos(time: Duration) -> Nanos {
    u64::try_from(time.as_nanos()).unwrap_or(Nanos::MAX)
}

impl Wires {
    pub(super) fn new(wiring: &Wiring) -> Self {
        Self(Bandwidth::new(wiring.line, wiring.gossip.window))
    }

    pub(super) fn connect(&mut self, (one, other): (usize, usize), conditions: &Conditions) {
        let latency = Duration::from_millis(*conditions.latency_ms.start());
        self.0.connect(one, other, nanos(latency));
    }

    pub(super) fn close(&mut self, (one, other): (usize, usize)) {
        self.0.close(one, other);
    }

    pub(super) fn send(&mut self, now: Duration, from: usize, to: usize, packet: Packet) {
        let (stream, bytes) = (packet.stream(), packet.bytes());
        self.0.send(nanos(now), (from, to), stream, bytes, packet);
    }
}

impl State {
    /// When something happens next.
    pub(super) fn next_time(&self) -> Option<Duration> {
        let entered = self.agenda.keys().next().map(|(time, _)| *time);
        let wired = self.wires.as_ref().and_then(|wires| wires.0.next_time());
        entered
            .into_iter()
            .chain(wired.map(Duration::from_nanos))
            .min()
    }

    /// Carries out what happens on the lines before the agenda's next entry, until something comes of it, and says what.
    pub(super) fn carry_out_wired(&mut self, now: Duration) -> Option<String> {
        let entered = self.agenda.keys().next().map(|(time, _)| *time);
        let until = entered.map_or(now, |time| time.min(now));
        let outcome = self.wires.as_mut()?.0.step(nanos(until))?;
        let (from, to, inbound, told) = match outcome {
            Outcome::Room { from, to } => (
                to,
                from,
                Inbound::Room { peer: to },
                format!("{from} to {to}: room"),
            ),
            Outcome::Delivered { from, to, cargo } => {
                let told = format!("{from} to {to}: {}", cargo.name());
                (
                    from,
                    to,
                    Inbound::Packet {
                        peer: from,
                        packet: cargo,
                    },
                    told,
                )
            }
        };
        let link = self.links.get(&pair(from, to));
        if link.is_some_and(|link| link.cut_since.is_none()) {
            self.tell(to, inbound);
            Some(told)
        } else {
            Some(format!("{told} lost"))
        }
    }
}

impl Network {
    /// What lines and gossip are like, where the run is wired.
    pub(crate) fn wiring(&self) -> Option<Wiring> {
        self.wiring
    }

    /// The time as gossip's mesh counts it.
    pub(super) fn nanos(&self) -> Nanos {
        nanos(self.now())
    }

    /// Whether a line takes more gossip; if not, the node is told when it does.
    pub(super) fn has_room(&self, from: usize, to: usize) -> bool {
        let now = self.nanos();
        let mut state = self.state.lock();
        let wires = state.wires.as_mut();
        let has_room = wires.is_some_and(|wires| wires.0.has_room(now, from, to));
        drop(state);
        self.entered.notify_one();
        has_room
    }

    /// Bytes that a node has sent and received, where the run is wired.
    pub(crate) fn traffic(&self, node: usize) -> (u64, u64) {
        let state = self.state.lock();
        state
            .wires
            .as_ref()
            .map_or((0, 0), |wires| wires.0.traffic(node))
    }

    pub(super) fn seed(&self) -> u64 {
        self.seed
    }
}
