//! Figures of many measurements.

use serde::Serialize;

/// How some measurements, in milliseconds, are spread.
#[derive(Debug, Serialize)]
pub(crate) struct Spread {
    count: usize,
    median_ms: f64,
    p99_ms: f64,
    max_ms: f64,
}

impl Spread {
    /// Of these, of which there is at least one.
    pub(crate) fn of(mut measured: Vec<f64>) -> Option<Self> {
        measured.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let place = (measured.len() as f64 * share) as usize;
            measured
                .get(place.min(measured.len().checked_sub(1)?))
                .copied()
        };
        Some(Self {
            count: measured.len(),
            median_ms: at(0.5)?,
            p99_ms: at(0.99)?,
            max_ms: at(1.0)?,
        })
    }
}
