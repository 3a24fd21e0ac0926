//! The metrics that the services record: what each means, and the buckets of the histograms. Names and
//! buckets of `lean_…` are those of leanMetrics.

/// A metric that some service records.
#[derive(Clone, Copy, Debug)]
pub(super) struct Metric {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) kind: Kind,
}

/// What a metric is, and how it starts.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// Shows as 0 from the start.
    Counter,
    /// Shows with its labels once something happened.
    CounterWithLabels,
    Gauge,
    /// Upper bounds of the buckets.
    Histogram(&'static [f64]),
}

/// Buckets of a histogram that is not in the catalogue: of seconds, most likely.
pub(super) const DEFAULT_BUCKETS: &[f64] = &[
    0.000_1, 0.000_5, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0,
];
const SHORT: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 1.0];
const BLOCK: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 1.0, 1.25, 1.5, 2.0, 4.0];
const TRANSITION: &[f64] = &[0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0];
const DUTY: &[f64] = &[0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0];
const DEPTH: &[f64] = &[1.0, 2.0, 3.0, 5.0, 7.0, 10.0, 20.0, 30.0, 50.0, 100.0];

const fn counter(name: &'static str, help: &'static str) -> Metric {
    let kind = Kind::Counter;
    Metric { name, help, kind }
}

const fn histogram(name: &'static str, help: &'static str, buckets: &'static [f64]) -> Metric {
    let kind = Kind::Histogram(buckets);
    Metric { name, help, kind }
}

/// Sorted by name.
pub(super) const CATALOGUE: &[Metric] = &[
    histogram(
        "lean_attestation_validation_time_seconds",
        "Time to validate an attestation.",
        SHORT,
    ),
    counter("lean_attestations_invalid_total", "Invalid attestations."),
    histogram(
        "lean_attestations_production_time_seconds",
        "Time to produce an attestation.",
        DUTY,
    ),
    counter("lean_attestations_valid_total", "Valid attestations."),
    histogram(
        "lean_block_building_time_seconds",
        "Time to build a block.",
        DUTY,
    ),
    histogram(
        "lean_fork_choice_block_processing_time_seconds",
        "Time to import a block.",
        BLOCK,
    ),
    histogram(
        "lean_fork_choice_reorg_depth",
        "Depth of reorganisations in blocks.",
        DEPTH,
    ),
    counter("lean_fork_choice_reorgs_total", "Reorganisations."),
    histogram(
        "lean_state_transition_time_seconds",
        "Time of a state transition.",
        TRANSITION,
    ),
];
