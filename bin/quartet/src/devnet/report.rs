//! The report that a run leaves: how far the network came, and what each node took for it.

use quartet_types::{Checkpoint, Slot};
use serde::Serialize;

use super::{
    usage::Usage,
    view::{Agreement, NodeView},
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
}

/// What the report says of one node; null where it could not be learnt.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct NodeReport {
    name: String,
    head: Option<Checkpoint>,
    justified: Option<Checkpoint>,
    finalized: Option<Checkpoint>,
    peers: Option<usize>,
    missed_proposals: Option<u64>,
    late_attestations: Option<u64>,
    rss_bytes: Option<u64>,
    cpu_seconds: Option<f64>,
}

impl Report {
    /// The report after `slots` slots.
    pub(super) fn new(
        slots: Slot,
        views: &[Option<NodeView>],
        first_finalization: Option<f64>,
        nodes: Vec<NodeReport>,
    ) -> Self {
        let milliseconds = |seconds: f64| (seconds * 1000.0).round() / 1000.0;
        Self {
            slots,
            agree: Agreement::among(views).is_full(),
            first_finalization_seconds: first_finalization.map(milliseconds),
            nodes,
        }
    }
}

impl NodeReport {
    /// From a node's last view, its metrics in Prometheus' text form, and what its process takes.
    pub(super) fn new(
        name: String,
        view: Option<NodeView>,
        metrics: Option<&str>,
        usage: Option<Usage>,
    ) -> Self {
        let chain = view.map(|view| view.chain);
        let count = |name| metrics.map(|text| counter(text, name));
        Self {
            name,
            head: chain.map(|chain| chain.head),
            justified: chain.map(|chain| chain.justified),
            finalized: chain.map(|chain| chain.finalized),
            peers: view.map(|view| view.peers),
            missed_proposals: count("quartet_proposals_missed_total"),
            late_attestations: count("quartet_attestations_late_total"),
            rss_bytes: usage.map(|usage| usage.rss_bytes),
            cpu_seconds: usage.map(|usage| usage.cpu_seconds),
        }
    }
}

/// A counter's value, over all its labels. One that is not listed has never counted anything.
fn counter(metrics: &str, name: &str) -> u64 {
    let value = |line: &str| {
        let rest = line.strip_prefix(name)?;
        let value = match rest.strip_prefix('{') {
            Some(labels) => labels.rsplit_once('}')?.1,
            None => rest.strip_prefix(' ')?,
        };
        value.split_whitespace().next()?.parse::<f64>().ok()
    };
    metrics.lines().filter_map(value).sum::<f64>() as u64
}

#[cfg(test)]
mod tests {
    use super::{super::view::tests::view, *};

    const METRICS: &str = "\
# TYPE quartet_proposals_missed_total counter
quartet_proposals_missed_total 2
quartet_proposals_missed_total_since 9
# TYPE quartet_attestations_late_total counter
quartet_attestations_late_total{reason=\"a}\"} 3
quartet_attestations_late_total{reason=\"b\"} 4 1700000000
";

    #[test]
    fn counters_are_summed_over_their_labels_and_zero_when_absent() {
        assert_eq!(counter(METRICS, "quartet_proposals_missed_total"), 2);
        assert_eq!(counter(METRICS, "quartet_attestations_late_total"), 7);
        assert_eq!(counter(METRICS, "quartet_other_total"), 0);
    }

    #[test]
    fn the_report_has_the_fields_that_scripts_read() {
        let usage = Usage {
            rss_bytes: 1024,
            cpu_seconds: 1.5,
        };
        let node =
            |name: &str, view, metrics, usage| NodeReport::new(name.into(), view, metrics, usage);
        let views = [view(5, 0xaa), None];
        let nodes = vec![
            node("quartet_0", views[0], Some(METRICS), Some(usage)),
            node("quartet_1", None, None, None),
        ];
        let report = Report::new(5, &views, Some(17.123_456), nodes);
        let root = |byte: &str| format!("0x{}", byte.repeat(32));
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
                        "cpu_seconds": 1.5
                    },
                    {
                        "name": "quartet_1", "head": null, "justified": null, "finalized": null,
                        "peers": null, "missed_proposals": null, "late_attestations": null,
                        "rss_bytes": null, "cpu_seconds": null
                    }
                ]
            })
        );
    }
}
