//! Commands on nodes: kill, restart, partition.

use anyhow::{Context as _, Result, anyhow, bail, ensure};

use super::{
    super::{node_state::NodeState, partition::Partition, process::NodeProcess, terminal::note},
    Network,
};

impl Network {
    /// Kills a node, as a crash would.
    ///
    /// # Errors
    /// When there is no such node, or it does not run.
    pub(in super::super) async fn kill(&mut self, name: &str) -> Result<()> {
        let index = self.index(name)?;
        if self.states[index] != NodeState::Running {
            bail!("{name} does not run");
        }
        // First, so that its end is not taken for one by itself.
        self.states[index] = NodeState::Killed;
        if let Some(process) = &mut self.processes[index] {
            process.kill();
            process.ended().await;
        }
        note(format_args!("{name} was killed, by command"));
        Ok(())
    }

    /// Starts a node again, after it has ended or been stopped in order. It keeps its ports, its data and its place in a
    /// partition.
    ///
    /// # Errors
    /// When there is no such node, or it cannot be started.
    pub(in super::super) async fn restart(&mut self, name: &str) -> Result<()> {
        let index = self.index(name)?;
        ensure!(
            self.states[index] != NodeState::Waiting,
            "{name} is not there yet: it starts late"
        );
        if self.states[index] == NodeState::Running {
            self.states[index] = NodeState::Killed;
            if let Some(process) = &mut self.processes[index] {
                process.stop();
                process.ended().await;
            }
        }
        self.start_one(index)?;
        note(format_args!("{name} was started again, by command"));
        self.description().write(&self.devnet)
    }

    /// Starts the node that starts late.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(in super::super) fn start_late(&mut self) -> Result<()> {
        let waits = |standing: &NodeState| *standing == NodeState::Waiting;
        let Some(index) = self.states.iter().position(waits) else {
            return Ok(());
        };
        self.start_one(index)?;
        self.description().write(&self.devnet)
    }

    fn start_one(&mut self, index: usize) -> Result<()> {
        let node = &self.nodes[index];
        let launch = node.launch(&self.genesis, &self.program);
        let process = NodeProcess::start(index, node, launch, self.tell_death.clone())
            .with_context(|| format!("{} cannot be started", node.name))?;
        self.processes[index] = Some(process);
        self.states[index] = NodeState::Running;
        if self.partition.is_any() {
            self.tell_partition(index)?;
        }
        Ok(())
    }

    /// Keeps the nodes apart; a partition of nothing heals the network.
    ///
    /// # Errors
    /// When two guests would be kept apart, which take no orders; or a node cannot be told, while the others were.
    pub(in super::super) fn set_partition(&mut self, partition: Partition) -> Result<()> {
        let guests = (0..self.nodes.len()).filter(|index| self.nodes[*index].as_guest().is_some());
        let guests: Vec<_> = guests.collect();
        for (first, second) in guests.iter().zip(guests.iter().skip(1)) {
            ensure!(
                !partition.apart_from(*first).contains(second),
                "{} and {} cannot be kept apart: our nodes keep themselves from others, and neither is ours; name them \
                 in one group",
                self.nodes[*first].name,
                self.nodes[*second].name
            );
        }
        self.partition = partition;
        let told = (0..self.nodes.len()).map(|index| self.tell_partition(index));
        told.collect::<Vec<_>>().into_iter().collect()
    }

    fn tell_partition(&self, index: usize) -> Result<()> {
        let is_guest = self.nodes[index].as_guest().is_some();
        if is_guest || self.states[index] != NodeState::Running {
            return Ok(());
        }
        let apart = self.partition.apart_from(index).into_iter();
        let names: Result<_> = apart
            .map(|other| self.nodes[other].peer(&self.genesis))
            .collect();
        let order = crate::node::parent::order(&names?);
        let process = self.processes[index].as_ref();
        if process.is_some_and(|process| process.tell(order)) {
            Ok(())
        } else {
            Err(anyhow!("{} takes no orders", self.nodes[index].name))
        }
    }

    fn index(&self, name: &str) -> Result<usize> {
        let index = self.nodes.iter().position(|node| node.name == name);
        let known = || self.names().join(", ");
        index.ok_or_else(|| anyhow!("no node is called {name:?}; there are {}", known()))
    }
}
