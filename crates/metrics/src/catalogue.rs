//! The metrics that the services record: what each means, and the buckets of the histograms. Names and
//! buckets of `lean_…` are those of leanMetrics.

/// A metric that some service records.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Metric {
    pub(crate) name: &'static str,
    pub(crate) help: &'static str,
    pub(crate) kind: Kind,
}

/// What a metric is, and how it starts.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// Shows as 0 from the start.
    Counter,
    /// Shows with its labels once something happened.
    CounterWithLabels,
    /// Shows once a service has set it.
    Gauge,
    /// Shows as 0 for unknown clients from the start.
    GaugeByClient,
    /// Upper bounds of the buckets.
    Histogram(&'static [f64]),
}

/// Buckets of a histogram that is not in the catalogue: of seconds, most likely.
pub(crate) const DEFAULT_BUCKETS: &[f64] = &[
    0.000_1, 0.000_5, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0,
];
const SHORT: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 1.0];
/// leanMetrics starts at 5 ms, ten times what a verification takes here; its bounds are among these.
const SIGNATURE: &[f64] = &[
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 1.0,
];
const FINE: &[f64] = &[
    0.000_01, 0.000_05, 0.000_1, 0.000_5, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 4.0,
];
const BLOCK: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 1.0, 1.25, 1.5, 2.0, 4.0];
const TRANSITION: &[f64] = &[0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0];
/// Fine enough to tell a median from.
const WITHIN_SLOT: &[f64] = &[
    0.001, 0.002, 0.003, 0.005, 0.007, 0.01, 0.015, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3,
    0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0,
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

const fn counter(name: &'static str, help: &'static str) -> Metric {
    let kind = Kind::Counter;
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

const fn by_client(name: &'static str, help: &'static str) -> Metric {
    let kind = Kind::GaugeByClient;
    Metric { name, help, kind }
}

const fn gauge(name: &'static str, help: &'static str) -> Metric {
    let kind = Kind::Gauge;
    Metric { name, help, kind }
}

/// Sorted by name.
pub(crate) const CATALOGUE: &[Metric] = &[
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
    by_client(
        "lean_connected_peers",
        "Connected peers by the client they run.",
    ),
    labelled("lean_finalizations_total", "Checkpoints finalized."),
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
    by_client(
        "lean_gossip_mesh_peers",
        "Peers in the gossip mesh by the client they run.",
    ),
    labelled(
        "lean_peer_connection_events_total",
        "Connections made, and attempts that failed.",
    ),
    labelled("lean_peer_disconnection_events_total", "Connections ended."),
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
    histogram(
        "lean_state_transition_time_seconds",
        "Time of a state transition.",
        TRANSITION,
    ),
    counter(
        "quartet_attestations_dropped_total",
        "Attestations from gossip that found the queue full.",
    ),
    counter(
        "quartet_attestations_ignored_total",
        "Attestations from gossip that were known, outdated or not to be judged.",
    ),
    counter(
        "quartet_attestations_late_total",
        "Own attestations that came after their interval.",
    ),
    counter(
        "quartet_backfill_blocks_total",
        "Older blocks of the finalized chain that were fetched.",
    ),
    gauge(
        "quartet_backfill_slot",
        "From which slot on blocks are kept without gaps, while older ones are fetched.",
    ),
    histogram(
        "quartet_block_check_seconds",
        "Time to verify a block's signatures and apply it.",
        FINE,
    ),
    gauge(
        "quartet_block_import_longest_seconds",
        "Longest time of the import of a block.",
    ),
    histogram(
        "quartet_block_import_seconds",
        "Time from the decision to check a block, its parent being there, to its import.",
        WITHIN_SLOT,
    ),
    labelled(
        "quartet_block_requests_total",
        "Requests for blocks that were sent, by what came of them.",
    ),
    counter(
        "quartet_blocks_by_range_total",
        "Blocks that were fetched by ranges of slots and imported.",
    ),
    counter("quartet_blocks_imported_total", "Blocks imported."),
    counter("quartet_blocks_invalid_total", "Blocks that were invalid."),
    counter(
        "quartet_blocks_second_total",
        "Blocks of a slot that another block by the same proposer had passed in.",
    ),
    counter(
        "quartet_blocks_served_total",
        "Blocks sent to peers that asked for them.",
    ),
    counter(
        "quartet_blocks_vouched_total",
        "Blocks that were imported on the word of a third of the validators.",
    ),
    histogram(
        "quartet_chain_write_lock_seconds",
        "Time for which the chain was locked for writing.",
        FINE,
    ),
    labelled(
        "quartet_cpu_nanoseconds_total",
        "Processor time by the part of the work; the services' own is not in it.",
    ),
    counter(
        "quartet_equivocations_total",
        "Validators found to have signed two messages for one slot, by slot.",
    ),
    gauge(
        "quartet_fork_choice_blocks",
        "Blocks of the tree: those that are not final, and the one they build on.",
    ),
    counter(
        "quartet_gossip_late_verdicts_total",
        "Verdicts on gossip messages that came too late to forward them.",
    ),
    labelled(
        "quartet_gossip_published_total",
        "Own messages published, by what came of them.",
    ),
    labelled(
        "quartet_gossip_refused_total",
        "Gossip messages that were refused before the chain saw them.",
    ),
    gauge(
        "quartet_gossip_unjudged",
        "Gossip messages that wait for the chain's verdict.",
    ),
    labelled(
        "quartet_gossip_verdicts_total",
        "The chain's verdicts on gossip messages.",
    ),
    gauge(
        "quartet_http_answer_bytes",
        "Bytes of HTTP answers that clients have not taken.",
    ),
    gauge(
        "quartet_http_connections",
        "HTTP connections that are open.",
    ),
    labelled(
        "quartet_http_connections_closed_total",
        "HTTP connections that were refused, closed for another one, or too slow, by reason.",
    ),
    labelled(
        "quartet_http_requests_refused_total",
        "HTTP requests and calls that were refused for their Host or for want of room, by reason.",
    ),
    labelled(
        "quartet_network_bytes_total",
        "Bytes in the streams of connections, by direction.",
    ),
    gauge(
        "quartet_parked_attestations",
        "Attestations that wait for a block.",
    ),
    gauge(
        "quartet_parked_blocks",
        "Blocks that wait for their parent or slot.",
    ),
    counter(
        "quartet_peer_penalties_total",
        "Penalties given to peers that served something invalid.",
    ),
    gauge(
        "quartet_processor_queue_length",
        "Pieces of work that wait for the processor.",
    ),
    counter(
        "quartet_proposals_missed_total",
        "Own proposals that were missed.",
    ),
    labelled(
        "quartet_range_batches_total",
        "Runs of blocks that were fetched by ranges of slots, by what came of them.",
    ),
    gauge(
        "quartet_received_response_bytes",
        "Bytes of peers' answers that have not been handed to the chain.",
    ),
    gauge(
        "quartet_recent_blocks_bytes",
        "Memory of recent blocks that are in the database too.",
    ),
    gauge("quartet_recent_states_bytes", "Memory of recent states."),
    labelled(
        "quartet_request_failures_total",
        "Requests that failed, in either direction.",
    ),
    labelled(
        "quartet_requests_limited_total",
        "Requests of peers that asked too often.",
    ),
    gauge(
        "quartet_served_bytes_under_way",
        "Bytes of answers that peers have not taken.",
    ),
    counter(
        "quartet_signatures_refused_total",
        "Signatures that the signing record refused.",
    ),
    histogram("quartet_tick_delay_seconds", "How late a tick came.", FINE),
    counter(
        "quartet_ticks_missed_total",
        "Ticks passed over because they came more than a slot late.",
    ),
    gauge(
        "quartet_unwritten_blocks_bytes",
        "Memory of blocks that wait for the disk.",
    ),
    gauge(
        "quartet_votes_complete_longest_seconds",
        "Longest time from a slot's start until the votes of all validators had come.",
    ),
    histogram(
        "quartet_votes_complete_seconds",
        "Time from a slot's start until the votes of all validators had come.",
        WITHIN_SLOT,
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_and_unique() {
        assert!(CATALOGUE.is_sorted_by(|one, next| one.name < next.name));
    }

    #[test]
    fn buckets_rise() {
        for metric in CATALOGUE {
            if let Kind::Histogram(buckets) = metric.kind {
                assert!(buckets.is_sorted_by(|one, next| one < next), "{metric:?}");
            }
        }
    }
}
