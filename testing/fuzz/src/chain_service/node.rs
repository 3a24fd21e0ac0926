//! The node, and what must be true of it.

mod messages;

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use quartet_chain::{
    ChainHandle, ChainMessage, ChainService, ChainServiceConfig, ChainServiceParts, ChainWriter,
    EventBus, LeanChain, MemoryLimits, NetworkMessage, PeerName, SharedChain, StoreError, Verdict,
    chain_channel, network_channel,
};
use quartet_clock::Clock;
use quartet_processor::Processor;
use quartet_recording::{Limits, MIN_LIMIT, Recorder};
use quartet_storage::Database;
use quartet_types::{Checkpoint, Root, SECONDS_PER_SLOT, Slot, State};
use quartet_world::{GENESIS_TIME, StandIn, World, node::start_of};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use crate::{input::Input, world::Guided as _};

const PEERS: usize = 6;
/// What `SyncMachine` says of itself: requests to one peer at a time, and the backfill's.
const MAX_REQUESTS: usize = PEERS * 4;
/// In memory beside the tree: few, so that states are rebuilt from the database.
const MEMORY: [usize; 2] = [0, 64 << 20];

struct Wanted {
    roots: Vec<Root>,
    slots: std::ops::Range<Slot>,
}

struct Awaited {
    verdict: oneshot::Receiver<Verdict>,
    is_honest: bool,
    what: String,
}

pub(super) struct Node {
    chain: SharedChain,
    handle: ChainHandle,
    messages: mpsc::Receiver<NetworkMessage>,
    requests: BTreeMap<u64, Wanted>,
    awaited: Vec<Awaited>,
    clock: Clock,
    /// Whether the clock has always been right.
    is_on_time: bool,
    /// The latest slot that it has shown.
    latest: Slot,
    finalized: Checkpoint,
    stop: CancellationToken,
    service: JoinHandle<Result<(), StoreError>>,
}

impl Node {
    pub(super) async fn start(
        world: &World,
        input: &mut Input<'_>,
        record_to: Option<&Path>,
    ) -> Self {
        let genesis = world.genesis();
        let now = Duration::from_secs(GENESIS_TIME + SECONDS_PER_SLOT * input.below(4) as u64);
        let clock = Clock::manual(GENESIS_TIME, now);
        let limits = MemoryLimits::of(MEMORY[input.below(2)]);
        let chain = LeanChain::from_genesis(State::clone(&genesis.state));
        let writer = ChainWriter::new(chain.with_memory_limits(limits));
        let chain = writer.reader();
        let (handle, inbox) = chain_channel();
        let (network, messages) = network_channel();
        let config = ChainServiceConfig {
            expects_peers: input.flag(),
            backfill: input.flag(),
        };
        let parts = ChainServiceParts {
            chain: writer,
            inbox,
            network,
            store: Arc::new(Database::in_memory(genesis.root).unwrap()),
            events: EventBus::new(),
            processor: Processor::inline(),
            clock: clock.clone(),
            verifier: &StandIn,
        };
        let mut service = ChainService::new(config, parts).unwrap();
        if let Some(directory) = record_to {
            let start = start_of(genesis.root, config, limits);
            let size = Limits::of(MIN_LIMIT);
            let recorder = Recorder::start_blocking(directory, size, start);
            service = service.with_recorder(recorder.unwrap());
        }
        let stop = CancellationToken::new();
        Self {
            chain,
            handle,
            messages,
            requests: BTreeMap::new(),
            awaited: Vec::new(),
            clock,
            is_on_time: true,
            latest: 0,
            finalized: genesis.checkpoint(),
            stop: stop.clone(),
            service: tokio::spawn(service.run(stop)),
        }
    }

