//! A block that is given to both.

use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};
use quartet_fork_choice::BlockError;
use quartet_oracle::ChainError;
use quartet_state_transition::state_transition;
use quartet_types::{Attestation, Block};
use tree_hash::TreeHash as _;

use super::Episode;
use crate::{
    refusal::{self, Place},
    transitions::note_progress,
};

impl Episode<'_> {
    /// Gives a block to both; true if they take it.
    pub(super) fn import(&mut self, block: &Block, proposer: &Attestation) -> Result<bool> {
        let root = block.tree_hash_root();
        let votes: Vec<Attestation> = block
            .body
            .attestations
            .iter()
            .copied()
            .chain([*proposer])
            .collect();
        let Some(parent) = self.states.get(&block.parent_root).cloned() else {
            self.counts.add("block: unknown parent");
            let expected = self.oracle.on_block(block, proposer);
            ensure!(expected == Err(ChainError::UnknownParent), "{expected:?}");
            let genesis = self
                .states
                .values()
                .next()
                .context("no state at all")?
                .clone();
            let found = self.subject.on_block(block, root, &genesis, proposer)?;
            let is_unknown = matches!(
                found,
                Err(BlockError::UnknownParent { .. } | BlockError::RuledOut { .. })
            );
            ensure!(is_unknown, "{found:?} for a block without its parent");
            return Ok(false);
        };
        let expected = self.oracle.transition(block);
        let found = state_transition(&parent, block);
        let (naive, post) = match (expected, found) {
            (Ok(naive), Ok(post)) => (naive, Arc::new(post)),
            (Err(ChainError::Transition(expected)), Err(found)) => {
                self.counts.add(refusal::transition_name(&expected));
                ensure!(
                    refusal::transition(&found) == Some(expected),
                    "the specification says {expected:?}, we say {found:?}"
                );
                return Ok(false);
            }
            (expected, found) => bail!(
                "transition: {:?}, but we say {:?}",
                expected.map(drop),
                found.map(drop)
            ),
        };
        if self.oracle.store.forgotten.contains(&block.parent_root) {
            let found = self.subject.on_block(block, root, &post, proposer)?;
            let is_ruled_out = matches!(found, Err(BlockError::RuledOut { .. }));
            ensure!(
                is_ruled_out,
                "{found:?} for a block on one that was dropped"
            );
            self.counts.add("block: ruled out by finality");
            return Ok(false);
        }
        let is_news = !self.states.contains_key(&root);
        let head = self.oracle.store.head;
        let before = self.oracle.states.get(&block.parent_root).cloned();
        let expected = self.oracle.insert(block, root, naive, proposer);
        let found = self.subject.on_block(block, root, &post, proposer)?;
        match (expected, found) {
            (Ok(()), Ok(_)) => {
                self.counts.when("block accepted", is_news);
                if let (Some(before), Some(after)) = (before, self.oracle.states.get(&root)) {
                    note_progress(&before, after, block, self.counts);
                }
                let store = &self.oracle.store;
                let moved = !store.is_ancestor(head, store.head);
                self.counts.when("reorganization", moved);
                self.states.insert(root, post);
                self.blocks.push((block.clone(), *proposer));
                self.note_cast(&votes);
                if is_news {
                    self.note_equivocations(&votes, true)?;
                }
                self.note_forgotten()?;
                Ok(true)
            }
            (Err(expected), Err(found)) => {
                let name = match expected {
                    quartet_oracle::BlockError::Body(_, error) => {
                        refusal::vote_name(Place::Body, error)
                    }
                    quartet_oracle::BlockError::Proposer(error) => {
                        refusal::vote_name(Place::Proposer, error)
                    }
                    quartet_oracle::BlockError::UnknownParent => "block: unknown parent",
                    quartet_oracle::BlockError::UnknownJustified => "block: unknown justified",
                };
                self.counts.add(name);
                ensure!(
                    refusal::block(&found) == Some(expected),
                    "the specification says {expected:?}, we say {found:?}"
                );
                Ok(false)
            }
            (expected, found) => bail!("store: {expected:?}, but we say {found:?}"),
        }
    }
}
