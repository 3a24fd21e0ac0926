mod model;

use std::sync::Arc;

use quartet_types::{
    Block, BlockWithAttestation, SIGNATURE_BYTES, SignedBlockWithAttestation,
    VALIDATOR_REGISTRY_LIMIT,
};
use tree_hash::TreeHash as _;

use super::{attestations::MAX_ATTESTATIONS_PER_VALIDATOR, *};
use crate::{PeerName, origin::Origin};

fn park(parking: &mut Parking, block: PendingBlock) {
    let parent_root = block.parent_root();
    parking.park_block(block, parent_root, Wait::Parent);
}

pub(crate) fn block(slot: Slot, parent_root: Root) -> PendingBlock {
    let block = Block {
        slot,
        parent_root,
        ..Block::default()
    };
    let root = block.tree_hash_root();
    let message = BlockWithAttestation {
        block,
        ..BlockWithAttestation::default()
    };
    let block = Arc::new(SignedBlockWithAttestation {
        message,
        ..Default::default()
    });
    let origin = Origin::Gossip(PeerName::new("peer"));
    PendingBlock::new(root, block, origin, Vec::new())
}

#[test]
fn children_are_released_when_their_parent_arrives() {
    let mut parking = Parking::default();
    let parent = block(1, Root::repeat_byte(9));
    let child = block(2, parent.root);
    let grandchild = block(3, child.root);
    let (child_root, grandchild_root, parent_root) = (child.root, grandchild.root, parent.root);
    park(&mut parking, grandchild);
    park(&mut parking, child);
    assert_eq!(parking.missing_ancestor(grandchild_root), parent_root);
    let (released, _) = parking.release(&parent_root);
    assert_eq!(
        released.iter().map(|b| b.root).collect::<Vec<_>>(),
        [child_root]
    );
    assert!(parking.contains(&grandchild_root));
    assert_eq!(parking.waits_for_name(grandchild_root), None);
    let naming = block(4, grandchild_root);
    let naming_root = naming.root;
    parking.park_block(naming, Root::repeat_byte(8), Wait::Name);
    let last = block(5, naming_root);
    let last_root = last.root;
    park(&mut parking, last);
    assert_eq!(parking.waits_for_name(last_root), Some(naming_root));
    parking.take_block(naming_root);
    parking.take_block(last_root);
    assert_eq!(parking.release_descendants(child_root).len(), 1);
    assert!(parking.blocks.is_empty() && parking.waiting.is_empty() && parking.by_slot.is_empty());
}

#[test]
fn the_block_that_has_waited_longest_gives_way_when_full() {
    let mut parking = Parking::default();
    let count = MAX_BLOCKS as Slot;
    for slot in (1..=2 * count).rev() {
        park(
            &mut parking,
            block(slot, Root::left_padding_from(&slot.to_be_bytes())),
        );
    }
    let slots = |parking: &Parking| {
        let (first, last) = (parking.by_slot.first(), parking.by_slot.last());
        (first.unwrap().0, last.unwrap().0)
    };
    assert_eq!(parking.blocks.len(), MAX_BLOCKS);
    assert_eq!(slots(&parking), (1, count));
    park(&mut parking, block(3 * count, Root::repeat_byte(7)));
    assert_eq!(parking.blocks.len(), MAX_BLOCKS);
    assert_eq!(slots(&parking), (1, 3 * count));
    assert!(!parking.by_slot.iter().any(|(slot, _)| *slot == count));
}

#[test]
fn four_blocks_of_a_slot_crowd_it() {
    let mut parking = Parking::default();
    for number in 1..=4 {
        assert!(!parking.is_crowded(3));
        park(&mut parking, block(3, Root::repeat_byte(number)));
    }
    assert!(parking.is_crowded(3) && !parking.is_crowded(2) && !parking.is_crowded(4));
}