    /// One thing happens.
    pub(super) async fn step(&mut self, world: &mut World, input: &mut Input<'_>) {
        let current = self.clock.slot();
        self.latest = self.latest.max(current);
        match input.below(24) {
            0..6 => {
                let parent = world.pick(input);
                let back = input.below(4) as u64;
                let made = world.make(
                    parent,
                    current.saturating_sub(back.saturating_sub(1)),
                    input,
                );
                if back < 3 {
                    self.send_made(world, made, input).await;
                }
            }
            6..8 => {
                let made = world.pick(input);
                self.send_made(world, made, input).await;
            }
            8..10 => {
                let index = world.pick(input);
                let block = world.spoilt(index, input);
                world.learn(&block);
                self.send_block(block.into(), false, input).await;
            }
            10..13 => self.vote(world, input),
            13..15 => self.status(world, input).await,
            15 => {
                let peer = peer(input);
                self.tell(ChainMessage::Disconnected { peer }).await;
            }
            16..19 => self.answer(world, input).await,
            19 => self.own_duty(world, input).await,
            20 => {
                self.is_on_time = false;
                let by = i64::from(input.byte() as i8) * 500;
                // Before genesis there is nothing to do, and nothing ends either.
                if by > 0 || self.clock.since_genesis().as_millis() as i64 + by > 0 {
                    self.clock.step(by);
                }
            }
            21 => sleep(SECONDS_PER_SLOT * 1_000 * (1 + input.below(40) as u64)).await,
            _ => sleep(1_000 * (1 + input.below(8) as u64)).await,
        }
        // All that does not wait for time is done by then.
        sleep(50).await;
        self.take_messages();
    }

    fn take_messages(&mut self) {
        while let Ok(message) = self.messages.try_recv() {
            let (request, wanted) = match message {
                NetworkMessage::RequestBlocks { request, roots, .. } => {
                    assert!((1..=quartet_types::MAX_REQUEST_BLOCKS).contains(&roots.len()));
                    (request, Wanted { roots, slots: 0..0 })
                }
                NetworkMessage::RequestRange {
                    request,
                    start_slot,
                    count,
                    ..
                } => {
                    assert!((1..=quartet_types::MAX_REQUEST_BLOCKS as u64).contains(&count));
                    let slots = start_slot..start_slot.checked_add(count).unwrap();
                    let roots = Vec::new();
                    (request, Wanted { roots, slots })
                }
                _ => continue,
            };
            let before = self.requests.insert(request, wanted);
            assert!(before.is_none(), "the number {request} was used again");
        }
        // Those of peers that have left are still here; they are answered, too, as a late answer would be.
        while self.requests.len() > 4 * MAX_REQUESTS {
            self.requests.pop_first();
        }
    }

    /// Checks the invariants.
    pub(super) fn check(&mut self, world: &World) {
        assert!(!self.service.is_finished(), "the service has ended");
        let chain = self.chain.read();
        let (head, justified) = (chain.head(), chain.latest_justified());
        let finalized = chain.latest_finalized();
        assert!(finalized.slot >= self.finalized.slot, "finality went back");
        assert!(
            world.descends(&finalized.root, &self.finalized.root),
            "finality left its chain"
        );
        assert!(
            world.descends(&head.root, &finalized.root),
            "the head left what is final"
        );
        assert!(
            world.descends(&head.root, &justified.root),
            "the head left what is justified"
        );
        assert!(justified.slot >= finalized.slot);
        for node in chain.fork_choice().blocks() {
            assert!(
                world.find(&node.block.root).is_some(),
                "imported: {:?}",
                node.block
            );
        }
        self.finalized = finalized;
        drop(chain);
        let is_on_time = self.is_on_time;
        self.awaited
            .retain_mut(|awaited| match awaited.verdict.try_recv() {
                Err(oneshot::error::TryRecvError::Empty) => true,
                Ok(Verdict::Reject) => {
                    assert!(
                        !awaited.is_honest || !is_on_time,
                        "an honest item was rejected"
                    );
                    false
                }
                _ => false,
            });
    }

    /// Nothing more comes for a while, nor until the clock shows what it has shown before it was set back.
    pub(super) async fn rest(&mut self, slots: u64) {
        let back = self.latest.saturating_sub(self.clock.slot());
        sleep((back + slots) * SECONDS_PER_SLOT * 1_000).await;
        self.take_messages();
        self.awaited.retain_mut(|awaited| {
            matches!(
                awaited.verdict.try_recv(),
                Err(oneshot::error::TryRecvError::Empty)
            )
        });
        let waiting: Vec<_> = self.awaited.iter().map(|awaited| &awaited.what).collect();
        assert!(
            waiting.is_empty(),
            "verdicts were never given: {waiting:#?}"
        );
    }

    /// Stops it; what it had finalized.
    pub(super) async fn stop(self) -> Checkpoint {
        self.stop.cancel();
        self.service.await.unwrap().unwrap();
        self.finalized
    }
}

fn peer(input: &mut Input<'_>) -> PeerName {
    PeerName::new(format!("peer {}", input.below(PEERS)))
}

async fn sleep(milliseconds: u64) {
    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
}
