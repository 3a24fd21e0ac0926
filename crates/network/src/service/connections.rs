//! Connections: who comes and goes, who is dialled, who is sent away.

use std::{io, time::Duration};

use libp2p::{
    PeerId,
    core::ConnectedPoint,
    identify,
    swarm::{
        ConnectionError, ConnectionId, DialError, ListenError, SwarmEvent,
        dial_opts::{DialOpts, PeerCondition},
    },
};
use metrics::counter;
use quartet_chain::{ChainMessage, Direction, PeerInfo};
use tracing::{debug, info, warn};

use super::{
    NetworkService, SLOT,
    peer::{Link, Peer},
};
use crate::{
    behaviour::BehaviourEvent,
    config::name_of,
    gossip::{PENALTY, PENALTY_LIMIT, decayed_penalty},
};

/// Two nodes that dial each other at once have both connections within this time. A second connection
/// that comes later, or in the same direction, is that of a peer that was restarted and does not know
/// the first.
const SIMULTANEOUS: Duration = Duration::from_secs(2);
/// By then nothing that was sent first thing on a connection is still under way.
const SETTLED: Duration = Duration::from_secs(12);
/// How often a peer may be taken for restarted.
const START_OVER_PAUSE: Duration = Duration::from_secs(30);
/// Peers that are remembered for it.
const MAX_STARTED_OVER: usize = 256;
/// How long a peer that was sent away is not let in nor dialled.
const BAN: Duration = Duration::from_secs(60);
/// Bans at a time; the limit of connections bounds how fast they can come.
const MAX_BANS: usize = 1024;
/// Most characters kept of what a peer says it is.
const MAX_AGENT: usize = 64;

