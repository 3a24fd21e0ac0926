//! What the service reads of the node: the chain, the peers, the clock, and the node's identity.

use std::{fmt, ops::Range, sync::Arc, time::Duration};

use metrics::counter;
use quartet_chain::{
    ChainEvent, ChainReader, Equivocation, EventBus, Finality, ForkChoiceNode, LeanChain,
    PeerChange, PeerInfo, PeerName, Peers, StoreError, SyncState,
};
use quartet_clock::Clock;
use quartet_metrics::Metrics;
use quartet_types::{
    Checkpoint, PublicKey, Root, SignedBlockWithAttestation, Slot, State, ValidatorIndex,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, broadcast},
    task,
};
use tracing::error;

use crate::{
    block_id::BlockId,
    condition::{Condition, Facts},
    error::ApiError,
    feed::Feed,
    slot_range::SlotRange,
};

/// Requests that may read the disk or encode something large at the same time; more wait.
const HEAVY_REQUESTS: usize = 2;
/// Such requests that wait, each holding a connection that cannot be closed for another one; more are
/// refused. An eighth of the connections.
const HEAVY_WAITING: usize = 32;
/// Batches under way that hold answers of heavy requests, some 6 MB at most each; more are refused.
const HEAVY_BATCHES: usize = 4;

/// The node's identity, for users and dashboards.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeInfo {
    /// The node's name on its devnet, such as `quartet_0`.
    pub name: String,
    /// The software's version.
    pub version: String,
    /// The commit that it was built from.
    pub commit: String,
    /// The validators that the node signs for.
    pub validators: Vec<ValidatorIndex>,
    /// Its identity on the network.
    pub peer_id: String,
    /// Its Ethereum node record, if it has an address to put there.
    pub enr: Option<String>,
    /// Multiaddresses at which it can be reached, with its identity.
    pub addresses: Vec<String>,
    /// The root of the genesis block.
    pub genesis_root: Root,
    /// The fork's name in gossip's topics.
    pub fork_name: String,
}

impl NodeInfo {
    /// The software's name.
    pub const CLIENT: &'static str = "quartet";

    /// The software, its version and its commit, as one name.
    pub(crate) fn full_version(&self) -> String {
        format!("{}/v{}-{}", Self::CLIENT, self.version, self.commit)
    }
}

/// What the service reads of the node.
pub struct NodeParts {
    /// The chain.
    pub chain: ChainReader,
    /// The table of peers.
    pub peers: Peers,
    /// The network's clock.
    pub clock: Clock,
    /// What the services have counted and timed; without it, a scrape shows only what the view itself knows.
    pub metrics: Option<Metrics>,
    /// Where the services tell what happens.
    pub events: EventBus,
}

/// The node as the service sees it. Clones share it.
#[derive(Clone)]
pub struct NodeView(Arc<Inner>);

struct Inner {
    chain: ChainReader,
    peers: Peers,
    clock: Clock,
    info: NodeInfo,
    metrics: Option<Metrics>,
    events: EventBus,
    feed: Feed,
    /// When the node started, since the Unix epoch.
    started: Duration,
    heavy: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    batches: Arc<Semaphore>,
}

/// A permit for a batch to hold the answers of heavy requests.
#[derive(Debug)]
pub(crate) struct BatchPermit(
    #[expect(dead_code, reason = "held for its drop")] OwnedSemaphorePermit,
);

impl fmt::Debug for NodeView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeView")
            .field("info", &self.0.info)
            .finish_non_exhaustive()
    }
}

/// The chain at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Overview {
    pub(crate) head: Checkpoint,
    pub(crate) safe_target: Checkpoint,
    pub(crate) justified: Checkpoint,
    pub(crate) finalized: Checkpoint,
    pub(crate) sync: SyncState,
    pub(crate) sync_speed: u64,
    pub(crate) validator_count: u64,
}

impl From<&LeanChain> for Overview {
    fn from(chain: &LeanChain) -> Self {
        Self {
            head: chain.head(),
            safe_target: chain.safe_target(),
            justified: chain.latest_justified(),
            finalized: chain.latest_finalized(),
            sync: chain.sync_state(),
            sync_speed: chain.sync_speed(),
            validator_count: chain.validator_count(),
        }
    }
}

