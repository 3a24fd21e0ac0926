//! Blocks that are built of what both have heard.

use anyhow::{Context as _, Result, ensure};
use quartet_state_transition::{MAX_PROPOSED_ATTESTATIONS, Selection, build_block};
use quartet_types::{Attestation, AttestationData, Checkpoint, Root};

use super::Episode;
use crate::subject::Subject;

impl Episode<'_> {
    /// A proposal by the specification's rule, which is compared, and one by ours, which has to be valid.
    pub(super) fn propose(&mut self) -> Result<()> {
        if self.random.chance(200) {
            self.vote_across()?;
        }
        let store = &self.oracle.store;
        let head: Root = store.head;
        // Now, or so early that some votes are for what comes later.
        let next = store.slot(head) + 1;
        let slot = if self.random.chance(700) {
            next.max(store.current_slot() + self.random.below(2))
        } else {
            next
        };
        let state = self.states.get(&head).context("no state of the head")?;
        let candidates: Vec<_> = self.subject.fork_choice().known_attestations().collect();
        let (block, post) = build_block(state, slot, &candidates, Selection::LatestSource)?;
        match self.oracle.produce_block(slot) {
            // Ours leaves out in advance what would make a block invalid if it completed its target.
            Some(_) if post.latest_justified.slot < post.latest_finalized.slot => {
                self.counts.add("proposal from before what is final");
            }
            Some(expected) if expected.body.attestations.len() > MAX_PROPOSED_ATTESTATIONS => {
                self.counts.add("proposal cut to what a message holds");
                let cut = &expected.body.attestations[..MAX_PROPOSED_ATTESTATIONS];
                ensure!(block.body.attestations[..] == *cut, "cut proposals differ");
            }
            Some(expected) => {
                self.counts.add("proposal compared");
                ensure!(
                    expected == block,
                    "proposals differ: {} and {} votes",
                    expected.body.attestations.len(),
                    block.body.attestations.len()
                );
            }
            None => self.counts.add("the specification cannot propose"),
        }
        let valid = self.oracle.transition(&block);
        ensure!(
            valid.is_ok(),
            "our proposal is invalid: {:?}",
            valid.map(drop)
        );
        self.propose_ours(slot)
    }

    /// Somebody votes from what the head's chain has justified, for a target elsewhere.
    fn vote_across(&mut self) -> Result<()> {
        let store = &self.oracle.store;
        let head = store.block(store.head).copied();
        let blocks = store.blocks.iter();
        let (Some(head), Some(newest)) = (head, blocks.max_by_key(|block| block.slot).copied())
        else {
            return Ok(());
        };
        let target = Checkpoint {
            root: newest.root,
            slot: newest.slot,
        };
        let data = AttestationData {
            slot: store.current_slot(),
            head: target,
            target,
            source: head.justified,
        };
        let validator_id = self.validator();
        self.vote(Attestation { validator_id, data })?;
        self.advance(self.oracle.store.time + 4);
        Ok(())
    }

    fn propose_ours(&mut self, slot: u64) -> Result<()> {
        let Subject::Node(chain) = &self.subject else {
            return Ok(());
        };
        let Some(basis) = chain.proposal_basis() else {
            return Ok(());
        };
        let produced = basis.build(slot)?;
        let data = produced.attestation_data(chain);
        let proposer = Attestation {
            validator_id: produced.block.proposer_index,
            data,
        };
        ensure!(
            data.head
                == Checkpoint {
                    root: produced.root,
                    slot
                },
            "a proposer attests another head"
        );
        // Early blocks are for others to hold.
        if slot > self.oracle.store.current_slot() {
            self.advance(slot * 4);
            if self.subject.fork_choice().head().root != produced.block.parent_root {
                return Ok(());
            }
        }
        self.left = self.left.saturating_sub(1);
        let is_taken = self.import(&produced.block, &proposer)?;
        let after = self.oracle.store.block(produced.root);
        let runs_backwards = data.target.slot < data.source.slot;
        ensure!(
            is_taken && after.is_some() || runs_backwards || data.source.root.is_zero(),
            "our own proposal is refused: slot {slot} with {data:?}"
        );
        self.counts.when("own proposal accepted", is_taken);
        Ok(())
    }
}
