use quartet_types::{Block, BlockWithAttestation};
use tree_hash::TreeHash as _;

use super::*;
use crate::PeerName;

fn park(parking: &mut Parking, block: PendingBlock) {
    let parent_root = block.parent_root();
    parking.park_block(block, parent_root, Wait::Parent);
}

fn block(slot: Slot, parent_root: Root) -> PendingBlock {
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
fn the_newest_block_gives_way_when_full() {
    let mut parking = Parking::default();
    for slot in 1..=2 * MAX_BLOCKS as Slot {
        park(
            &mut parking,
            block(slot, Root::left_padding_from(&slot.to_be_bytes())),
        );
    }
    assert_eq!(parking.blocks.len(), MAX_BLOCKS);
    assert_eq!(parking.by_slot.last().unwrap().0, MAX_BLOCKS as Slot);
    park(&mut parking, block(0, Root::repeat_byte(7)));
    assert_eq!(parking.blocks.len(), MAX_BLOCKS);
    assert_eq!(parking.by_slot.first().unwrap().0, 0);
    assert_eq!(parking.by_slot.last().unwrap().0, MAX_BLOCKS as Slot - 1);
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

#[test]
fn early_blocks_wait_for_their_slot() {
    let mut parking = Parking::default();
    parking.hold_block(block(5, Root::ZERO), 5);
    parking.hold_block(block(5, Root::ZERO), 5);
    assert!(parking.begin_slot(4).0.is_empty());
    assert_eq!(parking.begin_slot(5).0.len(), 1);
    assert!(parking.begin_slot(6).0.is_empty());
}

#[test]
fn bad_votes_beside_an_honest_block_do_not_keep_good_ones_from_being_looked_at() {
    let vote = |validator_id, head: &PendingBlock| Attestation {
        validator_id,
        data: quartet_types::AttestationData {
            slot: 9,
            head: quartet_types::Checkpoint {
                root: head.root,
                slot: head.slot(),
            },
            ..Default::default()
        },
    };
    let mut parking = Parking::default();
    let parent = block(5, Root::repeat_byte(9));
    let (root, good) = (
        parent.root,
        [0, 1, 2].map(|validator| vote(validator, &parent)),
    );
    // A copy of an honest child: its votes are the honest ones, their signatures are garbage.
    let mut child = block(6, root);
    let mut copy = child.block.as_ref().clone();
    copy.message.block.body.attestations = good.to_vec().try_into().unwrap();
    copy.signature = vec![Signature::default(); 4].try_into().unwrap();
    child.block = Arc::new(copy);
    parking.park_block(parent, Root::repeat_byte(1), Wait::Name);
    assert!(parking.vouchers(root, 1).is_none());
    park(&mut parking, child);
    assert_eq!(parking.vouchers(root, 1).map(|votes| votes.len()), Some(3));
    assert!(parking.vouchers(root, 1).is_none());
    for message in good {
        let (verdict, _) = tokio::sync::oneshot::channel();
        let signature = Signature::from([7; SIGNATURE_BYTES]);
        let attestation = SignedAttestation { message, signature };
        let peer = PeerName::new("peer");
        parking.park_attestation(
            root,
            GossipAttestation {
                attestation,
                peer,
                verdict,
            },
        );
    }
    let votes = parking.vouchers(root, 1).unwrap();
    let verified = votes
        .iter()
        .filter(|vote| vote.signature != Signature::default());
    assert_eq!((votes.len(), verified.count()), (6, 3));
    assert!(parking.vouchers(root, 3).is_none());
}
