//! The store with the states of its blocks.

use std::collections::BTreeMap;

use quartet_types::{Attestation, Block, BlockBody, Checkpoint, Root, Slot};

use crate::{BlockError, Deviations, KnownBlock, State, Store, TransitionError, merkle};

/// Why the specification refuses a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// The parent's state is not there.
    #[error("the parent is unknown")]
    UnknownParent,
    /// The transition fails.
    #[error("{0}")]
    Transition(TransitionError),
    /// The store refuses the block or one of its attestations.
    #[error("{0}")]
    Store(BlockError),
}

/// Blocks, states and votes: the specification's `Store` in full.
#[derive(Debug, Clone)]
pub struct Chain {
    /// Votes and weights.
    pub store: Store,
    /// The post-state of each block.
    pub states: BTreeMap<Root, State>,
}

impl Chain {
    /// A chain that starts from a block and its post-state.
    pub fn new(block: &Block, state: State, deviations: Deviations) -> Self {
        let root = merkle::block(block);
        let mut anchor = known(block, root, &state, deviations);
        if block.slot == 0 {
            // A genesis state cannot name its own block.
            let checkpoint = Checkpoint { root, slot: 0 };
            (anchor.justified, anchor.finalized) = (checkpoint, checkpoint);
        }
        Self {
            store: Store::new(anchor, state.validators as u64, deviations),
            states: BTreeMap::from([(root, state)]),
        }
    }

    /// The transition of a block on its parent's state.
    ///
    /// # Errors
    /// When the parent is unknown or the transition fails.
    pub fn transition(&self, block: &Block) -> Result<State, ChainError> {
        let parent = self.states.get(&block.parent_root);
        let parent = parent.ok_or(ChainError::UnknownParent)?;
        parent
            .state_transition(block)
            .map_err(ChainError::Transition)
    }

    /// `on_block`, with signatures taken for valid.
    ///
    /// # Errors
    /// Where the specification raises; nothing has changed then.
    pub fn on_block(&mut self, block: &Block, proposer: &Attestation) -> Result<(), ChainError> {
        let root = merkle::block(block);
        if self.states.contains_key(&root) {
            return Ok(());
        }
        let state = self.transition(block)?;
        self.insert(block, root, state, proposer)
            .map_err(ChainError::Store)
    }

    /// The rest of `on_block`, behind the transition.
    ///
    /// # Errors
    /// As [`Store::on_block`].
    pub fn insert(
        &mut self,
        block: &Block,
        root: Root,
        state: State,
        proposer: &Attestation,
    ) -> Result<(), BlockError> {
        let entry = known(block, root, &state, self.store.deviations);
        self.store
            .on_block(entry, &block.body.attestations, proposer)?;
        self.states.insert(root, state);
        Ok(())
    }

    /// The block that `produce_block_with_signatures` makes on the head, of the known votes as they are. `None` where
    /// the specification raises, or has more votes than fit a body.
    pub fn produce_block(&self, slot: Slot) -> Option<Block> {
        let parent_root = self.store.head;
        let pre = self.states.get(&parent_root)?;
        let mut block = Block {
            slot,
            proposer_index: slot % pre.validators as u64,
            parent_root,
            state_root: Root::ZERO,
            body: BlockBody::default(),
        };
        let mut attestations: Vec<Attestation> = Vec::new();
        loop {
            block.body.attestations = attestations.clone().try_into().ok()?;
            let post = pre.apply(&block).ok()?;
            let mut more = Vec::new();
            for vote in &self.store.known {
                let attestation = vote.attestation;
                let is_known = self.store.block(attestation.data.head.root).is_some();
                let fits = attestation.data.source == post.latest_justified;
                if is_known && fits && !attestations.contains(&attestation) {
                    more.push(attestation);
                }
            }
            if more.is_empty() {
                block.state_root = post.root();
                return Some(block);
            }
            attestations.extend(more);
        }
    }
}

fn known(block: &Block, root: Root, state: &State, deviations: Deviations) -> KnownBlock {
    KnownBlock {
        root,
        parent_root: block.parent_root,
        slot: block.slot,
        justified: if deviations.justified_is_the_highest {
            state.highest_justified()
        } else {
            state.latest_justified
        },
        finalized: state.latest_finalized,
    }
}