impl NetworkService {
    pub(super) fn on_connection(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::ConnectionEstablished {
                peer_id,
                connection_id,
                endpoint,
                ..
            } => self.on_established(peer_id, connection_id, &endpoint),
            SwarmEvent::ConnectionClosed {
                peer_id,
                connection_id,
                endpoint,
                num_established,
                cause,
            } => {
                let reason = why_closed(cause.as_ref());
                count_disconnection(direction(&endpoint), reason);
                self.on_closed(peer_id, connection_id, num_established, reason);
            }
            SwarmEvent::OutgoingConnectionError {
                connection_id,
                error,
                ..
            } => self.on_dial_error(connection_id, &error),
            SwarmEvent::IncomingConnectionError {
                send_back_addr,
                error,
                ..
            } => {
                let result = match &error {
                    ListenError::Transport(error) if is_timeout(error) => "timeout",
                    _ => "error",
                };
                count_connection(Direction::Inbound, result);
                debug!(address = %send_back_addr, %error, "incoming connection failed");
            }
            SwarmEvent::ListenerError { error, .. } => warn!(%error, "listener"),
            _ => {}
        }
    }

    fn on_established(&mut self, id: PeerId, link: ConnectionId, endpoint: &ConnectedPoint) {
        let now = self.clock.now();
        let direction = direction(endpoint);
        count_connection(direction, "success");
        self.dialer.connected(link, id, now);
        let link = Link {
            id: link,
            direction,
            since: now,
        };
        match self.peers.get_mut(&id) {
            None => {
                let peer = Peer::new(name_of(&id), link);
                let address = endpoint.get_remote_address().to_string();
                info!(peer = %id, %address, direction = word(direction), "peer connected");
                let info = PeerInfo {
                    address,
                    direction,
                    agent: None,
                    status: None,
                };
                self.table.insert(peer.name.clone(), info);
                self.peers.insert(id, peer);
                self.count_peers();
            }
            Some(peer) => {
                let forgotten = |old: &Link| {
                    old.direction == direction || now.saturating_sub(old.since) > SIMULTANEOUS
                };
                let restarted = peer.links.iter().any(forgotten);
                peer.links.push(link);
                if restarted {
                    return self.start_over(id);
                }
            }
        }
        if direction == Direction::Outbound {
            self.send_status(id);
        }
    }

    fn on_closed(&mut self, id: PeerId, link: ConnectionId, left: u32, reason: &'static str) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        peer.links.retain(|other| other.id != link);
        if left > 0 {
            // A connection that broke was the older one, of a peer that was restarted.
            if matches!(reason, "timeout" | "error") {
                self.start_over(id);
            }
            return;
        }
        let name = peer.name.clone();
        info!(peer = %id, reason, "peer disconnected");
        self.peers.remove(&id);
        self.table.remove(&name);
        let message = ChainMessage::Disconnected { peer: name };
        self.outbox.push(message, 0);
        self.dialer.disconnected(&id, self.clock.now());
        if let Some(until) = self.banned.get(&id) {
            self.dialer.postpone(&id, *until);
        }
        self.count_peers();
    }

    /// Closes all connections with a peer, which comes back at once. Gossipsub tells a peer our topics on
    /// the first connection only, so one that was restarted must be seen to go before it comes.
    /// A client that dials us although it is connected would never stop coming back: it keeps both.
    fn start_over(&mut self, peer: PeerId) {
        let now = self.clock.now();
        let recently = |last: &Duration| now.saturating_sub(*last) < START_OVER_PAUSE;
        self.started_over.retain(|_, last| recently(last));
        if self.started_over.len() >= MAX_STARTED_OVER || self.started_over.contains_key(&peer) {
            return;
        }
        self.started_over.insert(peer, now);
        debug!(%peer, "second connection with a restarted peer: starting over");
        let _ = self.swarm.disconnect_peer_id(peer);
    }

    /// Of two connections from dialling each other, both sides keep the one that the lower identity
    /// dialled; not at once, since what was sent on the other would be lost.
    pub(super) fn close_duplicates(&mut self, now: Duration) {
        let local = *self.swarm.local_peer_id();
        let mut superfluous = Vec::new();
        for (id, peer) in &self.peers {
            let settled = |link: &Link| now.saturating_sub(link.since) >= SETTLED;
            if peer.links.len() < 2 || !peer.links.iter().all(settled) {
                continue;
            }
            let kept = match local < *id {
                true => Direction::Outbound,
                false => Direction::Inbound,
            };
            let keep = peer.links.iter().position(|link| link.direction == kept);
            let keep = keep.unwrap_or_default();
            let others = peer.links.iter().enumerate().filter(|(at, _)| *at != keep);
            superfluous.extend(others.map(|(_, link)| link.id));
        }
        for link in superfluous {
            self.swarm.close_connection(link);
        }
    }

    /// Time to the next dial, `None` when everyone is connected or being dialled.
    pub(super) fn time_to_next_dial(&self) -> Option<Duration> {
        let due = self.dialer.next_due()?;
        // The clock may be set: look again soon.
        Some(due.saturating_sub(self.clock.now()).min(2 * SLOT))
    }

    /// Dials whom it is time to dial.
    pub(super) fn dial(&mut self) {
        let now = self.clock.now();
        while let Some(due) = self.dialer.due(now) {
            let options = match due.peer {
                Some(peer) => DialOpts::peer_id(peer)
                    .condition(PeerCondition::DisconnectedAndNotDialing)
                    .addresses(vec![due.address.clone()])
                    .build(),
                None => DialOpts::unknown_peer_id()
                    .address(due.address.clone())
                    .build(),
            };
            let connection = options.connection_id();
            match self.swarm.dial(options) {
                Ok(()) => self.dialer.dialling(&due, connection),
                Err(error) => {
                    debug!(address = %due.address, %error, "cannot dial");
                    self.dialer.not_begun(&due, now);
                }
            }
        }
    }

    fn on_dial_error(&mut self, connection: ConnectionId, error: &DialError) {
        let result = match error {
            DialError::Transport(errors) if errors.iter().any(|(_, e)| timed_out(e)) => "timeout",
            _ => "error",
        };
        count_connection(Direction::Outbound, result);
        if let DialError::LocalPeerId { address } = error {
            if self.dialer.is_ourselves(connection) {
                info!(%address, "this static peer is ourselves; not dialling it");
            }
            return;
        }
        let failures = self.dialer.failed(connection, self.clock.now());
        match (error, failures) {
            (DialError::WrongPeerId { obtained, address }, Some(1)) => warn!(
                %address, found = %obtained,
                "another node than configured answers there; trying again"
            ),
            _ => debug!(%error, failures, "dial failed"),
        }
    }

    pub(super) fn on_identify(&mut self, event: identify::Event) {
        let identify::Event::Received { peer_id, info, .. } = event else {
            return;
        };
        let Some(peer) = self.peers.get_mut(&peer_id) else {
            return;
        };
        let printable = info.agent_version.chars().filter(char::is_ascii_graphic);
        let agent: String = printable.take(MAX_AGENT).collect();
        debug!(peer = %peer_id, agent, protocol = info.protocol_version, "identified");
        peer.agent = Some(agent.clone());
        let name = peer.name.clone();
        self.table.update(&name, |info| info.agent = Some(agent));
        self.count_peers();
    }

    pub(super) fn count_peers(&mut self) {
        let agents = self.peers.values().map(|peer| peer.agent.as_deref());
        self.census.count_connected(agents);
        let peers = &self.peers;
        let mesh = self.swarm.behaviour().gossip.all_mesh_peers();
        let agents = mesh.map(|id| peers.get(id).and_then(|peer| peer.agent.as_deref()));
        self.census.count_mesh(agents);
    }

    /// Takes points off a peer's score, and leave of it when there are too many.
    pub(super) fn penalize(&mut self, id: PeerId, reason: &'static str) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        peer.penalty += PENALTY;
        let penalty = peer.penalty;
        debug!(peer = %id, reason, penalty, "penalty");
        counter!("quartet_peer_penalties_total").increment(1);
        (self.swarm.behaviour_mut().gossip).set_application_score(&id, -penalty);
        if penalty >= PENALTY_LIMIT {
            self.ban(id, "misbehaved too often");
        }
    }

    pub(super) fn forgive(&mut self) {
        let gossip = &mut self.swarm.behaviour_mut().gossip;
        for (id, peer) in &mut self.peers {
            if peer.penalty > 0.0 {
                peer.penalty = decayed_penalty(peer.penalty);
                gossip.set_application_score(id, -peer.penalty);
            }
        }
    }

    /// Sends a peer away, for some time.
    pub(super) fn ban(&mut self, id: PeerId, reason: &'static str) {
        if id == *self.swarm.local_peer_id() || self.banned.len() >= MAX_BANS {
            return;
        }
        info!(peer = %id, reason, "sending the peer away");
        let until = self.clock.now() + BAN;
        self.banned.insert(id, until);
        // Closes its connections, too.
        self.swarm.behaviour_mut().blocked.block_peer(id);
        self.dialer.postpone(&id, until);
    }

    pub(super) fn lift_bans(&mut self, now: Duration) {
        let blocked = &mut self.swarm.behaviour_mut().blocked;
        self.banned.retain(|id, until| {
            let banned = *until > now;
            if !banned {
                blocked.unblock_peer(*id);
            }
            banned
        });
    }
}

