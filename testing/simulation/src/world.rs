//! A run under way: what a scenario can do to it and see of it.

use std::{sync::Arc, time::Duration};

use parking_lot::{Mutex, MutexGuard};
use quartet_chain::{ChainEvent, ForkChoiceView, SharedChain, SyncState, Verdict};
use quartet_types::{Checkpoint, SECONDS_PER_SLOT, Slot};
use rand::rngs::StdRng;
use tempfile::TempDir;
use tokio::{sync::broadcast::error::TryRecvError, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{
    Awaited, Conditions, Report, SimulationError,
    adversary::Adversary,
    meter::Meter,
    node::{Node, RunEnvironment, Running},
    observer::{Observer, Violation},
    validators::{GENESIS_TIME, Validators},
};

/// When in an interval the nodes are looked at, in milliseconds: all that belongs to it is done.
const LOOK: u64 = 990;
const SLOT: u64 = 1000 * SECONDS_PER_SLOT;

/// A run under way. Nodes are numbered from 0.
#[derive(Debug)]
pub struct World {
    pub(crate) seed: u64,
    pub(crate) nodes: Vec<Node>,
    pub(crate) absent: Vec<usize>,
    pub(crate) conditions: Conditions,
    pub(crate) environment: RunEnvironment,
    pub(crate) validators: Arc<Validators>,
    /// Peers that are no nodes.
    pub(crate) guests: usize,
    /// What is left to chance, but for packets and behaviours.
    pub(crate) luck: StdRng,
    pub(crate) observer: Arc<Mutex<Observer>>,
    pub(crate) meter: Meter,
    pub(crate) stop: CancellationToken,
    pub(crate) network_task: JoinHandle<()>,
    pub(crate) _directory: TempDir,
}

impl World {
    /// Lets time pass until this many milliseconds into a slot, looking at all nodes in every interval.
    ///
    /// # Errors
    /// When something happens that never must.
    pub async fn at(&mut self, slot: Slot, milliseconds: u64) -> Result<(), SimulationError> {
        let genesis = Duration::from_secs(GENESIS_TIME);
        let target = genesis + Duration::from_millis(slot * SLOT + milliseconds);
        loop {
            let now = self.environment.clock.now();
            if now >= target {
                self.look()?;
                return self.clear_dead_nodes().await;
            }
            let past = now.as_millis() as u64;
            let next_look = (past + 1000 - LOOK) / 1000 * 1000 + LOOK;
            let next = target.min(Duration::from_millis(next_look));
            // The network ends only with the run.
            let _ = self.environment.network.at(next).await;
            self.look()?;
            self.clear_dead_nodes().await?;
        }
    }

    /// Lets time pass until the end of a slot, when all that belongs to it is done.
    ///
    /// # Errors
    /// As [`Self::at`].
    pub async fn end_of(&mut self, slot: Slot) -> Result<(), SimulationError> {
        self.at(slot, SLOT - 1000 + LOOK).await
    }

    /// The current slot.
    pub fn slot(&self) -> Slot {
        self.environment.clock.slot()
    }

    /// Where the chain of a running node stands.
    ///
    /// # Errors
    /// When the node does not run.
    pub fn view(&self, node: usize) -> Result<ForkChoiceView, SimulationError> {
        Ok(self.chain(node)?.read().view())
    }

    /// Where the chains of all running nodes stand, in order.
    pub fn views(&self) -> Vec<ForkChoiceView> {
        let running = self.nodes.iter().filter_map(|node| node.running.as_ref());
        running.map(|running| running.chain.read().view()).collect()
    }

    /// The finalized and the highest justified slots of the heads' own post-states, in the order of the running nodes.
    pub fn head_checkpoints(&self) -> Vec<(Slot, Slot)> {
        let running = self.nodes.iter().filter_map(|node| node.running.as_ref());
        running
            .map(|running| {
                let chain = running.chain.read();
                let checkpoints = chain.fork_choice().head_checkpoints();
                (checkpoints.finalized.slot, checkpoints.justified.slot)
            })
            .collect()
    }

    /// Whether validators have voted from a newer checkpoint than any that a running node knows to be justified: all who knew it
    /// have lost it.
    pub fn has_lost_a_source(&self) -> bool {
        let running = || self.nodes.iter().filter_map(|node| node.running.as_ref());
        let justified = running().map(|running| running.chain.read().latest_justified().slot);
        let sources = running().flat_map(|running| {
            let signers = &running.signers;
            signers
                .indices()
                .filter_map(|validator| signers.last_source(validator))
        });
        sources.max() > justified.max()
    }

    /// Whether the chain of the first running node has a block in a slot.
    pub fn has_block(&self, slot: Slot) -> bool {
        let mut running = self.nodes.iter().filter_map(|node| node.running.as_ref());
        let first = running.next();
        first.is_some_and(|running| running.chain.read().canonical_root(slot).is_some())
    }

    /// The head of all running nodes, if they agree on it.
    pub fn common_head(&self) -> Option<Checkpoint> {
        let views = self.views();
        let head = views.first()?.head;
        views.iter().all(|view| view.head == head).then_some(head)
    }

    /// How far a running node is with catching up.
    ///
    /// # Errors
    /// When the node does not run.
    pub fn sync_state(&self, node: usize) -> Result<SyncState, SimulationError> {
        Ok(self.chain(node)?.read().sync_state())
    }

    /// The chain of a running node, for reading.
    ///
    /// # Errors
    /// When the node does not run.
    pub fn chain(&self, node: usize) -> Result<&SharedChain, SimulationError> {
        self.running(node).map(|running| &running.chain)
    }

    /// Whether two nodes are connected.
    pub fn are_connected(&self, one: usize, other: usize) -> bool {
        self.environment.network.are_connected(one, other)
    }

    /// Bytes that a node has sent and received, where the run is wired.
    pub fn traffic(&self, node: usize) -> (u64, u64) {
        self.environment.network.traffic(node)
    }

    /// How many of a slot's votes, or of its block, have got somewhere, where the run is wired: one for each node that has it.
    pub fn arrived(&self, slot: Slot, awaited: Awaited) -> usize {
        self.observer.lock().arrivals.count(slot, awaited)
    }

    /// When the number of [`Self::arrived`] came to this, since the slot's start.
    pub fn arrival(&self, slot: Slot, awaited: Awaited, number: usize) -> Option<Duration> {
        self.observer.lock().arrivals.time(slot, awaited, number)
    }

    /// Adds an adversary that is controlled by the scenario, connected to every node.
    pub fn adversary(&mut self) -> Adversary {
        let number = self.nodes.len() + self.guests;
        self.guests += 1;
        for node in 0..self.nodes.len() {
            let network = &self.environment.network;
            network.add_link(node, number, self.conditions.clone());
        }
        let network = self.environment.network.clone();
        Adversary::new(number, network, self.validators.clone())
    }

    /// How many nodes there are, running or not.
    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// Whether a node runs.
    pub fn is_running(&self, node: usize) -> bool {
        self.nodes[node].running.is_some()
    }

    /// How often a counter of the services was counted up, over all nodes; `name/value` for one value of its labels.
    pub fn counter(&self, name: &str) -> u64 {
        self.meter.counter(name)
    }

    /// The highest value of a gauge of the services, over all nodes.
    pub fn peak(&self, name: &str) -> f64 {
        self.meter.peak(name)
    }

    /// How many messages of a sender the nodes have judged so.
    pub fn verdicts_on(&self, sender: usize, verdict: Verdict) -> u64 {
        self.observer.lock().verdicts_on(sender, verdict)
    }

    /// How often nodes have asked for a penalty against a peer.
    pub fn penalties_of(&self, peer: usize) -> u64 {
        self.observer.lock().penalties_of(peer)
    }

    /// What has been seen of the run so far.
    pub(crate) fn observer(&self) -> MutexGuard<'_, Observer> {
        self.observer.lock()
    }

    /// How many blocks scenarios have forged, and how many of them a node has imported.
    pub fn forgeries(&self) -> (usize, usize) {
        self.observer.lock().forgeries()
    }

    pub(crate) fn start_all(&mut self) -> Result<(), SimulationError> {
        for node in 0..self.nodes.len() {
            if !self.absent.contains(&node) {
                self.start(node)?;
            }
        }
        Ok(())
    }

    /// Stops every node in order, and says what the run came to.
    pub(crate) async fn end(mut self) -> Result<Report, SimulationError> {
        self.look()?;
        for node in 0..self.nodes.len() {
            if self.nodes[node].running.is_some() {
                self.stop(node).await?;
            }
        }
        self.stop.cancel();
        // It has nothing to say but that it has ended.
        let _ = (&mut self.network_task).await;
        let observer = self.observer.lock();
        Ok(Report {
            seed: self.seed,
            fingerprint: observer.trace.fingerprint(),
            events: observer.trace.entries(),
        })
    }

    /// Looks at every running node: what has it told its watchers, and is what is finalized on its chain?
    pub(crate) fn look(&mut self) -> Result<(), SimulationError> {
        let time = self.environment.clock.since_genesis();
        let mut observer = self.observer.lock();
        for node in &mut self.nodes {
            let number = node.number;
            let Some(running) = &mut node.running else {
                continue;
            };
            if running.has_lost_disk {
                continue;
            }
            if let Some(service) = running.has_failed() {
                if running.cable.has_failed() {
                    observer.record(time, format_args!("the disk of {number} has failed"));
                    running.has_lost_disk = true;
                    continue;
                }
                observer.violated(
                    Violation::Service,
                    format!("the {service} service of node {number} has ended"),
                );
            }
            loop {
                match running.events.try_recv() {
                    Ok(event) => {
                        observer.record(time, format_args!("{number} tells {event:?}"));
                        match event {
                            ChainEvent::Finalized(now) => {
                                observer.finalized(number, node.finalized, now);
                                node.finalized = now;
                            }
                            ChainEvent::Block(imported) => observer.imported(imported.block.root),
                            _ => {}
                        }
                    }
                    // While catching up, a node publishes more events at a time than its bus holds.
                    Err(TryRecvError::Lagged(missed)) => {
                        observer.record(time, format_args!("{number} tells {missed} more"));
                    }
                    Err(TryRecvError::Empty | TryRecvError::Closed) => break,
                }
            }
            let chain = running.chain.read();
            let finalized = chain.latest_finalized();
            if finalized != node.finalized {
                observer.finalized(number, node.finalized, finalized);
                node.finalized = finalized;
            }
            let strayed = observer
                .finalized_up_to(finalized.slot)
                .find(|other| chain.canonical_root(other.slot) != Some(other.root));
            drop(chain);
            node.kept = running.kept(node.kept);
            if let Some(other) = strayed {
                observer.violated(
                    Violation::Fork,
                    format!(
                        "node {number} finalized {finalized}, whose chain lacks the finalized {other}"
                    ),
                );
            }
        }
        match observer.violation() {
            Some((kind, what)) => Err(SimulationError::Violation {
                seed: self.seed,
                kind: *kind,
                what: what.clone(),
                trace: observer.trace.recent(),
            }),
            None => Ok(()),
        }
    }

    pub(crate) fn running(&self, node: usize) -> Result<&Running, SimulationError> {
        let state = "does not run";
        let running = self.nodes[node].running.as_ref();
        running.ok_or(SimulationError::Node { node, state })
    }

    pub(crate) fn record(&self, entry: std::fmt::Arguments<'_>) {
        let time = self.environment.clock.since_genesis();
        self.observer.lock().record(time, entry);
    }
}
