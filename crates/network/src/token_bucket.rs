//! A token bucket, which limits what peers may ask for.

use std::time::Duration;

/// A bucket of tokens that fills at a steady rate and never overflows.
#[derive(Clone, Debug)]
pub(crate) struct TokenBucket {
    capacity: f64,
    per_second: f64,
    tokens: f64,
    filled_at: Duration,
}

impl TokenBucket {
    /// A full bucket. Times are those of one clock.
    pub(crate) fn new(capacity: u32, per_second: u32, now: Duration) -> Self {
        Self {
            capacity: capacity.into(),
            per_second: per_second.into(),
            tokens: capacity.into(),
            filled_at: now,
        }
    }

    /// Takes `cost` tokens if they are there.
    pub(crate) fn take(&mut self, cost: u32, now: Duration) -> bool {
        let passed = now.saturating_sub(self.filled_at);
        self.filled_at = now;
        self.tokens += passed.as_secs_f64() * self.per_second;
        self.tokens = self.tokens.min(self.capacity);
        let enough = self.tokens >= f64::from(cost);
        if enough {
            self.tokens -= f64::from(cost);
        }
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_serves_a_burst_and_then_its_rate() {
        let at = Duration::from_secs;
        let mut bucket = TokenBucket::new(10, 2, at(100));
        assert!(bucket.take(4, at(100)) && bucket.take(6, at(100)));
        assert!(!bucket.take(1, at(100)));
        assert!(bucket.take(4, at(102)) && !bucket.take(1, at(102)));
        // A clock that is set back gives nothing and takes nothing.
        assert!(!bucket.take(1, at(50)));
        assert!(bucket.take(10, at(1_000)) && !bucket.take(1, at(1_000)));
        assert!(!bucket.take(11, at(9_000)), "more than it holds");
    }
}
