//! A libp2p peer that puts whatever bytes it is given on the wire.

use std::{
    future::pending,
    io,
    net::SocketAddr,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use anyhow::{Result, anyhow};
use futures::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, StreamExt as _};
use libp2p::{
    Multiaddr, StreamProtocol, Swarm, SwarmBuilder, gossipsub,
    identity::Keypair,
    multiaddr::Protocol,
    request_response::{self, Codec, ProtocolSupport},
    swarm::NetworkBehaviour,
};
use quartet_network::{BLOCKS_BY_ROOT_PROTOCOL, STATUS_PROTOCOL, wire};
use tokio::time::timeout;

use super::identity_config::{Asks, IdentityConfig};

/// The longest answer that is read, in bytes: a longest block and what frames add.
const MAX_ANSWER: u64 = 16 << 20;

/// The name of the devnet's gossip topics.
const FORK: &str = "devnet0";

/// No connection of ours ends for want of traffic.
const IDLE: Duration = Duration::from_secs(3600);

/// Streams of requests at a time on a connection; nodes allow fewer.
const STREAMS: usize = 256;

/// A codec of plain bytes.
#[derive(Clone, Debug, Default)]
pub(super) struct RawCodec(Asks);

impl Codec for RawCodec {
    type Protocol = StreamProtocol;
    type Request = Vec<u8>;
    type Response = Vec<u8>;

    async fn read_request<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        stream: &mut T,
    ) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        stream.take(MAX_ANSWER).read_to_end(&mut bytes).await?;
        Ok(bytes)
    }

    async fn read_response<T: AsyncRead + Unpin + Send>(
        &mut self,
        protocol: &StreamProtocol,
        stream: &mut T,
    ) -> io::Result<Vec<u8>> {
        if self.0 == Asks::WithoutReading {
            pending::<()>().await;
        }
        self.read_request(protocol, stream).await
    }

    async fn write_request<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        stream: &mut T,
        bytes: Vec<u8>,
    ) -> io::Result<()> {
        if self.0 == Asks::WithoutEnd {
            stream.write_all(&bytes[..bytes.len() / 2]).await?;
            stream.flush().await?;
            pending::<()>().await;
        }
        stream.write_all(&bytes).await
    }

    async fn write_response<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        stream: &mut T,
        bytes: Vec<u8>,
    ) -> io::Result<()> {
        stream.write_all(&bytes).await
    }
}

/// Gossip, and the two protocols of requests.
#[derive(NetworkBehaviour)]
pub(super) struct Behaviour {
    pub(super) gossip: gossipsub::Behaviour,
    pub(super) blocks: request_response::Behaviour<RawCodec>,
    pub(super) status: request_response::Behaviour<RawCodec>,
}

/// Whether a swarm says that it answers requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Requests {
    /// It asks and answers.
    Answered,
    /// It only asks.
    Refused,
}

/// What message ids are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MessageIds {
    /// As in the network, so that nothing is heard twice.
    Network,
    /// Each message is another one, so that the same may be said again and again.
    Unique,
}

/// The swarm of an identity that receives gossip and answers no requests; it neither listens for connections nor dials yet.
///
/// # Errors
/// When libp2p refuses the settings.
pub(super) fn build_listener() -> Result<Swarm<Behaviour>> {
    let behaviour = behaviour(MessageIds::Network, Requests::Refused, Asks::Politely)?;
    swarm(Keypair::generate_secp256k1(), behaviour)
}

/// The swarm of an identity that behaves like this and neither listens for connections nor dials yet.
///
/// # Errors
/// When libp2p refuses the settings.
pub(super) fn build(identity_config: &IdentityConfig) -> Result<Swarm<Behaviour>> {
    let behaviour = behaviour(MessageIds::Unique, Requests::Answered, identity_config.asks)?;
    let key = identity_config.key.clone();
    let key = key.unwrap_or_else(Keypair::generate_secp256k1);
    swarm(key, behaviour)
}

fn swarm(key: Keypair, behaviour: Behaviour) -> Result<Swarm<Behaviour>> {
    let swarm = SwarmBuilder::with_existing_identity(key)
        .with_tokio()
        .with_quic()
        .with_behaviour(|_| behaviour)?
        .with_swarm_config(|swarm| swarm.with_idle_connection_timeout(IDLE))
        .build();
    Ok(swarm)
}

fn behaviour(ids: MessageIds, requests: Requests, asks: Asks) -> Result<Behaviour> {
    let number = AtomicU64::new(0);
    let config = gossipsub::ConfigBuilder::default()
        .protocol_id_prefix("/meshsub")
        .validation_mode(gossipsub::ValidationMode::Anonymous)
        // Messages are forwarded only after a validation result, and none is given here.
        .validate_messages()
        .max_transmit_size(2 * wire::MAX_MESSAGE_BYTES)
        .heartbeat_interval(Duration::from_millis(700))
        .message_id_fn(move |message| match ids {
            MessageIds::Network => wire::message_id(message.topic.as_str(), &message.data)
                .to_vec()
                .into(),
            MessageIds::Unique => {
                let number = number.fetch_add(1, Ordering::Relaxed);
                number.to_le_bytes().to_vec().into()
            }
        })
        .build()?;
    let gossip = gossipsub::Behaviour::new(gossipsub::MessageAuthenticity::Anonymous, config)
        .map_err(|reason| anyhow!("gossip: {reason}"))?;
    let support = match requests {
        Requests::Answered => ProtocolSupport::Full,
        Requests::Refused => ProtocolSupport::Outbound,
    };
    let protocol = |name| {
        let protocols = [(StreamProtocol::new(name), support.clone())];
        let mut config = request_response::Config::default();
        if asks != Asks::Politely {
            // It is for the nodes to lose patience.
            config = config.with_request_timeout(IDLE);
        }
        let config = config.with_max_concurrent_streams(STREAMS);
        request_response::Behaviour::with_codec(RawCodec(asks), protocols, config)
    };
    Ok(Behaviour {
        gossip,
        blocks: protocol(BLOCKS_BY_ROOT_PROTOCOL),
        status: protocol(STATUS_PROTOCOL),
    })
}

/// Dials a socket that is no node, so that it hears how a handshake begins, and gives up after `patience`.
pub(crate) async fn dial_once(address: SocketAddr, patience: Duration) {
    let Ok(mut swarm) = build_listener() else {
        return;
    };
    if swarm.dial(dial_address(address)).is_ok() {
        let _ = timeout(patience, async {
            loop {
                swarm.select_next_some().await;
            }
        })
        .await;
    }
}

/// The topic's name on the devnet.
pub(super) fn topic_name(topic: wire::Topic) -> String {
    topic.name(FORK)
}

/// The topic with this name on the devnet.
pub(super) fn topic_of(name: &str) -> Option<wire::Topic> {
    wire::Topic::parse(name, FORK)
}

/// Where a node that listens for QUIC at `address` is dialled.
pub(super) fn dial_address(address: SocketAddr) -> Multiaddr {
    Multiaddr::from(address.ip())
        .with(Protocol::Udp(address.port()))
        .with(Protocol::QuicV1)
}
