//! The network service: one task that owns the swarm and moves between it and the chain.

mod blocks;
mod client_counts;
mod connections;
mod disconnects;
mod gossip;
mod partition;
mod peer;
mod peer_slots;
mod requests;

use std::{
    collections::{HashMap, VecDeque},
    future::ready,
    io,
    net::SocketAddr,
    time::Duration,
};

use futures::{
    FutureExt as _, StreamExt as _,
    future::BoxFuture,
    stream::{FuturesOrdered, FuturesUnordered},
};
use libp2p::{
    Multiaddr, PeerId, Swarm, TransportError, multiaddr::Protocol, request_response,
    swarm::SwarmEvent,
};
use quartet_chain::{
    ChainHandle, ChainMessage, ChainReader, NetworkMessage, PeerName, Peers, Stopped,
};
use quartet_clock::Clock;
use quartet_types::{BlocksByRangeRequest, SECONDS_PER_SLOT, SignedAttestation};
use tokio::{
    sync::mpsc::{OwnedPermit, Receiver},
    time::{MissedTickBehavior, interval, sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use crate::{
    NetworkConfig,
    bans::{AddressBans, Bans},
    behaviour::{self, Behaviour, BehaviourEvent},
    config::{name_of, quic_address, udp_address},
    dialer::Dialer,
    gossip::GossipEvent,
    log_limit::LogLimit,
    outbox::Outbox,
    protocol::Via,
    restarts::Restarts,
    server::BlockServer,
    traffic::Traffic,
};
use client_counts::ClientCounts;
use gossip::{DecodedBlock, JudgedMessage};
use partition::Partition;
use peer::Peer;

/// How long leave-taking may last.
const DISCONNECT_TIMEOUT: Duration = Duration::from_millis(500);
/// Between the end of the chain and our own, when the node is stopped.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);
/// How long the system may take to say where we listen.
const LISTEN_TIMEOUT: Duration = Duration::from_secs(5);
/// A usual slot, the unit of what has to do with peers and not with the chain: it does not shrink with shorter slots.
const SLOT: Duration = Duration::from_secs(SECONDS_PER_SLOT);

/// The network service failed, or could not start.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// Another program listens there, most of the time.
    #[error("cannot listen on UDP {address}: {reason}; is another node running on this port?")]
    Listen {
        /// Where we were to listen.
        address: SocketAddr,
        /// What the system says.
        reason: String,
    },
    /// The settings of libp2p are inconsistent; a mistake in the program.
    #[error("libp2p refuses our settings: {0}")]
    Settings(&'static str),
    /// The chain service is gone.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

type PermitFuture = BoxFuture<'static, Result<OwnedPermit<ChainMessage>, Stopped>>;

/// What the network service works with.
#[derive(Debug)]
pub struct NetworkParts {
    /// What it serves to peers.
    pub chain: ChainReader,
    /// The way to the chain service.
    pub chain_service: ChainHandle,
    /// What the other services have it do.
    pub inbox: Receiver<NetworkMessage>,
    /// The table of peers, which it keeps up to date.
    pub peers: Peers,
    /// The network's clock.
    pub clock: Clock,
}

/// Talks to peers. Listens from the moment it is bound; talks while [`NetworkService::run`] runs.
pub struct NetworkService {
    swarm: Swarm<Behaviour>,
    address: SocketAddr,
    fork: String,
    reader: ChainReader,
    chain: ChainHandle,
    inbox: Receiver<NetworkMessage>,
    table: Peers,
    /// The network's clock, which may be set.
    network_clock: Clock,
    /// The same when the service was made; it is never set. All that has to do with peers goes by it.
    clock: Clock,

    dialer: Dialer,
    /// Bounded by the limit of connections.
    peers: HashMap<PeerId, Peer>,
    /// Peers that are banned.
    bans: Bans,
    /// Lines about strangers.
    log_limit: LogLimit,
    address_bans: AddressBans,
    partition: Partition,
    /// Places for strangers.
    stranger_slots: usize,
    restarts: Restarts,
    client_counts: ClientCounts,
    /// Bytes by peer.
    traffic: Traffic,

    /// For the chain, in order.
    outbox: Outbox,
    /// Our place in the line for the chain's queue.
    permit: Option<PermitFuture>,
    /// Attestations of our own that are still to be published: at most those of this node's validators in the slots that
    /// the network has been behind for.
    to_publish: VecDeque<SignedAttestation>,
    /// Gossip that the chain has not judged yet.
    pending_verdicts: FuturesUnordered<BoxFuture<'static, JudgedMessage>>,
    /// Large blocks that are being decoded, in the order in which they came.
    decoding: FuturesOrdered<BoxFuture<'static, DecodedBlock>>,
    /// Our requests under way, and the numbers that the chain gave them.
    requests: HashMap<(Via, request_response::OutboundRequestId), u64>,
    server: BlockServer,
}

impl NetworkService {
    /// Binds the socket and gets ready.
    ///
    /// # Errors
    /// When it cannot listen, or libp2p refuses our settings.
    pub async fn bind(config: NetworkConfig, parts: NetworkParts) -> Result<Self, NetworkError> {
        let clock = parts.clock.steady();
        let traffic = Traffic::default();
        let swarm = behaviour::build(&config, clock.clone(), traffic.clone());
        let mut swarm = swarm.map_err(NetworkError::Settings)?;
        let address = listen(&mut swarm, config.listen_address).await?;
        let log_limit = LogLimit::new(clock.now());
        let local = config.identity.peer_id();
        let dialer = Dialer::new(local, config.static_peers, clock.now());
        info!(%address, peer = %local, fork = config.fork_name, dials = dialer.len(), "listening");
        Ok(Self {
            swarm,
            address,
            fork: config.fork_name,
            server: BlockServer::new(parts.chain.clone()),
            reader: parts.chain,
            chain: parts.chain_service,
            inbox: parts.inbox,
            table: parts.peers,
            network_clock: parts.clock,
            clock,
            dialer,
            peers: HashMap::new(),
            bans: Bans::default(),
            log_limit,
            address_bans: AddressBans::default(),
            partition: Partition::default(),
            stranger_slots: config.max_peers,
            restarts: Restarts::default(),
            traffic,
            client_counts: ClientCounts::new(config.peer_labels),
            outbox: Outbox::default(),
            permit: None,
            to_publish: VecDeque::new(),
            pending_verdicts: FuturesUnordered::new(),
            decoding: FuturesOrdered::new(),
            requests: HashMap::new(),
        })
    }

    /// The UDP address at which we listen, with the port that the system chose if it was to.
    pub fn local_address(&self) -> SocketAddr {
        self.address
    }

    /// Where others can dial us, our name included.
    pub fn multiaddr(&self) -> Multiaddr {
        quic_address(self.address).with(Protocol::P2p(*self.swarm.local_peer_id()))
    }

    /// The name that other nodes know us by.
    pub fn name(&self) -> PeerName {
        name_of(self.swarm.local_peer_id())
    }

    /// Talks to peers until it is told to stop, then closes all connections.
    ///
    /// # Errors
    /// When the chain service has stopped, though we are not told to stop as well.
    pub async fn run(mut self, stop: CancellationToken) -> Result<(), NetworkError> {
        let mut slots = interval(self.clock.slot_duration().slot());
        slots.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut is_inbox_open = true;
        let mut ending = Ok(());
        loop {
            self.reserve_permit();
            let next_dial = self.time_to_next_dial();
            // Not biased: each of these may always have something, and none may keep the others waiting.
            tokio::select! {
                () = stop.cancelled() => break,
                permit = next(&mut self.permit) => {
                    self.permit = None;
                    match (permit, self.outbox.pop()) {
                        (Ok(permit), Some(message)) => {
                            permit.send(message);
                        }
                        (Ok(_), None) => {}
                        (Err(stopped), _) => {
                            ending = chain_stopped(stopped, &stop).await;
                            break;
                        }
                    }
                }
                judged = self.pending_verdicts.select_next_some(), if !self.pending_verdicts.is_empty() => {
                    self.on_verdict(judged);
                }
                decoded = self.decoding.select_next_some(), if !self.decoding.is_empty() => {
                    self.on_decoded(decoded);
                }
                message = self.inbox.recv(),
                    if is_inbox_open && self.outbox.has_room_for_ours() && self.has_room_to_publish() =>
                {
                    match message {
                        Some(message) => self.on_message(message),
                        None => is_inbox_open = false,
                    }
                }
                event = self.swarm.select_next_some(),
                    if self.outbox.has_room_for_peers() && self.has_room_to_decode() =>
                {
                    self.on_event(event);
                }
                // Between what others send, so that their connections have time to take it.
                () = ready(()), if !self.to_publish.is_empty() => self.publish_some(),
                () = sleep(next_dial.unwrap_or_default()), if next_dial.is_some() => self.dial_due(),
                _ = slots.tick() => self.on_slot(),
                apart = self.partition.next_order() => self.keep_apart(apart),
            }
        }
        self.disconnect_all().await;
        ending
    }

    fn reserve_permit(&mut self) {
        if self.permit.is_none() && !self.outbox.is_empty() {
            let chain = self.chain.clone();
            self.permit = Some(async move { chain.reserve().await }.boxed());
        }
    }

    fn on_message(&mut self, message: NetworkMessage) {
        match message {
            NetworkMessage::PublishBlock(block) => self.publish_block(&block),
            NetworkMessage::PublishAttestations(attestations) => {
                self.to_publish.extend(attestations);
            }
            NetworkMessage::RequestBlocks {
                request,
                peer,
                roots,
            } => self.request_blocks(request, &peer, roots),
            NetworkMessage::RequestRange {
                request,
                peer,
                start_slot,
                count,
            } => self.request_range(request, &peer, BlocksByRangeRequest { start_slot, count }),
            NetworkMessage::Disconnect { peer, reason } => {
                if let Ok(peer) = peer.as_str().parse() {
                    self.ban(peer, reason);
                }
            }
            NetworkMessage::Penalize { peer, reason } => {
                if let Ok(peer) = peer.as_str().parse() {
                    self.penalize(peer, reason);
                }
            }
        }
    }

    fn on_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(BehaviourEvent::Gossip(event)) => match event {
                GossipEvent::Gossip(event) => self.on_gossip(event),
                GossipEvent::Faults(faults) => self.on_faults(faults),
            },
            SwarmEvent::Behaviour(BehaviourEvent::Status(event)) => self.on_status(event),
            SwarmEvent::Behaviour(BehaviourEvent::Blocks(event)) => {
                self.on_blocks(Via::Roots, event);
            }
            SwarmEvent::Behaviour(BehaviourEvent::Ranges(event)) => {
                self.on_blocks(Via::Range, event);
            }
            SwarmEvent::Behaviour(BehaviourEvent::Identify(event)) => self.on_identify(event),
            event => self.on_connection(event),
        }
    }

    /// What is done once a slot, at no time in particular.
    fn on_slot(&mut self) {
        let now = self.clock.now();
        self.lift_bans(now);
        self.decay_usefulness(now);
        self.review_standings(now);
        self.close_surplus_connections(now);
        self.trim(now);
        self.refresh_statuses(now);
        self.measure_peers();
        self.count_peers();
        self.log_omitted_lines();
    }

    /// Closes all connections, so that peers know at once that we are gone.
    async fn disconnect_all(mut self) {
        let peers: Vec<_> = self.swarm.connected_peers().copied().collect();
        for peer in peers {
            let _ = self.swarm.disconnect_peer_id(peer);
            self.table.remove(&name_of(&peer));
        }
        let closed = async {
            while self.swarm.connected_peers().next().is_some() {
                self.swarm.select_next_some().await;
            }
        };
        if timeout(DISCONNECT_TIMEOUT, closed).await.is_err() {
            debug!("some peers did not let us go in time");
        }
    }
}

/// When a node is stopped, the chain goes first, and that is no failure of ours. Otherwise it is.
async fn chain_stopped(stopped: Stopped, stop: &CancellationToken) -> Result<(), NetworkError> {
    match timeout(STOP_TIMEOUT, stop.cancelled()).await {
        Ok(()) => Ok(()),
        Err(_) => Err(stopped.into()),
    }
}

/// The future in the slot, or never.
async fn next<T>(slot: &mut Option<BoxFuture<'static, T>>) -> T {
    match slot {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}

/// Binds the socket; returns where we listen.
async fn listen(
    swarm: &mut Swarm<Behaviour>,
    address: SocketAddr,
) -> Result<SocketAddr, NetworkError> {
    let failed = |reason: String| NetworkError::Listen { address, reason };
    let bound = swarm.listen_on(quic_address(address));
    bound.map_err(|error| match error {
        TransportError::MultiaddrNotSupported(_) => failed("address not supported".into()),
        TransportError::Other(error) => failed(root_cause(&error)),
    })?;
    let listening = async {
        loop {
            match swarm.select_next_some().await {
                SwarmEvent::NewListenAddr { address: found, .. } => {
                    // One of several, where `address` stands for all: only its port is news.
                    if let Some(found) = udp_address(&found) {
                        return Ok(SocketAddr::new(address.ip(), found.port()));
                    }
                }
                SwarmEvent::ListenerClosed {
                    reason: Err(error), ..
                } => return Err(root_cause(&error)),
                SwarmEvent::ListenerError { error, .. } => return Err(root_cause(&error)),
                _ => {}
            }
        }
    };
    match timeout(LISTEN_TIMEOUT, listening).await {
        Ok(found) => found.map_err(failed),
        Err(_) => Err(failed("no network interface with this address".into())),
    }
}

/// The text of the error at the bottom: libp2p wraps those of the system several times.
fn root_cause(error: &io::Error) -> String {
    let mut current: &dyn std::error::Error = error;
    while let Some(source) = current.source() {
        current = source;
    }
    current.to_string()
}
