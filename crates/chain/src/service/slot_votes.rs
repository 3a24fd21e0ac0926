//! When the votes of a slot are complete, for metrics.

use std::time::Duration;

use metrics::{gauge, histogram};
use quartet_types::Slot;

/// Counts the validators whose vote of the newest slot has come, by gossip or in a block.
#[derive(Debug, Default)]
pub(super) struct SlotVotes {
    slot: Slot,
    votes: u64,
    longest: Duration,
}

impl SlotVotes {
    /// So many votes of a slot have come, each validator's once, `since` its start.
    pub(super) fn count(&mut self, slot: Slot, votes: u64, validators: u64, since: Duration) {
        if slot < self.slot || votes == 0 {
            return;
        }
        if slot > self.slot {
            (self.slot, self.votes) = (slot, 0);
        }
        let before = self.votes;
        self.votes = before.saturating_add(votes);
        if before < validators && self.votes >= validators {
            histogram!("quartet_votes_complete_seconds").record(since.as_secs_f64());
            self.longest = self.longest.max(since);
            gauge!("quartet_votes_complete_longest_seconds").set(self.longest.as_secs_f64());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_complete_once_and_older_ones_do_not_count() {
        let second = Duration::from_secs;
        let mut votes = SlotVotes::default();
        votes.count(3, 2, 4, second(1));
        votes.count(2, 9, 4, second(5));
        assert_eq!((votes.votes, votes.longest), (2, Duration::ZERO));
        votes.count(3, 2, 4, second(2));
        assert_eq!(votes.longest, second(2));
        // Complete already.
        votes.count(3, 2, 4, second(3));
        assert_eq!(votes.longest, second(2));
        votes.count(4, 1, 4, second(1));
        assert_eq!((votes.slot, votes.votes), (4, 1));
    }
}
