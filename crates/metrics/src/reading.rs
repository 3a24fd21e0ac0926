//! What a scrape reads at its moment, and the gauges that show it.

use metrics::{Gauge, Label, describe_gauge, gauge};

/// The node at the moment of a scrape.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading<'a> {
    /// The software's name.
    pub client: &'a str,
    /// Its version.
    pub version: &'a str,
    /// The commit that it was built from.
    pub commit: &'a str,
    /// The node's name on its devnet.
    pub node: &'a str,
    /// When the node started, in seconds since the Unix epoch.
    pub started: f64,
    /// Number of validators that the node signs for.
    pub validators: usize,
    /// The slot by the clock.
    pub current_slot: u64,
    /// The head's slot.
    pub head_slot: u64,
    /// The safe target's slot.
    pub safe_target_slot: u64,
    /// Slot of the latest justified checkpoint.
    pub justified_slot: u64,
    /// Slot of the latest finalized checkpoint.
    pub finalized_slot: u64,
    /// Slot of the justified checkpoint of the head's own state.
    pub head_justified_slot: u64,
    /// Slot of the finalized checkpoint of the head's own state.
    pub head_finalized_slot: u64,
    /// What the node is doing.
    pub sync: SyncStatus,
    /// How the node is, as one of [`CONDITIONS`].
    pub condition: &'a str,
}

/// The words for how a node can be: those of `lean_syncing` and of the health.
pub const CONDITIONS: [&str; 5] = ["starting", "syncing", "cut_off", "stalled", "synced"];

/// What a node is doing about the rest of the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncStatus {
    /// It does not know yet whether it has it.
    Idle,
    /// It fetches what it lacks.
    Syncing {
        /// The slot up to which it fetches.
        target: u64,
        /// How many slots its head moves on in a second.
        slots_per_second: u64,
    },
    /// It has it.
    Synced,
}

/// The gauges that are set at a scrape.
pub(crate) struct Gauges {
    started: Gauge,
    validators: Gauge,
    current_slot: Gauge,
    head_slot: Gauge,
    safe_target_slot: Gauge,
    justified_slot: Gauge,
    finalized_slot: Gauge,
    head_justified_slot: Gauge,
    head_finalized_slot: Gauge,
    sync_target: Gauge,
    sync_speed: Gauge,
    idle: Gauge,
    syncing: Gauge,
    synced: Gauge,
    conditions: [Gauge; CONDITIONS.len()],
}

impl Gauges {
    /// Describes and registers them with the current recorder.
    pub(crate) fn register() -> Self {
        describe_gauge!(INFO, "Node information, always 1.");
        describe_gauge!(SYNC_STATUS, "1 for what the node is doing, 0 for the rest.");
        describe_gauge!(CONDITION, "1 for how the node is, 0 for the rest.");
        let status = |status: &'static str| gauge!(SYNC_STATUS, "status" => status);
        Self {
            started: described(
                "lean_node_start_time_seconds",
                "When the node started, in seconds since the Unix epoch.",
            ),
            validators: described(
                "lean_validators_count",
                "Validators that the node signs for.",
            ),
            current_slot: described("lean_current_slot", "The slot by the clock."),
            head_slot: described("lean_head_slot", "Slot of the head."),
            safe_target_slot: described("lean_safe_target_slot", "Slot of the safe target."),
            justified_slot: described(
                "lean_latest_justified_slot",
                "Slot of the latest justified checkpoint.",
            ),
            finalized_slot: described(
                "lean_latest_finalized_slot",
                "Slot of the latest finalized checkpoint.",
            ),
            head_justified_slot: described(
                "lean_justified_slot",
                "Slot of the justified checkpoint of the head's own state.",
            ),
            head_finalized_slot: described(
                "lean_finalized_slot",
                "Slot of the finalized checkpoint of the head's own state.",
            ),
            sync_target: described(
                "quartet_sync_target_slot",
                "Slot up to which the node is catching up; the head's when it is not.",
            ),
            sync_speed: described(
                "quartet_sync_slots_per_second",
                "How fast the head moves on while the node is catching up.",
            ),
            idle: status("idle"),
            syncing: status("syncing"),
            synced: status("synced"),
            conditions: CONDITIONS.map(|word| gauge!(CONDITION, "condition" => word)),
        }
    }

    /// Shows a reading, through the current recorder.
    pub(crate) fn set(&self, reading: &Reading<'_>) {
        let label = |name: &'static str, value: &str| Label::new(name, value.to_owned());
        let labels = vec![
            label("name", reading.client),
            label("version", reading.version),
            label("commit", reading.commit),
            label("node", reading.node),
        ];
        gauge!(INFO, labels).set(1.0);
        self.started.set(reading.started);
        self.validators.set(reading.validators as f64);
        self.current_slot.set(reading.current_slot as f64);
        self.head_slot.set(reading.head_slot as f64);
        self.safe_target_slot.set(reading.safe_target_slot as f64);
        self.justified_slot.set(reading.justified_slot as f64);
        self.finalized_slot.set(reading.finalized_slot as f64);
        self.head_justified_slot
            .set(reading.head_justified_slot as f64);
        self.head_finalized_slot
            .set(reading.head_finalized_slot as f64);

        let (target, speed) = match reading.sync {
            SyncStatus::Syncing {
                target,
                slots_per_second,
            } => (target, slots_per_second),
            SyncStatus::Idle | SyncStatus::Synced => (reading.head_slot, 0),
        };
        self.sync_target.set(target as f64);
        self.sync_speed.set(speed as f64);
        let is = |yes: bool| f64::from(u8::from(yes));
        self.idle.set(is(reading.sync == SyncStatus::Idle));
        self.synced.set(is(reading.sync == SyncStatus::Synced));
        let is_syncing = matches!(reading.sync, SyncStatus::Syncing { .. });
        self.syncing.set(is(is_syncing));
        for (gauge, word) in self.conditions.iter().zip(CONDITIONS) {
            gauge.set(is(reading.condition == word));
        }
    }
}

const INFO: &str = "lean_node_info";
const SYNC_STATUS: &str = "lean_node_sync_status";
const CONDITION: &str = "quartet_node_condition";

fn described(name: &'static str, help: &'static str) -> Gauge {
    describe_gauge!(name, help);
    gauge!(name)
}
