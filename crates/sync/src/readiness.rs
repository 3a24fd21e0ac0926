//! Whether the node knows the chain well enough for duties.
//!
//! Peers can claim anything; signatures decide. Two things stop duties. The first is a gap that is being closed and
//! that a proposer has signed, for at most eight slots in which our head does not move: one proposer can sign as many
//! gaps as it likes. The second is that more than a third of the validators, of whom at least one is honest, have
//! signed blocks that we do not have, some slots ago, and since then nothing that we have, whether or not a peer serves
//! these blocks. This also holds while our head is recent: a node that is cut off builds a recent head of its own.

use std::{ops::RangeInclusive, time::Duration};

use quartet_types::Slot;

use crate::SYNC_TOLERANCE_SLOTS;

/// How long a node that has just started waits to hear from a peer before it takes up its duties.
const STARTING: Duration = Duration::from_secs(8);
/// A block that was signed so many slots ago and is not here is missing, and not merely late.
const MISSING_AFTER: Slot = SYNC_TOLERANCE_SLOTS + 1;
/// Blocks that were signed before that may have been abandoned, and no peer may have them any more.
const MISSING_UNTIL: Slot = 16;
/// For how many ticks duties wait for gaps while the head does not move: eight slots. If all nodes waited for what one
/// proposer has made up, the head would never move again.
const MAX_WAIT_TICKS: u64 = 32;

/// How far the node is with catching up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncState {
    /// Just started: no peer has told us of its head yet, or what validators have signed since is not here.
    Starting,
    /// Fetching blocks up to a slot that validators have signed for.
    Syncing {
        /// That slot.
        target: Slot,
    },
    /// Nobody we know is ahead: duties are done.
    Synced,
}

/// What the node knows of the chain at a moment.
#[derive(Clone, Copy, Debug)]
pub struct ReadinessInputs {
    /// Time on the network's clock.
    pub now: Duration,
    /// The current slot.
    pub current_slot: Slot,
    /// Slot of the head.
    pub head: Slot,
    /// Up to which slot a signed gap reaches that is being closed, see
    /// [`SyncMachine::target`](crate::SyncMachine::target).
    pub gap: Option<Slot>,
    /// The newest slot of what more than a third of the validators have signed in the [slots that
    /// matter](missing_slots), and which is not here.
    pub missing: Option<Slot>,
    /// Whether more than a third of the validators have signed what is not here, [however late](recent_slots).
    pub lacks_recent: bool,
    /// Whether a peer has sent its status, and nothing is left to fetch for it.
    pub has_heard_all: bool,
}

impl ReadinessInputs {
    /// Whether the head is as new as heads of other nodes are expected to be.
    fn is_recent(&self) -> bool {
        self.head + SYNC_TOLERANCE_SLOTS >= self.current_slot
    }
}

/// What follows from a [`ReadinessInputs`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadinessUpdate {
    /// How far the node is.
    pub state: SyncState,
    /// Whether duties wait only for blocks that validators have signed and no peer serves.
    pub is_cut_off: bool,
}

/// How fast the node catches up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyncProgress {
    /// Slots a second.
    pub speed: u64,
    /// Slots that are left.
    pub behind: u64,
    /// How long they will take at this speed; `None` when there is none.
    pub seconds_left: Option<u64>,
}

/// Decides whether duties are done.
#[derive(Debug)]
pub struct Readiness {
    /// When the node started, and whether there are peers to wait for.
    started: Duration,
    expects_peers: bool,
    state: SyncState,
    patience: WaitBudget,
    /// The head's slot, and when it was looked at.
    measured: (Slot, Duration),
}

impl Readiness {
    /// A node that starts now. `expects_peers`: whether there are peers to hear from before duties are taken up.
    pub fn new(now: Duration, expects_peers: bool) -> Self {
        Self {
            started: now,
            expects_peers,
            state: SyncState::Starting,
            patience: WaitBudget::default(),
            measured: (0, now),
        }
    }

    /// A tick, a quarter of a slot, has passed.
    pub fn on_tick(&mut self, situation: &ReadinessInputs) {
        let waits = !situation.is_recent() && situation.gap.is_some();
        self.patience.tick(situation.head, waits);
    }

    /// Finds out how far the node is; `None` when that has not changed.
    pub fn update(&mut self, situation: &ReadinessInputs) -> Option<ReadinessUpdate> {
        let gap = situation.gap;
        let gap = gap.filter(|_| !situation.is_recent() && !self.patience.is_used_up());
        let before = self.state;
        self.state = match gap.max(situation.missing) {
            Some(target) => SyncState::Syncing { target },
            None if before != SyncState::Starting || self.need_not_wait(situation) => {
                SyncState::Synced
            }
            None => SyncState::Starting,
        };
        let outlook = ReadinessUpdate {
            state: self.state,
            is_cut_off: gap.is_none() && situation.missing.is_some(),
        };
        (self.state != before).then_some(outlook)
    }

