//! The JSON forms of the node, its network and its validators.

use std::ops::Range;

use quartet_types::{
    Checkpoint, HISTORICAL_ROOTS_LIMIT, INTERVALS_PER_SLOT, PublicKey, Root, Slot, State,
    VALIDATOR_REGISTRY_LIMIT, ValidatorIndex, proposer_index,
};
use serde::Serialize;

use crate::{
    feed::{LastVote, Record, SeenVote},
    node::{NodeInfo, NodeView},
};

/// The node's identity.
#[derive(Serialize)]
pub(crate) struct NodeInfoView<'a> {
    name: &'a str,
    client: &'static str,
    version: &'a str,
    commit: &'a str,
    peer_id: &'a str,
    enr: Option<&'a str>,
    addresses: &'a [String],
    uptime_seconds: u64,
    validators: &'a [ValidatorIndex],
}

impl<'a> NodeInfoView<'a> {
    pub(crate) fn of(node: &'a NodeView) -> Self {
        let info = node.info();
        Self {
            name: &info.name,
            client: NodeInfo::CLIENT,
            version: &info.version,
            commit: &info.commit,
            peer_id: &info.peer_id,
            enr: info.enr.as_deref(),
            addresses: &info.addresses,
            uptime_seconds: node.now().saturating_sub(node.started()).as_secs(),
            validators: &info.validators,
        }
    }
}

/// Where the chain began.
#[derive(Serialize)]
pub(crate) struct GenesisView {
    genesis_time: u64,
    genesis_root: Root,
    validator_count: u64,
    slot_duration_ms: u64,
}

impl GenesisView {
    pub(crate) fn of(node: &NodeView) -> Self {
        Self {
            genesis_time: node.genesis_time(),
            genesis_root: node.info().genesis_root,
            validator_count: node.overview().validator_count,
            slot_duration_ms: node.slot_duration().as_millis() as u64,
        }
    }
}

/// The protocol's constants, by the specification's names.
#[derive(Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) struct ConstantsView {
    /// Where they are whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds_per_slot: Option<u64>,
    milliseconds_per_slot: u64,
    intervals_per_slot: u64,
    milliseconds_per_interval: u64,
    justification_lookback_slots: u64,
    historical_roots_limit: u64,
    validator_registry_limit: u64,
}

impl ConstantsView {
    pub(crate) fn of(node: &NodeView) -> Self {
        let slot = node.slot_duration().as_millis() as u64;
        Self {
            seconds_per_slot: slot.is_multiple_of(1000).then_some(slot / 1000),
            milliseconds_per_slot: slot,
            intervals_per_slot: INTERVALS_PER_SLOT,
            milliseconds_per_interval: slot / INTERVALS_PER_SLOT,
            justification_lookback_slots: quartet_types::JUSTIFICATION_LOOKBACK_SLOTS,
            historical_roots_limit: HISTORICAL_ROOTS_LIMIT,
            validator_registry_limit: VALIDATOR_REGISTRY_LIMIT,
        }
    }
}

/// A validator, and what it has done as this node saw it.
#[derive(Serialize)]
pub(crate) struct ValidatorView {
    index: ValidatorIndex,
    pubkey: PublicKey,
    /// Whether this node signs for it.
    local: bool,
    record: Record,
    last_vote: Option<LastVote>,
}

impl ValidatorView {
    /// Some validators, as many of them as there are.
    pub(crate) fn of(node: &NodeView, range: Range<ValidatorIndex>) -> Vec<Self> {
        let keys = node.public_keys(range.clone());
        let records = node.feed().records();
        let local = &node.info().validators;
        let view = |(index, pubkey)| {
            let (record, last_vote) = records.of(index).unwrap_or_default();
            Self {
                index,
                pubkey,
                local: local.binary_search(&index).is_ok(),
                record,
                last_vote,
            }
        };
        range.zip(keys).map(view).collect()
    }
}

/// The votes of a slot, as they came.
#[derive(Serialize)]
pub(crate) struct VotesView {
    slot: Slot,
    votes: Vec<SeenVote>,
}

impl VotesView {
    pub(crate) fn of(node: &NodeView, slot: Slot) -> Self {
        let votes = node.feed().records().votes(slot);
        Self { slot, votes }
    }
}

/// The duties of a slot.
#[derive(Serialize)]
pub(crate) struct DutiesView {
    slot: Slot,
    proposer_index: Option<ValidatorIndex>,
    proposer_local: bool,
    attesters: Vec<ValidatorIndex>,
    block: Option<Root>,
}

impl DutiesView {
    pub(crate) fn of(node: &NodeView, slot: Slot) -> Self {
        let proposer_index = match slot {
            // Genesis has no proposer.
            0 => None,
            _ => proposer_index(slot, node.overview().validator_count),
        };
        let local = &node.info().validators;
        let attests = |validator: &&ValidatorIndex| slot > 0 && Some(**validator) != proposer_index;
        Self {
            slot,
            proposer_index,
            proposer_local: proposer_index.is_some_and(|index| local.contains(&index)),
            attesters: local.iter().filter(attests).copied().collect(),
            block: node.canonical_root(slot),
        }
    }
}

/// A state in short.
#[derive(Serialize)]
pub(crate) struct StateSummaryView {
    root: Root,
    slot: Slot,
    latest_justified: Checkpoint,
    latest_finalized: Checkpoint,
    validator_count: usize,
    historical_block_hashes: usize,
    justifications: Vec<JustificationView>,
}

/// Votes for a checkpoint that is not justified yet.
#[derive(Serialize)]
struct JustificationView {
    root: Root,
    votes: usize,
}

impl StateSummaryView {
    /// The state after the block with this root.
    pub(crate) fn new(root: Root, state: &State) -> Self {
        let (validators, bits) = (state.validators.len(), &state.justifications_validators);
        let justification = |(place, root): (usize, &Root)| JustificationView {
            root: *root,
            votes: (place * validators..(place + 1) * validators)
                .filter(|bit| bits.get(*bit).unwrap_or(false))
                .count(),
        };
        Self {
            root,
            slot: state.slot,
            latest_justified: state.latest_justified,
            latest_finalized: state.latest_finalized,
            validator_count: validators,
            historical_block_hashes: state.historical_block_hashes.len(),
            justifications: state
                .justifications_roots
                .iter()
                .enumerate()
                .map(justification)
                .collect(),
        }
    }
}
