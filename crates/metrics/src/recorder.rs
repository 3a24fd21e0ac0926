//! The recorder of all metrics of the catalogue, which renders the text of a scrape.

use std::{
    fmt,
    path::PathBuf,
    sync::{Arc, OnceLock},
};

use metrics::{Label, with_local_recorder};
use metrics_exporter_prometheus::{
    BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};
use metrics_process::Collector;
use parking_lot::Mutex;

use crate::{
    alias::WithAliases,
    catalogue::{DEFAULT_BUCKETS, Kind, LabelValues, catalogue},
    disk::{self, Disk},
    process,
    reading::{Gauges, Reading},
};

/// Metrics cannot be recorded.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    /// The recorder cannot be made.
    #[error("cannot record metrics: {0}")]
    Build(#[from] BuildError),
    /// Something else records what this process counts.
    #[error("cannot record metrics: they are recorded already")]
    Taken,
}

/// What the services have counted and timed so far. Clones share it.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    recorder: Arc<WithAliases<PrometheusRecorder>>,
    handle: PrometheusHandle,
    collector: Collector,
    disk: OnceLock<Disk>,
    /// Held while a scrape sets them and takes the text, so that each gets what it has read itself.
    gauges: Mutex<Gauges>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    /// Takes in from now on whatever the process counts. Once per process.
    ///
    /// # Errors
    /// When something else already does.
    pub fn install() -> Result<Self, MetricsError> {
        let metrics = Self::detached()?;
        let recorder = metrics.0.recorder.clone();
        metrics::set_global_recorder(recorder).map_err(|_| MetricsError::Taken)?;
        Ok(metrics)
    }

    /// Takes in nothing but what is counted within [`Self::observe`].
    ///
    /// # Errors
    /// When the recorder cannot be made.
    pub fn detached() -> Result<Self, MetricsError> {
        let recorder = builder()?.build_recorder();
        let handle = recorder.handle();
        let recorder = Arc::new(WithAliases(recorder));
        let collector = Collector::default();
        let gauges = with_local_recorder(&*recorder, || {
            describe_all();
            process::describe(&collector);
            disk::describe();
            Gauges::register()
        });
        Ok(Self(Arc::new(Inner {
            recorder,
            handle,
            collector,
            disk: OnceLock::new(),
            gauges: Mutex::new(gauges),
        })))
    }

    /// Does some work and takes in what it counts on this thread.
    pub fn observe<T>(&self, work: impl FnOnce() -> T) -> T {
        with_local_recorder(&*self.0.recorder, work)
    }

    /// From now on, shows the size of a database, which is a directory of files, and the free space on the disk of a
    /// directory. Only the first call counts.
    pub fn watch_disk(&self, directory: PathBuf, database: PathBuf) {
        let _ = self.0.disk.set(Disk {
            directory,
            database,
        });
    }

    /// The answer to a scrape. Where a service records what is read here too, what is read is the truth.
    pub fn render(&self, reading: &Reading<'_>) -> String {
        let gauges = self.0.gauges.lock();
        self.observe(|| {
            gauges.set(reading);
            process::collect(&self.0.collector);
            if let Some(disk) = self.0.disk.get() {
                disk.collect();
            }
        });
        self.0.handle.render()
    }

    /// Sums up what was timed since the last time, so that it does not pile up while nobody scrapes: to be called every
    /// few seconds.
    pub fn upkeep(&self) {
        self.0.handle.run_upkeep();
    }
}

/// A recorder that knows the buckets of every histogram.
fn builder() -> Result<PrometheusBuilder, BuildError> {
    let mut builder = PrometheusBuilder::new().set_buckets(DEFAULT_BUCKETS)?;
    for metric in catalogue() {
        if let Kind::Histogram(buckets) = metric.kind {
            builder =
                builder.set_buckets_for_metric(Matcher::Full(metric.name.to_owned()), buckets)?;
        }
    }
    Ok(builder)
}

/// Describes the metrics of the catalogue, and lets those without labels show before anything happens.
fn describe_all() {
    for metric in catalogue() {
        match metric.kind {
            Kind::Counter => {
                metrics::describe_counter!(metric.name, metric.help);
                metrics::counter!(metric.name).absolute(0);
            }
            Kind::CounterOf(labels) => {
                metrics::describe_counter!(metric.name, metric.help);
                for labels in combinations(labels) {
                    metrics::counter!(metric.name, labels).absolute(0);
                }
            }
            Kind::CounterWithLabels => metrics::describe_counter!(metric.name, metric.help),
            Kind::Gauge => {
                metrics::describe_gauge!(metric.name, metric.help);
                metrics::gauge!(metric.name).set(0.0);
            }
            Kind::GaugeOf(labels) => {
                metrics::describe_gauge!(metric.name, metric.help);
                for labels in combinations(labels) {
                    metrics::gauge!(metric.name, labels).set(0.0);
                }
            }
            Kind::LateGauge => metrics::describe_gauge!(metric.name, metric.help),
            Kind::Histogram(_) => {
                metrics::describe_histogram!(metric.name, metric.help);
                // Registers it; there is nothing to record yet.
                let _ = metrics::histogram!(metric.name);
            }
        }
    }
}

/// Every combination of the labels' values.
fn combinations(labels: &[LabelValues]) -> Vec<Vec<Label>> {
    let mut all = vec![Vec::new()];
    for (name, values) in labels {
        let with = |begun: &Vec<Label>, value: &'static str| {
            let label = Label::from_static_parts(name, value);
            begun.iter().cloned().chain([label]).collect()
        };
        let longer = all
            .iter()
            .flat_map(|begun| values.iter().map(move |value| with(begun, value)));
        all = longer.collect();
    }
    all
}