impl NodeView {
    /// A view of a node that starts now.
    pub fn new(info: NodeInfo, parts: NodeParts) -> Self {
        let started = parts.clock.now();
        Self(Arc::new(Inner {
            chain: parts.chain,
            peers: parts.peers,
            clock: parts.clock,
            info,
            metrics: parts.metrics,
            events: parts.events,
            feed: Feed::default(),
            started,
            heavy: Arc::new(Semaphore::new(HEAVY_REQUESTS)),
            waiting: Arc::new(Semaphore::new(HEAVY_REQUESTS + HEAVY_WAITING)),
            batches: Arc::new(Semaphore::new(HEAVY_BATCHES)),
        }))
    }

    pub(crate) fn overview(&self) -> Overview {
        Overview::from(&*self.0.chain.chain().read())
    }

    /// The justified and the finalized checkpoint of the head's own state; the latest ones while that is not at hand.
    pub(crate) fn head_checkpoints(&self) -> (Checkpoint, Checkpoint) {
        let chain = self.0.chain.chain().read();
        match chain.head_state() {
            Some(state) => (state.latest_justified, state.latest_finalized),
            None => (chain.latest_justified(), chain.latest_finalized()),
        }
    }

    /// The chain, and the tree's oldest block and size at the same moment.
    pub(crate) fn tree(&self) -> (Overview, Root, usize) {
        let chain = self.0.chain.chain().read();
        let tree = chain.fork_choice();
        let (oldest, all) = (tree.oldest_block().root, tree.blocks().len());
        (Overview::from(&*chain), oldest, all)
    }

    /// Some nodes of the tree, and its oldest block at that moment.
    pub(crate) fn tree_page(&self, first: usize, limit: usize) -> (Vec<ForkChoiceNode>, Root) {
        let chain = self.0.chain.chain().read();
        let oldest = chain.fork_choice().oldest_block().root;
        (chain.fork_choice_page(first, limit), oldest)
    }

    /// Roots of the head's chain in `count` slots from `start` on.
    pub(crate) fn canonical_roots(&self, start: Slot, count: u64) -> Vec<Root> {
        self.0.chain.canonical_roots(start, count)
    }

    /// The block with this root. May read the disk.
    pub(crate) fn block_of(
        &self,
        root: Root,
    ) -> Result<Option<Arc<SignedBlockWithAttestation>>, StoreError> {
        self.0.chain.block(root)
    }

    /// The block that `id` names, with its root. May read the disk.
    pub(crate) fn block(
        &self,
        id: BlockId,
    ) -> Result<Option<(Root, Arc<SignedBlockWithAttestation>)>, StoreError> {
        let Some(root) = self.root_of(id) else {
            return Ok(None);
        };
        let block = self.0.chain.block(root)?;
        Ok(block.map(|block| (root, block)))
    }

    /// The root of the block that `id` names, whether or not the block is kept.
    pub(crate) fn root_of(&self, id: BlockId) -> Option<Root> {
        let chain = self.0.chain.chain().read();
        match id {
            BlockId::Root(root) => Some(root),
            BlockId::Slot(slot) => chain.canonical_root(slot),
            BlockId::Head => Some(chain.head().root),
            BlockId::Justified => Some(chain.latest_justified().root),
            BlockId::Finalized => Some(chain.latest_finalized().root),
        }
    }

    /// The state after the block that `id` names, from memory or rebuilt. May read the disk and take a while.
    pub(crate) fn state(&self, id: BlockId) -> Result<Option<Arc<State>>, StoreError> {
        let root = self.root_of(id);
        root.map_or(Ok(None), |root| self.0.chain.state(root))
    }

    /// The moves of finality to slots of a range, in ascending order. Reads the disk.
    pub(crate) fn finality(&self, range: SlotRange) -> Result<Vec<Finality>, StoreError> {
        let SlotRange { start, count } = range;
        let mut moves = self.0.chain.finality(start, count as usize)?;
        moves.retain(|finality| finality.checkpoint.slot - start < count);
        Ok(moves)
    }

    /// How many validators were found to have signed two messages for one slot, and the pairs that are kept.
    pub(crate) fn equivocations(&self) -> (u64, Vec<Equivocation>) {
        let chain = self.0.chain.chain().read();
        let equivocations = chain.equivocations();
        (
            equivocations.total(),
            equivocations.iter().cloned().collect(),
        )
    }

    pub(crate) fn peers(&self) -> Vec<(PeerName, PeerInfo)> {
        self.0.peers.list()
    }

    pub(crate) fn peer_count(&self) -> usize {
        self.0.peers.count()
    }

    /// The events of the chain from now on.
    pub(crate) fn chain_events(&self) -> broadcast::Receiver<ChainEvent> {
        self.0.events.watch()
    }

