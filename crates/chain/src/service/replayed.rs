//! The chain service driven by a recording: without a loop, a clock, a network or threads of its own.

use std::{collections::HashMap, ops::Deref, sync::Arc, time::Duration};

use quartet_clock::Clock;
use quartet_fork_choice::{BlockInfo, Checkpoints, Rules, VolatileState};
use quartet_processor::Processor;
use quartet_recording::{Answer, Decision, Event, Job, KeyBlock, Keyframe, Start, Taken};
use quartet_state_transition::replay_block;
use quartet_storage::{Database, Entry, Retention, StoredBlock};
use quartet_types::{
    BlockSignatures, Root, Signature, SignedBlockWithAttestation, SlotDuration, State,
};
use tokio::sync::oneshot;

use super::{ChainService, ChainServiceConfig, ChainServiceParts, Input, jobs::Done, tape::Tape};
use crate::{
    ChainMessage, ChainWriter, EventBus, ForkChoiceView, GossipAttestation, ImportError, LeanChain,
    MemoryLimits, StoreError, SyncState, Verifier,
    lean_chain::Stored,
    messages::{chain_channel, network_channel},
    reader::STATE_INTERVAL,
    verification::state_transition,
};

/// The real chain service, which gets its inputs and their times from a recording.
#[derive(Debug)]
pub struct ReplayedService {
    service: ChainService,
    clock: Clock,
}

/// Where a replayed service stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Head, safe target, justified and finalized.
    pub view: ForkChoiceView,
    /// How far it is with catching up.
    pub sync: SyncState,
}

/// What waits in a replayed service: each block with the block that it waits for, and for each block that is named and not here,
/// how many votes wait for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Blocks.
    pub blocks: Vec<(quartet_types::Checkpoint, Root)>,
    /// Votes.
    pub votes: Vec<(Root, usize)>,
}

impl ReplayedService {
    /// A service that stands where a keyframe says, and goes by these rules: the node's own are [`Rules::QUARTET`].
    ///
    /// # Errors
    /// When what the keyframe holds does not fit together.
    pub fn begin(
        start: &Start,
        keyframe: &Keyframe,
        verifier: Verifier,
        rules: Rules,
    ) -> Result<Self, StoreError> {
        let milliseconds = start.slot_milliseconds;
        let slot = SlotDuration::from_millis(milliseconds);
        let slot = slot.map_err(|error| StoreError(error.to_string()))?;
        let clock = Clock::system(start.genesis_time).with_slot_duration(slot);
        // A keyframe of a beginning was taken when the service was made.
        let began = keyframe.at;
        let store = Database::in_memory(start.network)?.with_retention(Retention::None);
        fill(&store, keyframe)?;
        let [states, blocks, unwritten] = start
            .memory
            .map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
        let limits = MemoryLimits {
            states,
            blocks,
            unwritten,
        };
        let (anchor, state) = (&keyframe.anchor, &*keyframe.state);
        let anchor = stored_block(anchor, None).block;
        let chain = LeanChain::with_rules((*anchor).clone(), state.clone(), rules);
        // Nobody listens at their other ends.
        let ((_, inbox), (network, _)) = (chain_channel(), network_channel());
        let parts = ChainServiceParts {
            chain: ChainWriter::new(chain.with_memory_limits(limits)),
            inbox,
            network,
            store: Arc::new(store),
            events: EventBus::new(),
            processor: Processor::inline(),
            clock: clock.stopped_at(began),
            verifier,
        };
        let config = ChainServiceConfig {
            // In the middle, all that it waited for has come.
            expects_peers: start.expects_peers && (keyframe.is_beginning || !keyframe.is_synced),
            backfill: start.backfill,
        };
        let mut service = ChainService::made_at(began, config, parts);
        service.held = Some(Vec::new());
        service.tape = Tape::playing();
        let entries: Vec<Entry> = keyframe.blocks.iter().map(entry).collect();
        service.load(stored(keyframe), &entries)?;
        service
            .chain
            .change(|chain| chain.restore_volatile(&volatile_state(keyframe)));
        service.update_sync_state();
        service.tape.heard();
        Ok(Self { service, clock })
    }

