//! Statuses, in and out.

use std::time::Duration;

use libp2p::{
    PeerId,
    request_response::{Event, Message, OutboundFailure},
};
use metrics::counter;
use quartet_chain::{ChainMessage, PeerFigures};
use quartet_types::Status;
use tracing::debug;

use super::NetworkService;
use crate::{
    protocol::{ErrorReply, StatusRequest, StatusResponse},
    wire::ResultCode,
};

/// Slots after which a peer's status is asked for again.
const STATUS_AGE: u64 = 3;

impl NetworkService {
    /// Tells a peer our status, which it answers with its own.
    pub(super) fn send_status(&mut self, peer: PeerId) {
        // libp2p would dial it.
        if !self.swarm.is_connected(&peer) {
            return;
        }
        let status = self.reader.chain().read().status();
        (self.swarm.behaviour_mut().status).send_request(&peer, Ok(status));
        let now = self.clock.now();
        if let Some(peer) = self.peers.get_mut(&peer) {
            peer.status_asked_at = Some(now);
        }
    }

    /// Asks the peers whose status is old.
    pub(super) fn refresh_statuses(&mut self, now: Duration) {
        let slot = self.clock.slot_duration();
        let is_old = |heard: Option<Duration>| {
            heard.is_none_or(|heard| now.saturating_sub(heard) >= slot.slots(STATUS_AGE))
        };
        let peers = self.peers.iter_mut();
        let silent: Vec<PeerId> = peers
            .filter(|(_, peer)| peer.supports_status && is_old(peer.status_heard_at))
            .filter_map(|(id, peer)| peer.status_backoff.may_ask(now, slot).then_some(*id))
            .collect();
        for peer in silent {
            self.send_status(peer);
        }
    }

    pub(super) fn on_status(&mut self, event: Event<StatusRequest, StatusResponse>) {
        match event {
            Event::Message { peer, message, .. } => match message {
                Message::Request {
                    request, channel, ..
                } => {
                    let now = self.clock.now();
                    let known = self.peers.get_mut(&peer);
                    if !known.is_some_and(|known| known.statuses.take(1, now)) {
                        counter!("quartet_requests_limited_total", "protocol" => "status")
                            .increment(1);
                        return self.on_excess_requests(peer);
                    }
                    let response = match &request {
                        Ok(_) => Ok(self.reader.chain().read().status()),
                        Err(error) if error.is_timeout() => return self.on_slow_peer(peer),
                        Err(error) => {
                            debug!(%peer, %error, "malformed status");
                            count_failure("status", "inbound");
                            Err(ErrorReply::new(
                                ResultCode::InvalidRequest,
                                error.to_string(),
                            ))
                        }
                    };
                    // An error says that the peer did not wait.
                    let _ = (self.swarm.behaviour_mut().status).send_response(channel, response);
                    if let Ok(status) = request {
                        self.on_peer_status(peer, status);
                    }
                }
                Message::Response { response, .. } => match response {
                    Ok(status) => {
                        self.measure_latency(peer);
                        self.on_peer_status(peer, status);
                    }
                    Err(error) => debug!(%peer, %error, "the peer does not tell its status"),
                },
            },
            Event::OutboundFailure { peer, error, .. } => {
                count_failure("status", "outbound");
                debug!(%peer, %error, "no status from the peer");
                let Some(known) = self.peers.get_mut(&peer) else {
                    return;
                };
                match error {
                    OutboundFailure::UnsupportedProtocols => known.supports_status = false,
                    // One of two connections is gone, the other is not.
                    OutboundFailure::ConnectionClosed => self.send_status(peer),
                    _ => {}
                }
            }
            Event::InboundFailure { peer, error, .. } => {
                count_failure("status", "inbound");
                debug!(%peer, %error, "could not answer a status");
            }
            Event::ResponseSent { .. } => {}
        }
    }

    fn measure_latency(&mut self, peer: PeerId) {
        let now = self.clock.now();
        if let Some(peer) = self.peers.get_mut(&peer) {
            let took = peer
                .status_asked_at
                .take()
                .map(|asked| now.saturating_sub(asked));
            peer.latency = took.or(peer.latency);
        }
    }

    /// Puts what is measured of peers into the table.
    pub(super) fn measure_peers(&self) {
        for (id, peer) in &self.peers {
            let (received, sent) = self.traffic.so_far(id).unwrap_or_default();
            let figures = PeerFigures {
                latency: peer.latency,
                points: peer.penalties.points().ceil() as u32,
                received,
                sent,
            };
            self.table.update(&peer.name, |info| info.figures = figures);
        }
    }

    fn on_peer_status(&mut self, peer: PeerId, status: Status) {
        let now = self.clock.now();
        let Some(known) = self.peers.get_mut(&peer) else {
            return;
        };
        known.status_heard_at = Some(now);
        known.status_backoff.reset();
        let name = known.name.clone();
        debug!(%peer, head = %status.head, finalized = %status.finalized, "status");
        self.table.update(&name, |info| info.status = Some(status));
        let message = ChainMessage::Status { peer: name, status };
        self.outbox.push(message, 0);
    }
}

pub(super) fn count_failure(protocol: &'static str, direction: &'static str) {
    counter!(
        "quartet_request_failures_total",
        "protocol" => protocol,
        "direction" => direction
    )
    .increment(1);
}
