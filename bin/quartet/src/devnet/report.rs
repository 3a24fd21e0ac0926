//! The report of a run: how far the network came, and the resources of each node.

use quartet_types::Slot;
use serde::Serialize;

use super::{
    exposition::{counter, gauge, median},
    mixed::Mixed,
    reading::{Parts, Reading},
    usage::Usage,
    view::{Point, Seen},
};

/// The whole report.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Report {
    /// The slot that the nodes were last asked in.
    pub(super) slots: Slot,
    /// Whether all nodes then had the same head, justified and finalized checkpoint.
    pub(super) agree: bool,
    /// Seconds from the start, the making of keys included, until a node was seen to have finalized a block
    /// after genesis; null when none was.
    pub(super) first_finalization_seconds: Option<f64>,
    /// The nodes.
    pub(super) nodes: Vec<NodeReport>,
    /// What each client did, where there are several.
    #[serde(flatten)]
    pub(super) mixed: Option<Mixed>,
}

/// The report on one node; null where a value is not known.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct NodeReport {
    name: String,
    head: Option<Point>,
    justified: Option<Point>,
    finalized: Option<Point>,
    peers: Option<usize>,
    missed_proposals: Option<u64>,
    late_attestations: Option<u64>,
    rss_bytes: Option<u64>,
    rss_peak_bytes: Option<u64>,
    /// Since the node's start, as all that follows but for `steady`.
    cpu_seconds: Option<f64>,
    cpu_seconds_by_part: Option<Parts>,
    bytes_sent: Option<u64>,
    bytes_received: Option<u64>,
    /// Since the first finalization was seen.
    steady: Option<Steady>,
    /// From the decision to check a block to its import.
    block_import_seconds: Option<Times>,
    /// From a slot's start until the votes of all validators had come, in the slots in which they did.
    votes_complete_seconds: Option<Times>,
}

/// The resources that a node has used in some slots, after those in which it starts.
#[derive(Debug, PartialEq, Serialize)]
struct Steady {
    slots: u64,
    #[serde(flatten)]
    spent: Reading,
}

/// Durations of a repeated event.
#[derive(Debug, PartialEq, Serialize)]
struct Times {
    count: u64,
    median: f64,
    longest: f64,
}

impl Times {
    /// Of a histogram, and the gauge that has the longest; `None` when nothing happened.
    fn of(metrics: &str, histogram: &str, longest: &str) -> Option<Self> {
        let (count, median) = median(metrics, histogram);
        let longest = gauge(metrics, longest)?;
        let median = median?.min(longest);
        Some(Self {
            count,
            median,
            longest,
        })
    }
}

/// A node's metrics in Prometheus' text form, and the usage of its process.
#[derive(Clone, Debug, Default)]
pub(super) struct Asked {
    pub(super) metrics: Option<String>,
    pub(super) usage: Option<Usage>,
}

impl Asked {
    /// The reading, if both are known.
    pub(super) fn reading(&self) -> Option<Reading> {
        Some(Reading::new(self.metrics.as_deref()?, self.usage.as_ref()?))
    }
}

impl Report {
    /// The report after `slots` slots.
    pub(super) fn new(
        slots: Slot,
        agree: bool,
        first_finalization: Option<f64>,
        nodes: Vec<NodeReport>,
    ) -> Self {
        let milliseconds = |seconds: f64| (seconds * 1000.0).round() / 1000.0;
        Self {
            slots,
            agree,
            first_finalization_seconds: first_finalization.map(milliseconds),
            nodes,
            mixed: None,
        }
    }
}

