//! The running network: its genesis, its processes, and their end.

use std::{path::Path, time::Duration};

use anyhow::{Context as _, Result, bail};
use futures::future::join_all;
use quartet_clock::Clock;
use quartet_config::{GenesisDirectory, ValidatorKey};
use quartet_types::Slot;
use tokio::sync::mpsc;

use super::{
    directory::Directory,
    http,
    layout::{self, Description, NodeDescription, NodeLayout},
    ports::ReservedPorts,
    process::{self, Death, NodeProcess},
    reading::Reading,
    report::{Asked, NodeReport},
    terminal::note,
    usage::Usage,
    view::Views,
};

/// How often ports are chosen anew when somebody else has taken one meanwhile.
const ATTEMPTS: usize = 3;

/// How often a starting node is asked whether it is there.
const STARTING_PAUSE: Duration = Duration::from_millis(100);

/// How many lines of its log are shown when a node dies.
const LOG_LINES: usize = 10;

/// What makes up a network.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setup<'a> {
    pub(super) directory: &'a Directory,
    /// The program that runs a node.
    pub(super) program: &'a Path,
    pub(super) nodes: usize,
    /// The validators' keys, in the order of the registry.
    pub(super) keys: &'a [ValidatorKey],
    /// All keys are active for two to the power of this many epochs, or more.
    pub(super) log_active_epochs: u8,
    /// Seconds from the start of the first node to genesis.
    pub(super) genesis_delay: u64,
}

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
    processes: Vec<NodeProcess>,
    deaths: mpsc::Receiver<Death>,
    /// How many nodes have ended by themselves.
    pub(super) dead: usize,
}

impl Network {
    /// Starts all nodes and waits until they answer, or have died, or genesis is there.
    ///
    /// # Errors
    /// When no ports are left, files cannot be written, or the program cannot be run.
    pub(super) async fn start(setup: Setup<'_>) -> Result<Self> {
        for _ in 0..ATTEMPTS {
            let mut network = Self::launch(setup)?;
            if network.is_ready().await {
                return Ok(network);
            }
            note("a port was taken by another program meanwhile; starting again with others");
            network.stop().await;
        }
        bail!(
            "in {ATTEMPTS} attempts, free ports were taken by another program before nodes could use them"
        )
    }

    fn launch(setup: Setup<'_>) -> Result<Self> {
        let Setup {
            directory, program, ..
        } = setup;
        let ports = ReservedPorts::for_nodes(setup.nodes).context("no free ports on loopback")?;
        let numbers = ports.numbers().context("no free ports on loopback")?;
        let node = |(index, ports)| NodeLayout::new(directory.path(), index, ports);
        let nodes: Vec<_> = numbers.into_iter().enumerate().map(node).collect();

        let validators = setup.keys.len() as u64;
        let plan = layout::plan(&nodes, validators, setup.log_active_epochs);
        // A slot begins on a whole second, the next one or one after it.
        let genesis_time = Clock::system(0).now().as_secs() + 1 + setup.genesis_delay;
        let genesis = directory.genesis();
        GenesisDirectory::new(&plan, genesis_time, setup.keys)
            .context("genesis cannot be made")?
            .write(genesis.directory())?;

        let (sender, deaths) = mpsc::channel(nodes.len());
        drop(ports);
        let start = |(index, node): (usize, &NodeLayout)| {
            NodeProcess::start(
                index,
                node,
                program,
                node.arguments(&genesis),
                sender.clone(),
            )
            .with_context(|| format!("{} cannot be started", node.name))
        };
        let processes = nodes
            .iter()
            .enumerate()
            .map(start)
            .collect::<Result<Vec<_>>>()?;
        let described = nodes.iter().zip(&processes);
        directory.describe(&Description {
            pid: std::process::id(),
            genesis_time,
            genesis: genesis.directory().to_owned(),
            nodes: described
                .map(|(node, process)| NodeDescription::new(node, process.pid, program, &genesis))
                .collect(),
        })?;
        Ok(Self {
            clock: Clock::system(genesis_time),
            nodes,
            processes,
            deaths,
            dead: 0,
        })
    }

    /// Waits for the start to be over; false when it has failed for want of a port.
    async fn is_ready(&mut self) -> bool {
        let mut silent: Vec<_> = self.nodes.iter().map(NodeLayout::http).collect();
        while !silent.is_empty() && !self.clock.until_genesis().is_zero() {
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
                "{} of {} nodes do not answer yet, and genesis is here: the machine is slow, or \
                 --genesis-delay too short",
                silent.len(),
                self.nodes.len()
            ));
        }
        true
    }

    /// Waits for a node to end by itself and says so.
    pub(super) async fn death(&mut self) {
        match self.deaths.recv().await {
            Some(death) => {
                let tail = process::log_tail(&self.nodes[death.index].log(), LOG_LINES);
                self.announce(&death, &tail);
            }
            // All have died before.
            None => std::future::pending().await,
        }
    }

    /// Whether no node is left.
    pub(super) fn is_dead(&self) -> bool {
        self.dead == self.nodes.len()
    }

    fn announce(&mut self, death: &Death, tail: &[String]) {
        self.dead += 1;
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
        let answer = http::get(*node, "/lean/v0/health").await;
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

    use quartet_types::PublicKey;

    use super::*;

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
        Network::start(Setup {
            directory: &directory,
            program: &program,
            nodes: 2,
            keys: &[key],
            log_active_epochs: 18,
            genesis_delay: 1,
        })
        .await
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
}
