//! The chain service: the only writer of [`LeanChain`](crate::LeanChain).
//!
//! One loop takes ticks, messages and finished checks, in an order that is the same every time. What is
//! expensive (hashing states, verifying signatures, the disk) runs on the processor against snapshots;
//! under the write lock the loop only commits results.

mod admissions;
mod announce;
mod attestations;
mod blocks;
mod condemned;
mod gathering;
mod imports;
mod invalid_blocks;
mod jobs;
mod keyframes;
mod past;
mod ranges;
mod replayed;
mod restore;
mod slot_votes;
mod sync;
mod tape;
mod time;
mod triage;
mod vouching;
mod writes;

#[cfg(test)]
mod tests;

use std::{collections::HashMap, sync::Arc, time::Duration};

use futures::{StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use quartet_clock::{Clock, Tick};
use quartet_fork_choice::NamedBlocks;
use quartet_processor::{Part, Processor};
use quartet_recording::{Note, Recorder, Taken};
use quartet_storage::Database;
use quartet_sync::{Backfill, Readiness, SyncMachine};
use quartet_types::{Attestation, Root};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::{
    ChainInbox, ChainMessage, ChainReader, ChainWriter, EventBus, GossipAttestation,
    ImportableBlock, NetworkHandle, Sightings, Source, StoreError, early::EarlyItems,
    messages::Incoming, origin::Origin, parking::Parking, pending::PendingBlock,
    verification::Verifier,
};
use admissions::Admissions;
use condemned::Condemned;
use gathering::Gathering;
use jobs::Done;
use past::Past;
use ranges::BatchQueue;
pub use replayed::{ReplayedService, Standing, Waiting};
use slot_votes::SlotVotes;
use tape::Tape;
use writes::Unwritten;

/// Most blocks that are checked or wait for the processor at a time, but for the first one of each peer.
const MAX_CHECKED_BLOCKS: usize = 64;
/// Most memory of blocks that are checked at a time: three of the largest that gossip carries.
const MAX_CHECKED_BYTES: usize = 32 << 20;
/// Most blocks from one peer that are checked at a time, as long as nothing needs them.
const MAX_CHECKED_PER_PEER: usize = 16;
/// Most batches of attestations that are verified at a time.
const MAX_BATCHES: usize = 4;
/// Most attestations in a batch.
const MAX_BATCH: usize = 256;

/// The only writer of the chain. Its loop takes ticks, messages and finished checks one after another, in an order that is the
/// same every time; what is expensive (hashing states, verifying signatures, the disk) runs on the processor.
#[derive(Debug)]
pub struct ChainService {
    chain: ChainWriter,
    inbox: ChainInbox,
    network: NetworkHandle,
    store: Arc<Database>,
    reader: ChainReader,
    events: EventBus,
    processor: Processor,
    /// The network's clock, which goes on.
    ticking: Clock,
    /// The same, stopped when the loop took what is being dealt with.
    clock: Clock,
    verifier: Verifier,
    sync: SyncMachine,
    parking: Parking,
    early: EarlyItems,
    admissions: Admissions,
    batch_queue: BatchQueue,
    unwritten: Unwritten,
    past: Past,
    /// Blocks being checked, and who waits for the verdict.
    checking: HashMap<Root, PendingBlock>,
    /// The next batch of attestations.
    gathering: Gathering,
    /// Batches of attestations being verified.
    batches: usize,
    slot_votes: SlotVotes,
    /// The longest time that the import of a block has taken.
    longest_import: Duration,
    jobs: FuturesUnordered<BoxFuture<'static, Done>>,
    /// In a replay, the jobs that have finished here and not yet in the recording, in their order.
    held: Option<Vec<Done>>,
    tape: Tape,
    /// The interval since which the recorder wants a keyframe.
    keyframe_wanted: Option<u64>,
    /// The interval in which the last one was noted: the recorder may not have begun with it yet.
    keyframe_noted: Option<u64>,
    condemned: Condemned,
    /// When the last tick was dealt with.
    last_tick: Option<Instant>,
    /// Whether duties are done.
    readiness: Readiness,
    /// Who is told of votes of this node's validators.
    sightings: Option<Sightings>,
}

/// What the loop takes.
enum Input {
    Tick(Tick),
    Done(Done),
    BatchIsDue,
    Message(ChainMessage),
    Attestations(Vec<GossipAttestation>),
}

/// Values that the chain service goes by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChainServiceConfig {
    /// Whether there are peers to hear from before duties are taken up.
    pub expects_peers: bool,
    /// Whether older blocks of the finalized chain that are missing are fetched, as far back as the store keeps them.
    pub backfill: bool,
}

