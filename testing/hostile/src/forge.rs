//! Blocks that pass every rule of the transition and were made by nobody who may: what a process without
//! any key can put together from what it has heard.

use quartet_state_transition::{Error, process_block, process_slots};
use quartet_types::{
    Block, BlockBody, BlockSignatures, BlockWithAttestation, Root, SignedAttestation,
    SignedBlockWithAttestation, Slot, State, proposer_index,
};
use tree_hash::TreeHash as _;

/// The start of a block: a parent's state, advanced to a slot.
#[derive(Debug)]
pub(crate) struct Draft {
    advanced: State,
    slot: Slot,
    proposer_index: u64,
    parent_root: Root,
}

/// A block with the votes in its body, and the state after it.
#[derive(Debug)]
pub(crate) struct Forged {
    pub(crate) block: Block,
    pub(crate) root: Root,
    pub(crate) state: State,
    votes: Vec<SignedAttestation>,
}

impl Draft {
    /// A block of `slot` on the block whose post-state this is.
    ///
    /// # Errors
    /// When the slot is not after that block's.
    pub(crate) fn new(parent: &State, slot: Slot) -> Result<Self, Error> {
        let mut advanced = parent.clone();
        process_slots(&mut advanced, slot)?;
        let proposer_index =
            proposer_index(slot, parent.validator_count()).ok_or(Error::NoProposer { slot })?;
        let parent_root = advanced.latest_block_header.tree_hash_root();
        Ok(Self {
            advanced,
            slot,
            proposer_index,
            parent_root,
        })
    }

    /// The block with these votes.
    ///
    /// # Errors
    /// When they make it invalid.
    pub(crate) fn forge(&self, votes: Vec<SignedAttestation>) -> Result<Forged, Error> {
        let attestations: Vec<_> = votes.iter().map(|vote| vote.message).collect();
        let mut block = Block {
            slot: self.slot,
            proposer_index: self.proposer_index,
            parent_root: self.parent_root,
            state_root: Root::ZERO,
            body: BlockBody {
                attestations: attestations.try_into().unwrap_or_default(),
            },
        };
        let mut state = self.advanced.clone();
        process_block(&mut state, &block)?;
        block.state_root = state.tree_hash_root();
        let root = block.tree_hash_root();
        Ok(Forged {
            block,
            root,
            state,
            votes,
        })
    }

    /// Those of the votes that a body can hold here, at best such that bring the chain nothing: what a block
    /// in the way of an honest one should carry.
    pub(crate) fn fitting(&self, votes: Vec<SignedAttestation>) -> Vec<SignedAttestation> {
        let Ok(empty) = self.forge(Vec::new()) else {
            return Vec::new();
        };
        let is_idle = |forged: &Forged| {
            let (with, without) = (&forged.state, &empty.state);
            with.justified_slots == without.justified_slots
                && with.justifications_validators == without.justifications_validators
        };
        let mut idle = Vec::new();
        let mut useful = Vec::new();
        for vote in votes {
            match self.forge(vec![vote.clone()]) {
                Ok(forged) if is_idle(&forged) => idle.push(vote),
                Ok(_) => useful.push(vote),
                Err(_) => {}
            }
        }
        // A handful of them can be arranged in as many ways as anybody needs.
        if idle.len() < 3 {
            idle.append(&mut useful);
        }
        idle
    }

    /// Of `tries` blocks that differ in the arrangement of these votes, the one with the largest root: between
    /// two blocks of equal weight, the larger root is the head.
    pub(crate) fn grind(&self, votes: &[SignedAttestation], tries: u64) -> Option<Forged> {
        let forged = (1..=tries.max(1)).filter_map(|number| {
            let body = arrangement(votes, number);
            self.forge(body).ok()
        });
        forged.max_by_key(|forged| forged.root)
    }
}

/// The `number`-th sequence of votes, from 1 on: all of one vote, then all of two, and so on, with repetition.
/// Without any votes there is only the empty one.
pub(crate) fn arrangement(votes: &[SignedAttestation], mut number: u64) -> Vec<SignedAttestation> {
    let mut body = Vec::new();
    let count = votes.len() as u64;
    while number > 0 && count > 1 {
        number -= 1;
        body.push(votes[(number % count) as usize].clone());
        number /= count;
    }
    if count == 1 {
        body = vec![votes[0].clone(); number.min(1024) as usize];
    }
    body
}

impl Forged {
    /// The block in an envelope, with an attestation that somebody has signed in the place of its proposer's.
    pub(crate) fn seal(&self, proposer: &SignedAttestation) -> SignedBlockWithAttestation {
        let votes = self.votes.iter().chain([proposer]);
        let signatures: Vec<_> = votes.map(|vote| vote.signature.clone()).collect();
        SignedBlockWithAttestation {
            message: BlockWithAttestation {
                block: self.block.clone(),
                proposer_attestation: proposer.message,
            },
            signature: BlockSignatures::try_from(signatures).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use quartet_state_transition::state_transition;
    use quartet_types::Checkpoint;

    use super::*;
    use crate::chain::tests::{blocks, genesis, vote};

    fn votes() -> Vec<SignedAttestation> {
        (0..3)
            .map(|validator| vote(validator, 0, Checkpoint::default()))
            .collect()
    }

    #[test]
    fn a_forged_block_passes_the_transition_and_has_a_signature_for_each_vote() {
        let draft = Draft::new(&genesis(), 1).unwrap();
        let forged = draft.grind(&draft.fitting(votes()), 50).unwrap();
        let sealed = forged.seal(&votes()[0]);
        assert_eq!(
            state_transition(&genesis(), &forged.block),
            Ok(forged.state)
        );
        assert_eq!(sealed.attestations().count(), sealed.signature.len());
        assert_eq!(sealed.message.proposer_attestation, votes()[0].message);
        assert_eq!(sealed.block().tree_hash_root(), forged.root);
    }

    #[test]
    fn grinding_longer_finds_larger_roots() {
        let draft = Draft::new(&genesis(), 1).unwrap();
        let root = |tries| draft.grind(&votes(), tries).unwrap().root;
        assert!(root(300) > root(3));
        assert!(root(300)[0] > 0xe0, "one in 300 is that large");
    }

    #[test]
    fn no_arrangement_comes_twice() {
        for count in 1..=3 {
            let votes = &votes()[..count];
            let body = |number| -> Vec<_> {
                let body = arrangement(votes, number).into_iter();
                body.map(|vote| vote.message.validator_id).collect()
            };
            let all: HashSet<_> = (1..=500).map(body).collect();
            assert_eq!(all.len(), 500, "of {count} votes");
        }
        assert!(arrangement(&[], 7).is_empty());
    }

    #[test]
    fn votes_that_would_make_the_block_invalid_are_left_out() {
        let mut beyond = vote(0, 1, Checkpoint::default());
        beyond.message.data.target.slot = 99;
        let state = state_transition(&genesis(), blocks(1)[0].block()).unwrap();
        let draft = Draft::new(&state, 2).unwrap();
        let fitting = draft.fitting([vec![beyond.clone()], votes()].concat());
        assert_eq!(fitting.len(), 3);
        assert!(!fitting.contains(&beyond));
    }
}
