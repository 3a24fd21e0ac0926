//! A node with a short, finalized chain, and ways to ask it.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    http::{HeaderMap, Request, Response, StatusCode, header},
};
use quartet_chain::{
    ChainReader, ChainWriter, Direction, EventBus, ImportableBlock, LeanChain, MemoryLimits,
    PeerFigures, PeerInfo, PeerName, Peers, SyncState,
};
use quartet_clock::Clock;
use quartet_metrics::Metrics;
use quartet_rpc::{NodeInfo, NodeParts, NodeView};
use quartet_storage::Database;
use quartet_types::{
    Attestation, BlockWithAttestation, PublicKey, Root, Signature, SignedAttestation,
    SignedBlockWithAttestation, State, Status,
};
use serde_json::Value;
use tower::ServiceExt as _;

pub(crate) const GENESIS_TIME: u64 = 1_000;
pub(crate) const VALIDATORS: u64 = 4;

pub(crate) struct TestNode {
    pub(crate) chain: Arc<ChainWriter>,
    pub(crate) store: Arc<Database>,
    pub(crate) peers: Peers,
    pub(crate) events: EventBus,
    pub(crate) view: NodeView,
}

impl TestNode {
    /// A node at the genesis of a network whose clock is `slots` slots after it.
    pub(crate) fn at_genesis(slots: u64) -> Self {
        Self::with_metrics(slots, None)
    }

    pub(crate) fn with_metrics(slots: u64, metrics: Option<Metrics>) -> Self {
        Self::new(genesis(VALIDATORS as usize), slots, metrics)
    }

    /// A node at the genesis of a network with this many validators.
    pub(crate) fn with_validators(validators: usize, metrics: Option<Metrics>) -> Self {
        Self::new(genesis(validators), 0, metrics)
    }

    /// A node at the genesis of a network that begins with this state.
    pub(crate) fn of_genesis(state: State) -> Self {
        Self::new(LeanChain::from_genesis(state), 0, None)
    }

    /// A node that starts from the head of this one's chain.
    pub(crate) fn anchored_at_head(&self) -> Self {
        let chain = self.chain.read();
        let head = chain.head();
        let block = self.store.get(head.root).unwrap().unwrap();
        let state = State::clone(chain.head_state().unwrap());
        Self::anchored_at(block, state)
    }

    /// A node that starts from a block and its state.
    pub(crate) fn anchored_at(block: SignedBlockWithAttestation, state: State) -> Self {
        let slot = state.slot;
        Self::new(LeanChain::from_anchor(block, state), slot, None)
    }

    /// A node whose chain has this many blocks, all of one proposer, whose votes alone finalize nothing.
    pub(crate) fn without_finality(blocks: u64) -> Self {
        let node = Self::at_genesis(VALIDATORS * blocks);
        for slot in (1..=blocks).map(|block| VALIDATORS * block) {
            node.chain.change(|chain| {
                chain.advance(4 * slot);
                let produced = chain.proposal_basis().unwrap().build(slot).unwrap();
                let mut block = SignedBlockWithAttestation::default();
                block.message.proposer_attestation.data = produced.attestation_data(chain);
                block.message.block = produced.block;
                let signatures = vec![Signature::default(); produced.signatures.len() + 1];
                block.signature = signatures.try_into().unwrap();
                let importable = ImportableBlock {
                    root: produced.root,
                    block: Arc::new(block),
                    post_state: Arc::new(produced.post_state),
                };
                chain.import_block(importable).unwrap();
            });
        }
        node
    }

    fn new(chain: LeanChain, slots: u64, metrics: Option<Metrics>) -> Self {
        // Whatever is in the database is read from there.
        let limits = MemoryLimits::of(0);
        let chain = Arc::new(ChainWriter::new(chain.with_memory_limits(limits)));
        let store = Arc::new(Database::in_memory(Root::ZERO).unwrap());
        let (peers, events) = (Peers::default(), EventBus::new());
        let now = Duration::from_secs(GENESIS_TIME + 4 * slots);
        let info = NodeInfo {
            name: "quartet_0".to_owned(),
            version: "0.1.0".to_owned(),
            commit: "abc1234".to_owned(),
            validators: vec![0, 1],
            peer_id: "16Uiu2HAm".to_owned(),
            enr: None,
            addresses: Vec::new(),
            genesis_root: Root::ZERO,
            fork_name: "devnet0".to_owned(),
        };
        let parts = NodeParts {
            chain: ChainReader::new(chain.reader(), store.clone()),
            peers: peers.clone(),
            clock: Clock::manual(GENESIS_TIME, now),
            metrics,
            events: events.clone(),
        };
        let view = NodeView::new(info, parts);
        Self {
            chain,
            store,
            peers,
            events,
            view,
        }
    }

