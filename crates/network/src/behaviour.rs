//! What libp2p is made of here, and how it is set.

use std::time::Duration;

use libp2p::{
    StreamProtocol, Swarm, SwarmBuilder, Transport as _, allow_block_list, identify, quic,
    request_response::{self, ProtocolSupport},
    swarm::NetworkBehaviour,
};
use quartet_clock::Clock;

use crate::{
    NetworkConfig,
    byte_counter::ByteCounter,
    connection_limits::{ConnectionLimiter, ConnectionLimits},
    gossip::{self, MeteredGossip},
    peer_slots::headroom,
    pending_handshakes::PendingHandshakes,
    protocol::{BLOCKS_BY_RANGE, BLOCKS_BY_ROOT, BlocksCodec, STATUS, StatusCodec},
    protocol_version::protocol_version,
    traffic::Traffic,
};

/// What we say we are.
pub(crate) const AGENT: &str = concat!("quartet/", env!("CARGO_PKG_VERSION"));

/// Handshakes that others have begun and that may be under way at a time; a new one takes the place of the
/// oldest.
const MAX_HANDSHAKES: usize = 256;
/// Those that have just been given up are among these.
const MAX_PENDING_INCOMING: usize = 2 * MAX_HANDSHAKES;
/// Two nodes that dial each other at once have two.
const MAX_CONNECTIONS_PER_PEER: usize = 2;

const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(4);
/// Peers that vanish are noticed after this long.
const IDLE_TIMEOUT_MS: u32 = 10_000;
const KEEP_ALIVE: Duration = Duration::from_secs(4);
/// Bytes that a peer may have under way on a stream, and on all of them. The product of bandwidth and
/// delay that they allow, some 100 Mbit/s at 80 ms, is more than sync needs.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 4 << 20;
const MAX_STREAMS: u32 = 64;

/// What a connection may have received that the service has not seen; each may be a longest message.
const MAX_EVENTS_PER_CONNECTION: usize = 2;

const STATUS_TIMEOUT: Duration = Duration::from_secs(8);
/// Longer than a codec takes to read a response, so that a part of one is not lost.
const BLOCKS_TIMEOUT: Duration = Duration::from_secs(25);
/// Requests per connection and protocol, both directions together: the five that a node sends at once, those of the other node,
/// and some whose streams are being closed. One beyond these fails, which looks as if the other node did not answer.
const MAX_CONCURRENT_REQUESTS: usize = 16;

#[derive(NetworkBehaviour)]
pub(crate) struct Behaviour {
    pub(crate) limiter: ConnectionLimiter,
    pub(crate) blocked: allow_block_list::Behaviour<allow_block_list::BlockedPeers>,
    pub(crate) identify: identify::Behaviour,
    pub(crate) gossip: MeteredGossip,
    pub(crate) status: request_response::Behaviour<StatusCodec>,
    pub(crate) blocks: request_response::Behaviour<BlocksCodec>,
    /// Beside the one above, since a request goes by any protocol of its behaviour.
    pub(crate) ranges: request_response::Behaviour<BlocksCodec>,
}

/// A swarm that neither listens nor dials yet. Must be called within a runtime.
///
/// # Errors
/// When gossip refuses its settings.
pub(crate) fn build(
    config: &NetworkConfig,
    clock: Clock,
    traffic: Traffic,
) -> Result<Swarm<Behaviour>, &'static str> {
    let behaviour = behaviour(config, clock)?;
    let limits = config.address_limits;
    let built = SwarmBuilder::with_existing_identity(config.identity.0.clone())
        .with_tokio()
        .with_other_transport(|keypair| {
            let mut quic = quic::Config::new(keypair);
            quic.handshake_timeout = HANDSHAKE_TIMEOUT;
            quic.max_idle_timeout = IDLE_TIMEOUT_MS;
            quic.keep_alive_interval = KEEP_ALIVE;
            quic.max_concurrent_stream_limit = MAX_STREAMS;
            quic.max_stream_data = STREAM_WINDOW;
            quic.max_connection_data = CONNECTION_WINDOW;
            let transport = quic::tokio::Transport::new(quic);
            let transport = PendingHandshakes::new(transport, MAX_HANDSHAKES, limits);
            transport.map(move |(peer, connection), _| {
                (peer, ByteCounter::new(connection, traffic.of(peer)))
            })
        });
    let Ok(built) = built;
    let Ok(built) = built.with_behaviour(|_| behaviour);
    let swarm = built
        // Peers are kept even when they speak none of our protocols.
        .with_swarm_config(|swarm| {
            swarm
                .with_idle_connection_timeout(Duration::from_secs(u64::MAX))
                .with_per_connection_event_buffer_size(MAX_EVENTS_PER_CONNECTION)
        })
        .build();
    Ok(swarm)
}

fn behaviour(config: &NetworkConfig, clock: Clock) -> Result<Behaviour, &'static str> {
    // A new peer is let in beyond the limit; then another one is disconnected.
    let strangers = config.max_peers + headroom(config.max_peers) + 1;
    let mut limiter = ConnectionLimiter::new(ConnectionLimits {
        pending: MAX_PENDING_INCOMING,
        strangers: strangers.saturating_mul(MAX_CONNECTIONS_PER_PEER),
        stranger: MAX_CONNECTIONS_PER_PEER,
        addresses: config.address_limits,
    });
    for peer in config.static_peers.iter().filter_map(|peer| peer.peer) {
        limiter.exempt(peer);
    }

    let version = protocol_version(clock.slot_duration());
    let identify = identify::Config::new(version, config.identity.0.public())
        .with_agent_version(AGENT.into())
        .with_cache_size(0);

    let requests = |timeout: Duration| {
        request_response::Config::default()
            .with_request_timeout(timeout)
            .with_max_concurrent_streams(MAX_CONCURRENT_REQUESTS)
    };
    let codec = BlocksCodec::default();
    let blocks = |protocol: &StreamProtocol| {
        request_response::Behaviour::with_codec(
            codec.clone(),
            [(protocol.clone(), ProtocolSupport::Full)],
            requests(BLOCKS_TIMEOUT),
        )
    };
    Ok(Behaviour {
        limiter,
        blocked: allow_block_list::Behaviour::default(),
        identify: identify::Behaviour::new(identify),
        gossip: gossip::behaviour(
            &config.fork_name,
            config.max_block_bytes,
            config.validators,
            clock,
        )?,
        status: request_response::Behaviour::with_codec(
            StatusCodec,
            [(STATUS.clone(), ProtocolSupport::Full)],
            requests(STATUS_TIMEOUT),
        ),
        blocks: blocks(&BLOCKS_BY_ROOT),
        ranges: blocks(&BLOCKS_BY_RANGE),
    })
}
