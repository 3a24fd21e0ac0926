//! The stream of ticks: one at the start of each interval, at deadlines counted from genesis.

use std::time::Duration;

use quartet_types::{INTERVALS_PER_SLOT, Slot};

use crate::Clock;

/// The start of an interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tick {
    /// The slot it lies in.
    pub slot: Slot,
    /// The interval within the slot: 0, 1, 2 or 3 for t = 0, ¼, ½ and ¾.
    pub interval: u64,
    /// How late the tick was delivered.
    pub late: Duration,
    /// Ticks that were passed over since the last one because they came more than a slot late.
    pub missed: u64,
}

/// Ticks in order. Deadlines are absolute, so they never drift. A late tick is still delivered; when delivery falls
/// more than a slot behind (the machine slept), the stream jumps to the present and says how many ticks it passed over.
#[derive(Debug)]
pub struct Ticks {
    clock: Clock,
    /// Number of the next interval since genesis.
    next: u64,
}

impl Ticks {
    pub(crate) fn new(clock: Clock) -> Self {
        let next = match clock.until_genesis() {
            Duration::ZERO => clock.intervals() + 1,
            _ => 0,
        };
        Self { clock, next }
    }

    /// Waits for the next tick. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Tick {
        let genesis = Duration::from_secs(self.clock.genesis_time());
        let length = self.clock.slot_duration();
        let start = |interval: u64| {
            let within = u32::try_from(interval % INTERVALS_PER_SLOT).unwrap_or_default();
            let slot = length.slots(interval / INTERVALS_PER_SLOT);
            genesis + slot + length.interval() * within
        };
        self.clock.until(start(self.next)).await;

        let present = self.clock.intervals();
        let missed = match present.saturating_sub(self.next) {
            behind if behind > INTERVALS_PER_SLOT => behind,
            _ => 0,
        };
        let interval = self.next + missed;
        self.next = interval + 1;
        Tick {
            slot: interval / INTERVALS_PER_SLOT,
            interval: interval % INTERVALS_PER_SLOT,
            late: self.clock.now().saturating_sub(start(interval)),
            missed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GENESIS: u64 = 1_000;

    fn clock_at(seconds: u64) -> Clock {
        Clock::manual(GENESIS, Duration::from_secs(seconds))
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_tick_is_genesis_and_each_interval_follows() {
        let mut ticks = clock_at(GENESIS - 30).ticks();
        for expected in [(0, 0), (0, 1), (0, 2), (0, 3), (1, 0)] {
            let tick = ticks.next().await;
            assert_eq!(
                (tick.slot, tick.interval, tick.missed),
                (expected.0, expected.1, 0)
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_made_later_starts_with_the_next_interval() {
        let mut ticks = clock_at(GENESIS + 9).ticks();
        let tick = ticks.next().await;
        assert_eq!((tick.slot, tick.interval), (2, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_late_tick_is_still_delivered() {
        let mut ticks = clock_at(GENESIS - 1).ticks();
        tokio::time::advance(Duration::from_millis(3_500)).await;
        for expected in [(0, 2_500), (1, 1_500), (2, 500)] {
            let tick = ticks.next().await;
            assert_eq!((tick.interval, tick.late.as_millis()), expected);
            assert_eq!(tick.missed, 0);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_long_sleep_the_stream_jumps_to_the_present() {
        let mut ticks = clock_at(GENESIS - 1).ticks();
        tokio::time::advance(Duration::from_secs(101)).await;
        let tick = ticks.next().await;
        assert_eq!((tick.slot, tick.interval, tick.missed), (25, 0, 100));
        assert_eq!(ticks.next().await.interval, 1);
    }
}
