//! What happens to the network's state: entries of the agenda, and how each is carried out.

use std::time::Duration;

use super::{Event, IDLE_TIMEOUT, Inbound, REDIAL, State, pair};

impl State {
    pub(super) fn enter(&mut self, time: Duration, event: Event) {
        self.entries += 1;
        self.agenda.insert((time, self.entries), event);
    }

    /// Carries out an event and says what happened.
    pub(super) fn carry_out(&mut self, event: Event, now: Duration) -> Option<String> {
        match event {
            Event::Deliver {
                connection,
                from,
                to,
                packet,
            } => {
                let link = self.links.get(&pair(from, to))?;
                if link.connection != Some(connection) {
                    return None;
                }
                let told = format!("{from} to {to}: {}", packet.name());
                self.tell(to, Inbound::Packet { peer: from, packet });
                Some(told)
            }
            Event::Ring {
                node,
                number,
                alarm,
            } => {
                let attached = self.peers.get(&node)?;
                if attached.number == number {
                    self.tell(node, Inbound::Alarm(alarm));
                }
                None
            }
            Event::Dial { dialler, other } => self.dial(dialler, other, now),
            Event::Expire { pair, connection } => {
                let link = self.links.get(&pair)?;
                let cut_for = link.cut_since.map(|since| now.saturating_sub(since));
                let one_is_gone = [pair.0, pair.1]
                    .iter()
                    .any(|end| !self.peers.contains_key(end));
                let expired = one_is_gone || cut_for.is_some_and(|cut_for| cut_for >= IDLE_TIMEOUT);
                if link.connection != Some(connection) || !expired {
                    return None;
                }
                self.close(pair);
                let (dialler, other) = pair;
                self.enter(now + REDIAL, Event::Dial { dialler, other });
                Some(format!("{pair:?} expired"))
            }
            Event::Wake(wake) => {
                // The receiver is dropped when a scenario has ended early.
                let _ = wake.send(());
                None
            }
        }
    }

    pub(super) fn dial(&mut self, dialler: usize, other: usize, now: Duration) -> Option<String> {
        let pair = pair(dialler, other);
        let attached = |node| self.peers.contains_key(node);
        if ![dialler, other].iter().all(attached) {
            // A node that comes back dials.
            return None;
        }
        let link = self.links.get(&pair)?;
        if link.banned_until > now {
            let until = link.banned_until;
            self.enter(until, Event::Dial { dialler, other });
            return None;
        }
        if link.cut_since.is_some() {
            self.enter(now + REDIAL, Event::Dial { dialler, other });
            return None;
        }
        let number = |node| self.peers.get(&node).map(|attached| attached.number);
        let ends = [number(pair.0), number(pair.1)];
        if link.connection.is_some() {
            if link.ends == ends {
                return None;
            }
            // What is left of a connection to an earlier life of one of them.
            self.close(pair);
        }
        self.connections += 1;
        let connection = self.connections;
        let link = self.links.get_mut(&pair)?;
        (link.connection, link.ends) = (Some(connection), ends);
        if let Some(wires) = &mut self.wires {
            wires.connect(pair, &link.conditions);
        }
        let (peer, dialled) = (other, true);
        self.tell(dialler, Inbound::Connected { peer, dialled });
        let (peer, dialled) = (dialler, false);
        self.tell(other, Inbound::Connected { peer, dialled });
        Some(format!("{dialler} connects to {other}"))
    }

    pub(super) fn close(&mut self, pair: (usize, usize)) {
        let Some(link) = self.links.get_mut(&pair) else {
            return;
        };
        if link.connection.take().is_some() {
            if let Some(wires) = &mut self.wires {
                wires.close(pair);
            }
            self.tell(pair.0, Inbound::Disconnected { peer: pair.1 });
            self.tell(pair.1, Inbound::Disconnected { peer: pair.0 });
        }
    }

    pub(super) fn tell(&self, node: usize, inbound: Inbound) {
        if let Some(attached) = self.peers.get(&node) {
            // A node that is this far behind loses what comes, as a socket would.
            let _ = attached.inbound.try_send(inbound);
        }
    }
}
