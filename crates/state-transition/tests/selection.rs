//! Which votes a proposer carries, and that every choice makes a valid block.
// A test that unwraps fails as it should.
#![allow(clippy::unwrap_used)]

use quartet_state_transition::{
    MAX_PROPOSED_ATTESTATIONS, Selection, build_block, state_transition,
};
use quartet_types::{
    Attestation, AttestationData, Block, Checkpoint, PublicKey, Slot, State, ValidatorIndex,
};
use tree_hash::TreeHash as _;

/// A chain with a block in each slot; the votes that a block carries are given.
struct Chain {
    state: State,
    /// Checkpoint of each slot's block.
    blocks: Vec<Checkpoint>,
}

impl Chain {
    fn new(validators: usize) -> Self {
        let keys: Vec<PublicKey> = (0..validators)
            .map(|index| PublicKey([index as u8; 52]))
            .collect();
        let genesis = State::genesis(0, &keys).unwrap();
        let block = Block::genesis(&genesis).checkpoint();
        Self {
            state: genesis,
            blocks: vec![block],
        }
    }

    fn at(&self, slot: Slot) -> Checkpoint {
        self.blocks[slot as usize]
    }

    fn vote(&self, validator_id: ValidatorIndex, source: Slot, target: Slot) -> Attestation {
        let target = self.at(target);
        Attestation {
            validator_id,
            data: AttestationData {
                slot: target.slot,
                head: target,
                target,
                source: self.at(source),
            },
        }
    }

    fn next_slot(&self) -> Slot {
        self.blocks.len() as Slot
    }

    /// What the proposer of the next slot carries of these.
    fn carried(&self, candidates: &[Attestation]) -> Vec<Attestation> {
        self.build(candidates).0.body.attestations.to_vec()
    }

    fn build(&self, candidates: &[Attestation]) -> (Block, State) {
        let selection = Selection::AllThatCount;
        let (block, post) =
            build_block(&self.state, self.next_slot(), candidates, selection).unwrap();
        assert_eq!(state_transition(&self.state, &block).as_ref(), Ok(&post));
        (block, post)
    }

    fn grow(&mut self, votes: &[Attestation]) {
        let (block, post) = self.build(votes);
        assert_eq!(block.body.attestations.len(), votes.len());
        self.blocks.push(block.checkpoint());
        self.state = post;
    }

    fn grow_to(&mut self, slot: Slot) {
        while self.next_slot() <= slot {
            self.grow(&[]);
        }
    }

    /// Grows by a block with the votes of these validators for one link.
    fn link(&mut self, validators: std::ops::Range<ValidatorIndex>, source: Slot, target: Slot) {
        let votes: Vec<_> = validators
            .map(|validator| self.vote(validator, source, target))
            .collect();
        self.grow(&votes);
    }
}

/// Four validators; slots 4 and 9 are justified, 0 is finalized, and 6 has one vote.
fn chain() -> Chain {
    let mut chain = Chain::new(4);
    chain.grow_to(10);
    chain.link(0..3, 0, 4);
    chain.link(3..4, 4, 6);
    chain.link(0..3, 4, 9);
    chain.grow_to(30);
    assert_eq!(chain.state.latest_justified, chain.at(9));
    assert_eq!(chain.state.latest_finalized.slot, 0);
    chain
}

#[test]
fn a_vote_with_an_older_justified_source_is_carried_if_it_counts() {
    let chain = chain();
    let older = chain.vote(1, 4, 12);
    assert_eq!(chain.carried(&[older]), [older]);
    let newest_source = chain.vote(2, 9, 12);
    assert_eq!(
        chain.carried(&[older, newest_source]),
        [newest_source, older]
    );
}

#[test]
fn what_cannot_count_is_left_out_unless_it_is_the_newest_vote_on_the_highest_justified_checkpoint()
{
    let mut chain = chain();
    chain.grow_to(60);
    // 13 is not justifiable after 0.
    let hopeless = chain.vote(1, 4, 13);
    assert_eq!(chain.carried(&[hopeless]), []);
    let for_its_head = chain.vote(1, 9, 13);
    assert_eq!(chain.carried(&[hopeless, for_its_head]), [for_its_head]);
    let newer = Attestation {
        data: AttestationData {
            slot: 20,
            ..for_its_head.data
        },
        ..for_its_head
    };
    assert_eq!(chain.carried(&[hopeless, for_its_head, newer]), [newer]);
    // Its source is not justified.
    assert_eq!(chain.carried(&[chain.vote(1, 6, 12)]), []);
    // A young vote is carried for its head: others may not have heard it.
    let young = Attestation {
        data: AttestationData {
            slot: 61 - 32,
            ..hopeless.data
        },
        ..hopeless
    };
    assert_eq!(chain.carried(&[young, hopeless]), [young]);
}

#[test]
fn a_vote_that_the_state_has_counted_is_not_carried_again() {
    let mut chain = chain();
    let first = chain.vote(1, 4, 12);
    chain.grow(&[first]);
    chain.grow_to(60);
    assert_eq!(chain.carried(&[first]), []);
    let another = chain.vote(2, 4, 12);
    assert_eq!(chain.carried(&[first, another]), [another]);
}

#[test]
fn votes_for_several_targets_that_the_state_has_counted_are_not_carried_again() {
    let mut chain = chain();
    let counted = [
        chain.vote(1, 4, 12),
        chain.vote(2, 4, 16),
        chain.vote(3, 4, 20),
    ];
    chain.grow(&counted);
    chain.grow_to(60);
    assert_eq!(chain.carried(&counted), []);
}

