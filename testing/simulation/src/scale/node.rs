//! A node: its chain, its gossip, and the work that waits for its cores.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use quartet_chain::{ImportError, ImportableBlock, LeanChain};
use quartet_fork_choice::{AttestationError, AttestationOutcome, BlockError};
use quartet_types::Root;

use super::{
    costs::Costs,
    messages::{Content, MessageRef, Messages},
};
use crate::{bandwidth::Nanos, mesh::Mesh};

/// Signatures that are verified together: what the chain service has under way at once.
const MAX_BATCH: usize = 1_024;
/// How long an answer to a request may take before another peer is asked.
const REQUEST_WAITS: Nanos = 25 * crate::bandwidth::SECOND;

/// A message and the peer that brought it.
pub(super) type Brought = (MessageRef, usize);

#[derive(Debug)]
pub(super) struct Node {
    pub(super) chain: LeanChain,
    pub(super) mesh: Mesh<MessageRef>,
    votes: VecDeque<Brought>,
    blocks: VecDeque<Brought>,
    /// What the cores are at.
    work: Option<Work>,
    /// What waits for a block.
    waiting: BTreeMap<Root, Vec<Brought>>,
    requested: BTreeMap<Root, Nanos>,
    pub(super) longest_inbox: usize,
}

#[derive(Debug)]
enum Work {
    Votes(Vec<Brought>),
    Block(Brought),
}

/// What comes of finished work.
#[derive(Debug, Default)]
pub(super) struct Finished {
    /// Verdicts on what came by gossip.
    pub(super) judged: Vec<(MessageRef, bool)>,
    /// Votes that have been verified, and name what is known.
    pub(super) counted: Vec<MessageRef>,
    pub(super) imported: Option<MessageRef>,
    /// A block that is missing, and the peer that has it.
    pub(super) wanted: Vec<(Root, usize)>,
}

impl Node {
    pub(super) fn new(chain: LeanChain, mesh: Mesh<MessageRef>) -> Self {
        Self {
            chain,
            mesh,
            votes: VecDeque::new(),
            blocks: VecDeque::new(),
            work: None,
            waiting: BTreeMap::new(),
            requested: BTreeMap::new(),
            longest_inbox: 0,
        }
    }

    /// Lays up what is to be looked at.
    pub(super) fn lay_up(&mut self, brought: Brought, messages: &Messages) {
        match messages.get(brought.0.number).content {
            Content::Block(_) => self.blocks.push_back(brought),
            _ => self.votes.push_back(brought),
        }
        self.longest_inbox = self.longest_inbox.max(self.votes.len());
    }

    /// Begins with what waits, if the cores are free, and says how long it takes.
    pub(super) fn begin(&mut self, costs: &Costs, messages: &Messages) -> Option<Nanos> {
        if self.work.is_some() {
            return None;
        }
        if let Some(brought) = self.blocks.pop_front() {
            self.work = Some(Work::Block(brought));
            return Some(self.cost_of_block(brought.0, costs, messages));
        }
        if self.votes.is_empty() {
            return None;
        }
        let batch: Vec<Brought> = self
            .votes
            .drain(..self.votes.len().min(MAX_BATCH))
            .collect();
        let cost = costs.of_batch(batch.len());
        self.work = Some(Work::Votes(batch));
        Some(cost)
    }

    fn cost_of_block(&self, reference: MessageRef, costs: &Costs, messages: &Messages) -> Nanos {
        let Content::Block(made) = &messages.get(reference.number).content else {
            return 0;
        };
        let block = made.block.block();
        if self.chain.contains(&made.root) {
            return 0;
        }
        if !self.chain.contains(&block.parent_root) {
            // Only its proposer's signature is looked at.
            return costs.of_batch(1);
        }
        let signed = made.block.attestations().zip(&made.block.signature);
        let unverified = signed
            .filter(|(vote, signature)| !self.chain.has_verified(vote, signature))
            .count();
        costs.of_block(unverified, block.body.attestations.len())
    }

    /// Ends the work under way.
    pub(super) fn end(&mut self, messages: &Messages) -> Finished {
        let mut finished = Finished::default();
        match self.work.take() {
            Some(Work::Votes(votes)) => {
                for brought in votes {
                    self.count(brought, messages, &mut finished);
                }
            }
            Some(Work::Block(brought)) => self.import(brought, messages, &mut finished),
            None => {}
        }
        finished
    }

    fn count(&mut self, brought: Brought, messages: &Messages, finished: &mut Finished) {
        let Content::Vote(signed) = &messages.get(brought.0.number).content else {
            finished.counted.push(brought.0);
            return finished.judged.push((brought.0, true));
        };
        let result = self.chain.import_attestation(signed);
        match result {
            Err(ImportError::Attestation(AttestationError::UnknownBlock {
                checkpoint, ..
            })) => {
                self.wait_for(checkpoint.root, brought, finished);
            }
            outcome => {
                finished.counted.push(brought.0);
                let is_recorded = matches!(outcome, Ok(AttestationOutcome::Recorded));
                finished.judged.push((brought.0, is_recorded));
            }
        }
    }

    fn import(&mut self, brought: Brought, messages: &Messages, finished: &mut Finished) {
        let Content::Block(made) = &messages.get(brought.0.number).content else {
            return;
        };
        if self.chain.contains(&made.root) {
            return finished.judged.push((brought.0, false));
        }
        let parent = made.block.block().parent_root;
        if !self.chain.contains(&parent) {
            return self.wait_for(parent, brought, finished);
        }
        let imported = self.chain.import_block(ImportableBlock::clone(made));
        match imported {
            Ok(_) => {
                finished.judged.push((brought.0, true));
                finished.imported = Some(brought.0);
                self.release(made, messages, finished);
            }
            Err(ImportError::Block(BlockError::BodyAttestation {
                error: AttestationError::UnknownBlock { checkpoint, .. },
                ..
            })) => self.wait_for(checkpoint.root, brought, finished),
            Err(_) => finished.judged.push((brought.0, false)),
        }
    }

    fn wait_for(&mut self, root: Root, brought: Brought, finished: &mut Finished) {
        finished.wanted.push((root, brought.1));
        self.waiting.entry(root).or_default().push(brought);
    }

    /// What has waited for a block goes on; the signatures of votes have been verified already.
    fn release(
        &mut self,
        made: &Arc<ImportableBlock>,
        messages: &Messages,
        finished: &mut Finished,
    ) {
        self.requested.remove(&made.root);
        for brought in self.waiting.remove(&made.root).unwrap_or_default() {
            match messages.get(brought.0.number).content {
                Content::Block(_) => self.blocks.push_back(brought),
                _ => self.count(brought, messages, finished),
            }
        }
    }

    /// Whether a block is to be requested now: it is missing, and no request is under way.
    pub(super) fn asks_for(&mut self, root: Root, now: Nanos) -> bool {
        let is_open = self.requested.get(&root).is_some_and(|until| *until > now);
        let asks = !is_open && !self.chain.contains(&root);
        if asks {
            self.requested.insert(root, now + REQUEST_WAITS);
        }
        asks
    }

    /// The peer that was asked for a block does not have it.
    pub(super) fn not_found(&mut self, root: &Root) {
        self.requested.remove(root);
    }

    /// Imports a block of our own.
    pub(super) fn import_own(&mut self, made: &ImportableBlock) -> bool {
        self.chain.import_block(made.clone()).is_ok()
    }
}
