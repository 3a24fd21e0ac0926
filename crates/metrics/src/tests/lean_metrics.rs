//! leanMetrics' names, types, labels and buckets against a scrape, and its dashboard's queries against the names.
//!
//! Revision c1b3ef8, and the names as of the devnet whose protocol this is (revision 7fac4cc), which differ in three
//! things: the two histograms of signatures had other names, which are served as well; `lean_attestations_valid_total`
//! and `lean_attestations_invalid_total` had a label `source`, which would turn one number into two for whoever reads
//! today's form, so it is left out.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    READING,
    exposition::{Family, families},
};
use crate::Metrics;

/// Name, type, labels with their values where these are given, and upper bounds of buckets, which ours have to be
/// among.
const SERVED: &[(&str, &str, &str, &str)] = &[
    (
        "lean_attestation_validation_time_seconds",
        "histogram",
        "",
        "0.005, 0.01, 0.025, 0.05, 0.1, 1",
    ),
    ("lean_attestations_invalid_total", "counter", "", ""),
    (
        "lean_attestations_production_time_seconds",
        "histogram",
        "",
        "0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 1",
    ),
    ("lean_attestations_valid_total", "counter", "", ""),
    ("lean_block_building_failures_total", "counter", "", ""),
    ("lean_block_building_success_total", "counter", "", ""),
    (
        "lean_block_building_time_seconds",
        "histogram",
        "",
        "0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 1",
    ),
    ("lean_connected_peers", "gauge", "client", ""),
    ("lean_current_slot", "gauge", "", ""),
    (
        "lean_finalizations_total",
        "counter",
        "result=success,error",
        "",
    ),
    ("lean_finalized_slot", "gauge", "", ""),
    (
        "lean_fork_choice_block_processing_time_seconds",
        "histogram",
        "",
        "0.005, 0.01, 0.025, 0.05, 0.1, 1, 1.25, 1.5, 2, 4",
    ),
    (
        "lean_fork_choice_reorg_depth",
        "histogram",
        "",
        "1, 2, 3, 5, 7, 10, 20, 30, 50, 100",
    ),
    ("lean_fork_choice_reorgs_total", "counter", "", ""),
    (
        "lean_gossip_attestation_size_bytes",
        "histogram",
        "",
        "512, 1024, 2048, 4096, 8192, 16384",
    ),
    (
        "lean_gossip_block_size_bytes",
        "histogram",
        "",
        "10000, 50000, 100000, 250000, 500000, 1000000, 2000000, 5000000",
    ),
    ("lean_gossip_mesh_peers", "gauge", "client", ""),
    ("lean_gossip_signatures", "gauge", "", ""),
    ("lean_head_slot", "gauge", "", ""),
    ("lean_justified_slot", "gauge", "", ""),
    ("lean_latest_finalized_slot", "gauge", "", ""),
    ("lean_latest_justified_slot", "gauge", "", ""),
    ("lean_node_info", "gauge", "name, version", ""),
    ("lean_node_start_time_seconds", "gauge", "", ""),
    (
        "lean_node_sync_status",
        "gauge",
        "status=idle,syncing,synced",
        "",
    ),
    (
        "lean_peer_connection_events_total",
        "counter",
        "direction=inbound,outbound; result=success,timeout,error",
        "",
    ),
    (
        "lean_peer_disconnection_events_total",
        "counter",
        "direction=inbound,outbound; reason=timeout,remote_close,local_close,error",
        "",
    ),
    (
        "lean_pq_sig_attestation_signatures_invalid_total",
        "counter",
        "",
        "",
    ),
    (
        "lean_pq_sig_attestation_signatures_total",
        "counter",
        "",
        "",
    ),
    (
        "lean_pq_sig_attestation_signatures_valid_total",
        "counter",
        "",
        "",
    ),
    (
        "lean_pq_sig_attestation_signing_time_seconds",
        "histogram",
        "",
        "0.005, 0.01, 0.025, 0.05, 0.1, 1",
    ),
    (
        "lean_pq_sig_attestation_verification_time_seconds",
        "histogram",
        "",
        "0.005, 0.01, 0.025, 0.05, 0.1, 1",
    ),
    (
        "lean_pq_signature_attestation_signing_time_seconds",
        "histogram",
        "",
        "0.005, 0.01, 0.025, 0.05, 0.1, 1",
    ),
    (
        "lean_pq_signature_attestation_verification_time_seconds",
        "histogram",
        "",
        "0.005, 0.01, 0.025, 0.05, 0.1, 1",
    ),
    ("lean_safe_target_slot", "gauge", "", ""),
    (
        "lean_state_transition_attestations_processed_total",
        "counter",
        "",
        "",
    ),
    (
        "lean_state_transition_attestations_processing_time_seconds",
        "histogram",
        "",
        "0.005, 0.01, 0.025, 0.05, 0.1, 1",
    ),
    (
        "lean_state_transition_block_processing_time_seconds",
        "histogram",
        "",
        "0.005, 0.01, 0.025, 0.05, 0.1, 1",
    ),
    (
        "lean_state_transition_slots_processed_total",
        "counter",
        "",
        "",
    ),
    (
        "lean_state_transition_slots_processing_time_seconds",
        "histogram",
        "",
        "0.005, 0.01, 0.025, 0.05, 0.1, 1",
    ),
    (
        "lean_state_transition_time_seconds",
        "histogram",
        "",
        "0.25, 0.5, 0.75, 1, 1.25, 1.5, 2, 2.5, 3, 4",
    ),
    (
        "lean_tick_interval_duration_seconds",
        "histogram",
        "",
        "0.4, 0.6, 0.75, 0.8, 0.805, 0.81, 0.815, 0.82, 0.825, 0.85, 0.9, 1.0, 1.2, 1.6",
    ),
    ("lean_validators_count", "gauge", "", ""),
];

