//! How long the chain's write lock is held, in memory that does not grow with the run.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use metrics::{
    Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};

const LOCK: &str = "quartet_chain_write_lock_seconds";
/// Eight buckets for each power of two of nanoseconds: a quantile is at most an eighth too large.
const PER_POWER: u64 = 8;
const BUCKETS: usize = 64 * PER_POWER as usize;

/// A recorder that keeps the distribution of one metric and ignores all others.
#[derive(Clone, Debug)]
pub(crate) struct LockTimings(Arc<Distribution>);

#[derive(Debug)]
struct Distribution {
    counts: Vec<AtomicU64>,
    longest: AtomicU64,
}

impl Default for LockTimings {
    fn default() -> Self {
        let counts = (0..BUCKETS).map(|_| AtomicU64::new(0)).collect();
        let longest = AtomicU64::new(0);
        Self(Arc::new(Distribution { counts, longest }))
    }
}

impl LockTimings {
    /// What this share of all times is not above, in milliseconds.
    pub(crate) fn quantile_ms(&self, share: f64) -> f64 {
        let counts = || self.0.counts.iter().map(|count| count.load(Relaxed));
        let wanted = (counts().sum::<u64>() as f64 * share).ceil() as u64;
        let mut seen = 0;
        let bucket = counts().position(|count| {
            seen += count;
            seen >= wanted
        });
        bucket.map_or(0.0, |bucket| upper_bound(bucket) as f64 / 1e6)
    }

    /// The longest of all times, in milliseconds.
    pub(crate) fn longest_ms(&self) -> f64 {
        self.0.longest.load(Relaxed) as f64 / 1e6
    }
}

fn bucket(nanoseconds: u64) -> usize {
    let power = u64::from(nanoseconds.max(PER_POWER).ilog2());
    let within = (nanoseconds >> (power - 3)) % PER_POWER;
    (power * PER_POWER + within) as usize
}

/// In nanoseconds.
fn upper_bound(bucket: usize) -> u64 {
    let (power, within) = (bucket as u64 / PER_POWER, bucket as u64 % PER_POWER);
    (PER_POWER + within + 1) << power.saturating_sub(3)
}

impl HistogramFn for Distribution {
    fn record(&self, seconds: f64) {
        let nanoseconds = (seconds * 1e9) as u64;
        if let Some(count) = self.counts.get(bucket(nanoseconds)) {
            count.fetch_add(1, Relaxed);
        }
        self.longest.fetch_max(nanoseconds, Relaxed);
    }
}

impl Recorder for LockTimings {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::noop()
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        if key.name() == LOCK {
            Histogram::from_arc(self.0.clone())
        } else {
            Histogram::noop()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_at_most_an_eighth_too_large() {
        let timings = LockTimings::default();
        for microseconds in 1..=1000_u64 {
            timings.0.record(microseconds as f64 / 1e6);
        }
        for share in [0.01, 0.5, 0.99, 1.0] {
            let ms = timings.quantile_ms(share);
            assert!((share..=share * 1.13).contains(&ms), "{share}: {ms}");
        }
        assert!((timings.longest_ms() - 1.0).abs() < 1e-6);
    }
}