    /// A node whose chain has a block with every vote in each slot up to `slots`.
    pub(crate) fn with_chain(slots: u64) -> Self {
        let node = Self::at_genesis(slots);
        node.chain.read().write_anchor(&node.store).unwrap();
        for slot in 1..=slots {
            node.extend(slot);
        }
        node
    }

    /// Lives through a slot: its proposal, everybody's votes, and their acceptance.
    pub(crate) fn extend(&self, slot: u64) -> Root {
        self.chain
            .change(|chain| self.extend_under_lock(chain, slot))
    }

    fn extend_under_lock(&self, chain: &mut LeanChain, slot: u64) -> Root {
        chain.advance(4 * slot);
        chain.accept_new_attestations();
        let proposer = slot % VALIDATORS;
        let produced = chain.proposal_basis().unwrap().build(slot).unwrap();
        let data = produced.attestation_data(chain);
        let root = produced.root;
        let signatures = produced.signatures.len() + 1;
        let block = SignedBlockWithAttestation {
            message: BlockWithAttestation {
                block: produced.block,
                proposer_attestation: Attestation {
                    validator_id: proposer,
                    data,
                },
            },
            signature: vec![Signature::default(); signatures].try_into().unwrap(),
        };
        let importable = ImportableBlock {
            root,
            block: Arc::new(block),
            post_state: Arc::new(produced.post_state),
        };
        self.store.put(chain.to_store(&importable)).unwrap();
        let pruned = chain.import_block(importable).unwrap();
        if !pruned.is_empty() {
            let finalized = chain.latest_finalized();
            let moved = self.store.finalize(finalized, &pruned.final_chain, slot);
            moved.unwrap();
        }
        chain.mark_written(&[root]);

        let data = chain.attestation_data(slot);
        for validator_id in (0..VALIDATORS).filter(|validator| *validator != proposer) {
            let signed = SignedAttestation {
                message: Attestation { validator_id, data },
                signature: Signature::default(),
            };
            chain.import_attestation(&signed).unwrap();
        }
        chain.advance(4 * slot + 3);
        root
    }

    pub(crate) fn set_sync_speed(&self, slots_per_second: u64) {
        let chain = &self.chain;
        chain.change(|chain| chain.set_sync_speed(slots_per_second));
    }

    pub(crate) fn set_sync_state(&self, state: SyncState) {
        self.chain.change(|chain| chain.set_sync_state(state));
    }

    pub(crate) fn connect(&self, name: &str, agent: Option<&str>, status: Option<Status>) {
        let info = PeerInfo {
            address: "/ip4/127.0.0.1/udp/9001/quic-v1".to_owned(),
            direction: Direction::Outbound,
            agent: agent.map(str::to_owned),
            status,
            since: Duration::from_secs(GENESIS_TIME),
            figures: PeerFigures::default(),
        };
        self.peers.insert(PeerName::new(name), info);
    }

    pub(crate) fn router(&self) -> Router {
        quartet_rpc::router(self.view.clone())
    }
}

fn genesis(validators: usize) -> LeanChain {
    let keys = vec![PublicKey::default(); validators];
    LeanChain::from_genesis(State::genesis(GENESIS_TIME, &keys).unwrap())
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// What came over a socket.
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
        let (head, body) = bytes.split_at(end.unwrap() + 4);
        let mut lines = std::str::from_utf8(head).unwrap().lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap();
        let headers = lines.filter_map(|line| line.split_once(": "));
        let header = |(name, value): (&str, &str)| -> (header::HeaderName, _) {
            (name.parse().unwrap(), value.parse().unwrap())
        };
        Self {
            status: status.parse().unwrap(),
            headers: headers.map(header).collect(),
            body: Bytes::copy_from_slice(body),
        }
    }

    pub(crate) fn content_type(&self) -> &str {
        let value = self.headers.get(header::CONTENT_TYPE);
        value.map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

pub(crate) async fn ask(router: Router, request: Request<Body>) -> Answer {
    let response: Response<Body> = router.oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    Answer {
        status: parts.status,
        headers: parts.headers,
        body: to_bytes(body, usize::MAX).await.unwrap(),
    }
}

pub(crate) async fn get(node: &TestNode, path: &str) -> Answer {
    let request = Request::get(path).body(Body::empty()).unwrap();
    ask(node.router(), request).await
}

pub(crate) async fn get_as(node: &TestNode, path: &str, accept: &str) -> Answer {
    let request = Request::get(path).header(header::ACCEPT, accept);
    ask(node.router(), request.body(Body::empty()).unwrap()).await
}

pub(crate) async fn post(node: &TestNode, body: impl Into<Body>) -> Answer {
    let request = Request::post("/").body(body.into()).unwrap();
    ask(node.router(), request).await
}
