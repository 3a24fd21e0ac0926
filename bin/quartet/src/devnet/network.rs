//! The running network: its processes, what is done to them, and their end.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, anyhow, bail};
use futures::future::join_all;
use quartet_clock::Clock;
use quartet_types::Slot;
use tokio::sync::mpsc;

use super::{
    beginning::{Beginning, Prepared},
    control::{NodeStatus, Status},
    description::{Description, NodeDescription},
    directory::Directory,
    http,
    layout::{GenesisPaths, NodeLayout},
    partition::Partition,
    process::{self, Death, NodeProcess},
    reading::Reading,
    report::{Asked, NodeReport},
    standing::Standing,
    terminal::note,
    usage::Usage,
    view::Views,
};
use crate::words::count;

/// How often a starting node is asked whether it is there.
const STARTING_PAUSE: Duration = Duration::from_millis(100);

/// How many lines of its log are shown when a node dies.
const LOG_LINES: usize = 10;

/// What the nodes had spent in some slot.
#[derive(Clone, Debug)]
pub(super) struct Earlier {
    slot: Slot,
    readings: Vec<Option<Reading>>,
}

/// A network whose nodes have been started. Dropped, its nodes are killed.
#[derive(Debug)]
pub(super) struct Network {
    pub(super) clock: Clock,
    pub(super) nodes: Vec<NodeLayout>,
    standings: Vec<Standing>,
    processes: Vec<NodeProcess>,
    partition: Partition,
    deaths: mpsc::Receiver<Death>,
    /// For the deaths of nodes that are started again.
    tell_death: mpsc::Sender<Death>,
    /// How often a node has ended by itself.
    pub(super) dead: usize,
    devnet: PathBuf,
    genesis: GenesisPaths,
    program: PathBuf,
}

impl Network {
    /// Starts all nodes, with `program`, and waits until they answer, or have died, or should have answered.
    ///
    /// # Errors
    /// When no ports are left, files cannot be written, or the program cannot be run.
    pub(super) async fn start(
        directory: &Directory,
        program: &Path,
        beginning: &Beginning,
    ) -> Result<Self> {
        let attempts = beginning.attempts();
        for attempt in 1..=attempts {
            let prepared = beginning.prepare(directory)?;
            let ready_by = prepared.ready_by;
            let mut network = Self::launch(directory, program, prepared)?;
            if network.is_ready(ready_by).await {
                return Ok(network);
            }
            network.stop().await;
            if attempt < attempts {
                note("a port was taken by another program meanwhile; starting again with others");
                for node in &network.nodes {
                    // What they said is not to be taken for what the next ones say.
                    let _ = fs::remove_file(node.log());
                }
            }
        }
        match attempts {
            1 => {
                bail!("a port was taken by another program before its node could use it: try again")
            }
            _ => bail!(
                "in {attempts} attempts, free ports were taken by another program before nodes could use them"
            ),
        }
    }

    fn launch(directory: &Directory, program: &Path, prepared: Prepared) -> Result<Self> {
        let Prepared {
            nodes,
            clock,
            reserved,
            ..
        } = prepared;
        let genesis = directory.genesis();
        let (tell_death, deaths) = mpsc::channel(nodes.len());
        drop(reserved);
        let start = |(index, node): (usize, &NodeLayout)| {
            let arguments = node.arguments(&genesis);
            NodeProcess::start(index, node, program, arguments, tell_death.clone())
                .with_context(|| format!("{} cannot be started", node.name))
        };
        let processes: Result<Vec<_>> = nodes.iter().enumerate().map(start).collect();
        let network = Self {
            standings: vec![Standing::Running; nodes.len()],
            partition: Partition::none(nodes.len()),
            processes: processes?,
            clock,
            nodes,
            deaths,
            tell_death,
            dead: 0,
            devnet: directory.path().to_owned(),
            genesis,
            program: program.to_owned(),
        };
        network.description().write(&network.devnet)?;
        Ok(network)
    }

    /// What `devnet.json` says of it.
    pub(super) fn description(&self) -> Description {
        let nodes = self.nodes.iter().zip(&self.processes);
        let nodes = nodes.map(|(node, process)| {
            NodeDescription::new(node, process.pid, &self.program, &self.genesis)
        });
        Description::new(
            self.clock.genesis_time(),
            self.clock.slot_duration(),
            &self.genesis,
            nodes.collect(),
        )
    }

