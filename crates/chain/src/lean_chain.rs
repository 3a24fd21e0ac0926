//! `LeanChain`: everything the node knows of the chain.
//!
//! Plain data with plain methods; the chain service alone calls the ones that change it, each of which
//! takes microseconds: hashes, signatures and transitions are computed before, outside the lock.

mod database;
mod import;
mod production;

use std::sync::Arc;

use quartet_fork_choice::{BlockInfo, Checkpoints, ForkChoice, Rules, WeighedBlock};
use quartet_sync::SyncState;
use quartet_types::{
    Attestation, AttestationData, Block, BlockSignatures, BlockWithAttestation, Checkpoint,
    PublicKey, Root, Signature, SignedBlockWithAttestation, Slot, State, Status, ValidatorIndex,
    Validators, proposer_index,
};
use tree_hash::TreeHash as _;

pub(crate) use database::Stored;
pub use import::Pruned;
pub use production::{ProducedBlock, ProposalBasis};

use crate::{
    Equivocations,
    recent::{MemoryLimits, RecentBlocks, RecentStates},
    vote_pool::VotePool,
};

/// Everything the node knows.
#[derive(Debug)]
pub struct LeanChain {
    genesis_time: u64,
    /// The registry, which never changes.
    validators: Validators,
    fork_choice: ForkChoice,
    /// By slot, the roots of the chain before the tree's oldest block, zero for an empty slot: 32 bytes for each of the
    /// protocol's 2^18 slots at most.
    past: Vec<Root>,
    blocks: RecentBlocks,
    states: RecentStates,
    memory_limits: MemoryLimits,
    /// Verified votes with their signatures, for building blocks.
    votes: VotePool,
    equivocations: Equivocations,
    sync_state: SyncState,
    sync_speed: u64,
    /// The last move of the head with which a branch was dropped.
    pruned_move: PrunedMove,
}

/// A move of the head, and how many blocks it left behind, as the tree had it before finality dropped them.
#[derive(Clone, Copy, Debug, Default)]
struct PrunedMove {
    from: Root,
    to: Root,
    depth: u64,
}

/// A block of the fork choice's tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForkChoiceNode {
    /// The block.
    pub block: Checkpoint,
    /// The block it builds on.
    pub parent_root: Root,
    /// Who proposed it.
    pub proposer: ValidatorIndex,
    /// Votes for it and its descendants.
    pub weight: u64,
}

/// The four checkpoints that say where a chain stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForkChoiceView {
    /// The head.
    pub head: Checkpoint,
    /// The safe target.
    pub safe_target: Checkpoint,
    /// The latest justified checkpoint.
    pub justified: Checkpoint,
    /// The latest finalized checkpoint.
    pub finalized: Checkpoint,
}

/// A block whose signatures and transition have been checked against its parent.
#[derive(Clone, Debug)]
pub struct ImportableBlock {
    /// Root of the block.
    pub root: Root,
    /// The block.
    pub block: Arc<SignedBlockWithAttestation>,
    /// The state after it.
    pub post_state: Arc<State>,
}

impl LeanChain {
    /// A chain that starts from a genesis state.
    pub fn from_genesis(genesis: State) -> Self {
        let block = Block::genesis(&genesis);
        Self::from_anchor(unsigned(block), genesis)
    }

    /// A chain that starts from a trusted block and its post-state, which counts as justified and
    /// finalized.
    pub fn from_anchor(anchor: SignedBlockWithAttestation, state: State) -> Self {
        Self::with_rules(anchor, state, Rules::QUARTET)
    }

    /// As [`Self::from_anchor`], by other rules than the node's own: the reference vectors are checked with
    /// [`Rules::SPECIFICATION`].
    pub fn with_rules(anchor: SignedBlockWithAttestation, state: State, rules: Rules) -> Self {
        let block = anchor.block();
        let root = block.tree_hash_root();
        let info = BlockInfo {
            root,
            parent_root: block.parent_root,
            slot: block.slot,
        };
        let validators = state.validator_count();
        let fork_choice = ForkChoice::new(
            info,
            anchor_checkpoints(&info, &state, rules),
            validators,
            rules,
        );
        let past = state.historical_block_hashes.iter().copied().collect();
        let mut chain = Self::with_tree(fork_choice, past, &state);
        chain.blocks.insert(root, Arc::new(anchor));
        chain.states.insert(root, Arc::new(state), &root);
        chain
    }

