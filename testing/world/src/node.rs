//! A chain service that runs, and what a test says to it and hears from it. Time is tokio's, which has to be paused.

use std::{ops::Range, path::PathBuf, sync::Arc, time::Duration};

use quartet_chain::{
    ChainEvent, ChainHandle, ChainMessage, ChainService, ChainServiceConfig, ChainServiceParts,
    ChainWriter, EventBus, GossipAttestation, LeanChain, MemoryLimits, NetworkHandle,
    NetworkMessage, PeerName, RequestError, SharedChain, StoreError, Verdict, Verifier,
    chain_channel, network_channel,
};
use quartet_clock::Clock;
use quartet_processor::Processor;
use quartet_recording::{Limits, RecordedScheme, Recorder, Start};
use quartet_storage::Database;
use quartet_types::{
    Attestation, Checkpoint, INTERVALS_PER_SLOT, Root, SECONDS_PER_SLOT, SignedAttestation,
    SignedBlockWithAttestation, Slot, State, Status,
};
use tokio::{
    sync::{broadcast, mpsc, oneshot},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use crate::{GENESIS_TIME, Made, StandIn, World};

/// By then all that does not wait for a slot is done: votes wait eight milliseconds for others.
const A_MOMENT: Duration = Duration::from_millis(20);
/// How long an interval lasts, in milliseconds.
const INTERVAL: u64 = SECONDS_PER_SLOT * 1_000 / INTERVALS_PER_SLOT;

/// How a node starts.
#[derive(Debug)]
pub struct Setup {
    /// Whether it waits for peers, and fetches the past.
    pub config: ChainServiceConfig,
    /// The slot that it is.
    pub slot: Slot,
    /// How much of its chain is in memory.
    pub memory: MemoryLimits,
    /// What it has kept from before.
    pub store: Option<Arc<Database>>,
    /// What verifies signatures.
    pub verifier: Verifier,
    /// Where it records what it does, and how much of that is kept.
    pub recording: Option<(PathBuf, Limits)>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            config: ChainServiceConfig::default(),
            slot: 0,
            memory: MemoryLimits::of(64 << 20),
            store: None,
            verifier: &StandIn,
            recording: None,
        }
    }
}

/// A node that runs.
#[derive(Debug)]
pub struct Node {
    /// Its chain.
    pub chain: SharedChain,
    /// Its database.
    pub store: Arc<Database>,
    /// Its clock, which can be set.
    pub clock: Clock,
    /// What watchers are told.
    pub events: broadcast::Receiver<ChainEvent>,
    handle: ChainHandle,
    network: NetworkHandle,
    /// The peers of all penalties that it has told the network of, as far as that has been looked at.
    pub penalized: Vec<String>,
    messages: mpsc::Receiver<NetworkMessage>,
    stop: CancellationToken,
    service: JoinHandle<Result<(), StoreError>>,
}

/// What comes of a request.
pub type Served = Result<Vec<Arc<SignedBlockWithAttestation>>, RequestError>;

/// A request that the node has sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// Its number, which the answer repeats.
    pub number: u64,
    /// Whom it goes to.
    pub peer: String,
    /// What it asks for.
    pub wanted: Wanted,
}

impl Request {
    /// The message as one, if it is one.
    pub fn of(message: NetworkMessage) -> Option<Self> {
        let (number, peer, wanted) = match message {
            NetworkMessage::RequestBlocks {
                request,
                peer,
                roots,
            } => (request, peer, Wanted::Roots(roots)),
            NetworkMessage::RequestRange {
                request,
                peer,
                start_slot,
                count,
            } => (request, peer, Wanted::Slots(start_slot..start_slot + count)),
            _ => return None,
        };
        let peer = peer.to_string();
        Some(Self {
            number,
            peer,
            wanted,
        })
    }
}

/// What a request asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Wanted {
    /// Blocks by their roots.
    Roots(Vec<Root>),
    /// The blocks of some slots.
    Slots(Range<Slot>),
}

/// An item from gossip whose verdict is awaited.
#[derive(Debug)]
pub struct Awaited(oneshot::Receiver<Verdict>);

impl Awaited {
    /// The verdict, if there is one: an item that is dropped counts as ignored.
    pub fn verdict(&mut self) -> Option<Verdict> {
        match self.0.try_recv() {
            Ok(verdict) => Some(verdict),
            Err(oneshot::error::TryRecvError::Closed) => Some(Verdict::Ignore),
            Err(oneshot::error::TryRecvError::Empty) => None,
        }
    }
}

impl Setup {
    /// A node in a slot, without peers.
    pub fn at(slot: Slot) -> Self {
        Self {
            slot,
            ..Self::default()
        }
    }

    /// A node in a slot that waits for peers before it does duties.
    pub fn among_peers(slot: Slot) -> Self {
        let mut setup = Self::at(slot);
        setup.config.expects_peers = true;
        setup
    }