    /// Changes of the peers from now on.
    pub(crate) fn peer_changes(&self) -> broadcast::Receiver<PeerChange> {
        self.0.peers.watch()
    }

    /// The feed for subscribers.
    pub(crate) fn feed(&self) -> &Feed {
        &self.0.feed
    }

    /// The block with this root, if it is in memory.
    pub(crate) fn block_in_memory(&self, root: Root) -> Option<Arc<SignedBlockWithAttestation>> {
        self.0.chain.chain().read().block(root)
    }

    /// The condition of the node.
    pub(crate) fn condition(&self) -> Condition {
        self.condition_of(&self.overview())
    }

    /// The condition for this state of the chain.
    pub(crate) fn condition_of(&self, overview: &Overview) -> Condition {
        Condition::of(&Facts {
            sync: overview.sync,
            current_slot: self.current_slot(),
            head: overview.head.slot,
            finalized: overview.finalized.slot,
            peers: self.peer_count(),
            own_validators: self.info().validators.len(),
            validators: overview.validator_count,
        })
    }

    /// The public keys of these validators, as many of them as there are.
    pub(crate) fn public_keys(&self, validators: Range<ValidatorIndex>) -> Vec<PublicKey> {
        let chain = self.0.chain.chain().read();
        validators
            .map_while(|index| chain.public_key(index).copied())
            .collect()
    }

    /// The root of the head's chain in a slot.
    pub(crate) fn canonical_root(&self, slot: Slot) -> Option<Root> {
        self.0.chain.chain().read().canonical_root(slot)
    }

    /// When the chain began, in Unix seconds.
    pub(crate) fn genesis_time(&self) -> u64 {
        self.0.chain.chain().read().genesis_time()
    }

    /// The time by the node's clock, since the Unix epoch.
    pub(crate) fn now(&self) -> Duration {
        self.0.clock.now()
    }

    /// How long ago a slot began; zero for one to come.
    pub(crate) fn since_slot(&self, slot: Slot) -> Duration {
        self.0.clock.since_slot(slot)
    }

    pub(crate) fn slot_duration(&self) -> Duration {
        self.0.clock.slot_duration().slot()
    }

    /// The slot by the clock, which goes on when the chain does not.
    pub(crate) fn current_slot(&self) -> Slot {
        self.0.clock.slot()
    }

    pub(crate) fn info(&self) -> &NodeInfo {
        &self.0.info
    }

    pub(crate) fn metrics(&self) -> Option<&Metrics> {
        self.0.metrics.as_ref()
    }

    /// When the node started, since the Unix epoch.
    pub(crate) fn started(&self) -> Duration {
        self.0.started
    }

    /// Lets a batch hold what heavy requests answer.
    ///
    /// # Errors
    /// 503 when other batches already hold as much as may be.
    pub(crate) fn heavy_batch(&self) -> Result<BatchPermit, ApiError> {
        let permit = Arc::clone(&self.0.batches).try_acquire_owned();
        permit.map(BatchPermit).map_err(|_| busy_error())
    }

    /// Does work that reads the disk or encodes something large, away from the threads that drive the
    /// services, and little of it at a time. The work is finished even when nobody waits for it any more.
    ///
    /// # Errors
    /// 503 when too many wait already; 500 when the work panicked.
    pub(crate) async fn heavy<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        let waiting = Arc::clone(&self.0.waiting).try_acquire_owned();
        let waiting = waiting.map_err(|_| busy_error())?;
        self.work(work, waiting).await
    }

    /// As [`Self::heavy`], for the next piece of an answer that has begun: it waits its turn with all others and is not
    /// refused. There is one such piece at a time for each connection.
    ///
    /// # Errors
    /// 500 when the work panicked.
    pub(crate) async fn piece<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        self.work(work, ()).await
    }

    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> T + Send + 'static,
        waiting: impl Send + 'static,
    ) -> Result<T, ApiError> {
        let permit = Arc::clone(&self.0.heavy).acquire_owned().await;
        let permit = permit.map_err(|_| ApiError::internal())?;
        let node = self.clone();
        let done = task::spawn_blocking(move || {
            // Held by the work, not by the request: a client that leaves does not make place for more work.
            let _permits = (waiting, permit);
            work(&node)
        });
        done.await.map_err(|failure| {
            error!(%failure, "a request could not be answered");
            ApiError::internal()
        })
    }
}

fn busy_error() -> ApiError {
    counter!("quartet_http_requests_refused_total", "reason" => "busy").increment(1);
    ApiError::busy()
}