    /// Gives the service an input of the recorded one, and returns its decisions, in their order. `None` when the recording says that
    /// a job has finished which was not begun here. `recorded` are the decisions of the recorded one; from them the service is told
    /// what the network had room for.
    ///
    /// # Errors
    /// When the service ends with one.
    pub fn take(
        &mut self,
        event: &Event,
        recorded: &[Decision],
    ) -> Result<Option<Vec<Decision>>, StoreError> {
        self.service.clock = self.clock.stopped_at(event.at);
        self.service.tape.cue(recorded);
        let taken = match &event.taken {
            Taken::OwnBlock(block) => return self.take_own_block(block).map(Some),
            Taken::Stop => {
                self.service.past.stop();
                return Ok(Some(self.service.tape.heard()));
            }
            taken => taken,
        };
        let Some(input) = self.input(taken) else {
            return Ok(None);
        };
        self.service.deal_with(input)?;
        Ok(Some(self.service.tape.heard()))
    }

    /// The service does not check the transition of the node's own blocks; here it is applied again.
    fn take_own_block(
        &mut self,
        block: &Arc<SignedBlockWithAttestation>,
    ) -> Result<Vec<Decision>, StoreError> {
        let parent = self.service.reader.parent_state(block.block().parent_root);
        let state = parent
            .and_then(|parent| state_transition(&parent, block.block()).map_err(ImportError::from));
        match state {
            Ok(state) => self.service.on_message(ChainMessage::OwnBlock {
                block: block.clone(),
                post_state: Box::new(state),
                imported: oneshot::channel().0,
            }),
            Err(error) => self.service.tape.decide(|| Decision::NotImported {
                block: quartet_types::Checkpoint {
                    root: crate::reader::block_root(block),
                    slot: block.block().slot,
                },
                error: error.to_string(),
            }),
        }
        Ok(self.service.tape.heard())
    }

    fn input(&mut self, taken: &Taken) -> Option<Input> {
        Some(match taken {
            Taken::Tick {
                slot,
                interval,
                missed,
            } => Input::Tick(quartet_clock::Tick {
                slot: *slot,
                interval: *interval,
                late: Duration::ZERO,
                missed: *missed,
            }),
            Taken::Attestations(items) => {
                let item = |(attestation, peer): &(_, _)| GossipAttestation {
                    attestation: quartet_types::SignedAttestation::clone(attestation),
                    peer: crate::PeerName::clone(peer),
                    verdict: oneshot::channel().0,
                };
                Input::Attestations(items.iter().map(item).collect())
            }
            Taken::BatchDue => Input::BatchIsDue,
            Taken::Done { job, answer } => {
                let held = self.service.held.as_mut()?;
                let place = held.iter().position(|done| done.job() == *job)?;
                Input::Done(held.remove(place).with(answer.clone()))
            }
            Taken::Block { block, peer } => Input::Message(ChainMessage::Block {
                block: block.clone(),
                peer: peer.clone(),
                verdict: oneshot::channel().0,
            }),
            Taken::OwnAttestations(attestations) => Input::Message(ChainMessage::OwnAttestations {
                attestations: attestations.clone(),
                imported: oneshot::channel().0,
            }),
            Taken::PrepareProposal(slot) => Input::Message(ChainMessage::PrepareProposal {
                slot: *slot,
                ready: oneshot::channel().0,
            }),
            Taken::Status { peer, status } => Input::Message(ChainMessage::Status {
                peer: peer.clone(),
                status: *status,
            }),
            Taken::Disconnected(peer) => {
                Input::Message(ChainMessage::Disconnected { peer: peer.clone() })
            }
            Taken::Requested { request, result } => Input::Message(ChainMessage::RequestedBlocks {
                request: *request,
                result: result.clone(),
            }),
            Taken::OwnBlock(_) | Taken::Stop => return None,
        })
    }

    /// The jobs that have finished here and not yet in the recording, in their order.
    pub fn held_jobs(&self) -> Vec<Job> {
        let held = self.service.held.iter().flatten();
        held.map(Done::job).collect()
    }

    /// Finishes a held job although the recording does not say so.
    ///
    /// # Errors
    /// When the service ends with one.
    pub fn finish(&mut self, job: Job) -> Result<(), StoreError> {
        let answer = Answer::Computed;
        if let Some(input) = self.input(&Taken::Done { job, answer }) {
            self.service.deal_with(input)?;
        }
        self.service.tape.heard();
        Ok(())
    }