const AGGREGATION: &str = "nobody aggregates signatures in this protocol";
const COMMITTEES: &str = "all votes have one topic in this protocol; there are no committees";

/// What is not served, and why.
const ABSENT: &[(&str, &str)] = &[
    ("lean_aggregator_skipped_total", AGGREGATION),
    ("lean_attestation_committee_count", COMMITTEES),
    ("lean_attestation_committee_subnet", COMMITTEES),
    ("lean_block_aggregated_payloads", AGGREGATION),
    (
        "lean_block_building_payload_aggregation_time_seconds",
        AGGREGATION,
    ),
    (
        "lean_committee_signatures_aggregation_time_seconds",
        AGGREGATION,
    ),
    ("lean_gossip_aggregation_size_bytes", AGGREGATION),
    ("lean_is_aggregator", AGGREGATION),
    ("lean_latest_known_aggregated_payloads", AGGREGATION),
    ("lean_latest_new_aggregated_payloads", AGGREGATION),
    (
        "lean_pq_sig_aggregated_signatures_building_time_seconds",
        AGGREGATION,
    ),
    (
        "lean_pq_sig_aggregated_signatures_invalid_total",
        AGGREGATION,
    ),
    ("lean_pq_sig_aggregated_signatures_total", AGGREGATION),
    ("lean_pq_sig_aggregated_signatures_valid_total", AGGREGATION),
    (
        "lean_pq_sig_aggregated_signatures_verification_time_seconds",
        AGGREGATION,
    ),
    (
        "lean_pq_sig_attestations_in_aggregated_signatures_total",
        AGGREGATION,
    ),
];

/// How many queries of leanMetrics' dashboard are about which metrics.
const QUERIES: &[(usize, &str)] = &[
    (2, ""),
    (1, "lean_attestation_committee_count"),
    (1, "lean_attestation_committee_subnet"),
    (1, "lean_attestation_validation_time_seconds"),
    (1, "lean_attestations_invalid_total"),
    (1, "lean_attestations_production_time_seconds"),
    (1, "lean_attestations_valid_total"),
    (1, "lean_block_aggregated_payloads"),
    (1, "lean_block_building_failures_total"),
    (1, "lean_block_building_payload_aggregation_time_seconds"),
    (1, "lean_block_building_success_total"),
    (1, "lean_block_building_time_seconds"),
    (2, "lean_committee_signatures_aggregation_time_seconds"),
    (3, "lean_connected_peers"),
    (1, "lean_current_slot"),
    (4, "lean_finalizations_total"),
    (1, "lean_fork_choice_block_processing_time_seconds"),
    (1, "lean_fork_choice_reorg_depth"),
    (1, "lean_fork_choice_reorgs_total"),
    (1, "lean_gossip_aggregation_size_bytes"),
    (1, "lean_gossip_attestation_size_bytes"),
    (1, "lean_gossip_block_size_bytes"),
    (2, "lean_gossip_mesh_peers"),
    (1, "lean_gossip_signatures"),
    (2, "lean_head_slot"),
    (1, "lean_head_slot lean_latest_finalized_slot"),
    (1, "lean_head_slot lean_latest_justified_slot"),
    (1, "lean_is_aggregator"),
    (2, "lean_latest_finalized_slot"),
    (1, "lean_latest_finalized_slot lean_latest_justified_slot"),
    (2, "lean_latest_justified_slot"),
    (1, "lean_latest_known_aggregated_payloads"),
    (1, "lean_latest_new_aggregated_payloads"),
    (1, "lean_node_info"),
    (2, "lean_node_start_time_seconds"),
    (1, "lean_node_sync_status"),
    (1, "lean_peer_connection_events_total"),
    (1, "lean_peer_disconnection_events_total"),
    (6, "lean_pq_sig_aggregated_signatures_building_time_seconds"),
    (1, "lean_pq_sig_aggregated_signatures_invalid_total"),
    (1, "lean_pq_sig_aggregated_signatures_total"),
    (1, "lean_pq_sig_aggregated_signatures_valid_total"),
    (
        1,
        "lean_pq_sig_aggregated_signatures_verification_time_seconds",
    ),
    (1, "lean_pq_sig_attestation_signatures_invalid_total"),
    (1, "lean_pq_sig_attestation_signatures_total"),
    (1, "lean_pq_sig_attestation_signatures_valid_total"),
    (1, "lean_pq_sig_attestation_signing_time_seconds"),
    (1, "lean_pq_sig_attestation_verification_time_seconds"),
    (1, "lean_pq_sig_attestations_in_aggregated_signatures_total"),
    (1, "lean_safe_target_slot"),
    (1, "lean_state_transition_attestations_processed_total"),
    (
        1,
        "lean_state_transition_attestations_processing_time_seconds",
    ),
    (1, "lean_state_transition_block_processing_time_seconds"),
    (1, "lean_state_transition_slots_processed_total"),
    (1, "lean_state_transition_slots_processing_time_seconds"),
    (1, "lean_state_transition_time_seconds"),
    (2, "lean_tick_interval_duration_seconds"),
    (3, "lean_validators_count"),
];

