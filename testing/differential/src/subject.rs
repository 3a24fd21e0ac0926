//! The node's side: its chain, which prunes, or the fork choice alone.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use quartet_chain::{ImportError, ImportableBlock, LeanChain};
use quartet_fork_choice::{
    AttestationError, AttestationOrigin, AttestationOutcome, BlockError, BlockInfo, BlockOutcome,
    Checkpoints, ForkChoice, NamedBlocks, Rules,
};
use quartet_oracle::Deviations;
use quartet_types::{
    Attestation, Block, BlockWithAttestation, Checkpoint, Root, Signature, SignedAttestation,
    SignedBlockWithAttestation, State,
};

/// The node's rules with the same deviations as the oracle's.
pub(crate) fn rules(deviations: Deviations) -> Rules {
    Rules {
        votes_build_on_the_head: deviations.votes_build_on_the_head,
        targets_never_precede_sources: deviations.targets_never_precede_sources,
        votes_only_get_newer: deviations.votes_only_get_newer,
        votes_follow_one_chain: deviations.votes_follow_one_chain,
        justified_is_the_highest: deviations.justified_is_the_highest,
        equivocations_have_no_weight: deviations.equivocations_have_no_weight,
        proposals_carry_all_that_counts: deviations != Deviations::default(),
    }
}

/// What is compared with the oracle.
pub(crate) enum Subject {
    /// All that the node knows, as the chain service changes it. It prunes by itself.
    Node(Box<LeanChain>),
    /// The fork choice, which is told of equivocations and prunings.
    Bare(Box<ForkChoice>),
}

fn signed(block: &Block, proposer: &Attestation) -> Result<SignedBlockWithAttestation> {
    let signatures = vec![Signature::default(); block.body.attestations.len() + 1];
    let signature = signatures.try_into();
    Ok(SignedBlockWithAttestation {
        message: BlockWithAttestation {
            block: block.clone(),
            proposer_attestation: *proposer,
        },
        signature: signature.ok().context("as many signatures as fit")?,
    })
}

impl Subject {
    pub(crate) fn node(anchor: &Block, state: &State, deviations: Deviations) -> Result<Self> {
        let anchor = signed(anchor, &Attestation::default())?;
        let chain = LeanChain::with_rules(anchor, state.clone(), rules(deviations));
        Ok(Self::Node(Box::new(chain)))
    }

    pub(crate) fn bare(anchor: &Block, state: &State, deviations: Deviations) -> Self {
        let info = info(anchor, anchor.checkpoint().root);
        let rules = rules(deviations);
        let of_genesis = Checkpoints {
            justified: info.checkpoint(),
            finalized: info.checkpoint(),
        };
        let checkpoints = match anchor.slot {
            0 => of_genesis,
            _ => checkpoints(state, rules),
        };
        let validators = state.validator_count();
        Self::Bare(Box::new(ForkChoice::new(
            info,
            checkpoints,
            validators,
            rules,
        )))
    }

    pub(crate) fn fork_choice(&self) -> &ForkChoice {
        match self {
            Self::Node(chain) => chain.fork_choice(),
            Self::Bare(fork_choice) => fork_choice,
        }
    }

    pub(crate) fn on_block(
        &mut self,
        block: &Block,
        root: Root,
        post_state: &Arc<State>,
        proposer: &Attestation,
    ) -> Result<Result<BlockOutcome, BlockError>> {
        let was_known = self.fork_choice().contains(&root);
        match self {
            Self::Node(chain) => {
                let importable = ImportableBlock {
                    root,
                    block: Arc::new(signed(block, proposer)?),
                    post_state: post_state.clone(),
                };
                match chain.import_block(importable) {
                    Ok(_) if was_known => Ok(Ok(BlockOutcome::AlreadyKnown)),
                    Ok(_) => Ok(Ok(BlockOutcome::Imported)),
                    Err(ImportError::Block(error)) => Ok(Err(error)),
                    Err(error) => Err(error.into()),
                }
            }
            Self::Bare(fork_choice) => {
                let checkpoints = checkpoints(post_state, fork_choice.rules());
                let body = &block.body.attestations;
                let info = info(block, root);
                Ok(fork_choice.on_block(info, checkpoints, body, proposer, NamedBlocks::Known))
            }
        }
    }

    pub(crate) fn on_gossip(
        &mut self,
        attestation: &Attestation,
    ) -> Result<Result<AttestationOutcome, AttestationError>> {
        match self {
            Self::Node(chain) => {
                let signed = SignedAttestation {
                    message: *attestation,
                    signature: Signature::default(),
                };
                match chain.import_attestation(&signed) {
                    Ok(outcome) => Ok(Ok(outcome)),
                    Err(ImportError::Attestation(error)) => Ok(Err(error)),
                    Err(error) => Err(error.into()),
                }
            }
            Self::Bare(fork_choice) => {
                Ok(fork_choice.on_attestation(attestation, AttestationOrigin::Gossip))
            }
        }
    }

    pub(crate) fn advance(&mut self, time: u64, has_proposal: bool) {
        match self {
            Self::Node(chain) => {
                let moves = time > chain.time();
                chain.advance(time);
                if has_proposal && moves && time.is_multiple_of(4) {
                    chain.accept_new_attestations();
                }
            }
            Self::Bare(fork_choice) if has_proposal => fork_choice.advance_to_proposal(time),
            Self::Bare(fork_choice) => fork_choice.advance_to(time),
        }
    }
}

/// What the fork choice knows of a block.
pub(crate) fn info(block: &Block, root: Root) -> BlockInfo {
    BlockInfo {
        root,
        parent_root: block.parent_root,
        slot: block.slot,
    }
}

/// The checkpoints of a post-state, by the rules.
pub(crate) fn checkpoints(state: &State, rules: Rules) -> Checkpoints {
    let justified: Checkpoint = if rules.justified_is_the_highest {
        state.highest_justified()
    } else {
        state.latest_justified
    };
    Checkpoints {
        justified,
        finalized: state.latest_finalized,
    }
}