#[test]
fn votes_that_would_lower_the_justified_checkpoint_are_left_out() {
    let chain = chain();
    let back = [chain.vote(0, 4, 6), chain.vote(1, 4, 6)];
    assert_eq!(chain.carried(&back), []);
    let forth = [0, 1, 2].map(|validator| chain.vote(validator, 9, 12));
    let (block, post) = chain.build(&[back.as_slice(), &forth].concat());
    assert_eq!(block.body.attestations.to_vec(), forth);
    assert_eq!(post.latest_justified, chain.at(12));
}

#[test]
fn the_highest_justified_checkpoint_is_found_after_another_proposer_has_lowered_it() {
    let chain = chain();
    let back = [0, 1].map(|validator| chain.vote(validator, 4, 6));
    // A proposer of the specification's kind carries them; the tally has one vote already.
    let mut block = chain.build(&[]).0;
    block.body.attestations = back.to_vec().try_into().unwrap();
    let post = quartet_state_transition::apply_block(&chain.state, &block).unwrap();
    assert_eq!(post.latest_justified, chain.at(6));
    assert_eq!(post.highest_justified(), chain.at(9));
    assert_eq!(chain.state.highest_justified(), chain.at(9));
}

#[test]
fn votes_after_a_vote_that_finalizes_are_left_out() {
    let mut chain = Chain::new(4);
    chain.grow_to(5);
    chain.link(0..3, 0, 3);
    let finalizing = [0, 1, 2].map(|validator| chain.vote(validator, 3, 4));
    let same_target = chain.vote(3, 3, 4);
    let behind = chain.vote(3, 3, 5);
    let (block, post) = chain.build(&[behind, finalizing[0], finalizing[1], finalizing[2]]);
    assert_eq!(block.body.attestations.to_vec(), finalizing);
    assert_eq!(post.latest_finalized, chain.at(3));
    // A vote for a target that was just justified counts nowhere.
    let all = [finalizing.as_slice(), &[same_target]].concat();
    assert_eq!(chain.carried(&all), all);
    // What was left out comes next.
    chain.grow(&finalizing);
    assert_eq!(chain.carried(&[behind]), [behind]);
}

#[test]
fn older_targets_come_first_and_of_one_target_the_newest_sources() {
    let chain = chain();
    let [a, b, c, d] = [
        chain.vote(0, 4, 16),
        chain.vote(1, 9, 16),
        chain.vote(2, 4, 12),
        chain.vote(3, 9, 12),
    ];
    assert_eq!(chain.carried(&[a, b, c, d]), [d, c, b, a]);
}

#[test]
fn votes_that_would_make_the_block_invalid_are_left_out() {
    let chain = chain();
    let good = chain.vote(0, 9, 12);
    let beyond = |slot| Checkpoint {
        slot,
        ..chain.at(12)
    };
    let mut spoiling = [good, good, good];
    spoiling[0].data.target = beyond(99);
    spoiling[1].data.source = beyond(99);
    spoiling[2].validator_id = 4;
    assert_eq!(
        chain.carried(&[spoiling.as_slice(), &[good]].concat()),
        [good]
    );
}

#[test]
fn a_vote_on_a_source_before_the_finalized_slot_is_never_carried() {
    let mut chain = Chain::new(4);
    chain.grow_to(6);
    chain.link(0..3, 0, 3);
    chain.link(0..3, 3, 4);
    assert_eq!(chain.state.latest_finalized, chain.at(3));
    // It would complete a target some day, and then spoil the block.
    assert_eq!(chain.carried(&[chain.vote(3, 0, 6)]), []);
}

#[test]
fn a_block_with_a_vote_of_every_validator_fits_a_gossip_message() {
    assert_eq!(MAX_PROPOSED_ATTESTATIONS, 3227);
    let encoded = |attestations: usize| 3348 + 3248 * attestations;
    assert!(encoded(MAX_PROPOSED_ATTESTATIONS) <= 10 << 20);
    assert!(encoded(MAX_PROPOSED_ATTESTATIONS + 1) > 10 << 20);
    let mut chain = Chain::new(4096);
    chain.grow_to(2);
    let votes: Vec<_> = (0..4096)
        .map(|validator| chain.vote(validator, 0, 1))
        .collect();
    assert_eq!(chain.carried(&votes).len(), MAX_PROPOSED_ATTESTATIONS);
    let last = chain.build(&votes).0;
    assert_eq!(
        last.tree_hash_root(),
        chain.build(&votes).0.tree_hash_root()
    );
}

#[test]
fn votes_that_count_only_after_others_find_no_more_room_than_is_left() {
    let mut chain = Chain::new(4096);
    chain.grow_to(6);
    let justifying = (0..2731).map(|validator| chain.vote(validator, 0, 4));
    let newest = (3000..3300).map(|validator| chain.vote(validator, 0, 6));
    // Their source is justified by the first ones.
    let later = (3000..3300).map(|validator| chain.vote(validator, 4, 5));
    let votes: Vec<_> = justifying.chain(newest).chain(later).collect();
    let carried = chain.carried(&votes);
    assert_eq!(carried.len(), MAX_PROPOSED_ATTESTATIONS);
    let is_later = |vote: &&Attestation| vote.data.source.slot == 4;
    assert_eq!(carried.iter().filter(is_later).count(), 3227 - 2731 - 300);
}
