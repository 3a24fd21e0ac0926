//! How long a validator waits for what it has voted from before.

use quartet_types::Slot;

/// Slots for which a chain has to go on without the missing checkpoint until it counts as lost to all.
const PATIENCE: u64 = 32;
/// Slots that the head of a chain that goes on may be behind: some proposers may be silent.
const RECENT: Slot = 8;
/// Slots after which it counts as lost even if no chain goes on, since all may be waiting.
const LONGEST: u64 = 256;

/// Counts the slots in which duties were held back.
///
/// A validator that waits for ever for a checkpoint that was lost, with all copies of the block which justified it, could stop
/// finality for good. One that does not wait votes as if it had never voted. A node that is connected to the others hears of
/// a checkpoint that any of them still has long before these slots have passed.
#[derive(Debug, Default)]
pub(crate) struct MissingSourceWait {
    /// The last slot that was counted.
    last: Option<Slot>,
    /// Slots held back in all, and in a row with a chain that goes on.
    slots: u64,
    in_touch: u64,
    /// Whether it has been given up: all others may have gone on without it, too.
    is_over: bool,
}

impl MissingSourceWait {
    /// Counts a slot whose duties are held back while the head is in slot `head`. True when that has been so for long enough.
    pub(crate) fn has_waited(&mut self, slot: Slot, head: Slot) -> bool {
        if self.last != Some(slot) {
            self.last = Some(slot);
            self.slots += 1;
            let goes_on = head > 0 && head.saturating_add(RECENT) >= slot;
            self.in_touch = if goes_on { self.in_touch + 1 } else { 0 };
        }
        self.is_over |= self.in_touch > PATIENCE || self.slots > LONGEST;
        self.is_over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_is_given_up_when_the_chain_has_gone_on_without_it() {
        let mut missing_source = MissingSourceWait::default();
        for slot in 100..100 + PATIENCE {
            // Proposing and attesting ask both.
            assert!(!missing_source.has_waited(slot, slot - 8));
            assert!(!missing_source.has_waited(slot, slot - 8));
        }
        assert!(missing_source.has_waited(100 + PATIENCE, 100 + PATIENCE));
    }

    #[test]
    fn what_has_been_given_up_is_not_waited_for_when_the_chain_stands_still_later() {
        let mut missing_source = MissingSourceWait::default();
        let mut has_waited = |slot: Slot, head: Slot| missing_source.has_waited(slot, head);
        let given_up = (100..)
            .find(|slot| has_waited(*slot, *slot))
            .unwrap_or_default();
        // If all waited again, the chain would not go on before long.
        for slot in given_up..given_up + 20 {
            assert!(has_waited(slot, given_up), "{slot}");
        }
    }

    #[test]
    fn a_node_without_a_moving_chain_waits_longest() {
        let mut missing_source = MissingSourceWait::default();
        for slot in 100..100 + LONGEST {
            let head = if slot % 20 == 0 { slot } else { 0 };
            assert!(!missing_source.has_waited(slot, head), "{slot}");
        }
        assert!(missing_source.has_waited(100 + LONGEST, 0));
    }
}
