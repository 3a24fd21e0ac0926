//! A store for replays: the state transition and fork choice, put together as leanSpec's `Store` does it.

use std::collections::HashMap;

use anyhow::{Context as _, Result, ensure};
use quartet_fork_choice::{AttestationOrigin, BlockInfo, ForkChoice};
use quartet_state_transition::{build_block, state_transition};
use quartet_types::{Attestation, Block, Root, State};
use tree_hash::TreeHash as _;

/// How to judge votes that name blocks from before the anchor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Rule {
    /// As the specification does: what is not in the store is unknown, and a block that carries such a vote invalid.
    Specification,
    /// As the node does.
    Node,
}

#[derive(Debug, Clone)]
pub(crate) struct Store {
    pub(crate) fork_choice: ForkChoice,
    states: HashMap<Root, State>,
    rule: Rule,
}

impl Store {
    pub(crate) fn new(state: State, block: &Block, rule: Rule) -> Result<Self> {
        ensure!(
            state.tree_hash_root() == block.state_root,
            "the anchor's state root is wrong"
        );
        let root = block.tree_hash_root();
        Ok(Self {
            fork_choice: ForkChoice::new(info(block, root), state.validator_count()),
            states: HashMap::from([(root, state)]),
            rule,
        })
    }

    pub(crate) fn state(&self, root: &Root) -> Option<&State> {
        self.states.get(root)
    }

    /// Imports a block, whose signatures are taken for verified.
    pub(crate) fn on_block(&mut self, block: &Block, proposer: &Attestation) -> Result<()> {
        let root = block.tree_hash_root();
        if self.states.contains_key(&root) {
            return Ok(());
        }
        let parent = self
            .states
            .get(&block.parent_root)
            .context("unknown parent state")?;
        let post = state_transition(parent, block)?;
        let body: Vec<Attestation> = block.body.attestations.iter().copied().collect();
        for attestation in body.iter().chain([proposer]) {
            self.all_known(attestation, Some(root))?;
        }
        let (justified, finalized) = (post.latest_justified, post.latest_finalized);
        self.fork_choice
            .on_block(info(block, root), justified, finalized, &body, proposer)?;
        self.states.insert(root, post);
        Ok(())
    }

    /// Takes a vote, whose signature is taken for verified.
    pub(crate) fn on_attestation(&mut self, attestation: &Attestation) -> Result<()> {
        self.all_known(attestation, None)?;
        self.fork_choice
            .on_attestation(attestation, AttestationOrigin::Gossip)?;
        Ok(())
    }

    /// Builds a block on the head; it is not imported.
    pub(crate) fn produce_block(&mut self, slot: u64) -> Result<Block> {
        let head = self.fork_choice.proposal_head(slot);
        let state = self
            .states
            .get(&head.root)
            .context("no state of the head")?;
        let candidates: Vec<_> = self.fork_choice.known_attestations().collect();
        Ok(build_block(state, slot, &candidates)?.0)
    }

    fn all_known(&self, attestation: &Attestation, incoming: Option<Root>) -> Result<()> {
        let data = &attestation.data;
        for root in [data.source.root, data.target.root, data.head.root] {
            let known = self.fork_choice.contains(&root) || incoming == Some(root);
            ensure!(known || self.rule == Rule::Node, "unknown block {root}");
        }
        Ok(())
    }
}

fn info(block: &Block, root: Root) -> BlockInfo {
    BlockInfo {
        root,
        parent_root: block.parent_root,
        slot: block.slot,
    }
}
