//! Answers that only the HTTP API gives, with the members that other clients have beside ours.

use quartet_types::{Checkpoint, Root, Slot};
use serde::Serialize;

use crate::{
    condition::Condition,
    node::{NodeInfo, NodeView, Overview},
    node_views::ConstantsView,
    views::{SyncingView, VersionView},
};

/// The health of the node, for programs that decide whether to ask or to restart it.
#[derive(Serialize)]
pub(crate) struct HealthView {
    /// `healthy`, or the node's condition.
    status: &'static str,
    service: &'static str,
    /// For humans: why it is not healthy.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl HealthView {
    /// What leanSpec calls the service.
    const SERVICE: &'static str = "lean-rpc-api";

    pub(crate) fn new(node: &NodeView, overview: &Overview, condition: Condition) -> Self {
        let (head, clock) = (overview.head.slot, node.current_slot());
        let reason = match condition {
            Condition::Synced => None,
            Condition::Starting => Some("it is not known yet how far the chain is".to_owned()),
            Condition::Syncing => Some(format!(
                "catching up: the head is at slot {head}, the clock at {clock}"
            )),
            Condition::CutOff => Some(format!(
                "no peers, and {} of {} validators here are too few to go on alone",
                node.info().validators.len(),
                overview.validator_count
            )),
            Condition::Stalled => Some(format!(
                "the head is at slot {head}, finality at {}, the clock at {clock}",
                overview.finalized.slot
            )),
        };
        Self {
            status: match condition {
                Condition::Synced => "healthy",
                other => other.name(),
            },
            service: Self::SERVICE,
            reason,
        }
    }
}

/// The head as a checkpoint, and by ream's name for its root.
#[derive(Serialize)]
pub(crate) struct HeadView {
    #[serde(flatten)]
    checkpoint: Checkpoint,
    head: Root,
}

impl From<Checkpoint> for HeadView {
    fn from(checkpoint: Checkpoint) -> Self {
        let head = checkpoint.root;
        Self { checkpoint, head }
    }
}

/// The number of peers by state, as strings, as ream has it. Only connected ones are known here.
#[derive(Serialize)]
pub(crate) struct PeerCountView {
    connected: String,
    connecting: &'static str,
    disconnected: &'static str,
    disconnecting: &'static str,
}

impl PeerCountView {
    pub(crate) fn of(node: &NodeView) -> Self {
        Self {
            connected: node.peer_count().to_string(),
            connecting: "0",
            disconnected: "0",
            disconnecting: "0",
        }
    }
}

/// The node's identity, in ethlambda's form with more members.
#[derive(Serialize)]
pub(crate) struct IdentityView<'a> {
    version: String,
    peer_id: &'a str,
    enr: Option<&'a str>,
    addresses: &'a [String],
    node: &'a str,
}

impl<'a> IdentityView<'a> {
    pub(crate) fn of(node: &'a NodeView) -> Self {
        let info = node.info();
        Self {
            version: info.full_version(),
            peer_id: &info.peer_id,
            enr: info.enr.as_deref(),
            addresses: &info.addresses,
            node: &info.name,
        }
    }
}

/// The software and its version, with ream's member `data` beside ours.
#[derive(Serialize)]
pub(crate) struct NodeVersionView<'a> {
    data: VersionData,
    #[serde(flatten)]
    version: VersionView<'a>,
}

#[derive(Serialize)]
struct VersionData {
    version: String,
}

impl<'a> From<&'a NodeInfo> for NodeVersionView<'a> {
    fn from(info: &'a NodeInfo) -> Self {
        let version = info.full_version();
        Self {
            data: VersionData { version },
            version: info.into(),
        }
    }
}

/// The sync state, with ethlambda's members beside ours.
#[derive(Serialize)]
pub(crate) struct NodeSyncingView {
    is_syncing: bool,
    /// Slots between the head and the clock.
    sync_distance: u64,
    finalized_slot: Slot,
    #[serde(flatten)]
    syncing: SyncingView,
}

impl NodeSyncingView {
    pub(crate) fn of(node: &NodeView) -> Self {
        let overview = node.overview();
        let syncing = SyncingView::at(node, &overview);
        Self {
            is_syncing: syncing.is_syncing(),
            sync_distance: node.current_slot().saturating_sub(overview.head.slot),
            finalized_slot: overview.finalized.slot,
            syncing,
        }
    }
}

/// The constants, and the name that gossip's topics bear.
#[derive(Serialize)]
pub(crate) struct SpecView<'a> {
    #[serde(flatten)]
    constants: ConstantsView,
    #[serde(rename = "FORK_DIGEST")]
    fork_digest: &'a str,
}

impl<'a> SpecView<'a> {
    pub(crate) fn of(node: &'a NodeView) -> Self {
        Self {
            constants: ConstantsView::of(node),
            fork_digest: &node.info().fork_name,
        }
    }
}
