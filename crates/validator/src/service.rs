//! The service's loop: which duty comes when.

use metrics::counter;
use quartet_chain::{ChainHandle, NetworkHandle, SharedChain, Stopped, SyncState};
use quartet_clock::{Clock, Tick};
use quartet_processor::{Priority, Processor};
use quartet_types::{INTERVALS_PER_SLOT, Slot, proposer_index};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::Signers;

/// What the validator service needs.
#[derive(Debug)]
pub struct ValidatorServiceConfig {
    /// The chain that it reads.
    pub chain: SharedChain,
    /// The way to the chain service.
    pub chain_service: ChainHandle,
    /// The way to the network service.
    pub network: NetworkHandle,
    /// The keys of this node's validators.
    pub signers: Signers,
    /// Where signing and building run.
    pub processor: Processor,
    /// The network's clock.
    pub clock: Clock,
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
    /// The work on keys that goes on beside the duties.
    background: Option<JoinHandle<()>>,
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
    pub fn new(config: ValidatorServiceConfig) -> Self {
        Self {
            chain: config.chain,
            chain_service: config.chain_service,
            network: config.network,
            signers: config.signers,
            processor: config.processor,
            clock: config.clock,
            proposed: None,
            background: None,
        }
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
        let slot = tick.slot;
        self.count_missed(tick);
        match tick.interval {
            // Genesis is in slot 0; duties begin with slot 1.
            0 | 1 if slot == 0 || self.signers.is_empty() => {}
            0 => {
                let validators = self.chain.read().validator_count();
                if let Some(proposer) =
                    proposer_index(slot, validators).filter(|index| self.signers.contains(*index))
                {
                    match self.ready(slot) {
                        true => self.propose(slot, proposer).await?,
                        false => counter!("quartet_proposals_missed_total").increment(1),
                    }
                }
            }
            1 if self.ready(slot) => self.attest(slot).await?,
            // The busy half of the slot is over: time to look ahead.
            2 => {
                let signers = self.signers.clone();
                self.in_background(move || signers.work_ahead(slot + 1));
            }
            _ => {}
        }
        Ok(())
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
