//! The JSON forms of blocks, headers and states.

use quartet_types::{
    Attestation, AttestationData, Block, BlockHeader, BlockSignatures, Checkpoint,
    HistoricalBlockHashes, JustificationRoots, JustificationValidators, JustifiedSlots, Root,
    SignedBlockWithAttestation, Slot, State, ValidatorIndex, Validators,
};
use serde::Serialize;

#[derive(Serialize)]
pub(crate) struct AttestationView<'a> {
    validator_id: ValidatorIndex,
    data: &'a AttestationData,
}

impl<'a> From<&'a Attestation> for AttestationView<'a> {
    fn from(attestation: &'a Attestation) -> Self {
        Self {
            validator_id: attestation.validator_id,
            data: &attestation.data,
        }
    }
}

#[derive(Serialize)]
pub(crate) struct BlockView<'a> {
    slot: Slot,
    proposer_index: ValidatorIndex,
    parent_root: Root,
    state_root: Root,
    body: BodyView<'a>,
}

#[derive(Serialize)]
struct BodyView<'a> {
    attestations: Vec<AttestationView<'a>>,
}

impl<'a> From<&'a Block> for BlockView<'a> {
    fn from(block: &'a Block) -> Self {
        let attestations = block.body.attestations.iter();
        Self {
            slot: block.slot,
            proposer_index: block.proposer_index,
            parent_root: block.parent_root,
            state_root: block.state_root,
            body: BodyView {
                attestations: attestations.map(Into::into).collect(),
            },
        }
    }
}

/// A block without its signatures, which are most of its bytes and are useful to programs only.
#[derive(Serialize)]
pub(crate) struct NamedBlockView<'a> {
    root: Root,
    #[serde(flatten)]
    message: MessageView<'a>,
    signatures: usize,
}

impl<'a> NamedBlockView<'a> {
    pub(crate) fn new(root: Root, block: &'a SignedBlockWithAttestation) -> Self {
        Self {
            root,
            message: block.into(),
            signatures: block.signature.len(),
        }
    }
}

/// The whole envelope, member by member as in its SSZ form, and beside it the block's members as other clients have them.
#[derive(Serialize)]
pub(crate) struct SignedBlockView<'a> {
    #[serde(flatten)]
    block: BlockView<'a>,
    message: MessageView<'a>,
    signature: &'a BlockSignatures,
}

#[derive(Serialize)]
struct MessageView<'a> {
    block: BlockView<'a>,
    proposer_attestation: AttestationView<'a>,
}

impl<'a> From<&'a SignedBlockWithAttestation> for MessageView<'a> {
    fn from(block: &'a SignedBlockWithAttestation) -> Self {
        Self {
            block: block.block().into(),
            proposer_attestation: (&block.message.proposer_attestation).into(),
        }
    }
}

impl<'a> From<&'a SignedBlockWithAttestation> for SignedBlockView<'a> {
    fn from(block: &'a SignedBlockWithAttestation) -> Self {
        Self {
            block: block.block().into(),
            message: block.into(),
            signature: &block.signature,
        }
    }
}

#[derive(Serialize)]
struct HeaderView {
    slot: Slot,
    proposer_index: ValidatorIndex,
    parent_root: Root,
    state_root: Root,
    body_root: Root,
}

impl From<&BlockHeader> for HeaderView {
    fn from(header: &BlockHeader) -> Self {
        Self {
            slot: header.slot,
            proposer_index: header.proposer_index,
            parent_root: header.parent_root,
            state_root: header.state_root,
            body_root: header.body_root,
        }
    }
}

/// A block's header, with its root.
#[derive(Serialize)]
pub(crate) struct NamedHeaderView {
    root: Root,
    #[serde(flatten)]
    header: HeaderView,
}

impl NamedHeaderView {
    pub(crate) fn new(root: Root, header: &BlockHeader) -> Self {
        let header = header.into();
        Self { root, header }
    }
}

#[derive(Serialize)]
struct ConfigView {
    genesis_time: u64,
}

#[derive(Serialize)]
pub(crate) struct StateView<'a> {
    config: ConfigView,
    slot: Slot,
    latest_block_header: HeaderView,
    latest_justified: Checkpoint,
    latest_finalized: Checkpoint,
    historical_block_hashes: &'a HistoricalBlockHashes,
    justified_slots: &'a JustifiedSlots,
    validators: &'a Validators,
    justifications_roots: &'a JustificationRoots,
    justifications_validators: &'a JustificationValidators,
}

impl<'a> From<&'a State> for StateView<'a> {
    fn from(state: &'a State) -> Self {
        Self {
            config: ConfigView {
                genesis_time: state.config.genesis_time,
            },
            slot: state.slot,
            latest_block_header: (&state.latest_block_header).into(),
            latest_justified: state.latest_justified,
            latest_finalized: state.latest_finalized,
            historical_block_hashes: &state.historical_block_hashes,
            justified_slots: &state.justified_slots,
            validators: &state.validators,
            justifications_roots: &state.justifications_roots,
            justifications_validators: &state.justifications_validators,
        }
    }
}
