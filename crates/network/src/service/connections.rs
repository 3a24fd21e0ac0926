//! Connections: opened, closed and dialled.

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
use quartet_chain::{ChainMessage, Direction, PeerFigures, PeerInfo};
use tracing::{debug, info, warn};

use super::{
    NetworkService,
    client_counts::CountedPeer,
    peer::{Peer, PeerConnection},
};
use crate::{behaviour::BehaviourEvent, config::name_of, protocol_version::stated_slot_ms};

/// Two nodes that dial each other at once have both connections within this time. A second connection
/// that comes later, or in the same direction, is that of a peer that was restarted and does not know
/// the first.
const SIMULTANEOUS_DIALS: Duration = Duration::from_secs(2);
/// After this long, what was sent first on a connection has arrived.
const SETTLING_TIME: Duration = Duration::from_secs(12);
/// Connections that a peer may keep: one in each direction.
const MAX_CONNECTIONS: usize = 2;
/// Connections that a static peer may have until then, for which libp2p's limit does not hold.
const MAX_CONNECTIONS_AT_ONCE: usize = 4;
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
                let reason = disconnect_reason(cause.as_ref());
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
            // Anybody can have this said, with a datagram that is no handshake.
            SwarmEvent::ListenerError { error, .. } => {
                count_connection(Direction::Inbound, "error");
                debug!(%error, "an incoming connection did not begin");
            }
            _ => {}
        }
    }

    fn on_established(&mut self, id: PeerId, link: ConnectionId, endpoint: &ConnectedPoint) {
        let now = self.clock.now();
        let direction = direction(endpoint);
        count_connection(direction, "success");
        if let Some(former) = self.dialer.connected(link, id, now) {
            self.swarm.behaviour_mut().limiter.no_longer_exempt(&former);
        }
        let link = PeerConnection {
            id: link,
            direction,
            since: now,
        };
        match self.peers.get_mut(&id) {
            None => {
                let address = endpoint.get_remote_address();
                let group = self.swarm.behaviour().limiter.group(address);
                let peer = Peer::new(name_of(&id), link, group);
                let address = address.to_string();
                let direction_word = direction_word(direction);
                if self.may_log(&id) {
                    info!(peer = %id, %address, direction = direction_word, "peer connected");
                } else {
                    debug!(peer = %id, %address, direction = direction_word, "peer connected");
                }
                let info = PeerInfo {
                    address,
                    direction,
                    agent: None,
                    status: None,
                    since: self.network_clock.now(),
                    figures: PeerFigures::default(),
                };
                self.table.insert(peer.name.clone(), info);
                self.peers.insert(id, peer);
                self.admit(id, now);
                self.count_peers();
            }
            Some(peer) => {
                let forgotten = |old: &PeerConnection| {
                    old.direction == direction || now.saturating_sub(old.since) > SIMULTANEOUS_DIALS
                };
                let restarted = peer.connections.iter().any(forgotten);
                peer.connections.push(link);
                if peer.connections.len() > MAX_CONNECTIONS_AT_ONCE {
                    let oldest = peer.connections[0].id;
                    self.swarm.close_connection(oldest);
                }
                if restarted && self.restarts.suspect(id, now) {
                    return self.disconnect_restarted(id);
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
        peer.connections.retain(|other| other.id != link);
        if left > 0 {
            // A connection that broke was the older one, of a peer that was restarted.
            let died = matches!(reason, "timeout" | "error");
            if died && self.restarts.connection_died(id, self.clock.now()) {
                self.disconnect_restarted(id);
            }
            return;
        }
        let name = peer.name.clone();
        if self.may_log(&id) {
            info!(peer = %id, reason, "peer disconnected");
        } else {
            debug!(peer = %id, reason, "peer disconnected");
        }
        self.count_cut_off("disconnect", reason, &id);
        self.peers.remove(&id);
        self.table.remove(&name);
        let message = ChainMessage::Disconnected { peer: name };
        self.outbox.push(message, 0);
        self.dialer.disconnected(&id, self.clock.now());
        if let Some(until) = self.bans.until(&id) {
            self.dialer.postpone(&id, until);
        }
        self.count_peers();
    }

    /// Closes all connections with a peer that seems to be restarted, which comes back at once.
    fn disconnect_restarted(&mut self, peer: PeerId) {
        debug!(%peer, "second connection with a restarted peer: starting over");
        self.count_cut_off("disconnect", "restarted", &peer);
        let _ = self.swarm.disconnect_peer_id(peer);
    }

    /// Two connections are kept, since a client of another kind would dial again at once; of more, the
    /// newest two, since older ones may lead nowhere.
    pub(super) fn close_surplus_connections(&mut self, now: Duration) {
        let mut surplus = Vec::new();
        for peer in self.peers.values() {
            let settled = |link: &&PeerConnection| now.saturating_sub(link.since) >= SETTLING_TIME;
            let settled = peer.connections.iter().filter(settled).count();
            let many = peer
                .connections
                .len()
                .saturating_sub(MAX_CONNECTIONS)
                .min(settled);
            surplus.extend(peer.connections.iter().take(many).map(|link| link.id));
        }
        for link in surplus {
            self.swarm.close_connection(link);
        }
    }

    /// Time to the next dial, `None` when everyone is connected or being dialled.
    pub(super) fn time_to_next_dial(&self) -> Option<Duration> {
        let due = self.dialer.next_due()?;
        Some(due.saturating_sub(self.clock.now()))
    }

    /// Dials the static peers whose dial is due.
    pub(super) fn dial_due(&mut self) {
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
            DialError::Transport(errors) if errors.iter().any(|(_, e)| is_timed_out(e)) => {
                "timeout"
            }
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
        let now = self.clock.now();
        let Some(peer) = self.peers.get_mut(&peer_id) else {
            return;
        };
        if !peer.identities.take(1, now) {
            return self.on_excess_requests(peer_id);
        }
        let printable = info.agent_version.chars().filter(char::is_ascii_graphic);
        let agent: String = printable.take(MAX_AGENT).collect();
        debug!(peer = %peer_id, agent, protocol = info.protocol_version, "identified");
        peer.agent = Some(agent.clone());
        let name = peer.name.clone();
        self.table.update(&name, |info| info.agent = Some(agent));
        self.count_peers();
        self.compare_slots(peer_id, &info.protocol_version);
    }

    /// Disconnects a peer whose slots have another duration: its slot numbers mean other times than ours.
    fn compare_slots(&mut self, id: PeerId, version: &str) {
        let ours = self.clock.slot_duration().as_millis();
        let theirs = stated_slot_ms(version);
        if theirs == Some(ours) {
            return;
        }
        if self.may_log(&id) {
            warn!(
                peer = %id,
                their_slot_ms = theirs,
                our_slot_ms = ours,
                "the peer's slots last longer or shorter than ours: it has another SLOT_DURATION_MS in its config.yaml"
            );
        }
        self.ban(id, "another slot duration");
    }

    pub(super) fn count_peers(&mut self) {
        let connected = self.peers.values().map(Some);
        self.client_counts
            .count_connected(connected.map(counted_peer));
        let mesh = self.swarm.behaviour().gossip.gossip.all_mesh_peers();
        let mesh = mesh.map(|id| self.peers.get(id));
        self.client_counts.count_mesh(mesh.map(counted_peer));
    }
}

/// How a peer counts in the metrics.
fn counted_peer(peer: Option<&Peer>) -> CountedPeer<'_> {
    CountedPeer {
        name: peer.map(|peer| &peer.name),
        agent: peer.and_then(|peer| peer.agent.as_deref()),
    }
}

fn direction(endpoint: &ConnectedPoint) -> Direction {
    if endpoint.is_dialer() {
        Direction::Outbound
    } else {
        Direction::Inbound
    }
}

fn direction_word(direction: Direction) -> &'static str {
    match direction {
        Direction::Inbound => "inbound",
        Direction::Outbound => "outbound",
    }
}

/// The reason in the words of the metric. QUIC's errors are private to libp2p, but for their text.
fn disconnect_reason(cause: Option<&ConnectionError>) -> &'static str {
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

fn is_timed_out(error: &libp2p::TransportError<io::Error>) -> bool {
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
        "direction" => direction_word(direction),
        "result" => result
    )
    .increment(1);
}

fn count_disconnection(direction: Direction, reason: &'static str) {
    counter!(
        "lean_peer_disconnection_events_total",
        "direction" => direction_word(direction),
        "reason" => reason
    )
    .increment(1);
}
