//! The service's loop: which duty comes when.

use metrics::counter;
use quartet_chain::{ChainHandle, EventBus, NetworkHandle, SharedChain, Stopped, SyncState};
use quartet_clock::{Clock, Tick};
use quartet_processor::{Priority, Processor};
use quartet_types::{Attestation, INTERVALS_PER_SLOT, Slot, ValidatorIndex, proposer_index};
use tokio::{sync::mpsc, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::{Signers, doppelganger::DoppelgangerGuard, missing_source::MissingSourceWait};

/// Values that the validator service goes by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ValidatorServiceConfig {
    /// Slots in which the service listens for other signers of its keys before it signs, at the start and after each jump of the
    /// clock. Slots in which the node is not ready for duties do not count.
    pub slots_to_listen: u64,
}

/// What the validator service works with.
#[derive(Debug)]
pub struct ValidatorServiceParts {
    /// The chain that it reads.
    pub chain: SharedChain,
    /// The way to the chain service, whose answer each duty waits for before anything is published.
    pub chain_service: ChainHandle,
    /// The way to the network service.
    pub network: NetworkHandle,
    /// The keys of this node's validators.
    pub signers: Signers,
    /// Where signing and building run.
    pub processor: Processor,
    /// The network's clock.
    pub clock: Clock,
    /// Where watchers are told what comes of each duty.
    pub events: EventBus,
}

/// Performs the duties of this node's validators.
#[derive(Debug)]
pub struct ValidatorService {
    pub(crate) chain: SharedChain,
    pub(crate) chain_service: ChainHandle,
    pub(crate) network: NetworkHandle,
    pub(crate) signers: Signers,
    pub(crate) processor: Processor,
    pub(crate) clock: Clock,
    /// The last slot in which one of our validators has proposed; it does not attest again there.
    pub(crate) proposed: Option<Slot>,
    /// The last slot in which the operator was told of duties that wait for a justified checkpoint.
    warned: Option<Slot>,
    missing_source: MissingSourceWait,
    /// Work on keys that is under way beside the duties.
    background: Option<JoinHandle<()>>,
    pub(crate) doppelganger: DoppelgangerGuard,
    /// Where watchers are told of duties.
    pub(crate) events: EventBus,
}

/// The validator service could not go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ValidatorServiceError {
    /// A service that it needs has stopped.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

impl ValidatorService {
    /// Makes the service.
    pub fn new(config: ValidatorServiceConfig, parts: ValidatorServiceParts) -> Self {
        let mut doppelganger = DoppelgangerGuard::new(parts.clock.watch_for_jumps());
        doppelganger.listen_for(config.slots_to_listen);
        Self {
            doppelganger,
            chain: parts.chain,
            chain_service: parts.chain_service,
            network: parts.network,
            signers: parts.signers,
            processor: parts.processor,
            clock: parts.clock,
            proposed: None,
            warned: None,
            missing_source: MissingSourceWait::default(),
            background: None,
            events: parts.events,
        }
    }

    /// Compares votes that come back from the network with what was signed here ([`quartet_chain::watch_validators`]):
    /// a validator that somebody else signs for has no more duties here.
    #[must_use]
    pub fn with_sightings(mut self, seen: mpsc::Receiver<Attestation>) -> Self {
        self.doppelganger.watch(seen);
        self
    }

