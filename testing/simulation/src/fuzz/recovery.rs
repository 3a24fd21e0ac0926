//! How long finality takes to move again, and how long it may take.

use quartet_types::Slot;

/// Slots beyond 2·√d that a recovery may take.
const ALLOWANCE: u64 = 8;

/// How finality came back once the network was healthy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recovery {
    /// How many slots finality was behind when the network became healthy.
    pub behind: Slot,
    /// Slots from then until finality had moved at every node beyond what any had finalized before.
    pub slots: Slot,
}

impl Recovery {
    /// By how much the recovery took longer than 2·√d.
    pub fn excess(&self) -> f64 {
        self.slots as f64 - 2.0 * (self.behind as f64).sqrt()
    }

    /// Whether it was in time.
    pub fn is_in_time(&self) -> bool {
        self.slots <= allowed_slots(self.behind)
    }
}

/// Slots within which finality must move again when it is `behind` slots behind: 2·√d + 8.
pub fn allowed_slots(behind: Slot) -> Slot {
    (2.0 * (behind as f64).sqrt()) as Slot + ALLOWANCE
}
