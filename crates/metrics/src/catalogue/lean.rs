//! The names, labels and buckets of leanMetrics, as far as they mean something where nobody aggregates.

use super::{LabelValues, Metric, counter, counter_of, gauge, gauge_of, histogram};

const SHORT: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 1.0];
/// leanMetrics starts at 5 ms, ten times what a verification takes here; its bounds are among these.
const SIGNATURE: &[f64] = &[
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 1.0,
];
/// leanMetrics' bounds, and below them what a stage of a transition takes here.
const STAGE: &[f64] = &[
    0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025,
    0.05, 0.1, 1.0,
];
const BLOCK: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 1.0, 1.25, 1.5, 2.0, 4.0];
/// leanMetrics' bounds, and below them what a transition takes here.
const TRANSITION: &[f64] = &[
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75,
    1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0,
];
/// leanMetrics' bounds lie around a fifth of a slot; a quarter of one has some of its own.
const TICK: &[f64] = &[
    0.1, 0.2, 0.4, 0.6, 0.75, 0.8, 0.805, 0.81, 0.815, 0.82, 0.825, 0.85, 0.9, 0.98, 0.99, 0.995,
    1.0, 1.005, 1.01, 1.02, 1.05, 1.1, 1.2, 1.6, 2.0, 4.0,
];
const DUTY: &[f64] = &[0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0];
const BLOCK_BYTES: &[f64] = &[
    10_000.0,
    50_000.0,
    100_000.0,
    250_000.0,
    500_000.0,
    1_000_000.0,
    2_000_000.0,
    5_000_000.0,
];
const ATTESTATION_BYTES: &[f64] = &[512.0, 1_024.0, 2_048.0, 4_096.0, 8_192.0, 16_384.0];
const DEPTH: &[f64] = &[1.0, 2.0, 3.0, 5.0, 7.0, 10.0, 20.0, 30.0, 50.0, 100.0];
/// Peers have their labels once they are there.
const NOBODY_YET: &[LabelValues] = &[("client", &["unknown"])];
const DIRECTIONS: &[&str] = &["inbound", "outbound"];

/// Sorted by name.
pub(super) const METRICS: &[Metric] = &[
    histogram(
        "lean_attestation_validation_time_seconds",
        "Time to validate an attestation, its signature apart.",
        SHORT,
    ),
    counter(
        "lean_attestations_invalid_total",
        "Attestations from gossip that were invalid.",
    ),
    histogram(
        "lean_attestations_production_time_seconds",
        "Time to produce an attestation.",
        DUTY,
    ),
    counter(
        "lean_attestations_valid_total",
        "Attestations from gossip that were valid.",
    ),
    counter(
        "lean_block_building_failures_total",
        "Blocks that could not be built.",
    ),
    counter("lean_block_building_success_total", "Blocks built."),
    histogram(
        "lean_block_building_time_seconds",
        "Time to build a block.",
        DUTY,
    ),
    gauge_of(
        "lean_connected_peers",
        "Connected peers by the client they run.",
        NOBODY_YET,
    ),
    counter_of(
        "lean_finalizations_total",
        "Checkpoints finalized. Nothing attempts to finalize and fails: `error` stays 0.",
        &[("result", &["success", "error"])],
    ),
    histogram(
        "lean_fork_choice_block_processing_time_seconds",
        "Time from a block's arrival at the fork choice to its import.",
        BLOCK,
    ),
    histogram(
        "lean_fork_choice_reorg_depth",
        "Blocks that a reorganisation left behind.",
        DEPTH,
    ),
    counter("lean_fork_choice_reorgs_total", "Reorganisations."),
    histogram(
        "lean_gossip_attestation_size_bytes",
        "Size of an attestation from gossip, uncompressed.",
        ATTESTATION_BYTES,
    ),
    histogram(
        "lean_gossip_block_size_bytes",
        "Size of a block from gossip, uncompressed.",
        BLOCK_BYTES,
    ),
    gauge_of(
        "lean_gossip_mesh_peers",
        "Peers in the gossip mesh by the client they run.",
        NOBODY_YET,
    ),
    gauge(
        "lean_gossip_signatures",
        "Verified votes at hand for proposals, each with its signature.",
    ),
    counter_of(
        "lean_peer_connection_events_total",
        "Connections made, and attempts that failed.",
        &[
            ("direction", DIRECTIONS),
            ("result", &["success", "timeout", "error"]),
        ],
    ),
    counter_of(
        "lean_peer_disconnection_events_total",
        "Connections ended.",
        &[
            ("direction", DIRECTIONS),
            (
                "reason",
                &["timeout", "remote_close", "local_close", "error"],
            ),
        ],
    ),
    counter(
        "lean_pq_sig_attestation_signatures_invalid_total",
        "Signatures verified and found invalid.",
    ),
    counter(
        "lean_pq_sig_attestation_signatures_total",
        "Attestations signed.",
    ),
    counter(
        "lean_pq_sig_attestation_signatures_valid_total",
        "Signatures verified and found valid.",
    ),
    histogram(
        "lean_pq_sig_attestation_signing_time_seconds",
        "Time to sign an attestation.",
        SHORT,
    ),
    histogram(
        "lean_pq_sig_attestation_verification_time_seconds",
        "Time to verify a signature, as a share of its batch.",
        SIGNATURE,
    ),
    // The two names of the devnet before aggregation; the recorder takes what their successors get.
    histogram(
        "lean_pq_signature_attestation_signing_time_seconds",
        "As lean_pq_sig_attestation_signing_time_seconds, whose older name this is.",
        SHORT,
    ),
    histogram(
        "lean_pq_signature_attestation_verification_time_seconds",
        "As lean_pq_sig_attestation_verification_time_seconds, whose older name this is.",
        SIGNATURE,
    ),
    counter(
        "lean_state_transition_attestations_processed_total",
        "Attestations of blocks that were applied.",
    ),
    histogram(
        "lean_state_transition_attestations_processing_time_seconds",
        "Time to apply the attestations of a block.",
        STAGE,
    ),
    histogram(
        "lean_state_transition_block_processing_time_seconds",
        "Time to apply a block to a state of its slot.",
        STAGE,
    ),
    counter(
        "lean_state_transition_slots_processed_total",
        "Slots by which states were advanced to their blocks'.",
    ),
    histogram(
        "lean_state_transition_slots_processing_time_seconds",
        "Time to advance a state to a block's slot.",
        STAGE,
    ),
    histogram(
        "lean_state_transition_time_seconds",
        "Time of a state transition.",
        TRANSITION,
    ),
    histogram(
        "lean_tick_interval_duration_seconds",
        "Time from one tick to the next: a quarter of a slot.",
        TICK,
    ),
];