    /// Each node's name, and where it serves JSON-RPC and HTTP. They stay the same while the devnet runs.
    pub(super) fn http_addresses(&self) -> Vec<(String, SocketAddr)> {
        let nodes = self.nodes.iter();
        nodes.map(|node| (node.name.clone(), node.http())).collect()
    }

    /// How the nodes are.
    pub(super) fn status(&self) -> Status {
        let nodes = self.nodes.iter().zip(&self.processes).zip(&self.standings);
        let nodes = nodes.map(|((node, process), standing)| NodeStatus {
            name: node.name.clone(),
            standing: *standing,
            pid: process.pid,
            http: node.http(),
        });
        let names = self.names();
        Status {
            pid: std::process::id(),
            slot: self.clock.slot(),
            partition: (self.partition.is_any()).then(|| self.partition.describe(&names)),
            nodes: nodes.collect(),
        }
    }

    /// The nodes' names.
    pub(super) fn names(&self) -> Vec<String> {
        self.nodes.iter().map(|node| node.name.clone()).collect()
    }

    /// Kills a node, as a crash would.
    ///
    /// # Errors
    /// When there is no such node, or it does not run.
    pub(super) async fn kill(&mut self, name: &str) -> Result<()> {
        let index = self.index(name)?;
        if self.standings[index] != Standing::Running {
            bail!("{name} does not run");
        }
        // First, so that its end is not taken for one by itself.
        self.standings[index] = Standing::Killed;
        self.processes[index].kill();
        self.processes[index].ended().await;
        note(format_args!("{name} was killed, by command"));
        Ok(())
    }

    /// Starts a node again, after it has ended or been stopped in order. It keeps its ports, its data and its place in a
    /// partition.
    ///
    /// # Errors
    /// When there is no such node, or it cannot be started.
    pub(super) async fn restart(&mut self, name: &str) -> Result<()> {
        let index = self.index(name)?;
        if self.standings[index] == Standing::Running {
            self.standings[index] = Standing::Killed;
            self.processes[index].stop();
            self.processes[index].ended().await;
        }
        let (node, arguments) = (
            &self.nodes[index],
            self.nodes[index].arguments(&self.genesis),
        );
        self.processes[index] = NodeProcess::start(
            index,
            node,
            &self.program,
            arguments,
            self.tell_death.clone(),
        )
        .with_context(|| format!("{name} cannot be started"))?;
        self.standings[index] = Standing::Running;
        if self.partition.is_any() {
            self.tell_partition(index)?;
        }
        note(format_args!("{name} was started again, by command"));
        self.description().write(&self.devnet)
    }

    /// Keeps the nodes apart; a partition of nothing heals the network.
    ///
    /// # Errors
    /// When a node cannot be told; the others are.
    pub(super) fn set_partition(&mut self, partition: Partition) -> Result<()> {
        self.partition = partition;
        let told = (0..self.nodes.len()).map(|index| self.tell_partition(index));
        told.collect::<Vec<_>>().into_iter().collect()
    }

    fn tell_partition(&self, index: usize) -> Result<()> {
        if self.standings[index] != Standing::Running {
            return Ok(());
        }
        let apart = self.partition.apart_from(index).into_iter();
        let names: Result<_> = apart
            .map(|other| self.nodes[other].peer(&self.genesis))
            .collect();
        let order = crate::node::parent::order(&names?);
        match self.processes[index].tell(order) {
            true => Ok(()),
            false => Err(anyhow!("{} takes no orders", self.nodes[index].name)),
        }
    }

    fn index(&self, name: &str) -> Result<usize> {
        let index = self.nodes.iter().position(|node| node.name == name);
        let known = || self.names().join(", ");
        index.ok_or_else(|| anyhow!("no node is called {name:?}; there are {}", known()))
    }

    /// Waits for the start to be over; false when it has failed for want of a port.
    async fn is_ready(&mut self, ready_by: Duration) -> bool {
        let mut silent: Vec<_> = self.nodes.iter().map(NodeLayout::http).collect();
        while !silent.is_empty() && self.clock.now() < ready_by {
            tokio::select! {
                biased;
                Some(death) = self.deaths.recv() => {
                    let tail = process::log_tail(&self.nodes[death.index].log(), LOG_LINES);
                    if tail.iter().any(|line| line.contains("in use")) {
                        return false;
                    }
                    let dead = self.nodes[death.index].http();
                    silent.retain(|node| *node != dead);
                    self.announce(&death, &tail);
                }
                still = still_silent(&silent) => silent = still,
            }
        }
        if !silent.is_empty() {
            note(format_args!(
                "{} of {} do not answer yet, though it is time: the machine is slow, or --genesis-delay too short",
                silent.len(),
                count(self.nodes.len() as u64, "node")
            ));
        }
        true
    }

