//! `/metrics`: what a scrape holds from the first moment on.

use std::collections::BTreeMap;

use axum::{body::Body, http::Request};
use quartet_chain::SyncState;
use quartet_metrics::Metrics;

use crate::node::{TestNode, ask, get};

/// Samples by name and labels. Fails where Prometheus would: a metric given twice, a line it cannot read.
fn samples(text: &str) -> BTreeMap<&str, f64> {
    let mut types = BTreeMap::new();
    let mut samples = BTreeMap::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(declared) = line.strip_prefix("# TYPE ") {
            let (name, kind) = declared.split_once(' ').unwrap();
            assert_eq!(types.insert(name, kind), None, "{name} is given twice");
        } else if !line.starts_with("# HELP ") {
            let (name, value) = line.rsplit_once(' ').unwrap();
            let value = value.parse().unwrap();
            assert_eq!(samples.insert(name, value), None, "{name} is given twice");
        }
    }
    samples
}

/// What the process records, which can be installed once; the tests share it.
pub(crate) fn installed() -> Metrics {
    static METRICS: std::sync::OnceLock<Metrics> = std::sync::OnceLock::new();
    METRICS.get_or_init(|| Metrics::install().unwrap()).clone()
}

#[tokio::test(start_paused = true)]
async fn the_chain_is_read_at_the_moment_of_the_scrape() {
    let node = TestNode::with_chain(8);
    node.set_sync_state(SyncState::Synced);
    node.connect("a", None, None);
    let view = node.chain.read().view();
    let answer = get(&node, "/metrics").await;
    assert_eq!(
        answer.content_type(),
        "text/plain; version=0.0.4; charset=utf-8"
    );
    let samples = samples(answer.text());
    let info =
        r#"lean_node_info{name="quartet",version="0.1.0",commit="abc1234",node="quartet_0"}"#;
    let expected = [
        (info, 1),
        (
            "lean_node_start_time_seconds",
            crate::node::GENESIS_TIME + 32,
        ),
        ("lean_validators_count", 2),
        ("lean_current_slot", 8),
        ("lean_head_slot", 8),
        ("lean_safe_target_slot", view.safe_target.slot),
        ("lean_latest_justified_slot", view.justified.slot),
        ("lean_latest_finalized_slot", view.finalized.slot),
        (r#"lean_node_sync_status{status="synced"}"#, 1),
        (r#"lean_node_sync_status{status="idle"}"#, 0),
    ];
    for (name, value) in expected {
        assert_eq!(samples.get(name), Some(&(value as f64)), "{name}");
    }
}

#[tokio::test]
async fn what_services_record_is_there_from_the_start() {
    let node = TestNode::with_metrics(0, Some(installed()));
    let answer = get(&node, "/metrics").await;
    // The names that leanSpec's own node must have, less those of aggregation.
    let names = [
        "lean_node_info",
        "lean_node_start_time_seconds",
        "lean_head_slot",
        "lean_current_slot",
        "lean_safe_target_slot",
        "lean_fork_choice_block_processing_time_seconds",
        "lean_attestations_valid_total",
        "lean_attestations_invalid_total",
        "lean_attestation_validation_time_seconds",
        "lean_fork_choice_reorgs_total",
        "lean_fork_choice_reorg_depth",
        "lean_latest_justified_slot",
        "lean_latest_finalized_slot",
        "lean_state_transition_time_seconds",
        "lean_validators_count",
        "lean_connected_peers",
    ];
    for name in names {
        let declared = format!("\n# TYPE {name} ");
        assert!(answer.text().contains(&declared), "{name} is missing");
        assert!(answer.text().contains(&format!("# HELP {name} ")));
    }
    samples(answer.text());
}

#[tokio::test]
async fn a_histogram_has_its_buckets_and_a_gauge_of_a_service_does_not_shadow_the_chain() {
    let node = TestNode::with_metrics(5, Some(installed()));
    ::metrics::histogram!("lean_attestations_production_time_seconds").record(0.03);
    ::metrics::histogram!("quartet_something_new_seconds").record(0.03);
    ::metrics::gauge!("lean_head_slot").set(99.0);
    let answer = get(&node, "/metrics").await;
    let samples = samples(answer.text());
    assert_eq!(samples["lean_head_slot"], 0.0);
    let bucket = |bound: &str| {
        samples[&*format!("lean_attestations_production_time_seconds_bucket{{le=\"{bound}\"}}")]
    };
    assert_eq!(
        (bucket("0.025"), bucket("0.05"), bucket("+Inf")),
        (0.0, 1.0, 1.0)
    );
    assert_eq!(
        samples["quartet_something_new_seconds_bucket{le=\"0.05\"}"],
        1.0
    );
}

#[tokio::test]
async fn an_address_for_metrics_serves_nothing_else() {
    let node = TestNode::at_genesis(0);
    // Nobody has told it yet how far the chain is.
    let cases = [
        ("/metrics", 200),
        ("/lean/v0/health", 206),
        ("/health", 206),
        ("/lean/v0/head", 404),
    ];
    for (path, expected) in cases {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let answer = ask(quartet_rpc::metrics_router(node.view.clone()), request).await;
        assert_eq!(answer.status, expected, "{path}");
    }
}