    /// Starts it, a moment after the start of the slot.
    pub async fn start(self, world: &World) -> Node {
        let genesis = world.genesis();
        let since = Duration::from_secs(GENESIS_TIME + SECONDS_PER_SLOT * self.slot);
        let clock = Clock::manual(GENESIS_TIME, since);
        let chain = LeanChain::from_genesis(State::clone(&genesis.state));
        let writer = ChainWriter::new(chain.with_memory_limits(self.memory));
        let chain = writer.reader();
        let (handle, inbox) = chain_channel();
        let (network, messages) = network_channel();
        let store = self
            .store
            .unwrap_or_else(|| Arc::new(Database::in_memory(genesis.root).unwrap()));
        let events = EventBus::new();
        let parts = ChainServiceParts {
            chain: writer,
            inbox,
            network: network.clone(),
            store: store.clone(),
            events: events.clone(),
            processor: Processor::inline(),
            clock: clock.clone(),
            verifier: self.verifier,
        };
        let mut service = ChainService::new(self.config, parts).unwrap();
        if let Some((directory, limits)) = self.recording {
            let start = Start {
                session: self.slot,
                ..start_of(genesis.root, self.config, self.memory)
            };
            let recorder = Recorder::start_blocking(&directory, limits, start);
            service = service.with_recorder(recorder.unwrap());
        }
        let stop = CancellationToken::new();
        let node = Node {
            chain,
            store,
            clock,
            events: events.watch(),
            handle,
            network,
            penalized: Vec::new(),
            messages,
            stop: stop.clone(),
            service: tokio::spawn(service.run(stop)),
        };
        node.a_moment().await;
        node
    }
}

impl Node {
    /// Waits until all is done that does not wait for a slot.
    pub async fn a_moment(&self) {
        tokio::time::sleep(A_MOMENT).await;
    }

    /// Waits until an interval of a slot, and a moment more.
    pub async fn until(&self, slot: Slot, interval: u64) {
        let due = Duration::from_millis((slot * INTERVALS_PER_SLOT + interval) * INTERVAL);
        let left = due.saturating_sub(self.clock.since_genesis());
        tokio::time::sleep(left).await;
        self.a_moment().await;
    }

    /// The service is told something.
    pub async fn tell(&self, message: ChainMessage) {
        self.handle.send(message).await.unwrap();
        self.a_moment().await;
    }

    /// A block comes by gossip.
    pub async fn block(&self, peer: &str, block: &Arc<SignedBlockWithAttestation>) -> Awaited {
        let (verdict, awaited) = oneshot::channel();
        let (block, peer) = (block.clone(), PeerName::new(peer));
        self.tell(ChainMessage::Block {
            block,
            peer,
            verdict,
        })
        .await;
        Awaited(awaited)
    }

    /// Blocks of the world come by gossip, each of which is imported at once.
    pub async fn import(&self, world: &World, blocks: &[usize]) {
        for block in blocks {
            let mut awaited = self.block("importer", &world.made[*block].block).await;
            let verdict = awaited.verdict();
            assert_eq!(verdict, Some(Verdict::Accept), "block {block}");
        }
    }

    /// Votes come by gossip, all at once and well signed.
    pub async fn votes(&self, world: &World, peer: &str, votes: &[Attestation]) -> Vec<Awaited> {
        let signed = votes.iter().map(|vote| world.sign(*vote));
        self.signed_votes(peer, signed.collect()).await
    }

    /// Votes come by gossip, all at once.
    pub async fn signed_votes(&self, peer: &str, votes: Vec<SignedAttestation>) -> Vec<Awaited> {
        let awaited = votes.into_iter().map(|attestation| {
            let (verdict, awaited) = oneshot::channel();
            self.handle.attestation(GossipAttestation {
                attestation,
                peer: PeerName::new(peer),
                verdict,
            });
            Awaited(awaited)
        });
        let awaited = awaited.collect();
        self.a_moment().await;
        awaited
    }

    /// A vote comes by gossip, well signed.
    pub async fn vote(&self, world: &World, vote: Attestation) -> Awaited {
        self.votes(world, "peer", &[vote]).await.remove(0)
    }

    /// The node is told that it is about to propose in a slot, and is ready.
    pub async fn prepare(&self, slot: Slot) {
        let (ready, awaited) = oneshot::channel();
        self.tell(ChainMessage::PrepareProposal { slot, ready })
            .await;
        awaited.await.unwrap();
    }

    /// A validator of the node has proposed a block, which is imported.
    pub async fn own_block(&self, made: &Made) {
        let (imported, result) = oneshot::channel();
        self.tell(ChainMessage::OwnBlock {
            block: made.block.clone(),
            post_state: Box::new(State::clone(&made.state)),
            imported,
        })
        .await;
        result.await.unwrap().unwrap();
    }