fn direction(endpoint: &ConnectedPoint) -> Direction {
    match endpoint.is_dialer() {
        true => Direction::Outbound,
        false => Direction::Inbound,
    }
}

fn word(direction: Direction) -> &'static str {
    match direction {
        Direction::Inbound => "inbound",
        Direction::Outbound => "outbound",
    }
}

/// The reason in the words of the metric. QUIC's errors are private to libp2p, but for their text.
fn why_closed(cause: Option<&ConnectionError>) -> &'static str {
    match cause {
        None => "local_close",
        Some(ConnectionError::KeepAliveTimeout) => "timeout",
        Some(ConnectionError::IO(error)) => match error.to_string() {
            text if text.contains("timed out") => "timeout",
            text if text.contains("closed by peer") => "remote_close",
            _ => "error",
        },
    }
}

fn timed_out(error: &libp2p::TransportError<io::Error>) -> bool {
    match error {
        libp2p::TransportError::Other(error) => is_timeout(error),
        libp2p::TransportError::MultiaddrNotSupported(_) => false,
    }
}

fn is_timeout(error: &dyn std::error::Error) -> bool {
    let text = error.to_string().to_lowercase();
    text.contains("timed out") || text.contains("timeout")
}

fn count_connection(direction: Direction, result: &'static str) {
    counter!(
        "lean_peer_connection_events_total",
        "direction" => word(direction),
        "result" => result
    )
    .increment(1);
}

fn count_disconnection(direction: Direction, reason: &'static str) {
    counter!(
        "lean_peer_disconnection_events_total",
        "direction" => word(direction),
        "reason" => reason
    )
    .increment(1);
}
