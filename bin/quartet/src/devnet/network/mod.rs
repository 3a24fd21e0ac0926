//! The running network: its processes from start to end.

mod commands;

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use futures::future::join_all;
use quartet_clock::Clock;
use quartet_types::Slot;
use tokio::sync::mpsc;

use super::{
    control::{NodeStatus, Status},
    description::{Description, NodeDescription},
    directory::Directory,
    guests::Questions,
    http,
    layout::{GenesisPaths, NodeLayout, Role},
    node_state::NodeState,
    partition::Partition,
    prepare::{NetworkSource, PreparedNetwork},
    process::{self, Death, NodeProcess},
    reading::Reading,
    report::{Asked, NodeReport},
    terminal::note,
    usage::Usage,
    view::Seen,
};
use crate::words::count;

/// How often a starting node is asked whether it is ready.
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
    states: Vec<NodeState>,
    /// None of one that has not been started yet.
    processes: Vec<Option<NodeProcess>>,
    /// When the late node starts.
    late: Option<Slot>,
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
        source: &NetworkSource,
        are_recorded: bool,
    ) -> Result<Self> {
        let attempts = source.attempts();
        for attempt in 1..=attempts {
            let mut prepared = source.prepare(directory)?;
            for node in &mut prepared.nodes {
                node.is_recorded = are_recorded;
            }
            let ready_by = prepared.ready_by;
            let mut network = Self::launch(directory, program, prepared)?;
            if network.is_ready(ready_by).await {
                return Ok(network);
            }
            network.stop().await;
            if attempt < attempts {
                note("a port was taken by another program meanwhile; starting again with others");
                for node in &network.nodes {
                    // Their logs must not be taken for those of the next attempt.
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

    fn launch(directory: &Directory, program: &Path, prepared: PreparedNetwork) -> Result<Self> {
        let PreparedNetwork {
            nodes,
            clock,
            reserved,
            late,
            ..
        } = prepared;
        let genesis = directory.genesis();
        let (tell_death, deaths) = mpsc::channel(nodes.len());
        drop(reserved);
        let is_late = |node: &NodeLayout| matches!(node.role, Role::Late { .. });
        let start = |(index, node): (usize, &NodeLayout)| {
            if is_late(node) {
                return Ok(None);
            }
            let launch = node.launch(&genesis, program);
            NodeProcess::start(index, node, launch, tell_death.clone())
                .map(Some)
                .with_context(|| format!("{} cannot be started", node.name))
        };
        let processes: Result<Vec<_>> = nodes.iter().enumerate().map(start).collect();
        let states = nodes.iter().map(|node| {
            if is_late(node) {
                NodeState::Waiting
            } else {
                NodeState::Running
            }
        });
        let network = Self {
            states: states.collect(),
            partition: Partition::none(nodes.len()),
            processes: processes?,
            late,
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

    /// Its description for `devnet.json`.
    pub(super) fn description(&self) -> Description {
        let nodes = self.nodes.iter().zip(&self.processes);
        let nodes = nodes.map(|(node, process)| {
            let pid = process.as_ref().map_or(0, |process| process.pid);
            NodeDescription::new(node, pid, &self.program, &self.genesis)
        });
        Description::new(
            self.clock.genesis_time(),
            self.clock.slot_duration(),
            &self.genesis,
            nodes.collect(),
        )
    }

    /// Each node's name, and where it serves HTTP. They stay the same while the devnet runs.
    pub(super) fn http_addresses(&self) -> Vec<(String, SocketAddr)> {
        let nodes = self.nodes.iter();
        nodes.map(|node| (node.name.clone(), node.http())).collect()
    }

    /// Our own nodes that are there from the start, which come first.
    pub(super) fn members(&self) -> &[NodeLayout] {
        let is_member = |node: &NodeLayout| matches!(node.role, Role::Member);
        let others = self.nodes.iter().position(|node| !is_member(node));
        &self.nodes[..others.unwrap_or(self.nodes.len())]
    }

    /// Our own node that starts late, and when.
    pub(super) fn late(&self) -> Option<(&NodeLayout, Slot)> {
        let is_late = |node: &&NodeLayout| matches!(node.role, Role::Late { .. });
        self.nodes.iter().find(is_late).zip(self.late)
    }

    /// How each guest is queried.
    pub(super) fn questions(&self) -> Vec<Questions> {
        let guests = self.nodes.iter();
        let questions = guests.filter_map(|node| Some(node.as_guest()?.questions(node)));
        questions.collect()
    }

    /// How the nodes are.
    pub(super) fn status(&self) -> Status {
        let nodes = self.nodes.iter().zip(&self.processes).zip(&self.states);
        let nodes = nodes.map(|((node, process), standing)| NodeStatus {
            name: node.name.clone(),
            standing: *standing,
            pid: process.as_ref().map_or(0, |process| process.pid),
            http: node.http(),
            client: node.client().to_owned(),
            questions: node.as_guest().map(|guest| guest.questions(node)),
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

    /// Waits for the start to be over; false when it has failed for want of a port.
    async fn is_ready(&mut self, ready_by: Duration) -> bool {
        let there = self.nodes.iter().enumerate();
        let there = there.filter(|(_, node)| !matches!(node.role, Role::Late { .. }));
        let mut silent: Vec<_> = there.map(|(index, _)| index).collect();
        while !silent.is_empty() && self.clock.now() < ready_by {
            tokio::select! {
                biased;
                Some(death) = self.deaths.recv() => {
                    let tail = self.log_tail(death.index);
                    if tail.iter().any(|line| line.contains("in use")) {
                        return false;
                    }
                    silent.retain(|node| *node != death.index);
                    self.announce(&death, &tail);
                }
                still = still_silent(&self.nodes, &silent) => silent = still,
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

    /// The last lines that a node has said; of a guest that says nothing, those of its own log.
    fn log_tail(&self, index: usize) -> Vec<String> {
        let node = &self.nodes[index];
        let said = process::log_tail(&node.log(), LOG_LINES);
        let own = (node.as_guest()).and_then(|guest| guest.log(node, &self.genesis, &self.program));
        match own {
            Some(own) if said.is_empty() => process::log_tail(&own, LOG_LINES),
            _ => said,
        }
    }

    /// Waits for a node to end by itself and says so.
    pub(super) async fn death(&mut self) {
        match self.deaths.recv().await {
            // One of a node that was started again since then is of no interest any more.
            Some(death) if self.pid(death.index) != Some(death.pid) => {}
            Some(death) => {
                let tail = self.log_tail(death.index);
                self.announce(&death, &tail);
            }
            // The sender is ours.
            None => std::future::pending().await,
        }
    }

    fn pid(&self, index: usize) -> Option<u32> {
        let process = self.processes[index].as_ref();
        process.map(|process| process.pid)
    }

    /// Whether no node of our own is left.
    pub(super) fn is_dead(&self) -> bool {
        let mut members = self.states.iter().take(self.members().len());
        members.all(|standing| *standing == NodeState::Died)
    }

    fn announce(&mut self, death: &Death, tail: &[String]) {
        self.dead += 1;
        self.states[death.index] = NodeState::Died;
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

    /// The report on each node in `slot`, given the nodes' last views and their earlier readings.
    pub(super) async fn reports(
        &self,
        slot: Slot,
        seen: &[Option<Seen>],
        earlier: Option<&Earlier>,
    ) -> Vec<NodeReport> {
        let asked = self.ask_all().await;
        let report = |(index, (node, asked)): (usize, (&NodeLayout, &Asked))| {
            let seen = seen.get(index).copied().flatten();
            let before = earlier.and_then(|earlier| {
                let slots = slot.checked_sub(earlier.slot).filter(|slots| *slots > 0)?;
                Some((slots, earlier.readings.get(index).copied().flatten()?))
            });
            NodeReport::new(node.name.clone(), seen, asked, before)
        };
        let nodes = self.nodes.iter().zip(&asked).enumerate();
        nodes.map(report).collect()
    }

    /// The readings of all nodes in `slot`.
    pub(super) async fn readings(&self, slot: Slot) -> Earlier {
        let asked = self.ask_all().await;
        let readings = asked.iter().map(Asked::reading).collect();
        Earlier { slot, readings }
    }

    async fn ask_all(&self) -> Vec<Asked> {
        let nodes = self.nodes.iter().zip(&self.processes);
        let ask = nodes.map(async |(node, process)| Asked {
            // Other clients have other metrics.
            metrics: match node.as_guest() {
                None => http::get(node.metrics(), "/metrics").await.ok(),
                Some(_) => None,
            },
            usage: (process.as_ref())
                .filter(|process| process.is_running())
                .and_then(|process| Usage::of(process.pid)),
        });
        join_all(ask).await
    }

    /// Stops all nodes: they are told, and those that have not ended after a grace time are killed.
    pub(super) async fn stop(&mut self) {
        let processes = self.processes.iter().flatten();
        processes.for_each(NodeProcess::stop);
        let processes = self.processes.iter_mut().flatten();
        join_all(processes.map(NodeProcess::ended)).await;
    }
}

/// Those of the nodes that do not answer, after a pause where there are any.
async fn still_silent(nodes: &[NodeLayout], silent: &[usize]) -> Vec<usize> {
    let asked = silent.iter().map(async |index| {
        let node = &nodes[*index];
        let answers = match node.as_guest() {
            // Its health would be to be alone still.
            None => http::get(node.http(), "/lean/v0/node/version")
                .await
                .is_ok(),
            Some(guest) => guest.questions(node).ask().await.is_ok(),
        };
        (!answers).then_some(*index)
    });
    let silent: Vec<_> = join_all(asked).await.into_iter().flatten().collect();
    if !silent.is_empty() {
        tokio::time::sleep(STARTING_PAUSE).await;
    }
    silent
}

#[cfg(test)]
#[cfg(unix)]
mod tests;
