//! The node: the chain service and a database on the disk.

use std::{path::Path, sync::Arc, time::Duration};

use quartet_chain::{
    ChainHandle, ChainReader, ChainService, ChainServiceConfig, ChainServiceParts, ChainWriter,
    EventBus, LeanChain, MemoryLimits, NetworkMessage, StoreError, chain_channel, network_channel,
};
use quartet_clock::Clock;
use quartet_processor::Processor;
use quartet_storage::Database;
use quartet_types::{Block, Checkpoint, SECONDS_PER_SLOT, Slot, State};
use tokio::{sync::mpsc, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tree_hash::TreeHash as _;

use super::scheme::StandIn;
use crate::{SimulationError, validators::GENESIS_TIME};

/// How long before the first slot the node is started.
const BEFORE: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct StalledNode {
    pub(super) chain: ChainHandle,
    pub(super) reader: ChainReader,
    clock: Clock,
    stop: CancellationToken,
    service: JoinHandle<Result<(), StoreError>>,
    /// It sends no requests, as nothing is missing.
    _network: mpsc::Receiver<NetworkMessage>,
}

impl StalledNode {
    /// Starts it a second before `slot`, or before slot 1.
    pub(super) fn start(
        store: Database,
        genesis: &State,
        slot: Slot,
    ) -> Result<Self, SimulationError> {
        Self::start_within(store, genesis, slot, MemoryLimits::default())
    }

    /// As [`Self::start`], within other limits.
    pub(super) fn start_within(
        store: Database,
        genesis: &State,
        slot: Slot,
        limits: MemoryLimits,
    ) -> Result<Self, SimulationError> {
        let now = Duration::from_secs(GENESIS_TIME + slot.max(1) * SECONDS_PER_SLOT) - BEFORE;
        let clock = Clock::manual(GENESIS_TIME, now);
        let store = Arc::new(store);
        let chain = LeanChain::from_genesis(genesis.clone());
        let writer = ChainWriter::new(chain.with_memory_limits(limits));
        let shared = writer.reader();
        let (chain, inbox) = chain_channel();
        let (network, messages) = network_channel();
        let parts = ChainServiceParts {
            chain: writer,
            inbox,
            network,
            store: store.clone(),
            events: EventBus::new(),
            processor: Processor::inline(),
            clock: clock.clone(),
            verifier: &StandIn,
        };
        let service = ChainService::new(ChainServiceConfig::default(), parts)?;
        let stop = CancellationToken::new();
        Ok(Self {
            chain,
            reader: ChainReader::new(shared, store),
            clock,
            stop: stop.clone(),
            service: tokio::spawn(service.run(stop)),
            _network: messages,
        })
    }

    /// What it has finalized.
    pub(super) fn finalized(&self) -> Checkpoint {
        self.reader.chain().read().latest_finalized()
    }

    pub(super) async fn sleep_until_slot(&self, slot: Slot) {
        let start = Duration::from_secs(GENESIS_TIME + slot * SECONDS_PER_SLOT);
        tokio::time::sleep(start.saturating_sub(self.clock.now())).await;
    }

    /// Stops it as a signal to the process would.
    pub(super) async fn stop(self) -> Result<(), SimulationError> {
        self.stop.cancel();
        drop(self.reader);
        let ended = self.service.await;
        let ended = ended.map_err(|error| SimulationError::Block(error.to_string()))?;
        Ok(ended?)
    }
}

/// The database in `directory`.
pub(super) fn open(directory: &Path, genesis: &State) -> Result<Database, SimulationError> {
    let network = Block::genesis(genesis).tree_hash_root();
    let database = Database::open(directory, network);
    Ok(database.map_err(StoreError::from)?)
}

/// What an operator does after a long time without finality: prunes abandoned branches, and compacts the database.
pub(super) fn tidy_up(directory: &Path, genesis: &State) -> Result<(), SimulationError> {
    let mut store = open(directory, genesis)?;
    while store.prune().map_err(StoreError::from)?.more {}
    store.compact().map_err(StoreError::from)?;
    Ok(())
}
