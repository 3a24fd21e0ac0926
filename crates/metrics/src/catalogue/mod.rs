//! The metrics that the services record: what each means, its labels, and the buckets of the histograms.

mod lean;
mod quartet;

/// A metric that some service records.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Metric {
    pub(crate) name: &'static str,
    pub(crate) help: &'static str,
    pub(crate) kind: Kind,
}

/// The values that a label has.
pub(crate) type LabelValues = (&'static str, &'static [&'static str]);

/// What a metric is, and how it starts.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// Shows as 0 from the start.
    Counter,
    /// Shows as 0 for every combination of its labels' values from the start.
    CounterOf(&'static [LabelValues]),
    /// Shows with its labels once something happened.
    CounterWithLabels,
    /// Shows as 0 from the start.
    Gauge,
    /// Shows as 0 for every combination of its labels' values from the start.
    GaugeOf(&'static [LabelValues]),
    /// Shows once a service has set it: 0 would say something.
    LateGauge,
    /// Upper bounds of the buckets.
    Histogram(&'static [f64]),
}

/// Buckets of a histogram that is not in the catalogue: of seconds, most likely.
pub(crate) const DEFAULT_BUCKETS: &[f64] = &[
    0.000_1, 0.000_5, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0,
];

/// All of them, sorted by name.
pub(crate) fn catalogue() -> impl Iterator<Item = &'static Metric> {
    lean::METRICS.iter().chain(quartet::METRICS)
}

const fn counter(name: &'static str, help: &'static str) -> Metric {
    let kind = Kind::Counter;
    Metric { name, help, kind }
}

const fn counter_of(
    name: &'static str,
    help: &'static str,
    labels: &'static [LabelValues],
) -> Metric {
    let kind = Kind::CounterOf(labels);
    Metric { name, help, kind }
}

const fn histogram(name: &'static str, help: &'static str, buckets: &'static [f64]) -> Metric {
    let kind = Kind::Histogram(buckets);
    Metric { name, help, kind }
}

const fn labelled(name: &'static str, help: &'static str) -> Metric {
    let kind = Kind::CounterWithLabels;
    Metric { name, help, kind }
}

const fn gauge_of(
    name: &'static str,
    help: &'static str,
    labels: &'static [LabelValues],
) -> Metric {
    let kind = Kind::GaugeOf(labels);
    Metric { name, help, kind }
}

const fn late_gauge(name: &'static str, help: &'static str) -> Metric {
    let kind = Kind::LateGauge;
    Metric { name, help, kind }
}

const fn gauge(name: &'static str, help: &'static str) -> Metric {
    let kind = Kind::Gauge;
    Metric { name, help, kind }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_and_unique() {
        assert!(catalogue().is_sorted_by(|one, next| one.name < next.name));
    }

    #[test]
    fn buckets_rise() {
        for metric in catalogue() {
            if let Kind::Histogram(buckets) = metric.kind {
                assert!(buckets.is_sorted_by(|one, next| one < next), "{metric:?}");
            }
        }
    }
}
