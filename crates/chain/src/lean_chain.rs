//! `LeanChain`: everything the node knows of the chain.
//!
//! Plain data with plain methods; the chain service alone calls the ones that change it, each of which
//! takes microseconds: hashes, signatures and transitions are computed before, outside the lock.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use parking_lot::RwLock;
use quartet_fork_choice::{
    AttestationOrigin, BlockInfo, BlockOutcome, ForkChoice, NoTarget, WeighedBlock,
};
use quartet_types::{
    Attestation, AttestationData, Block, BlockSignatures, BlockWithAttestation, Checkpoint,
    PublicKey, Root, Signature, SignedAttestation, SignedBlockWithAttestation, Slot, State, Status,
    ValidatorIndex,
};
use tree_hash::TreeHash as _;

use crate::{
    ImportError,
    production::{ProposalBasis, votes_to_catch_up},
};

/// The one state that all services share; only the chain service takes the write lock.
pub type SharedChain = Arc<RwLock<LeanChain>>;

/// Everything the node knows.
#[derive(Debug)]
pub struct LeanChain {
    genesis_time: u64,
    fork_choice: ForkChoice,
    /// The blocks of the fork choice's tree.
    blocks: HashMap<Root, Arc<SignedBlockWithAttestation>>,
    /// Their post-states.
    states: HashMap<Root, Arc<State>>,
    /// Verified signatures of the attestations that the fork choice counts, for building blocks.
    signatures: HashMap<Attestation, Signature>,
    sync_state: SyncState,
}