    /// Blocks that others have signed since the node started are not old enough yet to count as missing, and peers may
    /// not serve them.
    fn need_not_wait(&self, situation: &ReadinessInputs) -> bool {
        let waited = situation.now.saturating_sub(self.started) >= STARTING;
        let is_in_doubt = !waited && !situation.has_heard_all || situation.lacks_recent;
        !self.expects_peers || !is_in_doubt
    }

    /// Measures how fast the node catches up, since this was last asked; `None` when it does not, or no time has
    /// passed.
    pub fn measure(&mut self, now: Duration, head: Slot) -> Option<SyncProgress> {
        let (head_before, before) = std::mem::replace(&mut self.measured, (head, now));
        let SyncState::Syncing { target } = self.state else {
            return None;
        };
        let seconds = now.saturating_sub(before).as_secs_f64();
        if seconds <= 0.0 {
            return None;
        }
        let speed = (head.saturating_sub(head_before) as f64 / seconds).round() as u64;
        let behind = target.saturating_sub(head);
        Some(SyncProgress {
            speed,
            behind,
            seconds_left: behind.checked_div(speed),
        })
    }
}

/// The slots whose signatures count when more than a third of the validators have signed blocks that are not here.
pub fn missing_slots(current_slot: Slot) -> Option<RangeInclusive<Slot>> {
    let newest = current_slot.checked_sub(MISSING_AFTER)?;
    Some(current_slot.saturating_sub(MISSING_UNTIL)..=newest)
}

/// The slots whose signatures show a node that has just started that it may lack what others have.
pub fn recent_slots(current_slot: Slot) -> RangeInclusive<Slot> {
    current_slot.saturating_sub(MISSING_UNTIL)..=current_slot
}

/// For how long duties have waited for gaps while the head did not move.
#[derive(Debug, Default)]
struct WaitBudget {
    /// The head's slot when that was looked at last.
    head: Slot,
    /// Ticks of waiting, less the slots that the head has moved on since: a block now and then does not reset it.
    waited: u64,
}

impl WaitBudget {
    fn tick(&mut self, head: Slot, waits: bool) {
        let moved = head.saturating_sub(self.head);
        self.head = self.head.max(head);
        self.waited = match moved {
            0 if waits => (self.waited + 1).min(MAX_WAIT_TICKS),
            _ => self.waited.saturating_sub(moved),
        };
    }