/// What a scrape holds while nothing has happened yet.
fn scrape() -> BTreeMap<String, Family> {
    families(&Metrics::detached().unwrap().render(&READING))
}

/// Every combination of labels that a row of the table names.
fn combinations(row: &str) -> BTreeSet<String> {
    let mut all = BTreeSet::from([String::new()]);
    for label in row.split("; ").filter(|label| !label.is_empty()) {
        let (name, values) = label.split_once('=').unwrap();
        let with = |begun: &String| -> Vec<String> {
            let comma = if begun.is_empty() { "" } else { "," };
            let each = |value| format!("{begun}{comma}{name}=\"{value}\"");
            values.split(',').map(each).collect()
        };
        all = all.iter().flat_map(with).collect();
    }
    all
}

#[test]
fn names_types_labels_and_buckets_are_those_of_lean_metrics() {
    let scrape = scrape();
    for (name, kind, labels, bounds) in SERVED {
        let family = scrape.get(*name);
        let family = family.unwrap_or_else(|| panic!("{name} is missing"));
        assert_eq!(family.kind, *kind, "{name}");
        assert!(family.has_help, "{name}");
        match *labels {
            "name, version" => {
                let labels = family.labels.first().unwrap();
                assert!(
                    labels.starts_with("name=\"quartet\",version=\""),
                    "{labels}"
                );
            }
            "client" => {
                let labels = family.labels.iter();
                assert!(labels.eq(["client=\"unknown\""]), "{family:?}");
            }
            labels => assert_eq!(family.labels, combinations(labels), "{name}"),
        }
        let ours: Vec<f64> = family.bounds.iter().map(|b| b.parse().unwrap()).collect();
        for bound in bounds.split(", ").filter(|bound| !bound.is_empty()) {
            let bound: f64 = bound.parse().unwrap();
            assert!(ours.contains(&bound), "{name}: {bound}");
        }
    }
}

#[test]
fn metrics_that_do_not_apply_are_absent() {
    let scrape = scrape();
    for (name, why) in ABSENT {
        assert!(
            !scrape.contains_key(*name),
            "{name} is served, though {why}"
        );
    }
}

#[test]
fn nothing_has_a_lean_name_that_lean_metrics_does_not_have() {
    let known: BTreeSet<_> = SERVED.iter().map(|row| row.0).collect();
    let scrape = scrape();
    let ours = scrape.keys().filter(|name| name.starts_with("lean_"));
    let unknown: Vec<_> = ours.filter(|name| !known.contains(&***name)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

/// 78 queries: 57 find what they ask for, two of these being constants, and 21 are about what does not apply.
#[test]
fn queries_of_lean_metrics_dashboard_find_what_applies() {
    let scrape = scrape();
    let absent: BTreeMap<_, _> = ABSENT.iter().copied().collect();
    let (mut answered, mut without) = (0, 0);
    for (count, names) in QUERIES {
        let names = || names.split_whitespace();
        let missing: Vec<_> = names().filter(|name| !scrape.contains_key(*name)).collect();
        if missing.is_empty() {
            answered += count
        } else {
            without += count
        }
        let unexplained: Vec<_> = missing
            .iter()
            .filter(|n| !absent.contains_key(**n))
            .collect();
        assert!(unexplained.is_empty(), "{unexplained:?}");
    }
    assert_eq!((answered, without), (57, 21));
}
