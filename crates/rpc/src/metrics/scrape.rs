//! The metrics whose truth is elsewhere and is read at the moment of the scrape.

use quartet_chain::SyncState;

use super::{process::Usage, text::Text};
use crate::node::{NodeInfo, NodeView};

/// The metrics at this moment. Names are those of leanMetrics, or of Prometheus' own clients for the process.
pub(super) fn scrape(node: &NodeView) -> Text {
    let mut text = Text::default();
    about_node(&mut text, node);
    about_chain(&mut text, node);
    if let Some(usage) = Usage::now() {
        about_process(&mut text, &usage);
    }
    text
}

fn about_node(text: &mut Text, node: &NodeView) {
    let (name, info) = ("lean_node_info", node.info());
    text.family(name, "Node information, always 1.", "gauge");
    let labels = [
        ("name", NodeInfo::CLIENT),
        ("version", &info.version),
        ("commit", &info.commit),
        ("node", &info.name),
    ];
    text.sample(name, &labels, 1);

    text.gauge(
        "lean_node_start_time_seconds",
        "When the node started, in seconds since the Unix epoch.",
        node.started().as_secs_f64(),
    );
    text.gauge(
        "lean_validators_count",
        "Validators that the node signs for.",
        info.validators.len(),
    );
}

fn about_chain(text: &mut Text, node: &NodeView) {
    let overview = node.overview();
    let slots = [
        (
            "lean_current_slot",
            "The slot by the clock.",
            node.current_slot(),
        ),
        ("lean_head_slot", "Slot of the head.", overview.head.slot),
        (
            "lean_safe_target_slot",
            "Slot of the safe target.",
            overview.safe_target.slot,
        ),
        (
            "lean_latest_justified_slot",
            "Slot of the latest justified checkpoint.",
            overview.justified.slot,
        ),
        (
            "lean_latest_finalized_slot",
            "Slot of the latest finalized checkpoint.",
            overview.finalized.slot,
        ),
    ];
    for (name, help, slot) in slots {
        text.gauge(name, help, slot);
    }

    let (target, speed) = match overview.sync {
        SyncState::Syncing { target } => (target, overview.sync_speed),
        SyncState::Starting | SyncState::Synced => (overview.head.slot, 0),
    };
    text.gauge(
        "quartet_sync_target_slot",
        "Slot up to which the node is catching up; the head's when it is not.",
        target,
    );
    text.gauge(
        "quartet_sync_slots_per_second",
        "How fast the head moves on while the node is catching up.",
        speed,
    );
    let name = "lean_node_sync_status";
    text.family(
        name,
        "1 for what the node is doing, 0 for the rest.",
        "gauge",
    );
    let current = match overview.sync {
        SyncState::Starting => "idle",
        SyncState::Syncing { .. } => "syncing",
        SyncState::Synced => "synced",
    };
    for status in ["idle", "syncing", "synced"] {
        text.sample(name, &[("status", status)], u8::from(status == current));
    }
}

fn about_process(text: &mut Text, usage: &Usage) {
    text.gauge(
        "process_resident_memory_bytes",
        "Resident memory.",
        usage.resident_bytes,
    );
    text.gauge(
        "process_virtual_memory_bytes",
        "Address space.",
        usage.virtual_bytes,
    );
    text.gauge("process_threads", "Threads.", usage.threads);
    text.gauge(
        "process_open_fds",
        "Open files and sockets.",
        usage.open_files,
    );
    text.counter(
        "process_cpu_seconds_total",
        "Processor time spent.",
        usage.cpu_seconds,
    );
}