impl NodeReport {
    /// From a node's last view, its metrics and usage then, and an earlier reading with the number of slots since.
    pub(super) fn new(
        name: String,
        seen: Option<Seen>,
        asked: &Asked,
        before: Option<(u64, Reading)>,
    ) -> Self {
        let seen = seen.unwrap_or_default();
        let metrics = asked.metrics.as_deref();
        let count = |name| metrics.map(|text| counter(text, name));
        let times = |histogram, longest| Times::of(metrics?, histogram, longest);
        let spent = asked.reading();
        let steady = spent.zip(before).map(|(spent, (slots, before))| Steady {
            slots,
            spent: spent.since(&before),
        });
        Self {
            name,
            head: seen.head,
            justified: seen.justified,
            finalized: seen.finalized,
            peers: seen.peers,
            missed_proposals: count("quartet_proposals_missed_total"),
            late_attestations: count("quartet_attestations_late_total"),
            rss_bytes: asked.usage.map(|usage| usage.rss_bytes),
            rss_peak_bytes: asked.usage.map(|usage| usage.rss_peak_bytes),
            cpu_seconds: asked.usage.map(|usage| usage.cpu_seconds),
            cpu_seconds_by_part: spent.map(|spent| spent.cpu_seconds_by_part),
            bytes_sent: spent.map(|spent| spent.bytes_sent),
            bytes_received: spent.map(|spent| spent.bytes_received),
            steady,
            block_import_seconds: times(
                "quartet_block_import_seconds",
                "quartet_block_import_longest_seconds",
            ),
            votes_complete_seconds: times(
                "quartet_votes_complete_seconds",
                "quartet_votes_complete_longest_seconds",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::view::tests::view, *};

    const METRICS: &str = "\
quartet_proposals_missed_total 2
quartet_attestations_late_total 7
quartet_cpu_nanoseconds_total{part=\"verification\"} 250000000
quartet_network_bytes_total{direction=\"sent\"} 70
quartet_block_import_seconds_bucket{le=\"0.1\"} 4
quartet_block_import_seconds_bucket{le=\"+Inf\"} 4
quartet_block_import_longest_seconds 0.08
";

    #[test]
    fn the_report_has_the_fields_that_scripts_read() {
        let usage = Usage {
            rss_bytes: 1024,
            rss_peak_bytes: 2048,
            services_seconds: 1.0,
            cpu_seconds: 1.5,
        };
        let asked = Asked {
            metrics: Some(METRICS.into()),
            usage: Some(usage),
        };
        let before = Reading {
            cpu_seconds: 0.5,
            bytes_sent: 50,
            ..Reading::default()
        };
        let seen = view(5, 0xaa).map(Seen::from);
        let nodes = vec![
            NodeReport::new("quartet_0".into(), seen, &asked, Some((2, before))),
            NodeReport::new("quartet_1".into(), None, &Asked::default(), None),
        ];
        let report = Report::new(5, false, Some(17.123_456), nodes);
        let root = |byte: &str| format!("0x{}", byte.repeat(32));
        let parts = serde_json::json!({
            "gossip": 1.0, "chain": 0.0, "verification": 0.25, "signing": 0.0, "transition": 0.0,
            "hashing": 0.0, "keys": 0.0, "other": 0.25
        });
        assert_eq!(
            serde_json::to_value(&report).unwrap(),
            serde_json::json!({
                "slots": 5,
                "agree": false,
                "first_finalization_seconds": 17.123,
                "nodes": [
                    {
                        "name": "quartet_0",
                        "head": {"slot": 5, "root": root("aa")},
                        "justified": {"slot": 3, "root": root("02")},
                        "finalized": {"slot": 2, "root": root("03")},
                        "peers": 3,
                        "missed_proposals": 2,
                        "late_attestations": 7,
                        "rss_bytes": 1024,
                        "rss_peak_bytes": 2048,
                        "cpu_seconds": 1.5,
                        "cpu_seconds_by_part": parts,
                        "bytes_sent": 70,
                        "bytes_received": 0,
                        "steady": {
                            "slots": 2, "cpu_seconds": 1.0, "cpu_seconds_by_part": parts,
                            "bytes_sent": 20, "bytes_received": 0
                        },
                        "block_import_seconds": {"count": 4, "median": 0.05, "longest": 0.08},
                        "votes_complete_seconds": null
                    },
                    {
                        "name": "quartet_1", "head": null, "justified": null, "finalized": null,
                        "peers": null, "missed_proposals": null, "late_attestations": null,
                        "rss_bytes": null, "rss_peak_bytes": null, "cpu_seconds": null,
                        "cpu_seconds_by_part": null, "bytes_sent": null, "bytes_received": null,
                        "steady": null, "block_import_seconds": null, "votes_complete_seconds": null
                    }
                ]
            })
        );
    }
}