    /// A chain without blocks and states in memory. `past` has the roots of the slots before the tree's oldest block, and `state`
    /// is of this network.
    fn with_tree(mut fork_choice: ForkChoice, past: Vec<Root>, state: &State) -> Self {
        for (root, slot) in past.iter().zip(0..).filter(|(root, _)| !root.is_zero()) {
            fork_choice.remember(Checkpoint { root: *root, slot });
        }
        let limits = MemoryLimits::default();
        Self {
            genesis_time: state.config.genesis_time,
            validators: state.validators.clone(),
            votes: VotePool::new(fork_choice.validators()),
            fork_choice,
            past,
            blocks: RecentBlocks::new(limits.blocks),
            states: RecentStates::new(limits.states),
            memory_limits: limits,
            equivocations: Equivocations::default(),
            sync_state: SyncState::Starting,
            sync_speed: 0,
            pruned_move: PrunedMove::default(),
        }
    }

    /// Unix time of slot 0, in seconds.
    pub fn genesis_time(&self) -> u64 {
        self.genesis_time
    }

    /// The chain's own time in intervals since genesis, which the ticks move.
    pub fn time(&self) -> u64 {
        self.fork_choice.time()
    }

    /// The current slot by the chain's own time.
    pub fn current_slot(&self) -> Slot {
        self.fork_choice.current_slot()
    }

    /// Number of validators in the registry.
    pub fn validator_count(&self) -> u64 {
        self.fork_choice.validators()
    }

    /// What we tell peers of our chain.
    pub fn status(&self) -> Status {
        Status {
            finalized: self.latest_finalized(),
            head: self.head(),
        }
    }

    /// Where the chain stands.
    pub fn view(&self) -> ForkChoiceView {
        ForkChoiceView {
            head: self.head(),
            safe_target: self.safe_target(),
            justified: self.latest_justified(),
            finalized: self.latest_finalized(),
        }
    }

    /// The head.
    pub fn head(&self) -> Checkpoint {
        self.fork_choice.head()
    }

    /// The safe target.
    pub fn safe_target(&self) -> Checkpoint {
        self.fork_choice.safe_target()
    }

    /// The latest justified checkpoint.
    pub fn latest_justified(&self) -> Checkpoint {
        self.fork_choice.latest_justified()
    }

    /// The latest finalized checkpoint.
    pub fn latest_finalized(&self) -> Checkpoint {
        self.fork_choice.latest_finalized()
    }

    /// How far the node is with catching up.
    pub fn sync_state(&self) -> SyncState {
        self.sync_state
    }

    /// How many slots a second the head moves on while the node catches up, as it was last measured.
    pub fn sync_speed(&self) -> u64 {
        self.sync_speed
    }

    /// The fork choice, for reading.
    pub fn fork_choice(&self) -> &ForkChoice {
        &self.fork_choice
    }

    /// How many blocks the head's move from one block to another has left behind, even if finality has dropped them with the same
    /// import.
    pub(crate) fn reorg_depth(&self, from: &Root, to: &Root) -> u64 {
        let pruned = &self.pruned_move;
        if (pruned.from, pruned.to) == (*from, *to) {
            return pruned.depth;
        }
        self.fork_choice.reorg_depth(from, to)
    }

    /// Whether the block is in the tree.
    pub fn contains(&self, root: &Root) -> bool {
        self.fork_choice.contains(root)
    }

    /// A recent block; older ones are in the database, see [`ChainReader::block`](crate::ChainReader::block). The anchor of a
    /// chain that starts at genesis has no signatures.
    pub fn block(&self, root: Root) -> Option<Arc<SignedBlockWithAttestation>> {
        self.blocks.get(&root).cloned()
    }