    /// Runs until it is told to stop; a duty that is under way is finished first.
    ///
    /// # Errors
    /// When a service that it needs has stopped.
    pub async fn run(mut self, stop: CancellationToken) -> Result<(), ValidatorServiceError> {
        let mut ticks = self.clock.ticks();
        let (signers, slot) = (self.signers.clone(), self.clock.slot());
        self.in_background(move || signers.prepare(slot));
        loop {
            let tick = tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                tick = ticks.next() => tick,
            };
            match self.on_tick(tick).await {
                // The services end together; which notices first does not matter.
                Err(_) if stop.is_cancelled() => return Ok(()),
                result => result?,
            }
        }
    }

    async fn on_tick(&mut self, tick: Tick) -> Result<(), ValidatorServiceError> {
        self.count_missed(tick);
        let now = self.clock.slot();
        (self.doppelganger).check_clock(&self.signers, now, tick.missed > 0);
        let elsewhere = self.doppelganger.check_sightings(&self.signers);
        DoppelgangerGuard::record_elsewhere(
            self.signers.clone(),
            elsewhere,
            self.processor.clone(),
        );
        let done = self.do_duties(tick).await;
        let now = self.clock.slot();
        self.doppelganger.after_duties(&self.signers, now);
        done
    }

    async fn do_duties(&mut self, tick: Tick) -> Result<(), ValidatorServiceError> {
        let slot = tick.slot;
        match tick.interval {
            // Genesis is in slot 0; duties begin with slot 1.
            0 | 1 if slot == 0 || self.signers.is_empty() => {}
            0 => {
                let validators = self.chain.read().validator_count();
                if let Some(proposer) =
                    proposer_index(slot, validators).filter(|index| self.signers.contains(*index))
                {
                    let is_ready = self.ready(slot) && !self.doppelganger.is_listening(slot);
                    if is_ready && self.knows_source_of(slot, proposer) {
                        self.propose(slot, proposer).await?
                    } else {
                        self.tell_of_missed_proposal(slot, proposer)
                    }
                }
            }
            1 => {
                if self.ready(slot) && !self.doppelganger.is_listening(slot) {
                    self.attest(slot).await?
                } else {
                    self.tell_of_missed_votes(slot, self.signers.indices().collect())
                }
            }
            // The busy half of the slot is over: time to prepare the next one.
            2 => {
                let signers = self.signers.clone();
                self.in_background(move || signers.work_ahead(slot + 1));
                self.reserve(slot + 1);
            }
            _ => {}
        }
        Ok(())
    }

    /// Raises the keys' high-water marks over the next slot, now that nothing waits for the disk. A node that has no duties raises
    /// none: its clock may be wrong.
    fn reserve(&self, slot: Slot) {
        if self.signers.is_empty() || self.chain.read().sync_state() != SyncState::Synced {
            return;
        }
        let (signers, processor) = (self.signers.clone(), self.processor.clone());
        tokio::spawn(async move {
            let work = move || signers.reserve(slot);
            if let Err(error) = processor.run(Priority::Background, work).await {
                warn!(%error, "nothing is reserved for the next slot");
            }
        });
    }

    /// Whether duties may be done: not on a chain that is known to be behind.
    fn ready(&self, slot: Slot) -> bool {
        let state = self.chain.read().sync_state();
        match state {
            SyncState::Synced => {}
            SyncState::Syncing { target } => debug!(slot, target, "duty left out: catching up"),
            SyncState::Starting => {
                debug!(slot, "duty left out: no peer has told us of its head yet")
            }
        }
        state == SyncState::Synced
    }

    /// Whether the node knows what a validator has voted from, so that it may do its duty.
    fn knows_source_of(&mut self, slot: Slot, validator: ValidatorIndex) -> bool {
        !self.with_known_source(slot, [validator]).is_empty()
    }

    /// The validators that may do their duties: all but those that have voted from a source newer than any
    /// checkpoint that this node knows to be justified.
    ///
    /// A node that has lost its blocks, or was given a validator of another node, would have them vote as if
    /// they never had and, together with others like it, finalize a second chain. Two thirds of the validators
    /// have voted for that source, so the node will hear of it; if it does not for long enough, it goes on without
    /// ([`MissingSourceWait`]).
    pub(crate) fn with_known_source(
        &mut self,
        slot: Slot,
        validators: impl IntoIterator<Item = ValidatorIndex>,
    ) -> Vec<ValidatorIndex> {
        // The record may be busy with the disk: the chain is not held meanwhile. Its knowledge only grows.
        let justified = self.chain.read().latest_justified().slot;
        let (mut ready, mut waiting, mut voted_from) = (Vec::new(), Vec::new(), None);
        for validator in validators {
            let source = self.signers.last_source(validator);
            if source > Some(justified) {
                waiting.push(validator);
                voted_from = voted_from.max(source);
            } else {
                ready.push(validator);
            }
        }
        let (head, is_first) = (self.chain.read().head().slot, self.warned != Some(slot));
        self.warned = if waiting.is_empty() {
            self.warned
        } else {
            Some(slot)
        };
        if !waiting.is_empty() && self.missing_source.has_waited(slot, head) {
            if is_first {
                warn!(
                    slot,
                    validators = waiting.len(),
                    voted_from,
                    justified,
                    "nobody has told of the justified checkpoint that validators voted for before; they go on without it"
                );
            }
            ready.append(&mut waiting);
            ready.sort_unstable();
        } else if !waiting.is_empty() && is_first {
            warn!(
                slot,
                validators = waiting.len(),
                voted_from,
                justified,
                "the node has not caught up with what its validators voted for before; their duties wait"
            );
        }
        ready
    }

    /// Counts proposals of slots that the clock has passed over.
    fn count_missed(&self, tick: Tick) {
        let slots = tick.missed / INTERVALS_PER_SLOT;
        if slots == 0 {
            return;
        }
        let validators = self.chain.read().validator_count();
        let missed = (tick.slot.saturating_sub(slots)..tick.slot)
            .filter_map(|slot| proposer_index(slot, validators))
            .filter(|proposer| self.signers.contains(*proposer))
            .count();
        if missed > 0 {
            warn!(missed, "proposals missed");
            counter!("quartet_proposals_missed_total").increment(missed as u64);
        }
    }

    /// Starts work on keys that no duty waits for, unless the last such work is still going on.
    fn in_background(&mut self, work: impl FnOnce() + Send + 'static) {
        if self
            .background
            .as_ref()
            .is_some_and(|last| !last.is_finished())
        {
            return;
        }
        let processor = self.processor.clone();
        self.background = Some(tokio::spawn(async move {
            if let Err(error) = processor.run(Priority::Background, work).await {
                warn!(%error, "keys could not be prepared");
            }
        }));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "in a test, an unwrap is an assertion")]
mod tests;
