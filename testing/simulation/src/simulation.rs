//! A run: nodes and their network made from a seed, and a scenario that is played on them.

use std::{path::Path, sync::Arc, time::Duration};

use parking_lot::Mutex;
use quartet_clock::Clock;
use quartet_recording::Limits;
use quartet_types::{Checkpoint, SECONDS_PER_SLOT, ValidatorIndex};
use quartet_xmss::Scheme;
use rand::{SeedableRng as _, rngs::StdRng};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::{
    Conditions, History, SimulationError, Wiring, World,
    disk::Disk,
    meter::Meter,
    network::Network,
    node::{DurableCheckpoints, Node, Recorded, RunEnvironment, Speed},
    observer::Observer,
    oracle::SpecificationStore,
    trace::Fingerprint,
    validators::{GENESIS_TIME, Validators},
};

/// How long before genesis, or before the slot after a history, the nodes are started.
const BEFORE_START: Duration = Duration::from_secs(2);

/// What a run is made of.
#[derive(Clone, Debug)]
pub struct Simulation {
    seed: u64,
    nodes: usize,
    validators: usize,
    adversarial: usize,
    conditions: Conditions,
    connected: fn(usize, usize) -> bool,
    absent: Vec<usize>,
    history: Option<History>,
    assignment: Option<Vec<Option<usize>>>,
    has_oracle: bool,
    wiring: Option<Wiring>,
    recorded: Option<Recorded>,
}

/// What a run came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// The seed that replays it.
    pub seed: u64,
    /// The hash of everything that happened.
    pub fingerprint: Fingerprint,
    /// How many things happened.
    pub events: u64,
}

