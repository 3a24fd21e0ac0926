//! The chain and its database: what is taken from there at a start, what goes there, what stays in memory meanwhile.

use std::{collections::HashMap, sync::Arc};

use quartet_fork_choice::{BlockInfo, Checkpoints, ForkChoice, RestoreError, Rules, VolatileState};
use quartet_storage::{Database, Started, StoredBlock};
use quartet_types::{
    Attestation, Checkpoint, Root, Signature, SignedBlockWithAttestation, Slot, State,
};

use super::{ImportableBlock, LeanChain, anchor_checkpoints, checkpoints};
use crate::{MemoryLimits, StoreError, reader::STATE_INTERVAL};

/// A chain as the database has it.
#[derive(Debug)]
pub(crate) struct Stored {
    /// The block that the tree begins with: final, and with its post-state.
    pub(crate) anchor: BlockInfo,
    /// The checkpoints of its post-state.
    pub(crate) checkpoints: Checkpoints,
    pub(crate) state: State,
    /// The finalized chain after the anchor, in ascending order.
    pub(crate) final_chain: Vec<Checkpoint>,
    /// The blocks after the anchor, parents before children.
    pub(crate) blocks: Vec<(BlockInfo, Checkpoints)>,
    /// The newest vote of each validator.
    pub(crate) votes: Vec<Attestation>,
}

impl LeanChain {
    /// A chain that the database has kept. Its blocks and states are read when they are needed. And the blocks after
    /// `final_chain`, ascending, that its blocks say are final, too: a crash came between the two.
    ///
    /// # Errors
    /// When what it holds does not fit together.
    pub(crate) fn restore(
        stored: Stored,
        rules: Rules,
    ) -> Result<(Self, Vec<Checkpoint>), RestoreError> {
        let Stored {
            anchor,
            checkpoints,
            state,
            final_chain,
            blocks,
            votes,
        } = stored;
        let validators = state.validator_count();
        let checkpoints = match anchor.slot {
            0 => anchor_checkpoints(&anchor, &state, rules),
            _ => checkpoints,
        };
        let parents: HashMap<Root, BlockInfo> = blocks
            .iter()
            .map(|(block, _)| (block.root, *block))
            .collect();
        let fork_choice =
            ForkChoice::restore(anchor, checkpoints, blocks, votes, validators, rules)?;
        let oldest = fork_choice.oldest_block();
        let last = final_chain.last().map_or(anchor.slot, |block| block.slot);
        let unheard = chain_after(last, oldest, &parents);
        let mut past: Vec<Root> = state.historical_block_hashes.iter().copied().collect();
        let known = std::iter::once(anchor.checkpoint()).chain(final_chain);
        let known = known.chain(unheard.iter().copied());
        for block in known.filter(|block| block.slot < oldest.slot) {
            past.resize(block.slot as usize, Root::ZERO);
            past.push(block.root);
        }
        let mut chain = Self::with_tree(fork_choice, past, &state);
        chain
            .states
            .insert(anchor.root, Arc::new(state), &anchor.root);
        Ok((chain, unheard))
    }

    /// Takes up what a keyframe knows of a moment, in a chain that was restored from it.
    pub(crate) fn restore_volatile(&mut self, volatile: &VolatileState) {
        self.fork_choice.restore_volatile(volatile);
        let known = self.fork_choice.known_attestations();
        let votes: Vec<Attestation> = known.chain(self.fork_choice.new_attestations()).collect();
        for vote in votes {
            // What is signed beside it is evidence; with which signature, does not matter.
            self.insert_vote(&vote, &Signature::default());
        }
    }

    /// The chain with other limits of its memory.
    #[must_use]
    pub fn with_memory_limits(mut self, limits: MemoryLimits) -> Self {
        self.memory_limits = limits;
        self.blocks.set_limit(limits.blocks);
        self.states.set_limit(limits.states);
        self
    }

    /// The memory that recent states and blocks take, in bytes, by the parts of the limits.
    pub fn memory(&self) -> MemoryLimits {
        MemoryLimits {
            states: self.states.bytes(),
            blocks: self.blocks.written_bytes(),
            unwritten: self.blocks.unwritten_bytes(),
        }
    }

    /// Number of votes with their signatures that are at hand for proposals.
    pub(crate) fn held_votes(&self) -> usize {
        self.votes.count()
    }

    /// How much memory they may take.
    pub(crate) fn memory_limits(&self) -> MemoryLimits {
        self.memory_limits
    }

    /// Has a new database begin with the oldest block of the tree. Of one that has begun before it only says where that block
    /// lies.
    ///
    /// # Errors
    /// When that block or its state is not at hand, or contradicts what the database has.
    pub fn write_anchor(&self, database: &Database) -> Result<Started, StoreError> {
        let root = self.fork_choice.oldest_block().root;
        let parts = self
            .blocks
            .get(&root)
            .zip(self.fork_choice.checkpoints_of(&root));
        let missing = || StoreError("the chain lacks its own anchor".to_owned());
        let (block, checkpoints) = parts.ok_or_else(missing)?;
        Ok(database.start_from(&StoredBlock {
            root,
            block: block.clone(),
            justified: checkpoints.justified,
            finalized: checkpoints.finalized,
            state: self.states.get(&root).cloned(),
        })?)
    }

    /// What the database is to keep of a block that builds on the tree: its post-state too, where it is the first of its branch
    /// in an interval.
    pub fn to_store(&self, importable: &ImportableBlock) -> StoredBlock {
        let ImportableBlock {
            root,
            block,
            post_state,
        } = importable;
        let parent = self.fork_choice.block(&block.block().parent_root);
        let parent = parent.map_or(0, |parent| parent.slot);
        let is_first = block.block().slot / STATE_INTERVAL != parent / STATE_INTERVAL;
        let Checkpoints {
            justified,
            finalized,
        } = checkpoints(post_state, self.fork_choice.rules());
        StoredBlock {
            root: *root,
            block: block.clone(),
            justified,
            finalized,
            state: is_first.then(|| post_state.clone()),
        }
    }

    /// Takes a block of a restored tree back into memory, and its votes with their signatures.
    pub(crate) fn restore_block(
        &mut self,
        root: Root,
        block: Arc<SignedBlockWithAttestation>,
    ) -> Vec<Arc<SignedBlockWithAttestation>> {
        for (attestation, signature) in block.attestations().zip(&block.signature) {
            self.insert_vote(attestation, signature);
        }
        self.blocks.insert(root, block);
        self.blocks.mark_written(root)
    }

    /// Keeps a post-state that was rebuilt, and returns what makes way for it.
    pub(crate) fn insert_state(&mut self, root: Root, state: Arc<State>) -> Vec<Arc<State>> {
        let head = self.head().root;
        self.states.insert(root, state, &head)
    }

    /// These blocks are in the database now. Returns those that make way, to be freed outside the lock.
    pub fn mark_written(&mut self, roots: &[Root]) -> Vec<Arc<SignedBlockWithAttestation>> {
        let marked = roots.iter().map(|root| self.blocks.mark_written(*root));
        marked.flatten().collect()
    }
}

/// The blocks above `slot` that lead to `block`, and that block, ascending.
fn chain_after(slot: Slot, block: BlockInfo, blocks: &HashMap<Root, BlockInfo>) -> Vec<Checkpoint> {
    let parent = |block: &BlockInfo| blocks.get(&block.parent_root).copied();
    let descending = std::iter::successors(Some(block), parent);
    let after = descending.take_while(|block| block.slot > slot);
    let mut chain: Vec<Checkpoint> = after.map(|block| block.checkpoint()).collect();
    chain.reverse();
    chain
}
