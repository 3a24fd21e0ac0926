//! The members of each event in JSON, beside its topic and time.

use quartet_chain::{Duty, DutyKind, DutyOutcome, PeerChange, Source};
use quartet_types::{AttestationData, Checkpoint, Root, Slot, ValidatorIndex};
use serde::Serialize;

use crate::{
    condition::Condition,
    views::{PeerView, SyncingView},
};

#[derive(Serialize)]
pub(super) struct HeadEvent {
    pub(super) slot: Slot,
    pub(super) block: Root,
    /// The root of the state after the block; `null` when the block is not in memory.
    pub(super) state: Option<Root>,
    pub(super) parent_root: Option<Root>,
}

#[derive(Serialize)]
pub(super) struct BlockEvent {
    pub(super) slot: Slot,
    pub(super) block: Root,
    pub(super) parent_root: Root,
    pub(super) proposer_index: ValidatorIndex,
    pub(super) attestations: usize,
    pub(super) origin: &'static str,
}

#[derive(Serialize)]
pub(super) struct AttestationEvent<'a> {
    pub(super) validator_id: ValidatorIndex,
    pub(super) data: &'a AttestationData,
    pub(super) origin: &'static str,
}

#[derive(Serialize)]
pub(super) struct CheckpointEvent {
    pub(super) slot: Slot,
    pub(super) block: Root,
    pub(super) state: Option<Root>,
}

#[derive(Serialize)]
pub(super) struct SafeTargetEvent {
    pub(super) slot: Slot,
    pub(super) block: Root,
}

#[derive(Serialize)]
pub(super) struct ReorgEvent {
    pub(super) slot: Slot,
    pub(super) depth: u64,
    pub(super) old_head: Checkpoint,
    pub(super) new_head: Checkpoint,
}

#[derive(Serialize)]
pub(super) struct EquivocationEvent {
    pub(super) slot: Slot,
    pub(super) validator_id: ValidatorIndex,
}

#[derive(Serialize)]
pub(super) struct SyncEvent {
    #[serde(flatten)]
    pub(super) syncing: SyncingView,
}

#[derive(Serialize)]
pub(super) struct PeerEvent {
    event: &'static str,
    peer: PeerView,
}

impl PeerEvent {
    pub(super) fn new(change: PeerChange, now: std::time::Duration) -> Self {
        let (event, name, info) = match change {
            PeerChange::Connected(name, info) => ("connected", name, info),
            PeerChange::Updated(name, info) => ("updated", name, info),
            PeerChange::Disconnected(name, info) => ("disconnected", name, info),
        };
        Self {
            event,
            peer: PeerView::new(name, info, now),
        }
    }
}

#[derive(Serialize)]
pub(super) struct DutyEvent {
    kind: &'static str,
    slot: Slot,
    validators: Vec<ValidatorIndex>,
    outcome: &'static str,
    delay_ms: u64,
}

impl From<&Duty> for DutyEvent {
    fn from(duty: &Duty) -> Self {
        Self {
            kind: match duty.kind {
                DutyKind::Proposal => "proposal",
                DutyKind::Attestation => "attestation",
            },
            slot: duty.slot,
            validators: duty.validators.to_vec(),
            outcome: match duty.outcome {
                DutyOutcome::Done => "done",
                DutyOutcome::Late => "late",
                DutyOutcome::Missed => "missed",
            },
            delay_ms: duty.delay.as_millis() as u64,
        }
    }
}

#[derive(Serialize)]
pub(super) struct SlotEvent {
    pub(super) slot: Slot,
    pub(super) head: Checkpoint,
    pub(super) safe_target: Checkpoint,
    pub(super) justified: Checkpoint,
    pub(super) finalized: Checkpoint,
    pub(super) peers: usize,
    pub(super) state: Condition,
}

/// How an item came, as the JSON says it.
pub(super) const fn origin(source: Source) -> &'static str {
    match source {
        Source::Gossip => "gossip",
        Source::Sync => "sync",
        Source::Own => "own",
    }
}