    /// Validators of the node have voted: which of the votes count.
    pub async fn own_votes(&self, attestations: Vec<SignedAttestation>) -> Vec<bool> {
        let (imported, results) = oneshot::channel();
        self.tell(ChainMessage::OwnAttestations {
            attestations,
            imported,
        })
        .await;
        results.await.unwrap().iter().map(Result::is_ok).collect()
    }

    /// A peer says what its head is; what it has finalized is genesis.
    pub async fn status(&self, world: &World, peer: &str, head: Checkpoint) {
        let finalized = world.genesis().checkpoint();
        self.tell(ChainMessage::Status {
            peer: PeerName::new(peer),
            status: Status { finalized, head },
        })
        .await;
    }

    /// The network has no room for anything more.
    pub async fn fill_network(&self) {
        let nothing = || NetworkMessage::PublishAttestations(Vec::new());
        let full = async { while self.network.send(nothing()).await.is_ok() {} };
        let _ = tokio::time::timeout(Duration::from_millis(1), full).await;
    }

    /// What the node has told the network since the last time.
    pub fn messages(&mut self) -> Vec<NetworkMessage> {
        let messages = std::iter::from_fn(|| self.messages.try_recv().ok());
        let messages: Vec<NetworkMessage> = messages.collect();
        for message in &messages {
            if let NetworkMessage::Penalize { peer, .. } = message {
                self.penalized.push(peer.to_string());
            }
        }
        messages
    }

    /// Its requests since the last time; all else that it has told the network is passed over.
    pub fn requests(&mut self) -> Vec<Request> {
        self.messages()
            .into_iter()
            .filter_map(Request::of)
            .collect()
    }

    /// A request is answered, or fails.
    pub async fn answer(&self, request: u64, result: Served) {
        self.tell(ChainMessage::RequestedBlocks { request, result })
            .await;
    }

    /// Answers requests as a peer does whose head is this block, until none has come for an interval.
    pub async fn serve(&mut self, world: &World, head: usize) {
        self.serve_by(|request| Ok(served(world, head, &request.wanted)))
            .await;
    }

    /// Answers requests until none has come for an interval.
    pub async fn serve_by(&mut self, mut answer: impl FnMut(&Request) -> Served) {
        loop {
            let mut requests = self.requests();
            if requests.is_empty() {
                tokio::time::sleep(Duration::from_millis(INTERVAL)).await;
                requests = self.requests();
            }
            if requests.is_empty() {
                return;
            }
            for request in requests {
                self.answer(request.number, answer(&request)).await;
            }
        }
    }

    /// What watchers have been told since the last time.
    pub fn told(&mut self) -> Vec<ChainEvent> {
        std::iter::from_fn(|| self.events.try_recv().ok()).collect()
    }

    /// The head of its chain.
    pub fn head(&self) -> Root {
        self.chain.read().head().root
    }

    /// How it has ended by itself.
    ///
    /// # Errors
    /// When its database has failed.
    pub async fn ended(self) -> Result<(), StoreError> {
        self.service.await.unwrap()
    }

    /// Stops it; its database, as the next start finds it.
    pub async fn stop(self) -> Arc<Database> {
        self.stop.cancel();
        self.service.await.unwrap().unwrap();
        self.store
    }
}

/// What a recording says of a node whose slots last as long as the protocol says, in its session 0.
pub fn start_of(network: Root, config: ChainServiceConfig, memory: MemoryLimits) -> Start {
    let memory = [memory.states, memory.blocks, memory.unwritten];
    Start {
        software: "quartet".to_owned(),
        node: "a node".to_owned(),
        session: 0,
        part: 0,
        network,
        genesis_time: GENESIS_TIME,
        slot_milliseconds: SECONDS_PER_SLOT * 1_000,
        scheme: RecordedScheme::Test,
        expects_peers: config.expects_peers,
        backfill: config.backfill,
        memory: memory.map(|bytes| bytes as u64),
    }
}

/// What a peer whose head is this block answers.
pub fn served(world: &World, head: usize, wanted: &Wanted) -> Vec<Arc<SignedBlockWithAttestation>> {
    match wanted {
        Wanted::Roots(roots) => {
            let found = roots.iter().filter_map(|root| world.find(root));
            found.map(|made| made.block.clone()).collect()
        }
        Wanted::Slots(slots) => {
            let parent = |block: &usize| (*block > 0).then(|| world.made[*block].parent);
            let chain = std::iter::successors(Some(head), parent);
            let mut blocks: Vec<_> = chain
                .filter(|block| *block > 0 && slots.contains(&world.made[*block].slot()))
                .map(|block| world.made[block].block.clone())
                .collect();
            blocks.reverse();
            blocks
        }
    }
}