impl Simulation {
    /// Four nodes with a validator each, every two connected by a good link.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            nodes: 4,
            validators: 4,
            adversarial: 0,
            conditions: Conditions::default(),
            connected: |_, _| true,
            absent: Vec::new(),
            history: None,
            assignment: None,
            has_oracle: false,
            wiring: None,
            recorded: None,
        }
    }

    /// This many nodes; as many validators, unless [`Self::validators`] says otherwise later.
    #[must_use]
    pub fn nodes(mut self, nodes: usize) -> Self {
        (self.nodes, self.validators) = (nodes, nodes);
        self
    }

    /// This many validators, dealt out to the nodes in turn.
    #[must_use]
    pub fn validators(mut self, validators: usize) -> Self {
        self.validators = validators;
        self
    }

    /// This many more validators, whose keys no node has but the scenario.
    #[must_use]
    pub fn adversarial(mut self, validators: usize) -> Self {
        self.adversarial = validators;
        self
    }

    /// As many validators as there are entries, each on the node of its entry; the key of one without a
    /// node is the scenario's alone.
    #[must_use]
    pub fn assigned(mut self, assignment: Vec<Option<usize>>) -> Self {
        self.validators = assignment.len();
        self.assignment = Some(assignment);
        self
    }

    /// Has every block that a node publishes checked by a store that does what the specification says.
    #[must_use]
    pub fn oracle(mut self, has_oracle: bool) -> Self {
        self.has_oracle = has_oracle;
        self
    }

    /// What packets go through on every link.
    #[must_use]
    pub fn conditions(mut self, conditions: Conditions) -> Self {
        self.conditions = conditions;
        self
    }

    /// Gives links a bandwidth, and gossip a mesh.
    #[must_use]
    pub fn wired(mut self, wiring: Wiring) -> Self {
        self.wiring = Some(wiring);
        self
    }

    /// Has every node's chain service recorded, in a directory `node-0` and so on below this one.
    #[must_use]
    pub fn recorded(mut self, directory: &Path, limits: Limits) -> Self {
        let directory = directory.to_owned();
        self.recorded = Some(Recorded { directory, limits });
        self
    }

    /// Which nodes have a link between them.
    #[must_use]
    pub fn connected(mut self, connected: fn(usize, usize) -> bool) -> Self {
        self.connected = connected;
        self
    }

    /// Nodes that are not started by themselves.
    #[must_use]
    pub fn absent(mut self, nodes: &[usize]) -> Self {
        self.absent = nodes.to_vec();
        self
    }

    /// Begins where a chain ends that node 0 has in its store. Its validators are on no node.
    #[must_use]
    pub fn after(mut self, history: &History) -> Self {
        (self.history, self.validators) = (Some(history.clone()), 0);
        self
    }

    /// Plays a scenario, on virtual time.
    ///
    /// # Errors
    /// When the nodes cannot be made, something happens that never must, or the scenario says so.
    pub fn run(
        self,
        scenario: impl AsyncFnOnce(&mut World) -> Result<(), SimulationError>,
    ) -> Result<Report, SimulationError> {
        let meter = Meter::default();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()?;
        metrics::with_local_recorder(&meter, || {
            runtime.block_on(async {
                let mut world = self.make(meter.clone())?;
                world.start_all()?;
                scenario(&mut world).await?;
                world.end().await
            })
        })
    }

    fn make(self, meter: Meter) -> Result<World, SimulationError> {
        let past = self
            .history
            .as_ref()
            .map_or(0, |history| history.length + 1);
        let start = Duration::from_secs(GENESIS_TIME + past * SECONDS_PER_SLOT) - BEFORE_START;
        let clock = Clock::manual(GENESIS_TIME, start);
        let observer = Arc::new(Mutex::new(Observer::default()));
        let network = Network::new(self.seed, clock.clone(), observer.clone(), self.wiring);
        for high in 1..self.nodes {
            for low in (0..high).filter(|low| (self.connected)(*low, high)) {
                network.add_link(low, high, self.conditions.clone());
            }
        }
        let stop = CancellationToken::new();
        let running = Arc::clone(&network).run(stop.clone());
        let network_task = tokio::spawn(running);

        let validators = Validators::draw(self.seed, self.validators + self.adversarial)?;
        let (genesis, scheme) = match &self.history {
            Some(history) => (history.genesis.clone(), history.scheme),
            None => (validators.genesis()?, Scheme::Test),
        };
        if self.has_oracle {
            observer.lock().oracle = Some(SpecificationStore::new(&genesis, scheme));
        }
        let directory = directory()?;
        let nodes: Result<Vec<Node>, SimulationError> = (0..self.nodes)
            .map(|number| self.node(number, directory.path(), &validators))
            .collect();
        Ok(World {
            seed: self.seed,
            nodes: nodes?,
            absent: self.absent,
            conditions: self.conditions,
            environment: RunEnvironment {
                network,
                clock,
                genesis,
                scheme,
            },
            validators: Arc::new(validators),
            guests: 0,
            luck: StdRng::seed_from_u64(!self.seed),
            observer,
            meter,
            stop,
            network_task,
            _directory: directory,
        })
    }

    fn node(
        &self,
        number: usize,
        directory: &Path,
        validators: &Validators,
    ) -> Result<Node, SimulationError> {
        let directory = directory.join(format!("node-{number}"));
        std::fs::create_dir(&directory)?;
        let node_of = |index: usize| match &self.assignment {
            Some(assignment) => assignment[index],
            None => Some(index % self.nodes),
        };
        let mine = (0..self.validators).filter(|index| node_of(*index) == Some(number));
        let mine: Vec<ValidatorIndex> = mine.map(|index| index as ValidatorIndex).collect();
        for validator in &mine {
            validators.write(*validator, &directory)?;
        }
        let history = self.history.as_ref().filter(|_| number == 0);
        Ok(Node {
            number,
            validators: mine,
            directory,
            disk: history.map_or_else(Disk::default, |history| history.disk.copy()),
            recording: self.recorded.clone(),
            backfills: false,
            clock_error_ms: 0,
            speed: Speed::default(),
            kept: DurableCheckpoints::default(),
            finalized: Checkpoint::default(),
            running: None,
        })
    }
}

/// A directory for keys and signing records, which are written durably: in memory where the system has room
/// for files there, since a simulated node has nothing to fear from a power cut.
pub(crate) fn directory() -> std::io::Result<TempDir> {
    let in_memory = Path::new("/dev/shm");
    if in_memory.is_dir() {
        tempfile::tempdir_in(in_memory).or_else(|_| tempfile::tempdir())
    } else {
        tempfile::tempdir()
    }
}
