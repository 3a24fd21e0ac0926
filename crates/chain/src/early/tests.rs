use std::sync::Arc;

use quartet_types::Root;

use super::*;
use crate::parking::tests::{block, gossiped, vote};

#[test]
fn early_blocks_wait_for_their_slot() {
    let mut early = EarlyItems::default();
    early.hold_block(block(5, Root::ZERO), 5);
    early.hold_block(block(5, Root::ZERO), 5);
    assert!(early.take_until(4).0.is_empty());
    assert_eq!(early.take_until(5).0.len(), 1);
    assert!(early.take_until(6).0.is_empty());
}

#[test]
fn early_votes_of_one_validator_leave_places_for_others() {
    let mut early = EarlyItems::default();
    for invented in 0..2 * MAX_EARLY_ATTESTATIONS as u64 {
        let head = Root::left_padding_from(&invented.to_be_bytes());
        early.hold_attestation(gossiped(vote(3, head, 5)));
    }
    early.hold_attestation(gossiped(vote(1, Root::ZERO, 5)));
    let (_, held) = early.take_until(9);
    let of_validator = |validator| {
        held.iter()
            .filter(|item| item.validator_and_slot().0 == validator)
            .count()
    };
    assert_eq!((of_validator(3), of_validator(1)), (2, 1));
}

#[test]
fn blocks_that_wait_for_a_vote_they_carry_leave_a_place_for_the_block_of_the_slot() {
    let mut early = EarlyItems::default();
    let by = |proposer: u64, slot: Slot| {
        let mut block = block(slot, Root::ZERO);
        Arc::make_mut(&mut block.block).message.block.proposer_index = proposer;
        block
    };
    for slot in 20..40 {
        early.hold_block(by(slot, slot), 40);
    }
    let due = by(1, 40);
    assert!(early.has_place(&due, 40));
    early.hold_block(due, 40);
    let (held, _) = early.take_until(40);
    assert_eq!(held.last().map(PendingBlock::slot), Some(40));
    assert_eq!(held.len(), MAX_EARLY_BLOCKS + 1);
}

#[test]
fn each_slot_has_its_own_places_for_early_blocks_and_votes() {
    let mut early = EarlyItems::default();
    for until in [6, 7] {
        // Blocks of slots before wait too, for a vote that they carry.
        for slot in 1..=20 {
            let mut block = block(slot, Root::ZERO);
            Arc::make_mut(&mut block.block).message.block.proposer_index = slot;
            early.hold_block(block, until);
        }
        for validator in 0..300 {
            let mut vote = vote(validator, Root::ZERO, 5);
            vote.data.slot = until;
            early.hold_attestation(gossiped(vote));
        }
    }
    let held = |(blocks, votes): (Vec<PendingBlock>, Vec<GossipAttestation>)| {
        let slots: Vec<Slot> = blocks.iter().map(PendingBlock::slot).collect();
        let votes = votes.iter().map(GossipAttestation::validator_and_slot);
        (slots, votes.collect::<Vec<_>>())
    };
    for until in [6, 7] {
        assert_eq!(held(early.take_until(5)), (vec![], vec![]));
        let (slots, votes) = held(early.take_until(until));
        assert!(slots.into_iter().eq(1..=16));
        assert!(
            votes
                .into_iter()
                .eq((0..256).map(|validator| (validator, until)))
        );
    }
}
