//! What leanMetrics has no name for.

use super::{Metric, counter, counter_of, gauge, gauge_of, histogram, labelled, late_gauge};

const FINE: &[f64] = &[
    0.000_01, 0.000_05, 0.000_1, 0.000_5, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 4.0,
];
/// Fine enough to tell a median from.
const WITHIN_SLOT: &[f64] = &[
    0.001, 0.002, 0.003, 0.005, 0.007, 0.01, 0.015, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3,
    0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0,
];

/// Sorted by name.
pub(super) const METRICS: &[Metric] = &[
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
    late_gauge(
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
    counter_of(
        "quartet_block_requests_total",
        "Requests for blocks that were sent, by what came of them.",
        &[(
            "result",
            &[
                "answered",
                "not_sent",
                "no_answer",
                "unsupported",
                "malformed",
            ],
        )],
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
    counter_of(
        "quartet_cpu_nanoseconds_total",
        "Processor time by the part of the work; the services' own is not in it.",
        &[(
            "part",
            &[
                "verification",
                "signing",
                "keys",
                "transition",
                "hashing",
                "chain",
            ],
        )],
    ),
    counter(
        "quartet_equivocations_total",
        "Validators found to have signed two messages for one slot, by slot.",
    ),
    gauge(
        "quartet_fork_choice_blocks",
        "Blocks of the tree: those that are not final, and the one they build on.",
    ),
    labelled(
        "quartet_gossip_faults_total",
        "What peers did in gossip that no honest client does, by reason and client.",
    ),
    counter(
        "quartet_gossip_late_verdicts_total",
        "Verdicts on gossip messages that came too late to forward them.",
    ),
    counter_of(
        "quartet_gossip_published_total",
        "Own messages published, by what came of them.",
        &[
            ("topic", &["block", "attestation"]),
            (
                "result",
                &["sent", "duplicate", "nobody", "congested", "error"],
            ),
        ],
    ),
    labelled(
        "quartet_gossip_refused_total",
        "Gossip messages that were refused before the chain saw them.",
    ),
    gauge(
        "quartet_gossip_unjudged",
        "Gossip messages that wait for the chain's verdict.",
    ),
    gauge(
        "quartet_gossip_unjudged_bytes",
        "Bytes of gossip messages that wait for a verdict.",
    ),
    counter_of(
        "quartet_gossip_verdicts_total",
        "The chain's verdicts on gossip messages.",
        &[
            ("topic", &["block", "attestation"]),
            ("verdict", &["accept", "ignore", "reject"]),
        ],
    ),
    counter(
        "quartet_guard_armed_total",
        "Times that signing was refused up to the present slot: the clock jumped, or the node was held up.",
    ),
    counter(
        "quartet_handshakes_given_up_total",
        "Handshakes given up for newer ones.",
    ),
    gauge(
        "quartet_http_answer_bytes",
        "Bytes of HTTP answers that clients have not taken.",
    ),
    gauge(
        "quartet_http_connections",
        "HTTP connections that are open.",
    ),
    counter_of(
        "quartet_http_connections_closed_total",
        "HTTP connections that were refused, closed for another one, or too slow, by reason.",
        &[(
            "reason",
            &[
                "head", "body", "work", "answer", "idle", "stall", "address", "full", "answers",
            ],
        )],
    ),
    counter_of(
        "quartet_http_requests_refused_total",
        "HTTP requests and calls that were refused for their Host or Origin or for want of room, by reason.",
        &[("reason", &["host", "origin", "busy", "subscribers"])],
    ),
    counter(
        "quartet_log_lines_lost_total",
        "Lines that could not be written to the log file.",
    ),
    counter_of(
        "quartet_network_bytes_total",
        "Bytes in the streams of connections, by direction.",
        &[("direction", &["received", "sent"])],
    ),
    gauge(
        "quartet_network_outbox_bytes",
        "Bytes that the network service has for the chain service, which is busy.",
    ),
    counter(
        "quartet_own_votes_unseen_total",
        "Votes of the node's validators that came back and could not be looked at for want of room.",
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
        "quartet_peers_banned",
        "Peers that were sent away and may not come back yet.",
    ),
    labelled(
        "quartet_peers_cut_off_total",
        "Peers that were banned, sent away or refused, by kind, reason and client.",
    ),
    gauge_of(
        "quartet_processor_queue_length",
        "Pieces of work that wait for the processor.",
        &[("priority", &["duty", "block", "attestation", "background"])],
    ),
    counter(
        "quartet_proposals_missed_total",
        "Own proposals that were missed.",
    ),
    counter_of(
        "quartet_range_batches_total",
        "Runs of blocks that were fetched by ranges of slots, by what came of them.",
        &[(
            "outcome",
            &[
                "imported",
                "unfinished",
                "unattached",
                "blocked",
                "adrift",
                "foreign",
                "invalid",
            ],
        )],
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
    counter_of(
        "quartet_request_failures_total",
        "Requests that failed, in either direction.",
        &[
            ("protocol", &["status", "blocks_by_root", "blocks_by_range"]),
            ("direction", &["inbound", "outbound"]),
        ],
    ),
    counter_of(
        "quartet_requests_limited_total",
        "Requests of peers that asked too often.",
        &[("protocol", &["status", "blocks_by_root", "blocks_by_range"])],
    ),
    counter(
        "quartet_second_signers_total",
        "The node's validators whose keys somebody else was found to sign with; their duties have stopped.",
    ),
    gauge(
        "quartet_served_bytes_under_way",
        "Bytes of answers that peers have not taken.",
    ),
    counter(
        "quartet_signatures_refused_total",
        "Signatures that the signing record refused.",
    ),
    gauge(
        "quartet_subscribers",
        "Those who are told what happens, over WebSockets or as server-sent events.",
    ),
    counter(
        "quartet_subscribers_dropped_total",
        "Subscribers that were let go because they read too slowly.",
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
