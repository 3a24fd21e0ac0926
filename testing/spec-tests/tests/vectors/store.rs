//! The store of a replay: the node's own `LeanChain`, fed as the chain service feeds it, without signatures.

use std::{collections::HashMap, sync::Arc};

use anyhow::{Context as _, Result, ensure};
use quartet_chain::{ImportableBlock, LeanChain};
use quartet_fork_choice::{ForkChoice, Rules};
use quartet_state_transition::{Selection, build_block, state_transition};
use quartet_types::{
    Attestation, AttestationData, Block, BlockWithAttestation, INTERVALS_PER_SLOT, Root, Signature,
    SignedAttestation, SignedBlockWithAttestation, State,
};
use tree_hash::TreeHash as _;

/// How to judge votes that name blocks from before the anchor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Rule {
    /// As the specification does: what is not in the store is unknown, and a block that carries such a vote invalid.
    Specification,
    /// As the node does.
    Node,
}

#[derive(Debug)]
pub(crate) struct Store {
    chain: LeanChain,
    /// The post-states of all blocks; the chain drops what finality has left behind, the specification nothing.
    states: HashMap<Root, Arc<State>>,
    rule: Rule,
    unsigned: Signature,
}

impl Store {
    pub(crate) fn new(state: State, block: &Block, rule: Rule) -> Result<Self> {
        ensure!(
            state.tree_hash_root() == block.state_root,
            "the anchor's state root is wrong"
        );
        let message = BlockWithAttestation {
            block: block.clone(),
            proposer_attestation: Attestation::default(),
        };
        let anchor = SignedBlockWithAttestation {
            message,
            signature: Vec::new()
                .try_into()
                .map_err(|error| anyhow::anyhow!("{error:?}"))?,
        };
        Ok(Self {
            states: HashMap::from([(block.tree_hash_root(), Arc::new(state.clone()))]),
            chain: LeanChain::with_rules(
                anchor,
                state,
                match rule {
                    Rule::Specification => Rules::SPECIFICATION,
                    Rule::Node => Rules::QUARTET,
                },
            ),
            rule,
            unsigned: Signature::default(),
        })
    }

    /// What the node would attest, by the function that it calls.
    pub(crate) fn attestation_data(&self, slot: u64) -> AttestationData {
        self.chain.attestation_data(slot)
    }

    pub(crate) fn fork_choice(&self) -> &ForkChoice {
        self.chain.fork_choice()
    }

    /// The post-states of all blocks.
    pub(crate) fn states(&self) -> &HashMap<Root, Arc<State>> {
        &self.states
    }

    /// Moves the time on, and accepts the new votes if the node proposes in the slot that begins.
    pub(crate) fn advance(&mut self, time: u64, has_proposal: bool) {
        let moves = time > self.chain.time();
        self.chain.advance(time);
        if has_proposal && moves && time.is_multiple_of(INTERVALS_PER_SLOT) {
            self.chain.accept_new_attestations();
        }
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
        let post_state = Arc::new(state_transition(parent, block)?);
        for attestation in block.body.attestations.iter().chain([proposer]) {
            self.all_known(attestation, Some(root))?;
        }
        let signatures = vec![self.unsigned.clone(); block.body.attestations.len() + 1];
        let message = BlockWithAttestation {
            block: block.clone(),
            proposer_attestation: *proposer,
        };
        let block = Arc::new(SignedBlockWithAttestation {
            message,
            signature: signatures
                .try_into()
                .map_err(|error| anyhow::anyhow!("{error:?}"))?,
        });
        self.chain.import_block(ImportableBlock {
            root,
            block,
            post_state: post_state.clone(),
        })?;
        self.states.insert(root, post_state);
        Ok(())
    }

    /// Takes a vote, whose signature is taken for verified.
    pub(crate) fn on_attestation(&mut self, attestation: &Attestation) -> Result<()> {
        self.all_known(attestation, None)?;
        self.chain.import_attestation(&SignedAttestation {
            message: *attestation,
            signature: self.unsigned.clone(),
        })?;
        Ok(())
    }

    /// Builds a block on the head, as the validator service does; it is not imported.
    pub(crate) fn produce_block(&mut self, slot: u64) -> Result<Block> {
        self.chain.advance(slot * INTERVALS_PER_SLOT);
        self.chain.accept_new_attestations();
        let basis = self
            .chain
            .proposal_basis()
            .context("no state of the head")?;
        Ok(basis.build(slot)?.block)
    }

    /// The block that would be built in a slot; nothing changes.
    pub(crate) fn foretell_block(&self, slot: u64) -> Result<Block> {
        let mut fork_choice = self.chain.fork_choice().clone();
        let head = fork_choice.proposal_head(slot);
        let state = self
            .chain
            .state(head.root)
            .context("no state of the head")?;
        let candidates: Vec<_> = fork_choice.known_attestations().collect();
        Ok(build_block(&state, slot, &candidates, Selection::LatestSource)?.0)
    }

    fn all_known(&self, attestation: &Attestation, incoming: Option<Root>) -> Result<()> {
        let data = &attestation.data;
        for root in [data.source.root, data.target.root, data.head.root] {
            let known = self.states.contains_key(&root) || incoming == Some(root);
            ensure!(known || self.rule == Rule::Node, "unknown block {root}");
        }
        Ok(())
    }
}
