//! A metrics recorder that keeps the sum of each counter and the highest value of each gauge, over all
//! nodes of a run: how scenarios see into the services without a way in of their own.

use std::{collections::BTreeMap, sync::Arc};

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, Key, KeyName, Metadata, Recorder, SharedString,
    Unit,
};
use parking_lot::Mutex;

/// What has been measured so far. Numbers of the same name are one; counters are also kept by the values of their labels, as
/// `name/value`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Meter(Arc<Mutex<Measured>>);

#[derive(Debug, Default)]
struct Measured {
    counters: BTreeMap<String, u64>,
    peaks: BTreeMap<String, f64>,
}

struct Cell {
    meter: Meter,
    name: String,
    labelled: Vec<String>,
}

impl Meter {
    pub(crate) fn counter(&self, name: &str) -> u64 {
        self.0.lock().counters.get(name).copied().unwrap_or(0)
    }

    pub(crate) fn peak(&self, name: &str) -> f64 {
        self.0.lock().peaks.get(name).copied().unwrap_or(0.0)
    }

    fn cell(&self, key: &Key) -> Arc<Cell> {
        Arc::new(Cell {
            meter: self.clone(),
            name: key.name().to_owned(),
            labelled: key
                .labels()
                .map(|label| format!("{}/{}", key.name(), label.value()))
                .collect(),
        })
    }
}

impl CounterFn for Cell {
    fn increment(&self, value: u64) {
        let mut measured = self.meter.0.lock();
        for name in std::iter::once(&self.name).chain(&self.labelled) {
            *measured.counters.entry(name.clone()).or_default() += value;
        }
    }

    fn absolute(&self, value: u64) {
        let mut measured = self.meter.0.lock();
        measured.counters.insert(self.name.clone(), value);
    }
}

impl GaugeFn for Cell {
    // No gauge of the services counts up and down; they are all set.
    fn increment(&self, _: f64) {}

    fn decrement(&self, _: f64) {}

    fn set(&self, value: f64) {
        let mut measured = self.meter.0.lock();
        let peak = measured.peaks.entry(self.name.clone()).or_default();
        *peak = peak.max(value);
    }
}

impl Recorder for Meter {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.cell(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.cell(key))
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}
