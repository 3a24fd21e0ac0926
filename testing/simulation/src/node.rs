//! A node of the simulation: the real services on a place of the simulated network.

use std::{path::PathBuf, sync::Arc, time::Duration};

use quartet_chain::{
    ChainEvent, ChainReader, ChainService, ChainServiceConfig, ChainServiceParts, ChainWriter,
    EventBus, LeanChain, MemoryLimits, SharedChain, StoreError, Verifier, chain_channel,
    network_channel,
};
use quartet_clock::Clock;
use quartet_keystore::record::SigningRecord;
use quartet_processor::{Pace, Priority, Processor};
use quartet_recording::{Recorder, Start};
use quartet_storage::Database;
use quartet_types::{Checkpoint, State, ValidatorIndex};
use quartet_validator::{Signers, ValidatorService, ValidatorServiceConfig, ValidatorServiceParts};
use quartet_xmss::Scheme;
use tokio::{sync::broadcast, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{
    SimulationError,
    disk::{Disk, DiskCable},
    killable::{KillableTask, PollBudget},
    network::{Network, SimulatedPeer},
    validators::Validators,
};

/// Steps that a task may need to end when its job has been given up.
const LAST_STEPS: usize = 8;

/// What outlives a node's process: its directory with keys and signing record, and the disk of its database.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) number: usize,
    pub(crate) validators: Vec<ValidatorIndex>,
    pub(crate) directory: PathBuf,
    pub(crate) disk: Disk,
    /// Where what it does is recorded.
    pub(crate) recording: Option<Recorded>,
    /// Whether it fetches the finalized chain's past.
    pub(crate) backfills: bool,
    /// By how many milliseconds its clock is ahead of the others', from its next start on.
    pub(crate) clock_error_ms: i64,
    /// How fast its machine is.
    pub(crate) speed: Speed,
    /// What its database has said to be durable.
    pub(crate) kept: DurableCheckpoints,
    /// What it had finalized when it was last looked at.
    pub(crate) finalized: Checkpoint,
    pub(crate) running: Option<Running>,
}

/// Where the nodes' recordings lie, and how much each may take.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    pub(crate) directory: PathBuf,
    pub(crate) limits: quartet_recording::Limits,
}

/// How slow a machine is: what each job of its processor takes, and each transaction of its disk.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Speed {
    pub(crate) job: Duration,
    pub(crate) write: Duration,
}

impl Speed {
    pub(crate) fn keep_to(&self, pace: &Pace) {
        for priority in [Priority::Duty, Priority::Block, Priority::Attestation] {
            pace.set(priority, self.job);
        }
        pace.set(Priority::Background, self.write);
    }
}

/// What has to be there again after a crash, as far as a node knows.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct DurableCheckpoints {
    pub(crate) finalized: Checkpoint,
    pub(crate) justified: Checkpoint,
}

/// What ends with it.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) chain: SharedChain,
    pub(crate) store: Arc<Database>,
    pub(crate) signers: Signers,
    pub(crate) events: broadcast::Receiver<ChainEvent>,
    pub(crate) polls_left: PollBudget,
    pub(crate) clock: Clock,
    pub(crate) pace: Pace,
    pub(crate) cable: DiskCable,
    /// Whether the power goes when the cable is cut.
    pub(crate) loses_power: bool,
    /// Whether its database has failed, so that it has ended.
    pub(crate) has_lost_disk: bool,
    stop: CancellationToken,
    services: Vec<(&'static str, JoinHandle<Result<(), String>>)>,
}

/// What all nodes of a run share.
#[derive(Clone, Debug)]
pub(crate) struct RunEnvironment {
    pub(crate) network: Arc<Network>,
    pub(crate) clock: Clock,
    pub(crate) genesis: State,
    pub(crate) scheme: Scheme,
}

impl Node {
    /// Starts the node as its binary would: open the record, load the keys, replay the store, run the
    /// services.
    pub(crate) fn start(
        &mut self,
        environment: &RunEnvironment,
        validators: &Validators,
    ) -> Result<(), SimulationError> {
        let RunEnvironment {
            network,
            clock,
            genesis,
            scheme,
        } = environment.clone();
        let clock = self.read_wrongly(&clock);
        let pace = Pace::default();
        self.speed.keep_to(&pace);
        let signers = self.signers(validators)?;
        let (store, cable) = self.disk.open(&genesis)?;
        let writer = ChainWriter::new(LeanChain::from_genesis(genesis));
        let chain = writer.reader();
        let (chain_handle, chain_inbox) = chain_channel();
        let (network_handle, network_inbox) = network_channel();
        let events = EventBus::new();
        let watcher = events.watch();
        let config = ChainServiceConfig {
            expects_peers: true,
            backfill: self.backfills,
        };
        let parts = ChainServiceParts {
            chain: writer,
            inbox: chain_inbox,
            network: network_handle.clone(),
            store: store.clone(),
            events,
            processor: Processor::paced(pace.clone()),
            clock: clock.clone(),
            verifier: verifier(scheme),
        };
        let chain_service = ChainService::new(config, parts)?;
        let chain_service = match &self.recording {
            Some(recorded) => {
                chain_service.with_recorder(self.recorder(recorded, &store, &clock, scheme)?)
            }
            None => chain_service,
        };
        let parts = ValidatorServiceParts {
            chain: chain.clone(),
            chain_service: chain_handle.clone(),
            network: network_handle,
            signers: signers.clone(),
            processor: Processor::paced(pace.clone()),
            clock: clock.clone(),
            events: EventBus::new(),
        };
        let validator_service = ValidatorService::new(ValidatorServiceConfig::default(), parts);
        let reader = ChainReader::new(chain.clone(), store.clone());
        let node = SimulatedPeer::new(self.number, network, network_inbox, chain_handle, reader);

        let (polls_left, stop) = (PollBudget::new(), CancellationToken::new());
        let services = vec![
            spawn("chain", &polls_left, chain_service.run(stop.clone())),
            spawn(
                "validator",
                &polls_left,
                validator_service.run(stop.clone()),
            ),
            spawn("network", &polls_left, node.run(stop.clone())),
        ];
        self.running = Some(Running {
            chain,
            store,
            signers,
            events: watcher,
            polls_left,
            clock,
            pace,
            cable,
            loses_power: false,
            has_lost_disk: false,
            stop,
            services,
        });
        Ok(())
    }

