//! What strangers, and a validator, may do to a network.

use quartet_types::{SECONDS_PER_SLOT, Slot};

use crate::devnet::VALIDATORS_WITH_A_TRAITOR;

/// One MiB, in bytes.
pub(crate) const MIB: u64 = 1 << 20;

/// A block of four validators has 17 kB with its signatures and is written twice before the log of writes is
/// folded; the database's file grows by pages and by doubling.
const DISK_PER_SLOT: u64 = 128 << 10;

/// An attack of fewer slots is allowed the growth of this many: the file grows in large steps.
pub(crate) const DISK_SLOTS: Slot = 16;

/// Files and sockets that a node may have open beyond what it had: the database's and those of questions that
/// are just being answered.
pub(crate) const FILES_SLACK: u64 = 8;

/// Blocks of one validator and slot that a node may import: the first that it hears, and sixteen that others name.
const IMPORTED_PER_SLOT: u64 = 17;

/// What strangers, and a validator, may do to a network.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Forged blocks that a node may import.
    pub forged_imported: u64,
    /// Most slots that finality may be behind at any time of an attack.
    pub lag_during: Slot,
    /// Most slots that it may be behind at the end of the aftermath.
    pub lag_after: Slot,
    /// Duties that may be missed, by all validators together.
    pub missed: u64,
    /// Attestations that may leave after the middle of their slot.
    pub late: u64,
    /// Most bytes by which a node's memory may grow.
    pub rss_growth: u64,
    /// Most bytes by which it may be larger a minute later.
    pub rss_left: u64,
    /// Most bytes by which a node's database may grow with each slot.
    pub disk_per_slot: u64,
    /// Most seconds until identities that can be told from honest peers are disconnected.
    pub gone_after: f64,
    /// Most seconds until an honest newcomer is synced.
    pub join: f64,
    /// Honest questions that may stay without an answer.
    pub http_unanswered: u64,
    /// Most seconds within which 99 of 100 honest questions are answered.
    pub http_p99: f64,
    /// Most lines that a node may log in a second.
    pub log_lines: f64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            forged_imported: 0,
            lag_during: 5,
            lag_after: 3,
            missed: 0,
            late: 0,
            rss_growth: 64 * MIB,
            rss_left: 32 * MIB,
            disk_per_slot: DISK_PER_SLOT,
            gone_after: 10.0,
            join: 10.0,
            http_unanswered: 0,
            http_p99: 1.0,
            log_lines: 5.0,
        }
    }
}

impl Limits {
    /// The limits for so many seconds of an attack by one of seven validators, whose own slots are as good as empty
    /// when it pleases: finality waits for them as it does without that validator, and for two slots more.
    pub fn with_a_traitor(self, seconds: u64) -> Self {
        let slots = seconds / SECONDS_PER_SLOT;
        let own_slots = slots.div_ceil(VALIDATORS_WITH_A_TRAITOR) + 1;
        Self {
            forged_imported: own_slots * IMPORTED_PER_SLOT,
            lag_during: self.lag_during + 2,
            lag_after: self.lag_during,
            ..self
        }
    }

    /// The limits while two nodes are stopped for a slot and a bit, one after the other, so that two slots are
    /// empty: what these two do not do or say meanwhile is nobody's fault, and finality waits for two slots more.
    pub fn with_empty_slots(self) -> Self {
        Self {
            lag_during: self.lag_during + 2,
            // Two proposals, and a vote of each of them in the slot in which it wakes.
            missed: 4,
            late: 4,
            // Two in eight questions of ten seconds go to them.
            http_unanswered: 25,
            http_p99: f64::MAX,
            ..self
        }
    }
}
