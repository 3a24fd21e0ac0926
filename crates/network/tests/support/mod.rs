//! Nodes for tests: the network service on loopback, with the test in the place of the chain.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part")]
#![allow(clippy::unwrap_used, reason = "everything here is a test")]

pub mod rogue;

use std::{collections::BTreeSet, future::Future, net::SocketAddr, sync::Arc, time::Duration};

use quartet_chain::{
    ChainInbox, ChainMessage, ChainReader, ChainWriter, GossipAttestation, LeanChain,
    NetworkHandle, NetworkMessage, PeerName, Peers, RequestError, VerdictSender, chain_channel,
    network_channel,
};
use quartet_clock::Clock;
use quartet_network::{
    Identity, NetworkConfig, NetworkError, NetworkParts, NetworkService, StaticPeer,
};
use quartet_storage::{Database, StoredBlock};
use quartet_types::{
    Checkpoint, HistoricalBlockHashes, PublicKey, Root, Signature, SignedAttestation,
    SignedBlockWithAttestation, Slot, SlotDuration, State, Status,
};
use tokio::{sync::watch, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;
use tree_hash::TreeHash as _;

/// What a test waits for comes long before this, or never.
const LIMIT: Duration = Duration::from_secs(30);
/// How often something is tried again that may come too early.
const AGAIN: Duration = Duration::from_millis(250);

pub const FORK: &str = "devnet0";
pub const LOOPBACK: &str = "127.0.0.1:0";

pub type Block = Arc<SignedBlockWithAttestation>;

/// Waits for what must come.
pub async fn within<T>(future: impl Future<Output = T>) -> T {
    timeout(LIMIT, future).await.expect("it did not come")
}

/// Does `act` again and again until `outcome` is there.
pub async fn until<T>(mut act: impl AsyncFnMut(), outcome: impl Future<Output = T>) -> T {
    let mut outcome = std::pin::pin!(outcome);
    let repeated = async {
        loop {
            act().await;
            if let Ok(outcome) = timeout(AGAIN, &mut outcome).await {
                return outcome;
            }
        }
    };
    within(repeated).await
}

/// A running network service. The test answers for its chain.
pub struct Node {
    pub name: PeerName,
    pub address: SocketAddr,
    pub multiaddr: String,
    pub inbox: ChainInbox,
    pub network: NetworkHandle,
    pub peers: Peers,
    pub store: Arc<Database>,
    cancel: CancellationToken,
    task: JoinHandle<Result<(), NetworkError>>,
}

/// The configuration of the node with this number.
pub fn config(number: u8, dials: &[&str]) -> NetworkConfig {
    let identity = Identity::from_secret(&[number; 32]).unwrap();
    let mut config = NetworkConfig::new(identity, LOOPBACK.parse().unwrap(), FORK);
    config.static_peers = dials.iter().map(|dial| peer(dial)).collect();
    config
}

pub fn peer(multiaddr: &str) -> StaticPeer {
    multiaddr.parse().unwrap()
}

/// A chain at its genesis, with a store of its own.
fn reader(store: Arc<Database>) -> ChainReader {
    let genesis = State::genesis(0, &[PublicKey::default()]).unwrap();
    ChainReader::new(
        ChainWriter::new(LeanChain::from_genesis(genesis)).reader(),
        store,
    )
}

/// A block as a database keeps it; its place in a tree is of no interest here.
fn stored(block: &Block) -> StoredBlock {
    StoredBlock {
        root: root(block),
        block: block.clone(),
        justified: Checkpoint::default(),
        finalized: Checkpoint::default(),
        state: None,
    }
}

impl Node {
    pub async fn start(number: u8, dials: &[&str]) -> Self {
        Self::with(config(number, dials)).await.unwrap()
    }

    pub async fn with(config: NetworkConfig) -> Result<Self, NetworkError> {
        let store = Arc::new(Database::in_memory(Root::ZERO).unwrap());
        Self::serving(config, store.clone(), reader(store), Clock::system(0)).await
    }

    /// A node with this clock.
    pub async fn with_clock(config: NetworkConfig, clock: Clock) -> Self {
        let store = Arc::new(Database::in_memory(Root::ZERO).unwrap());
        let node = Self::serving(config, store.clone(), reader(store), clock);
        node.await.unwrap()
    }

    /// A node of a network whose slots last this many milliseconds.
    pub async fn with_slots(number: u8, dials: &[&str], milliseconds: u64) -> Self {
        let duration = SlotDuration::from_millis(milliseconds).unwrap();
        let clock = Clock::system(0).with_slot_duration(duration);
        Self::with_clock(config(number, dials), clock).await
    }

    /// A node whose chain has these blocks and ends in the slot after the last.
    pub async fn with_blocks(number: u8, blocks: &[Block]) -> Self {
        let store = Arc::new(Database::in_memory(Root::ZERO).unwrap());
        let end = blocks.last().unwrap().block().slot + 1;
        let mut history = vec![Root::ZERO; end as usize];
        for block in blocks {
            history[block.block().slot as usize] = root(block);
            store.put(stored(block)).unwrap();
        }
        let mut state = State::genesis(0, &[PublicKey::default()]).unwrap();
        state.historical_block_hashes = HistoricalBlockHashes::try_from_iter(history).unwrap();
        let mut head = SignedBlockWithAttestation::default();
        head.message.block.slot = end;
        let chain = ChainWriter::new(LeanChain::from_anchor(head, state)).reader();
        let reader = ChainReader::new(chain, store.clone());
        let node = Self::serving(config(number, &[]), store, reader, Clock::system(0));
        node.await.unwrap()
    }

    async fn serving(
        config: NetworkConfig,
        store: Arc<Database>,
        reader: ChainReader,
        clock: Clock,
    ) -> Result<Self, NetworkError> {
        Self::of(config, store, reader, clock, None).await
    }

    async fn of(
        config: NetworkConfig,
        store: Arc<Database>,
        reader: ChainReader,
        clock: Clock,
        partition: Option<watch::Receiver<BTreeSet<PeerName>>>,
    ) -> Result<Self, NetworkError> {
        let (chain, inbox) = chain_channel();
        let (network, messages) = network_channel();
        let peers = Peers::default();
        let parts = NetworkParts {
            chain: reader,
            chain_service: chain,
            inbox: messages,
            peers: peers.clone(),
            clock,
        };
        let mut service = NetworkService::bind(config, parts).await?;
        if let Some(partition) = partition {
            service = service.with_partition(partition);
        }
        let cancel = CancellationToken::new();
        Ok(Self {
            name: service.name(),
            address: service.local_address(),
            multiaddr: service.multiaddr().to_string(),
            inbox,
            network,
            peers,
            store,
            task: tokio::spawn(service.run(cancel.clone())),
            cancel,
        })
    }

    /// A node that is kept apart from whom `partition` names.
    pub async fn apart(
        config: NetworkConfig,
        partition: watch::Receiver<BTreeSet<PeerName>>,
    ) -> Self {
        let store = Arc::new(Database::in_memory(Root::ZERO).unwrap());
        let reader = reader(store.clone());
        let node = Self::of(config, store, reader, Clock::system(0), Some(partition));
        node.await.unwrap()
    }

    /// Starts on a port that another node has just left; the system may take a moment to free it.
    pub async fn take_over(config: NetworkConfig) -> Self {
        within(async {
            loop {
                match Self::with(config.clone()).await {
                    Ok(node) => return node,
                    Err(_) => tokio::task::yield_now().await,
                }
            }
        })
        .await
    }

    /// Stops the service; returns when it has taken leave of its peers.
    pub async fn stop(self) {
        self.cancel.cancel();
        within(self.task).await.unwrap().unwrap();
    }

    /// The chain is gone; says how the service ends, which is told to stop or not.
    pub async fn lose_chain(self, told: bool) -> Result<(), NetworkError> {
        let Self {
            inbox,
            cancel,
            task,
            multiaddr,
            ..
        } = self;
        drop(inbox);
        // It notices when it has something to say.
        let mut peer = Self::start(99, &[&multiaddr]).await;
        peer.next_status().await;
        if told {
            cancel.cancel();
        }
        within(task).await.unwrap()
    }

    pub async fn send(&self, message: NetworkMessage) {
        self.network.send(message).await.unwrap();
    }

    pub async fn publish(&self, block: &Block) {
        self.send(NetworkMessage::PublishBlock(block.clone())).await;
    }

    pub async fn publish_attestation(&self, attestation: &SignedAttestation) {
        let attestations = vec![attestation.clone()];
        self.send(NetworkMessage::PublishAttestations(attestations))
            .await;
    }

    pub async fn next_message(&mut self) -> ChainMessage {
        within(self.inbox.next_message()).await.unwrap()
    }

    /// The next block; what else comes before it is left aside.
    pub async fn next_block(&mut self) -> (Block, VerdictSender) {
        loop {
            if let ChainMessage::Block { block, verdict, .. } = self.next_message().await {
                return (block, verdict);
            }
        }
    }

    pub async fn next_attestation(&mut self) -> GossipAttestation {
        within(self.inbox.next_attestation()).await.unwrap()
    }

    pub async fn next_status(&mut self) -> (PeerName, Status) {
        loop {
            if let ChainMessage::Status { peer, status } = self.next_message().await {
                return (peer, status);
            }
        }
    }

    pub async fn next_disconnected(&mut self) -> PeerName {
        loop {
            if let ChainMessage::Disconnected { peer } = self.next_message().await {
                return peer;
            }
        }
    }

    /// Asks a peer for blocks and waits for the outcome.
    pub async fn request(
        &mut self,
        peer: &PeerName,
        roots: Vec<Root>,
    ) -> Result<Vec<Block>, RequestError> {
        let request = 77;
        let peer = peer.clone();
        self.send(NetworkMessage::RequestBlocks {
            request,
            peer,
            roots,
        })
        .await;
        let (answered, result) = self.next_answer().await;
        assert_eq!(answered, request);
        result
    }

    /// Asks a peer for the blocks of some slots and waits for the outcome.
    pub async fn request_range(
        &mut self,
        peer: &PeerName,
        start_slot: Slot,
        count: u64,
    ) -> Result<Vec<Block>, RequestError> {
        let request = 78;
        self.send_range_request(request, peer, start_slot, count)
            .await;
        let (answered, result) = self.next_answer().await;
        assert_eq!(answered, request);
        result
    }

    pub async fn send_range_request(
        &self,
        request: u64,
        peer: &PeerName,
        start_slot: Slot,
        count: u64,
    ) {
        let peer = peer.clone();
        self.send(NetworkMessage::RequestRange {
            request,
            peer,
            start_slot,
            count,
        })
        .await;
    }

    /// The next answer to a request for blocks, with its number.
    pub async fn next_answer(&mut self) -> (u64, Result<Vec<Block>, RequestError>) {
        loop {
            if let ChainMessage::RequestedBlocks { request, result } = self.next_message().await {
                return (request, result);
            }
        }
    }

    /// The peers that it has now.
    pub fn peer_names(&self) -> Vec<PeerName> {
        let peers = self.peers.list().into_iter();
        peers.map(|(name, _)| name).collect()
    }

    /// Puts blocks where the node serves them from.
    pub fn keep(&self, blocks: &[&Block]) {
        for block in blocks {
            self.store.put(stored(block)).unwrap();
        }
    }
}

/// A block as it may travel, though no chain would take it.
pub fn block(slot: u64) -> Block {
    let mut block = SignedBlockWithAttestation::default();
    block.message.block.slot = slot;
    block.signature = vec![Signature::default()].try_into().unwrap();
    Arc::new(block)
}

/// A block with this many signatures, of 3,112 bytes each.
pub fn block_with_signatures(slot: u64, signatures: usize) -> Block {
    let mut block = SignedBlockWithAttestation::clone(&block(slot));
    block.signature = vec![Signature::default(); signatures].try_into().unwrap();
    Arc::new(block)
}

pub fn root(block: &Block) -> Root {
    block.block().tree_hash_root()
}

pub fn attestation(slot: u64) -> SignedAttestation {
    let mut message = quartet_types::Attestation::default();
    message.data.slot = slot;
    SignedAttestation {
        message,
        signature: Signature::default(),
    }
}