    /// The post-state of a recent block; others are rebuilt, see [`ChainReader::state`](crate::ChainReader::state).
    pub fn state(&self, root: Root) -> Option<Arc<State>> {
        self.states.get(&root).cloned()
    }

    /// The post-state of the head. It is at hand unless votes have just moved the head to an old branch.
    pub fn head_state(&self) -> Option<&Arc<State>> {
        self.states.get(&self.fork_choice.head().root)
    }

    /// The registry, which never changes.
    pub fn validators(&self) -> &Validators {
        &self.validators
    }

    /// The public key of `validator`, or `None` beyond the registry.
    pub fn public_key(&self, validator: ValidatorIndex) -> Option<&PublicKey> {
        let entry = self.validators.get(usize::try_from(validator).ok()?)?;
        Some(&entry.pubkey)
    }

    /// Root of the block of the head's chain at this slot, `None` where the slot is empty or ahead.
    pub fn canonical_root(&self, slot: Slot) -> Option<Root> {
        if slot < self.fork_choice.oldest_block().slot {
            let root = *self.past.get(usize::try_from(slot).ok()?)?;
            return (!root.is_zero()).then_some(root);
        }
        let block = self.fork_choice.ancestor_at(&self.head().root, slot)?;
        (block.slot == slot).then_some(block.root)
    }

    /// The fork choice's tree, ancestors before descendants.
    pub fn fork_choice_nodes(&self) -> Vec<ForkChoiceNode> {
        self.fork_choice_page(0, usize::MAX)
    }

    /// At most `limit` nodes of [`Self::fork_choice_nodes`], from the one at `first` on. Positions stay as they are as long as
    /// the tree's oldest block does.
    pub fn fork_choice_page(&self, first: usize, limit: usize) -> Vec<ForkChoiceNode> {
        let validators = self.validator_count();
        let node = |weighed: WeighedBlock| ForkChoiceNode {
            block: weighed.block.checkpoint(),
            parent_root: weighed.block.parent_root,
            // Every block of the tree is by its slot's proposer.
            proposer: proposer_index(weighed.block.slot, validators).unwrap_or_default(),
            weight: weighed.weight,
        };
        let page = self.fork_choice.blocks().skip(first).take(limit);
        page.map(node).collect()
    }

    /// Whether this very attestation with this very signature has been verified and is still at hand.
    pub fn has_verified(&self, attestation: &Attestation, signature: &Signature) -> bool {
        self.verified(attestation, signature).is_some()
    }

    /// The signature at hand that is equal to this one, if this very attestation has been verified with it.
    pub(crate) fn verified(
        &self,
        attestation: &Attestation,
        signature: &Signature,
    ) -> Option<&Signature> {
        let held = self.votes.signature(attestation);
        held.filter(|held| *held == signature)
    }

    /// Validators that have signed two messages for one slot.
    pub fn equivocations(&self) -> &Equivocations {
        &self.equivocations
    }

    /// What the validators of this node attest to in `slot`.
    pub fn attestation_data(&self, slot: Slot) -> AttestationData {
        self.fork_choice.attestation_data(slot)
    }
}

/// The checkpoints of a post-state that go to the fork choice.
pub(crate) fn checkpoints(state: &State, rules: Rules) -> Checkpoints {
    Checkpoints {
        justified: if rules.justified_is_the_highest {
            state.highest_justified()
        } else {
            state.latest_justified
        },
        finalized: state.latest_finalized,
    }
}

/// The checkpoints of an anchor's post-state. A genesis state cannot name its own block.
fn anchor_checkpoints(anchor: &BlockInfo, state: &State, rules: Rules) -> Checkpoints {
    if anchor.slot > 0 {
        return checkpoints(state, rules);
    }
    Checkpoints {
        justified: anchor.checkpoint(),
        finalized: anchor.checkpoint(),
    }
}

/// An envelope for a block that nobody has signed: a genesis block.
pub(crate) fn unsigned(block: Block) -> SignedBlockWithAttestation {
    SignedBlockWithAttestation {
        message: BlockWithAttestation {
            block,
            proposer_attestation: Attestation::default(),
        },
        signature: BlockSignatures::default(),
    }
}

#[cfg(test)]
mod tests;
