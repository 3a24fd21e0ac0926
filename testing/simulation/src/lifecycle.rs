//! What a scenario does to nodes and to the links between them.

use quartet_types::Checkpoint;

use crate::{
    Conditions, SimulationError, World,
    node::{DurableCheckpoints, Running},
    observer::Violation,
};

impl World {
    /// Starts a node with what it has kept.
    ///
    /// # Errors
    /// When it cannot start.
    pub fn start(&mut self, node: usize) -> Result<(), SimulationError> {
        self.record(format_args!("{node} starts"));
        self.nodes[node].start(&self.environment, &self.validators)?;
        self.check_kept(node)
    }

    /// Stops a node in order.
    ///
    /// # Errors
    /// When the node does not run, or does not stop in order.
    pub async fn stop(&mut self, node: usize) -> Result<(), SimulationError> {
        let running = self.take(node)?;
        self.record(format_args!("{node} stops"));
        if let Err(reason) = running.stop().await {
            self.observer
                .lock()
                .violated(Violation::Service, format!("node {node}: {reason}"));
        }
        self.environment.network.detach(node, true);
        self.look()
    }

    /// Kills a node as SIGKILL does: what it had not written is lost, and its peers find out in time.
    ///
    /// # Errors
    /// When the node does not run.
    pub async fn kill(&mut self, node: usize) -> Result<(), SimulationError> {
        let running = self.take(node)?;
        self.record(format_args!("{node} is killed"));
        let ours = &mut self.nodes[node];
        ours.kept = running.kept(ours.kept);
        ours.finalized = ours.kept.finalized;
        running.kill().await;
        self.environment.network.detach(node, false);
        Ok(())
    }

    /// Lets a node take this many more steps and no other. [`Self::kill`] then clears it away.
    ///
    /// # Errors
    /// When the node does not run.
    pub fn kill_after_steps(&mut self, node: usize, steps: u64) -> Result<(), SimulationError> {
        self.running(node)
            .map(|running| running.polls_left.limit(steps))
    }

    /// Whether a node has taken the last of the steps that [`Self::kill_after_steps`] left it.
    ///
    /// # Errors
    /// When the node does not run.
    pub fn is_dead(&self, node: usize) -> Result<bool, SimulationError> {
        Ok(self.running(node)?.polls_left.is_spent())
    }

    /// Has a node that does not run lose its blocks, but not its keys and signing record.
    pub fn lose_store(&mut self, node: usize) {
        self.nodes[node].disk = crate::disk::Disk::default();
        self.nodes[node].finalized = Checkpoint::default();
        self.nodes[node].kept = DurableCheckpoints::default();
    }

    /// Cuts the link between two nodes.
    pub fn cut(&mut self, one: usize, other: usize) {
        self.environment.network.cut(one, other);
    }

    /// Mends the link between two nodes.
    pub fn mend(&mut self, one: usize, other: usize) {
        self.environment.network.mend(one, other);
    }

    /// Cuts every link between a group of nodes and the others.
    pub fn part(&mut self, group: &[usize]) {
        for (one, other) in self.border(group) {
            self.cut(one, other);
        }
    }

    /// Mends what [`Self::part`] has cut.
    pub fn heal(&mut self, group: &[usize]) {
        for (one, other) in self.border(group) {
            self.mend(one, other);
        }
    }

    /// Changes what packets go through between two nodes.
    pub fn set_conditions(&mut self, one: usize, other: usize, conditions: Conditions) {
        let network = &self.environment.network;
        network.set_conditions(one, other, conditions);
    }

    /// Says whether a node serves blocks by ranges of slots, as all do unless told otherwise; one of another
    /// client may not know the protocol.
    pub fn set_serves_ranges(&self, node: usize, serves: bool) {
        self.environment.network.set_serves_ranges(node, serves);
    }

    fn border(&self, group: &[usize]) -> Vec<(usize, usize)> {
        let others = (0..self.nodes.len()).filter(|node| !group.contains(node));
        others
            .flat_map(|other| group.iter().map(move |one| (*one, other)))
            .collect()
    }

    fn take(&mut self, node: usize) -> Result<Running, SimulationError> {
        let state = "does not run";
        let running = self.nodes[node].running.take();
        running.ok_or(SimulationError::Node { node, state })
    }
}
