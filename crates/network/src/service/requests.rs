//! Requests in and out: statuses and blocks.

use std::{sync::Arc, time::Duration};

use libp2p::{
    PeerId,
    request_response::{Event, Message, OutboundFailure, ResponseChannel},
};
use metrics::counter;
use quartet_chain::{ChainMessage, PeerName, RequestError};
use quartet_types::{MAX_REQUEST_BLOCKS, Root, SignedBlockWithAttestation, Status};
use ssz::Encode as _;
use tracing::debug;

use super::{NetworkService, SLOT};
use crate::{
    protocol::{BlocksResponse, ErrorReply, StatusResponse},
    wire::{ResultCode, WireError},
};

/// Our requests for blocks that may be under way.
const MAX_REQUESTS: usize = 32;
/// What a malformed request for blocks costs, in roots.
const MALFORMED_COST: u32 = 64;
/// A peer that has not told its status for so long is asked.
const STATUS_AGE: Duration = SLOT.saturating_mul(3);

type BlocksRequest = Result<Vec<Root>, WireError>;
type BlockList = Vec<Arc<SignedBlockWithAttestation>>;

impl NetworkService {
    /// Tells a peer our status, which it answers with its own.
    pub(super) fn send_status(&mut self, peer: PeerId) {
        // libp2p would dial it.
        if !self.swarm.is_connected(&peer) {
            return;
        }
        let status = self.reader.chain().read().status();
        (self.swarm.behaviour_mut().status).send_request(&peer, status);
    }

    /// Asks those whose status we have not heard for some time.
    pub(super) fn refresh_statuses(&mut self, now: Duration) {
        let is_old = |heard: Option<Duration>| {
            heard.is_none_or(|heard| now.saturating_sub(heard) >= STATUS_AGE)
        };
        let peers = self.peers.iter_mut();
        let silent: Vec<PeerId> = peers
            .filter(|(_, peer)| peer.tells_status && is_old(peer.heard))
            .filter_map(|(id, peer)| peer.asked.may_ask(now).then_some(*id))
            .collect();
        for peer in silent {
            self.send_status(peer);
        }
    }

