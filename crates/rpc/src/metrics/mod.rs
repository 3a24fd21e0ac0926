//! `/metrics`: what the services count and time through the `metrics` macros, and what a scrape reads
//! from the chain and the process at its moment.

mod catalogue;
mod process;
mod scrape;
mod text;

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

use crate::node::NodeView;
use catalogue::{CATALOGUE, DEFAULT_BUCKETS, Kind};

/// The media type of an answer (Prometheus text format, version 0.0.4).
pub(crate) const CONTENT_TYPE_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Metrics cannot be recorded.
#[derive(Debug, thiserror::Error)]
#[error("cannot record metrics: {0}")]
pub struct MetricsError(#[from] BuildError);

/// What the services of this process have counted and timed so far.
#[derive(Clone, Debug)]
pub struct Metrics(PrometheusHandle);

impl Metrics {
    /// Takes in from now on whatever the process counts. Once per process.
    ///
    /// # Errors
    /// When something else already does.
    pub fn install() -> Result<Self, MetricsError> {
        let handle = builder()?.install_recorder()?;
        announce();
        Ok(Self(handle))
    }

    /// Sums up what was timed since the last time.
    pub(crate) fn upkeep(&self) {
        self.0.run_upkeep();
    }
}

/// The answer to a scrape. Where a service records what is read here too, what is read is the truth.
pub(crate) fn render(node: &NodeView) -> String {
    let mut text = scrape::scrape(node);
    if let Some(metrics) = node.metrics() {
        text.append(&metrics.0.render());
    }
    text.finish()
}

/// A recorder that knows the buckets of every histogram.
fn builder() -> Result<PrometheusBuilder, BuildError> {
    let mut builder = PrometheusBuilder::new().set_buckets(DEFAULT_BUCKETS)?;
    for metric in CATALOGUE {
        if let Kind::Histogram(buckets) = metric.kind {
            builder =
                builder.set_buckets_for_metric(Matcher::Full(metric.name.to_owned()), buckets)?;
        }
    }
    Ok(builder)
}

/// Describes the metrics of the catalogue, and lets those without labels show before anything happens.
fn announce() {
    for metric in CATALOGUE {
        match metric.kind {
            Kind::Counter => {
                metrics::describe_counter!(metric.name, metric.help);
                metrics::counter!(metric.name).absolute(0);
            }
            Kind::CounterWithLabels => metrics::describe_counter!(metric.name, metric.help),
            Kind::GaugeByClient => {
                metrics::describe_gauge!(metric.name, metric.help);
                metrics::gauge!(metric.name, "client" => "unknown").set(0.0);
            }
            Kind::Gauge => metrics::describe_gauge!(metric.name, metric.help),
            Kind::Histogram(_) => {
                metrics::describe_histogram!(metric.name, metric.help);
                // Registers it; there is nothing to record yet.
                let _ = metrics::histogram!(metric.name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path, sync::Arc};

    use quartet_chain::{ChainReader, LeanChain, Peers};
    use quartet_clock::Clock;
    use quartet_storage::Database;
    use quartet_types::{PublicKey, Root, State};

    use super::*;
    use crate::NodeInfo;

    /// Every name that a scrape may hold.
    fn names() -> BTreeSet<String> {
        let genesis = State::genesis(0, &[PublicKey::default()]).unwrap();
        let chain = LeanChain::from_genesis(genesis).shared();
        let store = Database::in_memory(Root::ZERO).unwrap();
        let node = NodeView::new(
            ChainReader::new(chain, Arc::new(store)),
            Peers::default(),
            Clock::system(0),
            NodeInfo::default(),
            None,
            quartet_chain::EventBus::new(),
        );
        let text = render(&node);
        let read = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
        let read = read.filter_map(|line| Some(line.split_once(' ')?.0.to_owned()));
        let recorded = CATALOGUE.iter().map(|metric| metric.name.to_owned());
        read.chain(recorded).collect()
    }

    #[test]
    fn the_dashboard_shows_nothing_that_is_not_there() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let dashboard = fs::read_to_string(root.join("config/grafana-dashboard.json")).unwrap();
        let dashboard: serde_json::Value = serde_json::from_str(&dashboard).unwrap();
        let panels = dashboard["panels"].as_array().unwrap().iter();
        let targets = panels.filter_map(|panel| panel["targets"].as_array());
        let queries = targets
            .flatten()
            .filter_map(|target| target["expr"].as_str());
        let mut used = BTreeSet::new();
        for word in
            queries.flat_map(|query| query.split(|c: char| !c.is_alphanumeric() && c != '_'))
        {
            if ["lean_", "quartet_", "process_"]
                .iter()
                .any(|start| word.starts_with(start))
            {
                used.insert(word.strip_suffix("_bucket").unwrap_or(word).to_owned());
            }
        }
        assert!(used.len() > 20, "{used:?}");
        let names = names();
        let unknown: Vec<_> = used.difference(&names).collect();
        assert!(unknown.is_empty(), "{unknown:?}");
    }
}