/// What the chain service works with.
#[derive(Debug)]
pub struct ChainServiceParts {
    /// The chain, which it alone writes.
    pub chain: ChainWriter,
    /// Its ends of the channels.
    pub inbox: ChainInbox,
    /// The way to the network service.
    pub network: NetworkHandle,
    /// Where blocks are kept.
    pub store: Arc<Database>,
    /// Where events are told.
    pub events: EventBus,
    /// Where checks run.
    pub processor: Processor,
    /// The network's clock.
    pub clock: Clock,
    /// Who verifies signatures.
    pub verifier: Verifier,
}

impl ChainService {
    /// Makes the service and loads the chain from the store.
    ///
    /// # Errors
    /// When the store fails.
    pub fn new(config: ChainServiceConfig, parts: ChainServiceParts) -> Result<Self, StoreError> {
        let started = parts.clock.now();
        let mut service = Self::made_at(started, config, parts);
        service.restore()?;
        service.update_sync_state();
        Ok(service)
    }

    fn made_at(started: Duration, config: ChainServiceConfig, parts: ChainServiceParts) -> Self {
        Self {
            reader: ChainReader::new(parts.chain.reader(), parts.store.clone()),
            gathering: Gathering::new(parts.clock.slot_duration()),
            clock: parts.clock.stopped_at(started),
            chain: parts.chain,
            inbox: parts.inbox,
            network: parts.network,
            store: parts.store,
            events: parts.events,
            processor: parts.processor,
            ticking: parts.clock,
            verifier: parts.verifier,
            sync: SyncMachine::default(),
            parking: Parking::default(),
            early: EarlyItems::default(),
            admissions: Admissions::default(),
            batch_queue: BatchQueue::default(),
            unwritten: Unwritten::default(),
            past: Past::new(config.backfill),
            checking: HashMap::new(),
            batches: 0,
            slot_votes: SlotVotes::default(),
            longest_import: Duration::ZERO,
            jobs: FuturesUnordered::new(),
            held: None,
            tape: Tape::Off,
            keyframe_wanted: None,
            keyframe_noted: None,
            condemned: Condemned::default(),
            last_tick: None,
            readiness: Readiness::new(started, config.expects_peers),
            sightings: None,
        }
    }

    /// Records all inputs and decisions of the service from now on.
    #[must_use]
    pub fn with_recorder(mut self, recorder: Recorder) -> Self {
        self.tape = Tape::recording(recorder);
        self.note_keyframe(true);
        self
    }

    /// Tells `sightings` of votes of this node's own validators: of those in the store now, and of all that come later.
    #[must_use]
    pub fn with_sightings(mut self, sightings: Sightings) -> Self {
        let found: Vec<Attestation> = {
            let chain = self.chain.read();
            let votes = sightings.validators().map(|index| chain.votes_of(index));
            votes.flatten().collect()
        };
        sightings.tell(found.iter());
        self.sightings = Some(sightings);
        self
    }

