//! Faults of a node's machine: its power, its disk, its clock, its speed.

use std::time::Duration;

use crate::{DiskError, SimulationError, Violation, World, node::Speed};

impl World {
    /// Has a node lose its power: it is killed, what its database had not synced is lost, in part or torn, and all that was
    /// promised must be left.
    ///
    /// # Errors
    /// When the node does not run.
    pub async fn lose_power(&mut self, node: usize) -> Result<(), SimulationError> {
        self.kill(node).await?;
        self.record(format_args!("{node} has lost its power"));
        let genesis = &self.environment.genesis;
        let left = self.nodes[node]
            .disk
            .lose_power_and_look(genesis, &mut self.luck);
        if let Err(what) = left {
            let what = format!("the database of node {node} after a power loss: {what}");
            self.observer().violated(Violation::Storage, what);
        }
        Ok(())
    }

    /// Has a node's process end after this many more writes and syncs of its database, which may be in the middle of a
    /// transaction; with or without the power.
    ///
    /// # Errors
    /// When the node does not run.
    pub fn kill_at_disk_operation(
        &mut self,
        node: usize,
        operations: u32,
        loses_power: bool,
    ) -> Result<(), SimulationError> {
        let state = "does not run";
        let running = self.nodes[node].running.as_mut();
        let running = running.ok_or(SimulationError::Node { node, state })?;
        running.cable.cut_after(operations);
        running.loses_power = loses_power;
        Ok(())
    }

    /// Has a node's disk fail after this many more writes and syncs, until [`Self::mend_disk`]. The node ends when its database
    /// tells of it, and is started again by the scenario.
    pub fn fail_disk(&mut self, node: usize, operations: u32, error: DiskError) {
        self.record(format_args!("the disk of {node} will fail: {error:?}"));
        self.nodes[node].disk.fail_after(operations, error);
    }

    /// Makes a node's disk work again.
    pub fn mend_disk(&mut self, node: usize) {
        self.nodes[node].disk.mend();
    }

    /// Whether a node's disk fails, or is about to.
    pub(crate) fn has_bad_disk(&self, node: usize) -> bool {
        self.nodes[node].disk.is_in_trouble()
    }

    /// Has a node's disk say from now on that it has synced what it has not.
    pub fn have_disk_lie(&mut self, node: usize) {
        self.nodes[node].disk.lie();
    }

    /// From its next start on, a node's clock is this many seconds ahead of the others', or behind where that is negative.
    pub fn set_clock_error(&mut self, node: usize, seconds: i64) {
        self.nodes[node].clock_error_ms = 1000 * seconds;
    }

    /// Sets a node's clock forwards, or back, by some milliseconds, whether it runs or not.
    pub fn step_clock(&mut self, node: usize, milliseconds: i64) {
        self.record(format_args!(
            "the clock of {node} is set by {milliseconds} ms"
        ));
        let node = &mut self.nodes[node];
        node.clock_error_ms += milliseconds;
        if let Some(running) = &node.running {
            running.clock.step(milliseconds);
        }
    }

    /// By how many milliseconds a node's clock is ahead of the others'.
    pub(crate) fn clock_error(&self, node: usize) -> i64 {
        self.nodes[node].clock_error_ms
    }

    /// Has each of a node's jobs take so long: what its processor does, and each transaction of its disk.
    pub fn set_pace(&mut self, node: usize, job: Duration, write: Duration) {
        let speed = Speed { job, write };
        self.nodes[node].speed = speed;
        if let Some(running) = &self.nodes[node].running {
            speed.keep_to(&running.pace);
        }
    }

    /// Clears away nodes that have ended because their disks have failed.
    pub(crate) async fn clear_dead_nodes(&mut self) -> Result<(), SimulationError> {
        for node in 0..self.nodes.len() {
            let running = self.nodes[node].running.as_ref();
            match running {
                Some(running) if running.has_lost_disk => {
                    if running.loses_power {
                        self.lose_power(node).await?
                    } else {
                        self.kill(node).await?
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether a node that has just started has all that its database had promised to keep.
    pub(crate) fn check_kept(&self, node: usize) -> Result<(), SimulationError> {
        let kept = self.nodes[node].kept;
        let chain = self.chain(node)?.read();
        for (what, before, now) in [
            ("finalized", kept.finalized, chain.latest_finalized()),
            ("justified", kept.justified, chain.latest_justified()),
        ] {
            if now.slot < before.slot {
                let what =
                    format!("node {node} had {what} {before} on its disk and starts with {now}");
                self.observer().violated(Violation::Storage, what);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::{Simulation, SimulationError, Violation};

    #[test]
    fn a_node_that_starts_with_less_than_it_had_on_disk_is_found_out() {
        let played = Simulation::new(4).run(async |world| {
            world.end_of(8).await?;
            world.kill(3).await?;
            let backup = world.nodes[3].disk.copy();
            world.start(3)?;
            world.end_of(16).await?;
            world.kill(3).await?;
            world.nodes[3].disk = backup;
            world.start(3)?;
            world.end_of(17).await
        });
        let found = matches!(
            played,
            Err(SimulationError::Violation {
                kind: Violation::Storage,
                ..
            })
        );
        assert!(found, "{played:?}");
    }
}