/// How far the node is with catching up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncState {
    /// Just started: no peer has told us of its head yet.
    Starting,
    /// Fetching blocks up to the slot that a peer has told us of.
    Syncing {
        /// That slot.
        target: Slot,
    },
    /// Nobody we know is ahead: duties are done.
    Synced,
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
pub struct View {
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

/// What finality left behind; its memory is freed by whoever drops it, outside the lock.
#[derive(Debug, Default)]
pub struct Pruned {
    blocks: Vec<Arc<SignedBlockWithAttestation>>,
    states: Vec<Arc<State>>,
}

impl Pruned {
    /// Whether finality left nothing behind.
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }
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
        let block = anchor.block();
        let root = block.tree_hash_root();
        let info = BlockInfo {
            root,
            parent_root: block.parent_root,
            slot: block.slot,
        };
        Self {
            genesis_time: state.config.genesis_time,
            fork_choice: ForkChoice::new(info, state.validator_count()),
            blocks: HashMap::from([(root, Arc::new(anchor))]),
            states: HashMap::from([(root, Arc::new(state))]),
            signatures: HashMap::new(),
            sync_state: SyncState::Starting,
        }
    }

    /// Shares the chain.
    pub fn shared(self) -> SharedChain {
        Arc::new(RwLock::new(self))
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
        self.head_state().validator_count()
    }

    /// What we tell peers of our chain.
    pub fn status(&self) -> Status {
        Status {
            finalized: self.latest_finalized(),
            head: self.head(),
        }
    }

    /// Where the chain stands.
    pub fn view(&self) -> View {
        View {
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

    /// The fork choice, for reading.
    pub fn fork_choice(&self) -> &ForkChoice {
        &self.fork_choice
    }

    /// Whether the block is in the tree.
    pub fn contains(&self, root: &Root) -> bool {
        self.blocks.contains_key(root)
    }

    /// A block that has not been left behind by finality; older ones are in the store. The anchor of a
    /// chain that starts at genesis has no signatures.
    pub fn block(&self, root: Root) -> Option<Arc<SignedBlockWithAttestation>> {
        self.blocks.get(&root).cloned()
    }

    /// The post-state of a block at or after the finalized one.
    pub fn state(&self, root: Root) -> Option<Arc<State>> {
        self.states.get(&root).cloned()
    }

    /// The post-state of the head.
    pub fn head_state(&self) -> &Arc<State> {
        // Invariant: every block of the fork choice's tree has its state here.
        &self.states[&self.fork_choice.head().root]
    }

    /// The public key of `validator`, or `None` beyond the registry. The registry never changes.
    pub fn public_key(&self, validator: ValidatorIndex) -> Option<&PublicKey> {
        self.head_state().public_key(validator)
    }

    /// Root of the block of the head's chain at this slot, `None` where the slot is empty or ahead.
    pub fn canonical_root(&self, slot: Slot) -> Option<Root> {
        let head = self.head();
        if slot == head.slot {
            return Some(head.root);
        }
        let history = &self.head_state().historical_block_hashes;
        let root = history.get(usize::try_from(slot).ok()?)?;
        (*root != Root::ZERO).then_some(*root)
    }

    /// Blocks of the chain up to `old` that are not part of the chain up to `new`.
    pub(crate) fn reorg_depth(&self, old: Checkpoint, new: Checkpoint) -> u64 {
        let ancestors = std::iter::successors(self.fork_choice.block(&old.root), |block| {
            self.fork_choice.block(&block.parent_root)
        });
        let abandoned =
            ancestors.take_while(|block| !self.fork_choice.is_ancestor(&block.root, &new.root));
        abandoned.count() as u64
    }

    /// The fork choice's tree, ancestors before descendants.
    pub fn fork_choice_nodes(&self) -> Vec<ForkChoiceNode> {
        let node = |weighed: WeighedBlock| {
            let block = self.blocks.get(&weighed.block.root)?;
            Some(ForkChoiceNode {
                block: weighed.block.checkpoint(),
                parent_root: weighed.block.parent_root,
                proposer: block.block().proposer_index,
                weight: weighed.weight,
            })
        };
        self.fork_choice.blocks().filter_map(node).collect()
    }

    /// Whether this very attestation with this very signature has been verified and still counts.
    pub fn has_verified(&self, attestation: &Attestation, signature: &Signature) -> bool {
        self.signatures.get(attestation) == Some(signature)
    }

    /// What the validators of this node attest to in `slot`.
    ///
    /// The target is one that the head's own state can justify. The specification measures from the
    /// finalized slot of the store, which a block on an abandoned branch may have raised beyond that of
    /// the head's chain: then nearly every slot is justifiable by the one and not by the other, and nothing
    /// would be justified any more.
    ///
    /// # Errors
    /// When no ancestor of the head may be a target, which no reachable state of the fork choice allows.
    pub fn attestation_data(&self, slot: Slot) -> Result<AttestationData, NoTarget> {
        let head = self.head();
        let parent_root = self.fork_choice.parent_of(&head.root).unwrap_or_default();
        let finalized = self.head_state().latest_finalized;
        let justified = self.latest_justified();
        let data =
            self.fork_choice
                .attestation_data_for(head, parent_root, justified, finalized)?;
        Ok(AttestationData { slot, ..data })
    }

    /// All that is needed to build a block on the head, by value.
    pub fn proposal_basis(&self) -> ProposalBasis {
        let votes = self.fork_choice.known_attestations();
        let signed = votes.filter_map(|message| {
            let signature = self.signatures.get(&message)?.clone();
            Some(SignedAttestation { message, signature })
        });
        ProposalBasis {
            state: self.head_state().clone(),
            justified: self.latest_justified(),
            attestations: votes_to_catch_up(self).into_iter().chain(signed).collect(),
        }
    }

    /// Advances to `time`, in intervals since genesis, as if no block were proposed here.
    pub fn advance(&mut self, time: u64) {
        self.fork_choice.advance_to(time, false);
        self.forget_signatures();
    }

    /// Accepts the new attestations, as at the start of a slot in which this node proposes.
    pub fn accept_new_attestations(&mut self) {
        self.fork_choice.accept_new_attestations();
    }

    /// Says how far the node is with catching up.
    pub fn set_sync_state(&mut self, state: SyncState) {
        self.sync_state = state;
    }

    /// Imports a block that has been checked, and returns what finality leaves behind.
    ///
    /// # Errors
    /// When its parent is unknown, or one of its attestations is invalid; the chain is then unchanged.
    pub fn import_block(&mut self, importable: ImportableBlock) -> Result<Pruned, ImportError> {
        let ImportableBlock {
            root,
            block,
            post_state,
        } = importable;
        let BlockWithAttestation {
            block: inner,
            proposer_attestation,
        } = &block.message;
        let info = BlockInfo {
            root,
            parent_root: inner.parent_root,
            slot: inner.slot,
        };
        let outcome = self.fork_choice.on_block(
            info,
            post_state.latest_justified,
            post_state.latest_finalized,
            &inner.body.attestations,
            proposer_attestation,
        )?;
        if outcome == BlockOutcome::AlreadyKnown {
            return Ok(Pruned::default());
        }
        for (attestation, signature) in block.attestations().zip(&block.signature) {
            self.signatures.insert(*attestation, signature.clone());
        }
        self.blocks.insert(root, block);
        self.states.insert(root, post_state);
        Ok(self.prune())
    }

    /// Counts a verified attestation from gossip or of our own.
    ///
    /// # Errors
    /// When it is invalid or names unknown blocks.
    pub fn import_attestation(&mut self, signed: &SignedAttestation) -> Result<(), ImportError> {
        self.fork_choice
            .on_attestation(&signed.message, AttestationOrigin::Gossip)?;
        self.signatures
            .insert(signed.message, signed.signature.clone());
        Ok(())
    }

    /// Drops what finality has left behind.
    fn prune(&mut self) -> Pruned {
        let mut pruned = Pruned::default();
        for root in self.fork_choice.prune() {
            pruned.states.extend(self.states.remove(&root));
            pruned.blocks.extend(self.blocks.remove(&root));
        }
        pruned
    }

    /// Forgets signatures of attestations that no longer count.
    fn forget_signatures(&mut self) {
        let known = self.fork_choice.known_attestations();
        let new = self.fork_choice.new_attestations();
        let counted: HashSet<Attestation> = known.chain(new).collect();
        self.signatures
            .retain(|attestation, _| counted.contains(attestation));
    }
}

/// An envelope for a block that nobody has signed: a genesis block.
fn unsigned(block: Block) -> SignedBlockWithAttestation {
    SignedBlockWithAttestation {
        message: BlockWithAttestation {
            block,
            proposer_attestation: Attestation::default(),
        },
        signature: BlockSignatures::default(),
    }
}
