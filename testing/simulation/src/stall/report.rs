//! What a long time without finality has cost.

use std::{fmt, fs};

use quartet_types::Slot;

use super::timings::LockTimings;

/// Most memory of the process, at any time.
const MAX_RSS: u64 = 256 << 20;
/// How much longer the last slots may take than the first.
const MAX_SLOWDOWN: f64 = 1.5;
/// The time that 99 of 100 changes of the chain may take, in milliseconds.
const MAX_LOCK_P99_MS: f64 = 2.0;
/// Until the first duty after a restart without finality.
const MAX_RESTART_SECONDS: f64 = 10.0;

/// The figures of a run.
#[derive(Clone, Debug, Default)]
pub struct StallReport {
    /// Slots without finality.
    pub slots: Slot,
    /// Blocks that were imported.
    pub blocks: u64,
    /// The most memory that the process has had.
    pub rss_peak_bytes: u64,
    /// Real time of one of the first 1,000 slots, in milliseconds.
    pub first_1000_ms_per_slot: f64,
    /// Of one of the last.
    pub last_1000_ms_per_slot: f64,
    /// What 99 of 100 changes of the chain did not exceed, over the whole run.
    pub write_lock_p99_ms: f64,
    /// The longest change.
    pub write_lock_max_ms: f64,
    /// The longest change before the votes returned.
    pub write_lock_stalled_max_ms: f64,
    /// The database when the votes returned.
    pub database_bytes: u64,
    /// Slots from the return of the votes until finality moved.
    pub finalized_after_return: Option<Slot>,
    /// Memory when finality had moved.
    pub rss_after_bytes: u64,
    /// The database when it had been pruned and compacted.
    pub database_after_bytes: u64,
    /// From opening the database until a block could be proposed and an attestation made.
    pub restart_seconds: f64,
}

impl StallReport {
    pub(super) fn watch_memory(&mut self) {
        self.rss_after_bytes = status("VmRSS:");
        self.rss_peak_bytes = status("VmHWM:").max(self.rss_after_bytes);
    }

    pub(super) fn memory(&self) -> String {
        let mib = |bytes: u64| bytes >> 20;
        format!(
            "{} MiB, at most {} MiB",
            mib(self.rss_after_bytes),
            mib(self.rss_peak_bytes)
        )
    }

    /// Notes how things were when the votes returned.
    pub(super) fn stalled(&mut self, timings: &LockTimings, database_bytes: u64) {
        self.write_lock_stalled_max_ms = timings.longest_ms();
        self.database_bytes = database_bytes;
    }

    pub(super) fn end(&mut self, timings: &LockTimings, database_bytes: u64) {
        self.watch_memory();
        self.write_lock_p99_ms = timings.quantile_ms(0.99);
        self.write_lock_max_ms = timings.longest_ms();
        self.database_after_bytes = database_bytes;
    }

    /// The limits that were exceeded.
    pub fn failures(&self) -> Vec<String> {
        // By the gaps between justifiable slots, and what it takes to vote for two of them.
        let due = 2 * self.slots.isqrt() + 8;
        let finalized = self.finalized_after_return;
        let checks = [
            (
                self.rss_peak_bytes <= MAX_RSS,
                "more than 256 MiB of memory",
            ),
            (
                self.last_1000_ms_per_slot <= MAX_SLOWDOWN * self.first_1000_ms_per_slot,
                "the last slots took more than 1.5 times as long as the first",
            ),
            (
                self.write_lock_p99_ms <= MAX_LOCK_P99_MS,
                "the write lock was held for more than 2 ms",
            ),
            (
                self.restart_seconds <= MAX_RESTART_SECONDS,
                "a restart took more than 10 s",
            ),
            (
                finalized.is_some_and(|slots| slots <= due),
                "finality did not come back within 2·√slots + 8",
            ),
            (
                self.rss_after_bytes < self.rss_peak_bytes,
                "memory did not fall when finality was back",
            ),
            (
                self.database_after_bytes <= self.database_bytes,
                "the database did not shrink when finality was back",
            ),
        ];
        let failed = checks.iter().filter(|(holds, _)| !holds);
        failed.map(|(_, failure)| (*failure).to_owned()).collect()
    }

    /// One line of JSON.
    pub fn json(&self) -> String {
        let finalized = match self.finalized_after_return {
            Some(slots) => slots.to_string(),
            None => "null".to_owned(),
        };
        format!(
            "{{\"slots\": {}, \"blocks\": {}, \"rss_peak_bytes\": {}, \"first_1000_ms_per_slot\": {:.3}, \
             \"last_1000_ms_per_slot\": {:.3}, \"write_lock_p99_ms\": {:.3}, \"write_lock_max_ms\": {:.3}, \
             \"write_lock_stalled_max_ms\": {:.3}, \"database_bytes\": {}, \"finalized_after_return\": {}, \
             \"rss_after_bytes\": {}, \"database_after_bytes\": {}, \"restart_seconds\": {:.3}}}",
            self.slots,
            self.blocks,
            self.rss_peak_bytes,
            self.first_1000_ms_per_slot,
            self.last_1000_ms_per_slot,
            self.write_lock_p99_ms,
            self.write_lock_max_ms,
            self.write_lock_stalled_max_ms,
            self.database_bytes,
            finalized,
            self.rss_after_bytes,
            self.database_after_bytes,
            self.restart_seconds
        )
    }
}

impl fmt::Display for StallReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |bytes: u64| bytes >> 20;
        writeln!(
            f,
            "{} slots without finality, {} blocks",
            self.slots, self.blocks
        )?;
        writeln!(
            f,
            "memory       {} MiB at most, {} MiB at the end",
            mib(self.rss_peak_bytes),
            mib(self.rss_after_bytes)
        )?;
        writeln!(
            f,
            "slots        {:.2} ms each at first, {:.2} ms each at last",
            self.first_1000_ms_per_slot, self.last_1000_ms_per_slot
        )?;
        writeln!(
            f,
            "write lock   {:.3} ms in 99 of 100 cases, {:.1} ms at most, {:.1} ms before the votes returned",
            self.write_lock_p99_ms, self.write_lock_max_ms, self.write_lock_stalled_max_ms
        )?;
        writeln!(
            f,
            "database     {} MiB, {} bytes a slot; {} MiB at the end",
            mib(self.database_bytes),
            self.database_bytes / self.slots.max(1),
            mib(self.database_after_bytes)
        )?;
        writeln!(
            f,
            "restart      {:.2} s until the first duty",
            self.restart_seconds
        )?;
        match self.finalized_after_return {
            Some(slots) => writeln!(f, "finality     {slots} slots after the votes returned"),
            None => writeln!(f, "finality     never"),
        }
    }
}

/// A line of `/proc/self/status`, in bytes; zero where there is none.
fn status(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kibibytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kibibytes.unwrap_or(0) << 10
}
