//! Requests for blocks, in and out.

use libp2p::{
    PeerId,
    request_response::{Event, InboundFailure, Message, OutboundFailure, ResponseChannel},
};
use metrics::counter;
use quartet_chain::{ChainMessage, PeerName, RequestError};
use quartet_types::{BlocksByRangeRequest, MAX_REQUEST_BLOCKS, Root};
use ssz::Encode as _;
use tracing::debug;

use super::{NetworkService, requests::count_failure};
use crate::{
    protocol::{Block, BlocksQuery, BlocksResponse, ErrorReply, Via},
    wire::{ResultCode, WireError},
};

/// Our requests for blocks that may be under way, for each connected peer: sync sends a peer at most four at a time, and
/// backfilling one more. With one limit for all peers, those that do not answer would block requests to the others.
const REQUESTS_PER_PEER: usize = 5;
/// What a malformed request for blocks costs, in roots.
const MALFORMED_COST: u32 = 64;
/// What a request for a range costs, in roots: the blocks are paid for in bytes as they are sent.
const RANGE_COST: u32 = 16;

type BlocksRequest = Result<BlocksQuery, WireError>;

impl NetworkService {
    /// Asks a peer for blocks on behalf of the chain.
    pub(super) fn request_blocks(&mut self, request: u64, peer: &PeerName, mut roots: Vec<Root>) {
        roots.truncate(MAX_REQUEST_BLOCKS);
        let nothing = roots.is_empty();
        self.request_from(request, peer, BlocksQuery::Roots(roots), nothing);
    }

    /// Asks a peer for the blocks of its chain in a range of slots, on behalf of the chain.
    pub(super) fn request_range(
        &mut self,
        request: u64,
        peer: &PeerName,
        mut range: BlocksByRangeRequest,
    ) {
        range.count = range.count.min(MAX_REQUEST_BLOCKS as u64);
        let nothing = range.slots().is_empty();
        self.request_from(request, peer, BlocksQuery::Range(range), nothing);
    }

    fn request_from(&mut self, request: u64, peer: &PeerName, query: BlocksQuery, nothing: bool) {
        let connected = (peer.as_str().parse().ok()).filter(|id| self.peers.contains_key(id));
        let most = REQUESTS_PER_PEER * self.peers.len();
        let Some(id) = connected.filter(|_| self.requests.len() < most) else {
            return self.finish_request(request, Err(RequestError::NoAnswer));
        };
        if nothing {
            return self.finish_request(request, Ok(Vec::new()));
        }
        debug!(peer = %id, %query, "asking for blocks");
        let behaviour = self.swarm.behaviour_mut();
        let (via, sent) = match &query {
            BlocksQuery::Roots(_) => (Via::Roots, behaviour.blocks.send_request(&id, Ok(query))),
            BlocksQuery::Range(_) => (Via::Range, behaviour.ranges.send_request(&id, Ok(query))),
        };
        self.requests.insert((via, sent), request);
    }

    fn finish_request(&mut self, request: u64, result: Result<Vec<Block>, RequestError>) {
        let word = match &result {
            Ok(_) => "answered",
            Err(RequestError::NotSent) => "not_sent",
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

    pub(super) fn on_blocks(&mut self, via: Via, event: Event<BlocksRequest, BlocksResponse>) {
        match event {
            Event::Message { peer, message, .. } => match message {
                Message::Request {
                    request, channel, ..
                } => self.on_blocks_request(peer, via, request, channel),
                Message::Response {
                    request_id,
                    response,
                } => {
                    let result = received(peer, response);
                    if result.as_ref().is_ok_and(|blocks| !blocks.is_empty()) {
                        self.on_blocks_served(peer);
                    }
                    if let Some(request) = self.requests.remove(&(via, request_id)) {
                        self.finish_request(request, result);
                    }
                }
            },
            Event::OutboundFailure {
                peer,
                request_id,
                error,
                ..
            } => {
                debug!(%peer, via = via.label(), %error, "no blocks from the peer");
                let error = request_error(&error);
                if let Some(request) = self.requests.remove(&(via, request_id)) {
                    self.finish_request(request, Err(error));
                }
            }
            Event::InboundFailure { peer, error, .. } => {
                count_failure(via.label(), "inbound");
                debug!(%peer, via = via.label(), %error, "could not serve blocks");
                if is_write_timeout(&error) {
                    self.on_slow_peer(peer);
                }
            }
            Event::ResponseSent { .. } => {}
        }
    }

    fn on_blocks_request(
        &mut self,
        peer: PeerId,
        via: Via,
        request: BlocksRequest,
        channel: ResponseChannel<BlocksResponse>,
    ) {
        let refuse = |code, message: &str| {
            let error = ErrorReply::new(code, message);
            BlocksResponse::Refused(error)
        };
        if request.as_ref().is_err_and(WireError::is_timeout) {
            debug!(%peer, via = via.label(), "the request does not end");
            return self.on_slow_peer(peer);
        }
        let now = self.clock.now();
        let cost = cost(&request);
        let known = self.peers.get_mut(&peer);
        let allowed = known.and_then(|known| known.roots.take(cost, now).then_some(known));
        let response = match (allowed, request) {
            (None, _) => {
                counter!("quartet_requests_limited_total", "protocol" => via.label()).increment(1);
                self.on_excess_requests(peer);
                refuse(ResultCode::ResourceUnavailable, "you ask for too much")
            }
            (Some(_), Err(error)) => {
                debug!(%peer, via = via.label(), %error, "malformed request");
                count_failure(via.label(), "inbound");
                refuse(ResultCode::InvalidRequest, &error.to_string())
            }
            (Some(known), Ok(query)) => {
                debug!(%peer, %query, "asked for blocks");
                let pieces = self.server.respond(query, &known.quota);
                BlocksResponse::Served(pieces)
            }
        };
        // Either behaviour sends it. An error says that the peer did not wait.
        let _ = (self.swarm.behaviour_mut().blocks).send_response(channel, response);
    }
}

/// What looking up what is asked for costs, in roots.
fn cost(request: &BlocksRequest) -> u32 {
    match request {
        Ok(BlocksQuery::Roots(roots)) => u32::try_from(1 + roots.len()).unwrap_or(u32::MAX),
        Ok(BlocksQuery::Range(_)) => RANGE_COST,
        Err(_) => MALFORMED_COST,
    }
}

/// The blocks of an answer. Their bytes in the budget are free again, since the outbox has a limit of its own.
fn received(peer: PeerId, response: BlocksResponse) -> Result<Vec<Block>, RequestError> {
    match response {
        BlocksResponse::Received(received) => Ok(received.blocks),
        BlocksResponse::Refused(error) => {
            debug!(%peer, %error, "the peer does not serve blocks now");
            Err(RequestError::NoAnswer)
        }
        // Nothing that a codec reads.
        BlocksResponse::Served(_) => Err(RequestError::NoAnswer),
    }
}

/// Whether a peer was too slow in taking an answer.
fn is_write_timeout(error: &InboundFailure) -> bool {
    matches!(error, InboundFailure::Io(error) if error.kind() == std::io::ErrorKind::TimedOut)
}

/// What the chain is told; it also decides what a malformed answer costs.
fn request_error(error: &OutboundFailure) -> RequestError {
    match error {
        OutboundFailure::UnsupportedProtocols => RequestError::Unsupported,
        OutboundFailure::Io(error) if WireError::in_io_error(error).is_some() => {
            RequestError::Malformed
        }
        _ => RequestError::NoAnswer,
    }
}