    /// Waits for a node to end by itself and says so.
    pub(super) async fn death(&mut self) {
        match self.deaths.recv().await {
            // One of a node that was started again since then is of no interest any more.
            Some(death) if self.processes[death.index].pid != death.pid => {}
            Some(death) => {
                let tail = process::log_tail(&self.nodes[death.index].log(), LOG_LINES);
                self.announce(&death, &tail);
            }
            // The sender is ours.
            None => std::future::pending().await,
        }
    }

    /// Whether no node is left.
    pub(super) fn is_dead(&self) -> bool {
        self.standings
            .iter()
            .all(|standing| *standing == Standing::Died)
    }

    fn announce(&mut self, death: &Death, tail: &[String]) {
        self.dead += 1;
        self.standings[death.index] = Standing::Died;
        let node = &self.nodes[death.index];
        let how = process::describe(&death.status);
        note(format_args!(
            "{} {how}; {} says:",
            node.name,
            node.log().display()
        ));
        if tail.is_empty() {
            note("    (nothing)");
        }
        for line in tail {
            note(format_args!("    {line}"));
        }
    }

    /// What the report says of each node in `slot`, given their last views, and what they had spent in an earlier one.
    pub(super) async fn reports(
        &self,
        slot: Slot,
        views: &Views,
        earlier: Option<&Earlier>,
    ) -> Vec<NodeReport> {
        let asked = self.ask_all().await;
        let report = |(index, (node, asked)): (usize, (&NodeLayout, &Asked))| {
            let view = views.get(index).copied().flatten();
            let before = earlier.and_then(|earlier| {
                let slots = slot.checked_sub(earlier.slot).filter(|slots| *slots > 0)?;
                Some((slots, earlier.readings.get(index).copied().flatten()?))
            });
            NodeReport::new(node.name.clone(), view, asked, before)
        };
        let nodes = self.nodes.iter().zip(&asked).enumerate();
        nodes.map(report).collect()
    }

    /// What all nodes have spent by `slot`.
    pub(super) async fn readings(&self, slot: Slot) -> Earlier {
        let asked = self.ask_all().await;
        let readings = asked.iter().map(Asked::reading).collect();
        Earlier { slot, readings }
    }

    async fn ask_all(&self) -> Vec<Asked> {
        let nodes = self.nodes.iter().zip(&self.processes);
        let ask = nodes.map(async |(node, process)| Asked {
            metrics: http::get(node.metrics(), "/metrics").await.ok(),
            usage: process
                .is_running()
                .then(|| Usage::of(process.pid))
                .flatten(),
        });
        join_all(ask).await
    }

    /// Stops all nodes: they are told, and those that have not ended after a grace time are killed.
    pub(super) async fn stop(&mut self) {
        self.processes.iter().for_each(NodeProcess::stop);
        join_all(self.processes.iter_mut().map(NodeProcess::ended)).await;
    }
}

