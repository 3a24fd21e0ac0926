//! The JSON forms: members in snake case, roots and byte strings as `0x…`, slots and counts as numbers.

use std::time::Duration;

use quartet_chain::{
    Direction, Equivocation, Finality, ForkChoiceNode, PeerInfo, PeerName, SyncState,
};
use quartet_types::{AttestationData, Checkpoint, Root, Signature, Slot, ValidatorIndex};
use serde::Serialize;

use crate::{
    condition::Condition,
    node::{NodeInfo, NodeView, Overview},
};

#[derive(Serialize)]
pub(crate) struct FinalityView {
    justified: Checkpoint,
    finalized: Checkpoint,
}

impl From<&Overview> for FinalityView {
    fn from(overview: &Overview) -> Self {
        Self {
            justified: overview.justified,
            finalized: overview.finalized,
        }
    }
}

/// A move of finality.
#[derive(Serialize)]
pub(crate) struct FinalizedView {
    root: Root,
    slot: Slot,
    /// The slot of the clock in which it happened.
    at: Slot,
}

impl From<Finality> for FinalizedView {
    fn from(finality: Finality) -> Self {
        Self {
            root: finality.checkpoint.root,
            slot: finality.checkpoint.slot,
            at: finality.at,
        }
    }
}

#[derive(Serialize)]
pub(crate) struct SyncingView {
    syncing: bool,
    state: Condition,
    head_slot: Slot,
    current_slot: Slot,
    target_slot: Slot,
    distance: u64,
    slots_per_second: Option<u64>,
    seconds_left: Option<u64>,
}

impl SyncingView {
    /// How far the node is now.
    pub(crate) fn of(node: &NodeView) -> Self {
        Self::at(node, &node.overview())
    }

    /// How far it is at a moment of the chain.
    pub(crate) fn at(node: &NodeView, overview: &Overview) -> Self {
        Self::new(overview, node.condition_of(overview), node.current_slot())
    }

    /// Whether its chain may be behind that of the others.
    pub(crate) const fn is_syncing(&self) -> bool {
        self.syncing
    }

    fn new(overview: &Overview, state: Condition, current_slot: Slot) -> Self {
        let head_slot = overview.head.slot;
        let target_slot = match (overview.sync, state) {
            (SyncState::Syncing { target }, _) => target,
            (_, Condition::Synced) => head_slot,
            // No peer has told its status; the chain cannot be beyond the clock.
            _ => current_slot.max(head_slot),
        };
        let distance = target_slot.saturating_sub(head_slot);
        let is_syncing = matches!(overview.sync, SyncState::Syncing { .. });
        let speed = is_syncing.then_some(overview.sync_speed);
        Self {
            syncing: matches!(
                state,
                Condition::Starting | Condition::Syncing | Condition::CutOff
            ),
            state,
            head_slot,
            current_slot,
            target_slot,
            distance,
            slots_per_second: speed,
            seconds_left: speed.and_then(|speed| distance.checked_div(speed)),
        }
    }
}

#[derive(Serialize)]
pub(crate) struct PeersView {
    count: usize,
    peers: Vec<PeerView>,
}

#[derive(Serialize)]
pub(crate) struct PeerView {
    peer_id: String,
    address: String,
    direction: &'static str,
    agent: Option<String>,
    /// The first part of the agent, which is the client's name.
    client: Option<String>,
    head: Option<Checkpoint>,
    finalized: Option<Checkpoint>,
    connected_seconds: u64,
    latency_ms: Option<u64>,
    points: u32,
    bytes_in: u64,
    bytes_out: u64,
}

impl PeerView {
    pub(crate) fn new(name: PeerName, info: PeerInfo, now: Duration) -> Self {
        let client = |agent: &String| agent.split('/').next().unwrap_or_default().to_owned();
        Self {
            peer_id: name.to_string(),
            address: info.address,
            direction: match info.direction {
                Direction::Inbound => "inbound",
                Direction::Outbound => "outbound",
            },
            client: info.agent.as_ref().map(client),
            agent: info.agent,
            head: info.status.map(|status| status.head),
            finalized: info.status.map(|status| status.finalized),
            connected_seconds: now.saturating_sub(info.since).as_secs(),
            latency_ms: info
                .figures
                .latency
                .map(|latency| latency.as_millis() as u64),
            points: info.figures.points,
            bytes_in: info.figures.received,
            bytes_out: info.figures.sent,
        }
    }
}

impl PeersView {
    /// The peers now.
    pub(crate) fn of(node: &NodeView) -> Self {
        let now = node.now();
        let view = |(name, info)| PeerView::new(name, info, now);
        let peers: Vec<_> = node.peers().into_iter().map(view).collect();
        Self {
            count: peers.len(),
            peers,
        }
    }
}

#[derive(Serialize)]
pub(crate) struct VersionView<'a> {
    client: &'static str,
    version: &'a str,
    commit: &'a str,
    node: &'a str,
}

impl<'a> From<&'a NodeInfo> for VersionView<'a> {
    fn from(info: &'a NodeInfo) -> Self {
        Self {
            client: NodeInfo::CLIENT,
            version: &info.version,
            commit: &info.commit,
            node: &info.name,
        }
    }
}

/// What the fork choice's listing says beside the nodes.
#[derive(Serialize)]
pub(crate) struct ForkChoiceView {
    head: Root,
    justified: Checkpoint,
    finalized: Checkpoint,
    safe_target: Root,
    validator_count: u64,
}

#[derive(Serialize)]
pub(crate) struct ForkChoiceNodeView {
    root: Root,
    slot: Slot,
    parent_root: Root,
    proposer_index: ValidatorIndex,
    weight: u64,
}

impl From<&ForkChoiceNode> for ForkChoiceNodeView {
    fn from(node: &ForkChoiceNode) -> Self {
        Self {
            root: node.block.root,
            slot: node.block.slot,
            parent_root: node.parent_root,
            proposer_index: node.proposer,
            weight: node.weight,
        }
    }
}

impl From<&Overview> for ForkChoiceView {
    fn from(overview: &Overview) -> Self {
        Self {
            head: overview.head.root,
            justified: overview.justified,
            finalized: overview.finalized,
            safe_target: overview.safe_target.root,
            validator_count: overview.validator_count,
        }
    }
}

/// Validators that have signed two messages for one slot.
#[derive(Serialize)]
pub(crate) struct EquivocationsView<'a> {
    /// How many were found, kept or not.
    total: u64,
    equivocations: Vec<EquivocationView<'a>>,
}

#[derive(Serialize)]
struct EquivocationView<'a> {
    validator_id: ValidatorIndex,
    slot: Slot,
    messages: [SignedDataView<'a>; 2],
}

#[derive(Serialize)]
struct SignedDataView<'a> {
    data: &'a AttestationData,
    signature: &'a Signature,
}

impl<'a> EquivocationsView<'a> {
    pub(crate) fn new(total: u64, kept: &'a [Equivocation]) -> Self {
        let equivocations = kept.iter().map(|equivocation| EquivocationView {
            validator_id: equivocation.validator(),
            slot: equivocation.slot(),
            messages: [&equivocation.first, &equivocation.second].map(|signed| SignedDataView {
                data: &signed.message.data,
                signature: &signed.signature,
            }),
        });
        Self {
            total,
            equivocations: equivocations.collect(),
        }
    }
}
