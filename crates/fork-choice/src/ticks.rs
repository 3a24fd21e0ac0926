//! The course of a slot: what happens at each of its four intervals.

use quartet_types::{Checkpoint, INTERVALS_PER_SLOT, Slot};

use crate::ForkChoice;

/// After this many ticks without a vote or block in between, further ones change nothing but the time: the new votes
/// have been accepted, and then the safe target has been updated from none.
const SETTLED: u64 = 2 * INTERVALS_PER_SLOT;

impl ForkChoice {
    /// Moves on to the next interval. `has_proposal` says whether this node proposes in it, should it begin a slot.
    ///
    /// Source: leanSpec `Store.tick_interval`.
    pub(crate) fn tick_interval(&mut self, has_proposal: bool) {
        self.time = self.time.saturating_add(1);
        match self.time % INTERVALS_PER_SLOT {
            // The proposal shall build on all that has been heard.
            0 if has_proposal => self.accept_new_attestations(),
            2 => self.update_safe_target(),
            3 => self.accept_new_attestations(),
            _ => {}
        }
    }

    /// Moves on to `time`, in intervals since genesis, tick by tick, where this node does not propose. A time that has
    /// passed changes nothing; one in the far future costs no more than one in the near.
    ///
    /// Source: leanSpec `Store.on_tick`.
    pub fn advance_to(&mut self, time: u64) {
        self.advance(time, false);
    }

    /// As [`Self::advance_to`], where this node proposes at `time`: if that is the start of a slot, the new votes are
    /// accepted there.
    pub fn advance_to_proposal(&mut self, time: u64) {
        self.advance(time, true);
    }

    /// `has_proposal` is for the last interval.
    fn advance(&mut self, time: u64, has_proposal: bool) {
        if time.saturating_sub(self.time) > SETTLED {
            for _ in 0..SETTLED {
                self.tick_interval(false);
            }
            self.time = time - 1;
        }
        while self.time < time {
            let is_last = self.time + 1 == time;
            self.tick_interval(has_proposal && is_last);
        }
    }

    /// Moves on to the start of `slot`, accepts the new votes, and returns the head to build on.
    ///
    /// Source: leanSpec `Store.get_proposal_head`.
    pub fn proposal_head(&mut self, slot: Slot) -> Checkpoint {
        self.advance_to_proposal(slot.saturating_mul(INTERVALS_PER_SLOT));
        self.accept_new_attestations();
        self.head()
    }
}