/// Those of the nodes that do not answer, after a pause where there are any.
async fn still_silent(nodes: &[std::net::SocketAddr]) -> Vec<std::net::SocketAddr> {
    let asked = nodes.iter().map(async |node| {
        // Its health would be to be alone still.
        let answer = http::get(*node, "/lean/v0/node/version").await;
        answer.is_err().then_some(*node)
    });
    let silent: Vec<_> = join_all(asked).await.into_iter().flatten().collect();
    if !silent.is_empty() {
        tokio::time::sleep(STARTING_PAUSE).await;
    }
    silent
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::process::Command;

    use quartet_config::ValidatorKey;
    use quartet_types::{PublicKey, SlotDuration};

    use super::{super::beginning::Setup, *};

    /// Starts two "nodes" that are shell scripts: `body` runs with `$0` as the script's path.
    async fn start(parent: &Path, body: &str) -> Result<Network> {
        let program = parent.join("node.sh");
        // Another process writes it: a file that this one has open for writing cannot be run.
        let write = format!("printf '#!/bin/sh\n%s\n' '{body}' > \"$0\" && chmod +x \"$0\"");
        let written = Command::new("sh")
            .args(["-c", &write])
            .arg(&program)
            .status();
        assert!(written.unwrap().success());
        let directory = Directory::open(Some(&parent.join("net"))).unwrap();
        let key = ValidatorKey {
            public_key: PublicKey([1; 52]),
            secret_key_file: "validator_0.yaml".into(),
        };
        let beginning = Beginning::Anew(Setup {
            nodes: 2,
            keys: vec![key],
            log_active_epochs: 18,
            genesis_delay: 1,
            slot_duration: SlotDuration::default(),
            base_port: None,
        });
        Network::start(&directory, &program, &beginning).await
    }

    #[tokio::test]
    async fn a_port_that_was_taken_meanwhile_is_replaced() {
        let parent = tempfile::tempdir().unwrap();
        let once = "mkdir \"$0.once\" && { echo port 1 is in use >&2; exit 1; }; exec cat";
        let mut network = start(parent.path(), once).await.unwrap();
        assert!(parent.path().join("node.sh.once").is_dir());
        assert_eq!(network.dead, 0);
        assert!(network.processes.iter().all(NodeProcess::is_running));
        network.stop().await;
    }

    #[tokio::test]
    async fn ports_are_not_sought_for_ever() {
        let parent = tempfile::tempdir().unwrap();
        let error = start(parent.path(), "echo address in use; exit 1").await;
        assert!(error.unwrap_err().to_string().contains("3 attempts"));
    }

    #[tokio::test]
    async fn nodes_that_fail_for_another_reason_stay_dead() {
        let parent = tempfile::tempdir().unwrap();
        let network = start(parent.path(), "echo no keys; exit 1").await.unwrap();
        assert!(network.is_dead());
    }

    #[tokio::test]
    async fn nodes_are_killed_and_started_again_by_name() {
        let parent = tempfile::tempdir().unwrap();
        let mut network = start(parent.path(), "exec cat").await.unwrap();
        let pid = |network: &Network| network.processes[1].pid;
        let before = pid(&network);
        network.kill("quartet_1").await.unwrap();
        assert_eq!(network.standings, [Standing::Running, Standing::Killed]);
        let again = network.kill("quartet_1").await.unwrap_err().to_string();
        assert_eq!(again, "quartet_1 does not run");
        let unknown = network.restart("quartet_2").await.unwrap_err().to_string();
        assert!(
            unknown.contains("there are quartet_0, quartet_1"),
            "{unknown}"
        );
        network.restart("quartet_1").await.unwrap();
        assert_eq!(network.standings, [Standing::Running; 2]);
        assert_ne!(pid(&network), before);
        let described = Description::read(&parent.path().join("net")).unwrap();
        assert_eq!(described.nodes[1].pid, pid(&network));
        assert_eq!(network.dead, 0, "nothing of this was by itself");
        network.stop().await;
    }

    #[tokio::test]
    async fn a_partition_is_told_to_each_node_and_to_one_that_starts_again() {
        let parent = tempfile::tempdir().unwrap();
        let mut network = start(parent.path(), "exec cat >> $0.orders").await.unwrap();
        let orders = || {
            let path = parent.path().join("node.sh.orders");
            fs::read_to_string(path).unwrap_or_default()
        };
        let taken = async |count| {
            while orders().lines().count() < count {
                tokio::task::yield_now().await;
            }
        };
        let peer = |network: &Network, index: usize| {
            let peer = network.nodes[index].peer(&network.genesis);
            peer.unwrap()
        };
        let partition = Partition::parse(&["quartet_0".to_owned()], &network.names()).unwrap();
        network.set_partition(partition).unwrap();
        taken(2).await;
        network.restart("quartet_1").await.unwrap();
        taken(3).await;
        network.set_partition(Partition::none(2)).unwrap();
        taken(5).await;
        network.stop().await;
        let orders = orders();
        let mut lines: Vec<_> = orders.lines().collect();
        lines.sort_unstable();
        let [zero, one] = [0, 1].map(|index| format!("apart {}", peer(&network, index)));
        let mut expected = ["apart", "apart", &one, &zero, &zero];
        expected.sort_unstable();
        assert_eq!(lines, expected);
    }
}