    pub(super) fn on_status(&mut self, event: Event<Status, StatusResponse>) {
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
                        return self.asked_too_much(peer);
                    }
                    let ours = self.reader.chain().read().status();
                    // An error says that the peer did not wait.
                    let _ = (self.swarm.behaviour_mut().status).send_response(channel, Ok(ours));
                    self.hear_status(peer, request);
                }
                Message::Response { response, .. } => match response {
                    Ok(status) => self.hear_status(peer, status),
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
                    OutboundFailure::UnsupportedProtocols => known.tells_status = false,
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

    fn hear_status(&mut self, peer: PeerId, status: Status) {
        let now = self.clock.now();
        let Some(known) = self.peers.get_mut(&peer) else {
            return;
        };
        known.heard = Some(now);
        known.asked.heard();
        let name = known.name.clone();
        debug!(%peer, head = %status.head, finalized = %status.finalized, "status");
        self.table.update(&name, |info| info.status = Some(status));
        let message = ChainMessage::Status { peer: name, status };
        self.outbox.push(message, 0);
    }

    /// Asks a peer for blocks on behalf of the chain.
    pub(super) fn request_blocks(&mut self, request: u64, peer: &PeerName, mut roots: Vec<Root>) {
        let connected = (peer.as_str().parse().ok()).filter(|id| self.peers.contains_key(id));
        let Some(id) = connected.filter(|_| self.requests.len() < MAX_REQUESTS) else {
            return self.requested(request, Err(RequestError::NoAnswer));
        };
        if roots.is_empty() {
            return self.requested(request, Ok(Vec::new()));
        }
        roots.truncate(MAX_REQUEST_BLOCKS);
        debug!(peer = %id, roots = roots.len(), first = %roots[0], "asking for blocks");
        let sent = (self.swarm.behaviour_mut().blocks).send_request(&id, Ok(roots));
        self.requests.insert(sent, request);
    }

    fn requested(&mut self, request: u64, result: Result<BlockList, RequestError>) {
        let word = match &result {
            Ok(_) => "answered",
            Err(RequestError::NoAnswer) => "no_answer",
            Err(RequestError::Unsupported) => "unsupported",
            Err(RequestError::Malformed) => "malformed",
        };
        counter!("quartet_block_requests_total", "result" => word).increment(1);
        let blocks = result.iter().flatten();
        let bytes = blocks.map(|block| block.ssz_bytes_len()).sum();
        let message = ChainMessage::RequestedBlocks { request, result };
        self.outbox.push(message, bytes);
    }

    pub(super) fn on_blocks(&mut self, event: Event<BlocksRequest, BlocksResponse>) {
        match event {
            Event::Message { peer, message, .. } => match message {
                Message::Request {
                    request, channel, ..
                } => self.on_blocks_request(peer, request, channel),
                Message::Response {
                    request_id,
                    response,
                } => {
                    let result = response.map_err(|error| {
                        debug!(%peer, %error, "the peer does not serve blocks now");
                        RequestError::NoAnswer
                    });
                    if result.as_ref().is_ok_and(|blocks| !blocks.is_empty()) {
                        self.served_us(peer);
                    }
                    if let Some(request) = self.requests.remove(&request_id) {
                        self.requested(request, result);
                    }
                }
            },
            Event::OutboundFailure {
                peer,
                request_id,
                error,
                ..
            } => {
                debug!(%peer, %error, "no blocks from the peer");
                let error = why_no_blocks(&error);
                if let Some(request) = self.requests.remove(&request_id) {
                    self.requested(request, Err(error));
                }
            }
            Event::InboundFailure { peer, error, .. } => {
                count_failure("blocks_by_root", "inbound");
                debug!(%peer, %error, "could not serve blocks");
            }
            Event::ResponseSent { .. } => {}
        }
    }

    fn on_blocks_request(
        &mut self,
        peer: PeerId,
        request: BlocksRequest,
        channel: ResponseChannel<BlocksResponse>,
    ) {
        let refuse = |code, message: &str| Err(ErrorReply::new(code, message));
        let cost = match &request {
            Ok(roots) => u32::try_from(1 + roots.len()).unwrap_or(u32::MAX),
            Err(_) => MALFORMED_COST,
        };
        let now = self.clock.now();
        let known = self.peers.get_mut(&peer);
        if !known.is_some_and(|known| known.roots.take(cost, now)) {
            counter!("quartet_requests_limited_total", "protocol" => "blocks_by_root").increment(1);
            self.asked_too_much(peer);
            let refusal = refuse(ResultCode::ResourceUnavailable, "you ask for too much");
            return self.answer_blocks(channel, refusal);
        }
        let roots = match request {
            Ok(roots) => roots,
            Err(error) => {
                debug!(%peer, %error, "malformed request");
                count_failure("blocks_by_root", "inbound");
                let refusal = refuse(ResultCode::InvalidRequest, &error.to_string());
                return self.answer_blocks(channel, refusal);
            }
        };
        debug!(%peer, roots = roots.len(), "asked for blocks");
        if let Err(channel) = self.server.request(channel, roots) {
            let refusal = refuse(ResultCode::ResourceUnavailable, "too many requests");
            self.answer_blocks(channel, refusal);
        }
    }

    pub(super) fn answer_blocks(
        &mut self,
        channel: ResponseChannel<BlocksResponse>,
        response: BlocksResponse,
    ) {
        if let Ok(blocks) = &response {
            counter!("quartet_blocks_served_total").increment(blocks.len() as u64);
        }
        // An error says that the peer did not wait.
        let _ = (self.swarm.behaviour_mut().blocks).send_response(channel, response);
    }
}

/// What the chain is told; it also decides what a malformed answer costs.
fn why_no_blocks(error: &OutboundFailure) -> RequestError {
    match error {
        OutboundFailure::UnsupportedProtocols => RequestError::Unsupported,
        OutboundFailure::Io(error) if WireError::in_io_error(error).is_some() => {
            RequestError::Malformed
        }
        _ => RequestError::NoAnswer,
    }
}

fn count_failure(protocol: &'static str, direction: &'static str) {
    counter!(
        "quartet_request_failures_total",
        "protocol" => protocol,
        "direction" => direction
    )
    .increment(1);
}
