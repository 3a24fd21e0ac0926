//! A long time without finality: one node with its real database, on virtual time, while half of the validators are silent and
//! every few slots a block is abandoned; a restart at the end of it; then all votes return.

mod endless;
mod network;
mod node;
mod report;
pub(crate) mod scheme;
#[cfg(test)]
mod tests;
mod timings;

use std::path::PathBuf;

use quartet_clock::Stopwatch;
use quartet_storage::Database;
use quartet_types::{Slot, State, ValidatorIndex};

use crate::{SimulationError, validators::GENESIS_TIME};
pub use endless::{Endless, Progress};
use network::Network;
use node::StalledNode;
pub use report::StallReport;
use timings::LockTimings;

/// Slots at the beginning and at the end that are compared.
const COMPARED: Slot = 1_000;
/// After finality has come back, slots in which the node tidies up.
const AFTERMATH: Slot = 16;

/// What is played.
#[derive(Clone, Debug)]
pub struct Stall {
    /// Slots without finality.
    pub slots: Slot,
    /// Validators, of which every second one is silent.
    pub validators: u64,
    /// Where the database is; it must be empty.
    pub directory: PathBuf,
}

impl Stall {
    /// Plays it. `tell` is called for each thousandth slot.
    ///
    /// # Errors
    /// When the node cannot be started or does not take an honest block.
    pub fn play(&self, tell: impl FnMut(&str)) -> Result<StallReport, SimulationError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()?;
        let timings = LockTimings::default();
        let _recorder = metrics::set_default_local_recorder(&timings);
        runtime.block_on(self.run(&timings, tell))
    }

    async fn run(
        &self,
        timings: &LockTimings,
        mut tell: impl FnMut(&str),
    ) -> Result<StallReport, SimulationError> {
        let keys: Vec<_> = (0..self.validators as ValidatorIndex)
            .map(scheme::public_key)
            .collect();
        let genesis = State::genesis(GENESIS_TIME, &keys)?;
        let mut report = StallReport {
            slots: self.slots,
            ..StallReport::default()
        };
        let node = StalledNode::start(self.database(&genesis)?, &genesis, 0)?;
        let mut network = Network {
            keys,
            reader: node.reader.clone(),
            chain: node.chain.clone(),
            half_is_silent: true,
            lateness: 1,
            blocks: 0,
        };
        // The first slot that begins after the node has started.
        node.sleep_until_slot(1).await;
        let mut watch = Stopwatch::start();
        for slot in 1..=self.slots {
            network.slot(slot).await?;
            if slot == COMPARED.min(self.slots) {
                report.first_1000_ms_per_slot = milliseconds_per_slot(&watch, slot);
            }
            if slot + COMPARED == self.slots {
                watch = Stopwatch::start();
            }
            if slot % 1_000 == 0 {
                report.watch_memory();
                tell(&format!("slot {slot}: {}", report.memory()));
            }
        }
        report.last_1000_ms_per_slot = milliseconds_per_slot(&watch, COMPARED.min(self.slots));
        report.stalled(timings, self.database_bytes());

        // The database is open as long as there is a handle.
        let (keys, blocks) = (network.keys.clone(), network.blocks);
        drop(network);
        node.stop().await?;
        let watch = Stopwatch::start();
        let node = StalledNode::start(self.database(&genesis)?, &genesis, self.slots + 1)?;
        let mut network = Network {
            keys,
            reader: node.reader.clone(),
            chain: node.chain.clone(),
            half_is_silent: false,
            lateness: 0,
            blocks,
        };
        let first_duty = network.first_duty(self.slots + 1).await?;
        report.restart_seconds = watch.elapsed().as_secs_f64();
        tell(&format!(
            "restarted in {:.2} s, {first_duty}",
            report.restart_seconds
        ));

        let give_up = self.slots + 2 * (4 * self.slots).isqrt() + 64;
        let mut slot = self.slots + 1;
        let before = node.finalized();
        node.sleep_until_slot(slot).await;
        while node.finalized() == before && slot < give_up {
            network.slot(slot).await?;
            slot += 1;
        }
        report.finalized_after_return = (node.finalized() != before).then(|| slot - self.slots - 1);
        for slot in slot..slot + AFTERMATH {
            network.slot(slot).await?;
        }
        report.watch_memory();
        report.blocks = network.blocks;
        drop(network);
        node.stop().await?;
        node::tidy_up(&self.directory, &genesis)?;
        report.end(timings, self.database_bytes());
        Ok(report)
    }

    fn database(&self, genesis: &State) -> Result<Database, SimulationError> {
        node::open(&self.directory, genesis)
    }

    fn database_bytes(&self) -> u64 {
        let files = std::fs::read_dir(&self.directory)
            .into_iter()
            .flatten()
            .flatten();
        files
            .filter_map(|file| file.metadata().ok())
            .map(|file| file.len())
            .sum()
    }
}

fn milliseconds_per_slot(watch: &Stopwatch, slots: Slot) -> f64 {
    watch.elapsed().as_secs_f64() * 1e3 / slots.max(1) as f64
}
