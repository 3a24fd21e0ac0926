//! Noticing that time has not gone on as it should: the clock was set, the machine slept, or the process was held up.

use std::time::Duration;

use tokio::time::Instant;

use crate::Clock;

/// What is wrong with the time that has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Jump {
    /// The clock was set, or stood still while the machine slept.
    Set,
    /// The last check was more than a slot ago: the process was held up, unless no check was due.
    Pause,
}

/// Compares the wall clock with a monotonic clock, from one check to the next.
#[derive(Debug)]
pub struct JumpWatch {
    clock: Clock,
    wall: Duration,
    steady: Instant,
}

impl JumpWatch {
    pub(crate) fn new(clock: Clock) -> Self {
        Self {
            wall: clock.now(),
            steady: Instant::now(),
            clock,
        }
    }

    /// Whether the clock was set since the last check, forwards or back, by an interval or more, or that check was more
    /// than a slot ago.
    pub fn check(&mut self) -> Option<Jump> {
        let (wall, steady) = (self.clock.now(), Instant::now());
        let passed = steady.duration_since(self.steady);
        let expected = self.wall + passed;
        let jump = wall.abs_diff(expected);
        (self.wall, self.steady) = (wall, steady);
        let duration = self.clock.slot_duration();
        // Between two checks the wall clock may differ by less than an interval from a clock that nobody sets: time
        // servers correct milliseconds. And two checks are an interval apart when all is well.
        match (jump >= duration.interval(), passed > duration.slot()) {
            (true, _) => Some(Jump::Set),
            (false, true) => Some(Jump::Pause),
            (false, false) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_is_set_or_a_long_pause_is_noticed_once() {
        let clock = Clock::manual(0, Duration::from_secs(1_000));
        let mut watch = clock.watch_for_jumps();
        for _ in 0..5 {
            tokio::time::advance(Duration::from_secs(1)).await;
            assert_eq!(watch.check(), None);
        }
        for step in [1_000, -1_000, 3_600_000, -3_600_000, 1_500, -400_000] {
            clock.step(step);
            assert_eq!(watch.check(), Some(Jump::Set), "{step}");
            assert_eq!(watch.check(), None);
        }
        for step in [20, -20, 900, -900] {
            clock.step(step);
            assert_eq!(watch.check(), None, "{step}");
        }
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(watch.check(), Some(Jump::Pause));
        assert_eq!(watch.check(), None);
    }
}
