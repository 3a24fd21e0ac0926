//! A limit for the log lines that strangers cause.

use std::time::Duration;

use crate::token_bucket::TokenBucket;

/// Lines in a burst, and per second.
const LINES: u32 = 10;
const LINES_PER_SECOND: u32 = 2;

/// Decides which lines are written, and counts the others.
#[derive(Debug)]
pub(crate) struct LogLimit {
    bucket: TokenBucket,
    left_out: u64,
}

impl LogLimit {
    /// Times are those of one clock.
    pub(crate) fn new(now: Duration) -> Self {
        Self {
            bucket: TokenBucket::new(LINES, LINES_PER_SECOND, now),
            left_out: 0,
        }
    }

    /// Whether a line is to be written.
    pub(crate) fn admits(&mut self, now: Duration) -> bool {
        let admitted = self.bucket.take(1, now);
        self.left_out += u64::from(!admitted);
        admitted
    }

    /// How many lines were left out since this was asked last.
    pub(crate) fn take_left_out(&mut self) -> Option<u64> {
        match std::mem::take(&mut self.left_out) {
            0 => None,
            lines => Some(lines),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_events_in_a_second_are_a_dozen_lines_and_a_sum() {
        let mut limit = LogLimit::new(Duration::ZERO);
        let at = |event| Duration::from_millis(event);
        let lines = (0..1_000).filter(|event| limit.admits(at(*event))).count();
        assert_eq!(lines, 11);
        assert_eq!(
            (limit.take_left_out(), limit.take_left_out()),
            (Some(989), None)
        );
        // After a quiet time, lines are written again.
        assert!(limit.admits(Duration::from_secs(60)));
        assert_eq!(limit.take_left_out(), None);
    }
}