    /// The chain, for reading.
    pub fn chain(&self) -> impl Deref<Target = LeanChain> + '_ {
        self.service.chain.read()
    }

    /// The post-state of a block, where it is at hand or can be rebuilt.
    pub fn state(&self, root: Root) -> Option<Arc<State>> {
        self.service.reader.state(root).ok().flatten()
    }

    /// Where it stands.
    pub fn standing(&self) -> Standing {
        let chain = self.service.chain.read();
        Standing {
            view: chain.view(),
            sync: chain.sync_state(),
        }
    }

    /// What waits.
    pub fn waiting(&self) -> Waiting {
        let (blocks, votes) = self.service.parking.waiting();
        Waiting { blocks, votes }
    }

    /// Whether a block is known to be invalid.
    pub fn is_condemned(&self, root: &Root) -> bool {
        self.service.condemned.contains(root)
    }
}

/// The parts of a keyframe that a restart would not know.
fn volatile_state(keyframe: &Keyframe) -> VolatileState {
    VolatileState {
        time: keyframe.time,
        safe_target: keyframe.safe_target,
        new_votes: keyframe.new_votes.clone(),
        equivocated: keyframe.equivocated.clone(),
        remembered: keyframe.remembered.clone(),
    }
}

/// What a restart would find.
fn stored(keyframe: &Keyframe) -> Stored {
    let anchor = &keyframe.anchor;
    Stored {
        anchor: info(anchor),
        checkpoints: checkpoints(anchor),
        state: (*keyframe.state).clone(),
        final_chain: Vec::new(),
        blocks: keyframe
            .blocks
            .iter()
            .map(|block| (info(block), checkpoints(block)))
            .collect(),
        votes: keyframe.votes.clone(),
    }
}

/// Puts the blocks of a keyframe into a database, and their states at intervals.
fn fill(store: &Database, keyframe: &Keyframe) -> Result<(), StoreError> {
    store.start_from(&stored_block(
        &keyframe.anchor,
        Some(keyframe.state.clone()),
    ))?;
    let mut states: HashMap<Root, Arc<State>> = HashMap::new();
    states.insert(keyframe.anchor.root, keyframe.state.clone());
    for block in &keyframe.blocks {
        let inner = &block.message.block;
        let missing = || {
            StoreError(format!(
                "block {} has no parent in the keyframe",
                block.root
            ))
        };
        let parent = states.get(&inner.parent_root).ok_or_else(missing)?;
        // A state whose last block is its own has not been told its root yet.
        let state_root = if inner.parent_root == keyframe.anchor.root {
            keyframe.anchor.message.block.state_root
        } else {
            store
                .message(inner.parent_root)?
                .ok_or_else(missing)?
                .block
                .state_root
        };
        let state = replay_block(parent, state_root, inner)
            .map_err(|error| StoreError(format!("block {}: {error}", block.root)))?;
        let state = Arc::new(state);
        let is_first = inner.slot / STATE_INTERVAL != parent.slot / STATE_INTERVAL;
        store.put(stored_block(block, is_first.then(|| state.clone())))?;
        states.insert(block.root, state);
    }
    Ok(())
}

/// A keyframe has no signatures, and they are not verified again: these stand for them, in the same number.
fn stored_block(block: &KeyBlock, state: Option<Arc<State>>) -> StoredBlock {
    let count = block.message.block.body.attestations.len() + 1;
    let signature = BlockSignatures::try_from(vec![Signature::default(); count]);
    let message = block.message.clone();
    let signature = signature.unwrap_or_default();
    StoredBlock {
        root: block.root,
        block: Arc::new(SignedBlockWithAttestation { message, signature }),
        justified: block.justified,
        finalized: block.finalized,
        state,
    }
}

fn info(block: &KeyBlock) -> BlockInfo {
    BlockInfo {
        root: block.root,
        parent_root: block.message.block.parent_root,
        slot: block.message.block.slot,
    }
}

fn checkpoints(block: &KeyBlock) -> Checkpoints {
    Checkpoints {
        justified: block.justified,
        finalized: block.finalized,
    }
}

fn entry(block: &KeyBlock) -> Entry {
    Entry {
        root: block.root,
        slot: block.message.block.slot,
        parent_root: block.message.block.parent_root,
        justified: block.justified,
        finalized: block.finalized,
    }
}
