//! Genesis time to slot and interval, and the stream of ticks.
//!
//! The only crate that reads a clock. [`Clock::system`] follows the machine's wall clock; [`Clock::manual`] follows the
//! runtime's time from a chosen start, so that under tokio's paused time a whole network of nodes runs
//! deterministically and faster than real time.
//!
//! # Example
//!
//! ```
//! use std::time::Duration;
//!
//! use quartet_clock::Clock;
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?.block_on(async {
//! // Two seconds before genesis. The runtime's time is paused, so it goes on only while all wait.
//! let clock = Clock::manual(1_800_000_000, Duration::from_secs(1_799_999_998));
//! let mut ticks = clock.ticks();
//! assert_eq!(clock.until_genesis(), Duration::from_secs(2));
//!
//! let tick = ticks.next().await;
//! assert_eq!((tick.slot, tick.interval), (0, 0));
//!
//! tokio::time::sleep(Duration::from_millis(4_900)).await;
//! assert_eq!(clock.slot(), 1);
//! assert_eq!(clock.since_slot(1), Duration::from_millis(900));
//! // Intervals 1, 2 and 3 of slot 0 are told late, but are told.
//! let tick = ticks.next().await;
//! assert_eq!((tick.slot, tick.interval), (0, 1));
//! assert_eq!(tick.late, Duration::from_millis(3_900));
//! # });
//! # Ok::<(), std::io::Error>(())
//! ```

#![forbid(unsafe_code)]

mod cpu;
mod jumps;
mod ticks;

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use quartet_types::{INTERVALS_PER_SLOT, Slot, SlotDuration};
use tokio::time::Instant;

pub use cpu::CpuTime;
pub use jumps::{Jump, JumpWatch};
pub use ticks::{Tick, Ticks};

/// Tells the time of one network, whose slot 0 starts at its genesis time. Its slots last four seconds, unless
/// [`Clock::with_slot_duration`] says otherwise.
#[derive(Clone, Debug)]
pub struct Clock {
    genesis_time: u64,
    slot_duration: SlotDuration,
    source: Source,
}

#[derive(Clone, Debug)]
enum Source {
    System,
    Manual {
        start: Duration,
        origin: Instant,
        /// Milliseconds by which it has been set since.
        stepped: Arc<AtomicI64>,
    },
    Stopped(Duration),
}

impl Clock {
    /// A clock that follows the machine's. `genesis_time` is in seconds since the Unix epoch.
    pub fn system(genesis_time: u64) -> Self {
        let source = Source::System;
        Self {
            genesis_time,
            slot_duration: SlotDuration::default(),
            source,
        }
    }

    /// A clock that shows `now` (since the Unix epoch) at this moment and from here on follows the
    /// runtime's time, which tests pause and advance.
    pub fn manual(genesis_time: u64, now: Duration) -> Self {
        let source = Source::Manual {
            start: now,
            origin: Instant::now(),
            stepped: Arc::default(),
        };
        Self {
            genesis_time,
            slot_duration: SlotDuration::default(),
            source,
        }
    }

    /// This clock, stopped at a time since the Unix epoch: everything that is done by it sees the same time.
    #[must_use]
    pub fn stopped_at(&self, now: Duration) -> Self {
        Self {
            source: Source::Stopped(now),
            ..*self
        }
    }

    /// The same clock for a network whose slots last so long.
    #[must_use]
    pub fn with_slot_duration(mut self, slot_duration: SlotDuration) -> Self {
        self.slot_duration = slot_duration;
        self
    }

    /// How long a slot lasts.
    pub fn slot_duration(&self) -> SlotDuration {
        self.slot_duration
    }

    /// Sets a manual clock and its clones forwards, or back, by some milliseconds, as an operator or a time server does
    /// to a machine's. Does nothing to a clock that follows the machine's.
    pub fn step(&self, milliseconds: i64) {
        if let Source::Manual { stepped, .. } = &self.source {
            stepped.fetch_add(milliseconds, Ordering::Relaxed);
        }
    }

    /// Watches for jumps of the clock from now on.
    pub fn watch_for_jumps(&self) -> JumpWatch {
        JumpWatch::new(self.clone())
    }

    /// Unix time of slot 0, in seconds.
    pub fn genesis_time(&self) -> u64 {
        self.genesis_time
    }

    /// Time since the Unix epoch.
    pub fn now(&self) -> Duration {
        match &self.source {
            Source::System => unix_time(),
            Source::Manual {
                start,
                origin,
                stepped,
            } => {
                let (time, step) = (*start + origin.elapsed(), stepped.load(Ordering::Relaxed));
                let by = Duration::from_millis(step.unsigned_abs());
                if step < 0 {
                    time.saturating_sub(by)
                } else {
                    time + by
                }
            }
            Source::Stopped(now) => *now,
        }
    }

    /// This clock as it goes on from now, however it is set meanwhile.
    #[must_use]
    pub fn steady(&self) -> Self {
        let source = Source::Manual {
            start: self.now(),
            origin: Instant::now(),
            stepped: Arc::default(),
        };
        Self {
            source,
            ..self.clone()
        }
    }

    /// Time since genesis, zero before it.
    pub fn since_genesis(&self) -> Duration {
        self.now()
            .saturating_sub(Duration::from_secs(self.genesis_time))
    }

    /// Time until genesis, zero after it.
    pub fn until_genesis(&self) -> Duration {
        Duration::from_secs(self.genesis_time).saturating_sub(self.now())
    }

    /// Whole intervals since genesis, zero before it.
    pub fn intervals(&self) -> u64 {
        let interval = self.slot_duration.interval().as_millis();
        u64::try_from(self.since_genesis().as_millis() / interval).unwrap_or(u64::MAX)
    }

    /// The current slot, zero before genesis.
    pub fn slot(&self) -> Slot {
        self.intervals() / INTERVALS_PER_SLOT
    }

    /// Time since the start of `slot`, zero before it.
    pub fn since_slot(&self, slot: Slot) -> Duration {
        self.since_genesis()
            .saturating_sub(self.slot_duration.slots(slot))
    }

    /// The ticks from the next interval on.
    pub fn ticks(&self) -> Ticks {
        Ticks::new(self.clone())
    }

    /// Waits until `deadline`, a time since the Unix epoch; returns at once when it has passed.
    async fn until(&self, deadline: Duration) {
        // The wall clock may be set while we wait, so look again after each wait.
        loop {
            let left = deadline.saturating_sub(self.now());
            if left.is_zero() {
                return;
            }
            // Short waits bound what a step of the wall clock can cost.
            tokio::time::sleep_until(Instant::now() + left.min(Duration::from_secs(2))).await;
        }
    }
}

/// The system's time since the Unix epoch, for code that has no network and so no [`Clock`]; zero before the epoch.
pub fn unix_time() -> Duration {
    #[expect(clippy::disallowed_methods, reason = "this is where time comes from")]
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

/// Measures how long something takes, for metrics.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(std::time::Instant);

impl Stopwatch {
    /// Starts to measure.
    pub fn start() -> Self {
        #[expect(clippy::disallowed_methods, reason = "this is who measures")]
        Self(std::time::Instant::now())
    }

    /// Time since the start.
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    /// Seconds since the start, the unit of metrics.
    pub fn seconds(&self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn before_genesis_it_is_slot_zero() {
        let clock = Clock::manual(1_000, Duration::from_secs(990));
        assert_eq!((clock.slot(), clock.intervals()), (0, 0));
        assert_eq!(clock.until_genesis(), Duration::from_secs(10));
        tokio::time::advance(Duration::from_secs(10 + 7)).await;
        assert_eq!((clock.slot(), clock.intervals()), (1, 7));
        assert_eq!(clock.since_slot(1), Duration::from_secs(3));
        assert_eq!(clock.until_genesis(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn slots_last_as_long_as_the_network_says() {
        let short = SlotDuration::from_millis(400).unwrap();
        let clock = Clock::manual(1_000, Duration::from_secs(1_000)).with_slot_duration(short);
        tokio::time::advance(Duration::from_millis(1_099)).await;
        assert_eq!((clock.slot(), clock.intervals()), (2, 10));
        assert_eq!(clock.since_slot(2), Duration::from_millis(299));
        let mut ticks = clock.ticks();
        let tick = ticks.next().await;
        assert_eq!((tick.slot, tick.interval), (2, 3));
        assert_eq!(clock.since_slot(2), Duration::from_millis(300));
        // For three slots no tick is taken.
        tokio::time::advance(Duration::from_millis(1_200)).await;
        let tick = ticks.next().await;
        assert_eq!((tick.slot, tick.interval, tick.missed), (5, 3, 11));
    }

    #[tokio::test(start_paused = true)]
    async fn a_steady_clock_goes_on_as_the_other_one_is_set() {
        let clock = Clock::manual(1_000, Duration::from_secs(1_000));
        let steady = clock.steady();
        clock.step(-3_600_000);
        tokio::time::advance(Duration::from_secs(9)).await;
        assert_eq!(steady.now(), Duration::from_secs(1_009));
        assert_eq!(steady.slot(), 2);
    }

    #[test]
    fn a_stopped_clock_shows_its_time_for_ever() {
        let at = Duration::from_millis(1_007_300);
        let clock = Clock::system(1_000).stopped_at(at);
        assert_eq!((clock.now(), clock.slot(), clock.intervals()), (at, 1, 7));
        assert_eq!(clock.since_slot(1), Duration::from_millis(3_300));
    }

    #[test]
    fn the_system_clock_counts_from_genesis() {
        let clock = Clock::system(u64::MAX);
        assert_eq!(clock.slot(), 0);
        assert!(Clock::system(0).slot() > 400_000_000);
    }
}