    /// Runs until it is told to stop, then drains its queue and flushes the store.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn run(mut self, stop: CancellationToken) -> Result<(), StoreError> {
        let mut ticks = self.ticking.ticks();
        loop {
            let batch_is_due = self.gathering.deadline(self.batches);
            let input = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                tick = ticks.next() => Input::Tick(tick),
                Some(done) = self.jobs.next() => Input::Done(done),
                () = until(batch_is_due) => Input::BatchIsDue,
                incoming = self.inbox.next(self.gathering.room()) => match incoming {
                    Some(Incoming::Message(message)) => Input::Message(message),
                    Some(Incoming::Attestations(items)) => Input::Attestations(items),
                    // All senders are gone: the other services have stopped.
                    None => break,
                },
            };
            self.take(input)?;
        }
        self.shut_down().await
    }

    /// What has been imported must be in the store before the process ends.
    async fn shut_down(mut self) -> Result<(), StoreError> {
        self.inbox.close();
        self.tape.take(self.ticking.now(), || Taken::Stop);
        self.past.stop();
        self.tape.end();
        while let Some(message) = self.inbox.next_message().await {
            self.take(Input::Message(message))?;
        }
        while let Some(done) = self.jobs.next().await {
            self.take(Input::Done(done))?;
        }
        self.store.flush()?;
        self.tape.note(Note::End);
        Ok(())
    }

    /// Deals with one input; the clock stands still meanwhile, so that no decision depends on how long anything takes.
    fn take(&mut self, input: Input) -> Result<(), StoreError> {
        let now = self.ticking.now();
        self.clock = self.ticking.stopped_at(now);
        self.tape.take(now, || input.taken());
        let dealt_with = Part::Chain.measure(|| self.deal_with(input));
        self.tape.end();
        self.offer_keyframe();
        dealt_with
    }

    fn deal_with(&mut self, input: Input) -> Result<(), StoreError> {
        match input {
            Input::Tick(tick) => self.on_tick(tick),
            Input::Done(done) => self.on_done(done)?,
            Input::BatchIsDue => {
                let batch = self.gathering.take();
                self.on_attestations(batch);
            }
            Input::Message(message) => self.on_message(message),
            Input::Attestations(items) => self.gathering.push(items),
        }
        Ok(())
    }

    fn on_message(&mut self, message: ChainMessage) {
        match message {
            ChainMessage::Block {
                block,
                peer,
                verdict,
            } => {
                self.on_block(block, Origin::Gossip(peer), Some(verdict));
            }
            ChainMessage::OwnBlock {
                block,
                post_state,
                imported,
            } => {
                let root = crate::reader::block_root(&block);
                let post_state = Arc::from(post_state);
                let importable = ImportableBlock {
                    root,
                    block,
                    post_state,
                };
                let result = self.import_block(importable, NamedBlocks::Known, Source::Own);
                // The validator service may have stopped meanwhile.
                let _ = imported.send(result);
            }
            ChainMessage::OwnAttestations {
                attestations,
                imported,
            } => {
                let results = self.count_own(&attestations);
                let _ = imported.send(results);
            }
            ChainMessage::PrepareProposal { slot, ready } => {
                self.prepare_proposal(slot, ready);
            }
            ChainMessage::Status { peer, status } => {
                // Its claims are compared with the current slot.
                self.advance_to_now();
                self.past.on_peer(&peer);
                let actions = self.with_sync(|sync, view| sync.on_status(peer, status, view));
                self.act(actions);
                self.update_sync_state();
            }
            ChainMessage::Disconnected { peer } => {
                self.sync.on_disconnected(&peer);
                self.past.on_disconnected(&peer);
                self.poll_sync();
            }
            ChainMessage::RequestedBlocks { request, result } if Backfill::is_request(request) => {
                self.on_past_blocks(request, result)
            }
            ChainMessage::RequestedBlocks { request, result } => {
                self.on_requested_blocks(request, result)
            }
        }
    }

    fn on_done(&mut self, done: Done) -> Result<(), StoreError> {
        if self.tape.is_on()
            && let Some(decision) = done.decision()
        {
            self.tape.decide(|| decision);
        }
        match done {
            Done::Block {
                root,
                begun,
                result,
            } => self.on_block_checked(root, begun, result),
            Done::Authentic { root, result } => self.on_authenticated(root, result),
            Done::EvidenceChecked { root, result } => self.on_evidence_checked(root, result),
            Done::BatchChecked { number, checked } => self.on_batch_checked(number, checked),
            Done::BatchApplied { end, applied } => self.on_batch_applied(end, applied),
            Done::Vouched { root, vouched } => self.on_vouched(root, vouched),
            Done::Recalled { root, slot } => self.on_recalled(root, slot),
            Done::Attestations { items, valid } => self.on_attestations_verified(items, valid),
            Done::Stored(written) => self.on_stored(written)?,
            Done::Past(worked) => self.on_past_written(worked),
            Done::HeadState { root, state, ready } => self.on_head_state(root, state, ready),
        }
        Ok(())
    }
}

impl Input {
    /// The input as a recording notes it.
    fn taken(&self) -> Taken {
        match self {
            Self::Tick(tick) => Taken::Tick {
                slot: tick.slot,
                interval: tick.interval,
                missed: tick.missed,
            },
            Self::Done(done) => Taken::Done {
                job: done.job(),
                answer: done.answer(),
            },
            Self::BatchIsDue => Taken::BatchDue,
            Self::Message(message) => jobs::taken(message),
            Self::Attestations(items) => {
                let items = items.iter();
                let items = items.map(|item| (item.attestation.clone(), item.peer.clone()));
                Taken::Attestations(items.collect())
            }
        }
    }
}

/// Waits until `deadline`, or for ever.
async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