    /// A recorder of a run of this node.
    fn recorder(
        &self,
        recorded: &Recorded,
        store: &Database,
        clock: &Clock,
        scheme: Scheme,
    ) -> Result<Recorder, SimulationError> {
        let limits = MemoryLimits::default();
        let memory = [limits.states, limits.blocks, limits.unwritten];
        let started = clock.now();
        let start = Start {
            software: "simulation".to_owned(),
            node: self.number.to_string(),
            session: started.as_nanos() as u64,
            part: 0,
            network: store.network().map_err(StoreError::from)?,
            genesis_time: clock.genesis_time(),
            slot_milliseconds: clock.slot_duration().slot().as_millis() as u64,
            scheme: match scheme {
                Scheme::Production => quartet_recording::RecordedScheme::Production,
                Scheme::Test => quartet_recording::RecordedScheme::Test,
            },
            expects_peers: true,
            backfill: self.backfills,
            memory: memory.map(|bytes| bytes as u64),
        };
        let directory = recorded.directory.join(format!("node-{}", self.number));
        Ok(Recorder::start_blocking(
            &directory,
            recorded.limits,
            start,
        )?)
    }

    /// A clock of its own, as wrong as it is.
    fn read_wrongly(&self, clock: &Clock) -> Clock {
        let error = Duration::from_millis(self.clock_error_ms.unsigned_abs());
        let now = match self.clock_error_ms {
            0.. => clock.now() + error,
            _ => clock.now().saturating_sub(error),
        };
        Clock::manual(clock.genesis_time(), now)
    }

    fn signers(&self, validators: &Validators) -> Result<Signers, SimulationError> {
        let record = SigningRecord::open(&self.directory.join("signing-record"))?;
        let signers = self.validators.iter();
        let signers: Result<Vec<_>, _> = signers
            .map(|validator| validators.signer(*validator, &self.directory, &record))
            .collect();
        Ok(Signers::new(signers?))
    }
}

fn spawn<E: ToString>(
    name: &'static str,
    polls_left: &PollBudget,
    service: impl Future<Output = Result<(), E>> + Send + 'static,
) -> (&'static str, JoinHandle<Result<(), String>>) {
    let service = async move { service.await.map_err(|error| error.to_string()) };
    (name, tokio::spawn(KillableTask::new(polls_left, service)))
}

impl Running {
    /// What is durable by now, as far as the node knows; what was before, where its database does not say.
    pub(crate) fn kept(&self, before: DurableCheckpoints) -> DurableCheckpoints {
        let finalized = self.store.finalized().ok().flatten();
        let chain = self.chain.read();
        let is_written = chain.memory().unwritten == 0;
        DurableCheckpoints {
            finalized: finalized.unwrap_or(before.finalized),
            // What justified it is written with it; a node that writes has it durable only then.
            justified: if is_written {
                chain.latest_justified()
            } else {
                before.justified
            },
        }
    }

    /// The first service that has ended although it was not told to.
    pub(crate) fn has_failed(&self) -> Option<&'static str> {
        if self.polls_left.is_spent() {
            return None;
        }
        let ended = self.services.iter().find(|(_, task)| task.is_finished());
        ended.map(|(name, _)| *name)
    }

    /// Stops the services as a signal to the process would, and returns what went wrong.
    pub(crate) async fn stop(self) -> Result<(), String> {
        self.stop.cancel();
        for (name, task) in self.services {
            match task.await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return Err(format!("the {name} service failed: {error}")),
                Err(error) => return Err(format!("the {name} service panicked: {error}")),
            }
        }
        Ok(())
    }

    /// Ends the services where they are.
    pub(crate) async fn kill(self) {
        self.polls_left.limit(0);
        self.cable.cut();
        for (_, task) in self.services {
            task.abort();
            // Whether it had ended by itself does not matter; now it has let go of all it held.
            let _ = task.await;
        }
        // So have those that the services had left alone with a job.
        self.pace.give_up();
        for _ in 0..LAST_STEPS {
            tokio::task::yield_now().await;
        }
    }
}

fn verifier(scheme: Scheme) -> Verifier {
    match scheme {
        Scheme::Production => &Scheme::Production,
        Scheme::Test => &Scheme::Test,
    }
}