    fn is_used_up(&self) -> bool {
        self.waited >= MAX_WAIT_TICKS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUIET: ReadinessInputs = ReadinessInputs {
        now: Duration::from_secs(100),
        current_slot: 20,
        head: 20,
        gap: None,
        missing: None,
        lacks_recent: false,
        has_heard_all: true,
    };

    fn synced() -> Readiness {
        let mut readiness = Readiness::new(QUIET.now, false);
        let outlook = readiness.update(&QUIET).map(|outlook| outlook.state);
        assert_eq!(outlook, Some(SyncState::Synced));
        readiness
    }

    #[test]
    fn a_node_that_starts_waits_to_hear_from_a_peer_for_two_slots() {
        let unheard = ReadinessInputs {
            has_heard_all: false,
            ..QUIET
        };
        let mut readiness = Readiness::new(QUIET.now, true);
        assert_eq!(readiness.update(&unheard), None);
        let just_before = ReadinessInputs {
            now: QUIET.now + STARTING - Duration::from_millis(1),
            ..unheard
        };
        assert_eq!(readiness.update(&just_before), None);
        let then = ReadinessInputs {
            now: QUIET.now + STARTING,
            ..unheard
        };
        let synced = Some(ReadinessUpdate {
            state: SyncState::Synced,
            is_cut_off: false,
        });
        assert_eq!(readiness.update(&then), synced);
        // Or until it has heard.
        let mut readiness = Readiness::new(QUIET.now, true);
        assert_eq!(readiness.update(&QUIET), synced);
        // And never again.
        assert_eq!(readiness.update(&unheard), None);
    }

    #[test]
    fn a_node_that_starts_is_not_synced_while_it_lacks_what_a_third_has_just_signed() {
        let lacking = ReadinessInputs {
            lacks_recent: true,
            ..QUIET
        };
        let mut readiness = Readiness::new(QUIET.now, true);
        assert_eq!(readiness.update(&lacking), None);
        let later = ReadinessInputs {
            now: QUIET.now + STARTING,
            has_heard_all: false,
            ..lacking
        };
        assert_eq!(readiness.update(&later), None);
        let outlook = readiness.update(&QUIET).map(|outlook| outlook.state);
        assert_eq!(outlook, Some(SyncState::Synced));
        // Later it may merely be late.
        assert_eq!(readiness.update(&later), None);
    }

    #[test]
    fn a_gap_stops_duties_while_the_head_is_older_than_two_slots() {
        for (head, stops) in [(18, false), (17, true)] {
            let situation = ReadinessInputs {
                head,
                gap: Some(21),
                ..QUIET
            };
            let outlook = synced().update(&situation);
            let expected = stops.then_some(ReadinessUpdate {
                state: SyncState::Syncing { target: 21 },
                is_cut_off: false,
            });
            assert_eq!(outlook, expected);
        }
    }

    #[test]
    fn duties_wait_for_gaps_no_longer_than_eight_slots_in_which_the_head_stands_still() {
        let situation = ReadinessInputs {
            head: 10,
            gap: Some(20),
            ..QUIET
        };
        let mut readiness = synced();
        // The head has just been seen to move.
        readiness.on_tick(&situation);
        for tick in 0..MAX_WAIT_TICKS {
            readiness.on_tick(&situation);
            let outlook = readiness.update(&situation).map(|outlook| outlook.state);
            match tick {
                0 => assert_eq!(outlook, Some(SyncState::Syncing { target: 20 })),
                tick if tick + 1 == MAX_WAIT_TICKS => assert_eq!(outlook, Some(SyncState::Synced)),
                _ => assert_eq!(outlook, None),
            }
        }
        // A block wins back a tick, and no more.
        let moved = ReadinessInputs {
            head: 11,
            ..situation
        };
        readiness.on_tick(&moved);
        assert!(readiness.update(&moved).is_some());
        readiness.on_tick(&moved);
        let outlook = readiness.update(&moved).map(|outlook| outlook.state);
        assert_eq!(outlook, Some(SyncState::Synced));
    }

    #[test]
    fn time_without_a_gap_or_with_a_recent_head_leaves_duties_as_long_to_wait() {
        let situation = ReadinessInputs {
            head: 10,
            gap: Some(20),
            ..QUIET
        };
        let (gap, current_slot) = (None, 12);
        for before in [
            ReadinessInputs { gap, ..situation },
            ReadinessInputs {
                current_slot,
                ..situation
            },
        ] {
            let mut readiness = synced();
            for _ in 0..=MAX_WAIT_TICKS {
                readiness.on_tick(&before);
            }
            let outlook = readiness.update(&situation).map(|outlook| outlook.state);
            assert_eq!(outlook, Some(SyncState::Syncing { target: 20 }));
        }
    }

    #[test]
    fn duties_wait_for_what_a_third_has_signed_even_with_a_recent_head_or_after_eight_slots() {
        let mut readiness = synced();
        let situation = ReadinessInputs {
            missing: Some(17),
            ..QUIET
        };
        let cut_off = ReadinessUpdate {
            state: SyncState::Syncing { target: 17 },
            is_cut_off: true,
        };
        assert_eq!(readiness.update(&situation), Some(cut_off));
        let stuck = ReadinessInputs {
            head: 2,
            gap: Some(19),
            missing: Some(17),
            ..QUIET
        };
        for _ in 0..=MAX_WAIT_TICKS {
            readiness.on_tick(&stuck);
        }
        assert_eq!(readiness.update(&stuck), None);
        let closing = ReadinessInputs {
            gap: Some(19),
            head: 10,
            ..situation
        };
        let outlook = synced().update(&closing);
        let expected = ReadinessUpdate {
            state: SyncState::Syncing { target: 19 },
            is_cut_off: false,
        };
        assert_eq!(outlook, Some(expected));
    }

    #[test]
    fn what_is_missing_was_signed_three_to_sixteen_slots_ago() {
        assert_eq!(missing_slots(2), None);
        assert_eq!(missing_slots(3), Some(0..=0));
        assert_eq!(missing_slots(40), Some(24..=37));
        assert_eq!(recent_slots(2), 0..=2);
        assert_eq!(recent_slots(40), 24..=40);
    }

    #[test]
    fn progress_is_measured_in_slots_a_second_while_the_node_catches_up() {
        let mut readiness = synced();
        let second = Duration::from_secs(1);
        assert_eq!(readiness.measure(QUIET.now + second, 20), None);
        let situation = ReadinessInputs {
            current_slot: 2_000,
            gap: Some(2_000),
            ..QUIET
        };
        readiness.update(&situation);
        let progress = readiness.measure(QUIET.now + 3 * second, 220);
        let expected = SyncProgress {
            speed: 100,
            behind: 1_780,
            seconds_left: Some(17),
        };
        assert_eq!(progress, Some(expected));
        assert_eq!(readiness.measure(QUIET.now + 3 * second, 220), None);
        let progress = readiness.measure(QUIET.now + 4 * second, 220);
        assert_eq!(progress.and_then(|progress| progress.seconds_left), None);
    }
}