#[test]
fn large_blocks_are_bounded_by_their_memory() {
    let mut parking = Parking::default();
    let signatures = vec![Signature::default(); 4096];
    for slot in 1..=20 {
        let mut large = block(slot, Root::left_padding_from(&slot.to_be_bytes()));
        let message = large.block.message.clone();
        let signature = signatures.clone().try_into().unwrap();
        large.block = Arc::new(SignedBlockWithAttestation { message, signature });
        park(&mut parking, large);
    }
    assert_eq!(parking.blocks.len(), 5);
    assert_eq!(parking.by_slot.first().unwrap().0, 16);
    assert!(parking.block_bytes <= MAX_BLOCK_BYTES);
    parking.prune(20);
    assert_eq!(parking.block_bytes, 0);
}

#[test]
fn finality_clears_what_it_leaves_behind() {
    let mut parking = Parking::default();
    for slot in 1..=10 {
        park(
            &mut parking,
            block(slot, Root::left_padding_from(&slot.to_be_bytes())),
        );
    }
    parking.prune(7);
    assert_eq!(parking.blocks.len(), 3);
    assert_eq!(parking.waiting.len(), 3);
}

pub(crate) fn vote(validator_id: ValidatorIndex, head: Root, slot: Slot) -> Attestation {
    let head = quartet_types::Checkpoint { root: head, slot };
    Attestation {
        validator_id,
        data: quartet_types::AttestationData {
            slot: 9,
            head,
            ..Default::default()
        },
    }
}

pub(crate) fn gossiped(message: Attestation) -> GossipAttestation {
    let (verdict, _) = tokio::sync::oneshot::channel();
    let signature = Signature::from([7; SIGNATURE_BYTES]);
    GossipAttestation {
        attestation: SignedAttestation { message, signature },
        peer: PeerName::new("peer"),
        verdict,
    }
}

#[test]
fn verdicts_of_items_that_wait_for_long_are_dropped() {
    use tokio::sync::oneshot::{channel, error::TryRecvError};
    let mut parking = Parking::default();
    let root = Root::repeat_byte(9);
    let mut vote = gossiped(vote(3, root, 5));
    let (sender, mut of_vote) = channel();
    vote.verdict = sender;
    assert!(parking.park_attestation(root, vote));
    let mut block = block(9, root);
    let (sender, mut of_block) = channel();
    block.verdicts.push(sender);
    park(&mut parking, block);
    parking.drop_late_verdicts(9 + VERDICT_SLOTS);
    assert_eq!(of_vote.try_recv(), Err(TryRecvError::Empty));
    assert_eq!(of_block.try_recv(), Err(TryRecvError::Empty));
    parking.drop_late_verdicts(10 + VERDICT_SLOTS);
    assert_eq!(of_vote.try_recv(), Err(TryRecvError::Closed));
    assert_eq!(of_block.try_recv(), Err(TryRecvError::Closed));
    // They go on waiting.
    let (blocks, votes) = parking.release(&root);
    assert_eq!((blocks.len(), votes.len()), (1, 1));
}

#[test]
fn no_validators_fill_the_places_of_the_others() {
    let (mut parking, registry) = (Parking::default(), VALIDATOR_REGISTRY_LIMIT);
    let (hostile, honest) = (0..registry / 3, registry / 3..registry);
    for validator in hostile.clone() {
        for invented in 0..2 * MAX_ATTESTATIONS_PER_VALIDATOR as u64 {
            let root = Root::left_padding_from(&invented.to_be_bytes());
            assert!(parking.park_attestation(root, gossiped(vote(validator, root, 5))));
        }
    }
    let parked = hostile.count() * MAX_ATTESTATIONS_PER_VALIDATOR;
    assert_eq!(parking.attestations.len(), parked);
    let places = parking.attestations.counts();
    assert_eq!(places.len(), MAX_ATTESTATIONS_PER_VALIDATOR);
    let root = Root::repeat_byte(9);
    for validator in honest.clone() {
        let vote = gossiped(vote(validator, root, 5));
        assert!(parking.park_attestation(root, vote), "{validator}");
    }
    assert_eq!(
        parking.release(&root).1.len() as u64,
        honest.end - honest.start
    );
    parking.prune(9);
    assert!(parking.attestations.is_empty());
}

