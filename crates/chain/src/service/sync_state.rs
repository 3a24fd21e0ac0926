//! Whether the node knows the chain well enough for duties.
//!
//! Peers can say what they like; signatures decide. Two things stop duties. One is a gap that is being closed and that a
//! proposer has signed, for eight slots at most in which our head stands still: one proposer can sign as many gaps as it
//! likes. The other is more than a third of the validators having signed, for some slots now, what we do not have, whether
//! or not anybody serves it: one of them at least is honest. That holds while our head is recent, too: a node that is cut off
//! builds a recent head of its own.

use std::time::Duration;

use quartet_types::Slot;
use tracing::{info, warn};

use super::ChainService;
use crate::{SyncState, sync::SYNC_TOLERANCE_SLOTS};

/// How long a node that has just started waits to hear from a peer before it takes up its duties.
const STARTING: Duration = Duration::from_secs(8);
/// What was signed so many slots ago and is not here is missing, and not merely late.
const MISSING_AFTER: Slot = SYNC_TOLERANCE_SLOTS + 1;
/// What was signed before that may have been abandoned, and nobody may have it any more.
const MISSING_UNTIL: Slot = 16;

/// For how many ticks duties wait for gaps while the head stands still: eight slots. Should all wait for what one proposer has
/// made up, the head would never move again.
const PATIENCE: u64 = 32;

/// How long duties have waited for gaps without anything to show for it.
#[derive(Debug, Default)]
pub(super) struct Patience {
    /// The head's slot when that was looked at last.
    head: Slot,
    /// Ticks of waiting, less the slots that the head has moved on since: one block in a while does not undo it.
    waited: u64,
}

impl Patience {
    fn tick(&mut self, head: Slot, waits: bool) {
        let moved = head.saturating_sub(self.head);
        self.head = self.head.max(head);
        self.waited = match moved {
            0 if waits => (self.waited + 1).min(PATIENCE),
            _ => self.waited.saturating_sub(moved),
        };
    }

    fn is_at_an_end(&self) -> bool {
        self.waited >= PATIENCE
    }
}

impl ChainService {
    /// A tick has passed.
    pub(super) fn lose_patience(&mut self) {
        let (head, current) = {
            let chain = self.chain.read();
            (chain.head().slot, chain.current_slot())
        };
        let is_recent = head + SYNC_TOLERANCE_SLOTS >= current;
        let waits = !is_recent && self.sync.target(head).is_some();
        self.patience.tick(head, waits);
    }

    /// Finds out how far the node is with catching up, and says so when that has changed.
    pub(super) fn update_sync_state(&mut self) {
        let (head, current, before) = {
            let chain = self.chain.read();
            (chain.head().slot, chain.current_slot(), chain.sync_state())
        };
        let is_recent = head + SYNC_TOLERANCE_SLOTS >= current;
        let target = self.sync.target(head);
        let target = target.filter(|_| !is_recent && !self.patience.is_at_an_end());
        let cut_off = self.cut_off_from(current);
        let waited = self.clock.now().saturating_sub(self.started) >= STARTING;
        let after = match target.max(cut_off) {
            Some(target) => SyncState::Syncing { target },
            None if before != SyncState::Starting || !self.expects_peers || waited => {
                SyncState::Synced
            }
            None if self.sync.has_heard() && !self.sync.is_walking() => SyncState::Synced,
            None => SyncState::Starting,
        };
        if after == before {
            return;
        }
        self.chain.write().set_sync_state(after);
        if target.is_none() && cut_off.is_some() && before == SyncState::Synced {
            warn!(
                "more than a third of the validators have signed blocks that are not here, and no peer has served them"
            );
        }
        log_sync_state(after, head);
    }

    /// Measures how fast the node catches up, and tells of it once a slot.
    pub(super) fn measure_progress(&mut self, tells: bool) {
        let now = self.clock.now();
        let (head, state) = {
            let chain = self.chain.read();
            (chain.head().slot, chain.sync_state())
        };
        let (head_before, before) = std::mem::replace(&mut self.progress, (head, now));
        let SyncState::Syncing { target } = state else {
            return;
        };
        let seconds = now.saturating_sub(before).as_secs_f64();
        if seconds <= 0.0 {
            return;
        }
        let speed = (head.saturating_sub(head_before) as f64 / seconds).round() as u64;
        self.chain.write().set_sync_speed(speed);
        if tells {
            let behind = target.saturating_sub(head);
            let seconds_left = behind.checked_div(speed);
            info!(
                head,
                target,
                behind,
                slots_per_second = speed,
                seconds_left,
                "catching up"
            );
        }
    }

    /// The newest slot that more than a third of the validators have signed for, one with another, on a chain that is not here.
    fn cut_off_from(&self, current: Slot) -> Option<Slot> {
        let newest = current.checked_sub(MISSING_AFTER)?;
        let slots = current.saturating_sub(MISSING_UNTIL)..=newest;
        let (signers, newest) = self.parking.signers(slots);
        let validators = self.chain.read().validator_count() as usize;
        newest.filter(|_| signers.len() > validators / 3)
    }
}

fn log_sync_state(state: SyncState, head: Slot) {
    match state {
        SyncState::Starting => {}
        SyncState::Syncing { target } => {
            info!(
                head,
                target,
                behind = target.saturating_sub(head),
                "catching up; duties wait"
            );
        }
        SyncState::Synced => info!(head, "synced"),
    }
}
