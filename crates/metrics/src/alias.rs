//! Histograms that have two names: what is recorded by one shows by both.

use std::sync::Arc;

use metrics::{
    Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};

/// A name in use, and the one that it had on the devnet whose protocol this is.
const ALIASES: [(&str, &str); 2] = [
    (
        "lean_pq_sig_attestation_signing_time_seconds",
        "lean_pq_signature_attestation_signing_time_seconds",
    ),
    (
        "lean_pq_sig_attestation_verification_time_seconds",
        "lean_pq_signature_attestation_verification_time_seconds",
    ),
];

/// A recorder that records by a metric's older name, too.
#[derive(Debug)]
pub(crate) struct WithAliases<R>(pub(crate) R);

/// Records twice.
struct Both(Histogram, Histogram);

impl HistogramFn for Both {
    fn record(&self, value: f64) {
        self.0.record(value);
        self.1.record(value);
    }
}

impl<R: Recorder> Recorder for WithAliases<R> {
    fn describe_counter(&self, name: KeyName, unit: Option<Unit>, help: SharedString) {
        self.0.describe_counter(name, unit, help);
    }

    fn describe_gauge(&self, name: KeyName, unit: Option<Unit>, help: SharedString) {
        self.0.describe_gauge(name, unit, help);
    }

    fn describe_histogram(&self, name: KeyName, unit: Option<Unit>, help: SharedString) {
        self.0.describe_histogram(name, unit, help);
    }

    fn register_counter(&self, key: &Key, metadata: &Metadata<'_>) -> Counter {
        self.0.register_counter(key, metadata)
    }

    fn register_gauge(&self, key: &Key, metadata: &Metadata<'_>) -> Gauge {
        self.0.register_gauge(key, metadata)
    }

    fn register_histogram(&self, key: &Key, metadata: &Metadata<'_>) -> Histogram {
        let histogram = self.0.register_histogram(key, metadata);
        let alias = ALIASES.iter().find(|(name, _)| *name == key.name());
        let Some((_, older)) = alias else {
            return histogram;
        };
        let key = Key::from_parts(*older, key.labels().cloned().collect::<Vec<_>>());
        let other = self.0.register_histogram(&key, metadata);
        Histogram::from_arc(Arc::new(Both(histogram, other)))
    }
}