/// A node that is cut off knows it for as long as it is, however many validators there are and whatever they vote for.
#[test]
fn all_validators_of_the_largest_registry_count_among_those_that_have_signed_what_is_missing() {
    for is_head_stuck in [false, true] {
        let mut parking = Parking::default();
        for slot in 1..=24 {
            let number: Slot = if is_head_stuck { 0 } else { slot };
            let root = Root::left_padding_from(&number.to_be_bytes());
            for validator in 0..VALIDATOR_REGISTRY_LIMIT {
                let mut vote = vote(validator, root, slot);
                vote.data.slot = slot;
                assert!(parking.park_attestation(root, gossiped(vote)));
            }
            let (signers, _) = parking
                .signers(slot.saturating_sub(16)..=slot.saturating_sub(3), |_, _| {
                    false
                });
            assert!(slot < 4 || signers.len() as u64 == VALIDATOR_REGISTRY_LIMIT);
        }
    }
}

#[test]
fn ballots_are_the_verified_ones_first_and_one_of_each_validator() {
    let mut parking = Parking::default();
    let parent = block(5, Root::repeat_byte(9));
    let root = parent.root;
    let votes = [0, 1, 2].map(|validator| vote(validator, root, 5));
    // A copy of an honest child: its votes are the honest ones, their signatures are garbage.
    let mut child = block(6, root);
    let mut copy = child.block.as_ref().clone();
    copy.message.block.body.attestations = votes.to_vec().try_into().unwrap();
    copy.signature = vec![Signature::default(); 4].try_into().unwrap();
    child.block = Arc::new(copy);
    let child_root = child.root;
    parking.park_block(parent, Root::repeat_byte(1), Wait::Name);
    assert!(parking.ballots(root, 1).is_none());
    park(&mut parking, child);
    let carriers = |ballots: Vec<Ballot>| {
        let carriers = ballots.iter().map(|ballot| ballot.carrier);
        carriers
            .map(|copy| copy.map(|copy| copy.root))
            .collect::<Vec<_>>()
    };
    let ballots = parking.ballots(root, 1).unwrap();
    assert_eq!(carriers(ballots), [Some(child_root); 3]);
    // Nothing has changed since.
    assert!(parking.ballots(root, 1).is_none());
    for vote in &votes[..2] {
        parking.park_attestation(root, gossiped(*vote));
    }
    let ballots = parking.ballots(root, 1).unwrap();
    assert_eq!(carriers(ballots), [None, None, Some(child_root)]);
    assert!(parking.ballots(root, 3).is_none());
    // Without the copy, what the validators have really signed is looked at.
    parking.take_block(child_root);
    let ballots = parking.ballots(root, 1).unwrap();
    assert_eq!(carriers(ballots), [None, None]);
}

#[test]
fn another_copy_that_brings_as_many_votes_is_looked_into_as_well() {
    let mut parking = Parking::default();
    let parent = block(5, Root::repeat_byte(9));
    let root = parent.root;
    parking.park_block(parent, Root::repeat_byte(1), Wait::Name);
    let votes = [0, 1, 2].map(|validator| vote(validator, root, 5));
    let copy = |signature: u8| {
        let mut child = block(6, root);
        let mut envelope = child.block.as_ref().clone();
        envelope.message.block.body.attestations = votes.to_vec().try_into().unwrap();
        let signature = Signature::from([signature; SIGNATURE_BYTES]);
        envelope.signature = vec![signature; 4].try_into().unwrap();
        child.block = Arc::new(envelope);
        child
    };
    let forged = copy(1);
    let child_root = forged.root;
    park(&mut parking, forged);
    let forged = parking.ballots(root, 1).unwrap()[0].carrier.unwrap();
    assert_eq!(forged.root, child_root);
    // Its signatures were bad. The good copy is the next.
    assert!(parking.take_copy(forged).is_some());
    assert!(parking.ballots(root, 1).is_none());
    park(&mut parking, copy(2));
    // Which is not the one that was forged.
    assert!(parking.take_copy(forged).is_none());
    let ballots = parking.ballots(root, 1).unwrap();
    let good = Signature::from([2; SIGNATURE_BYTES]);
    assert!(ballots.iter().all(|ballot| ballot.vote.signature == good));
    assert!(parking.ballots(root, 1).is_none());
}

#[test]
fn only_what_proposers_have_signed_says_that_something_is_missing() {
    let signers = |waits: Wait, validator_id: ValidatorIndex, binds_to: Option<Root>| {
        let mut pending = block(7, Root::repeat_byte(9));
        let mut envelope = pending.block.as_ref().clone();
        let own = &mut envelope.message.proposer_attestation;
        own.validator_id = validator_id;
        own.data.slot = 7;
        own.data.head.root = binds_to.unwrap_or(pending.root);
        own.data.head.slot = if binds_to.is_none() { 7 } else { 5 };
        pending.block = Arc::new(envelope);
        pending.is_authentic = true;
        let mut parking = Parking::default();
        parking.park_block(pending, Root::repeat_byte(8), waits);
        parking.signers(1..=8, |_, _| false).0.len()
    };
    let parent = Some(Root::repeat_byte(9));
    assert_eq!(signers(Wait::Parent, 0, None), 1);
    assert_eq!(signers(Wait::Name, 0, None), 1);
    // Its proposer has the parent at least, and has signed for that.
    assert_eq!(signers(Wait::Parent, 0, parent), 1);
    assert_eq!(signers(Wait::Name, 0, parent), 0);
    // Somebody else's attestation.
    assert_eq!(signers(Wait::Parent, 3, None), 0);
    assert_eq!(signers(Wait::Name, 3, None), 0);
}

#[test]
fn all_blocks_that_wait_for_names_have_their_turn() {
    let mut parking = Parking::default();
    for slot in 1..=20 {
        let waiting = block(slot, Root::repeat_byte(9));
        parking.park_block(waiting, Root::repeat_byte(8), Wait::Name);
    }
    let mut turns: Vec<usize> = Vec::new();
    let mut seen = BTreeSet::new();
    for _ in 0..3 {
        let next = parking.next_waiting_for_names(8);
        turns.push(next.len());
        seen.extend(next);
    }
    assert_eq!((turns, seen.len()), (vec![8, 8, 8], 20));
}

#[test]
fn older_votes_of_a_validator_take_no_place_from_newer_ones() {
    let mut parking = Parking::default();
    let root = |slot: Slot| Root::left_padding_from(&slot.to_be_bytes());
    let mut park = |validator, slot| {
        let mut vote = vote(validator, root(slot), slot);
        vote.data.slot = slot;
        parking.park_attestation(root(slot), gossiped(vote))
    };
    for validator in [1, 2] {
        for slot in 37..=40 {
            assert!(park(validator, slot));
        }
        // Anybody can repeat what was heard before, whoever has signed it.
        for slot in 10..14 {
            assert!(!park(validator, slot));
        }
    }
    // The same vote again is no other.
    assert!(!park(1, 40));
    let (signers, newest) = parking.signers(24..=37, |_, _| false);
    assert_eq!((signers.len(), newest), (2, Some(37)));
}

#[test]
fn a_block_that_merely_names_an_invalid_one_is_not_its_descendant() {
    let mut parking = Parking::default();
    let invalid = Root::repeat_byte(0xbb);
    let child = block(6, invalid);
    let (child_root, naming) = (child.root, block(6, Root::repeat_byte(5)));
    let naming_root = naming.root;
    park(&mut parking, child);
    parking.park_block(naming, invalid, Wait::Name);
    park(&mut parking, block(7, naming_root));
    let released = parking.release_descendants(invalid);
    let released: Vec<Root> = released.iter().map(|block| block.root).collect();
    assert_eq!(released, [child_root]);
}

#[test]
fn a_vote_says_of_no_later_slot_than_its_own_that_something_is_missing() {
    let mut parking = Parking::default();
    let root = Root::repeat_byte(9);
    for (validator, head) in [(1, 7), (2, u64::MAX)] {
        parking.park_attestation(root, gossiped(vote(validator, root, head)));
    }
    let (signers, newest) = parking.signers(0..=9, |_, _| false);
    assert_eq!((signers.len(), newest), (2, Some(9)));
}
