//! Blocks that wait for something unknown: what is done for them.

use std::sync::atomic::{AtomicBool, Ordering};

use futures::FutureExt as _;

use super::*;
use crate::{parking::Wait, verification::VerifySignatures};

#[test]
fn of_blocks_that_one_proposer_signs_for_a_slot_the_first_is_followed_up_and_others_if_votes_name_them()
 {
    let (mut service, mut messages) = service();
    let peer = PeerName::new("peer");
    service.on_message(ChainMessage::Status {
        peer: peer.clone(),
        status: Status::default(),
    });
    let good = due(&service.chain.read());
    let slot = good.block.slot;
    let mut waits = |service: &mut ChainService, number: u8| {
        let message = altered(&good, |block| block.parent_root = Root::repeat_byte(number));
        let block = envelope(message);
        let root = crate::reader::block_root(&block);
        let mut pending = PendingBlock::new(root, block, Origin::Gossip(peer.clone()), Vec::new());
        pending.is_authentic = true;
        service.dispatch(pending);
        assert!(service.parking.contains(&root));
        (root, asked(&mut messages).map(|(_, roots)| roots))
    };
    let (_, asked_for) = waits(&mut service, 1);
    assert_eq!(asked_for, Some(vec![Root::repeat_byte(1)]));
    assert_eq!(waits(&mut service, 2).1, None);
    let (third, asked_for) = waits(&mut service, 3);
    assert_eq!(asked_for, None);
    let justified = service.chain.read().latest_justified();
    let mut vote = vote(2, slot);
    let data = &mut vote.attestation.message.data;
    (data.source, data.target) = (justified, justified);
    data.head.root = third;
    service.batches += 1;
    service.on_attestations_verified(vec![vote], Ok(vec![true]));
    let (_, asked_for) = asked(&mut messages).unwrap();
    assert_eq!(asked_for, [Root::repeat_byte(3)]);
}

/// Breaks off the first time.
#[derive(Debug)]
struct BreaksOffOnce(AtomicBool);

impl VerifySignatures for BreaksOffOnce {
    fn verify_many(&self, items: &[quartet_xmss::Verification<'_>]) -> Vec<bool> {
        assert!(self.0.swap(true, Ordering::Relaxed), "the first time");
        vec![true; items.len()]
    }
}

#[test]
fn votes_for_a_waiting_block_are_verified_again_when_that_was_not_finished() {
    static VERIFIER: BreaksOffOnce = BreaksOffOnce(AtomicBool::new(false));
    let (mut service, _messages) = service();
    service.verifier = &VERIFIER;
    let block = envelope(due(&service.chain.read()));
    let (root, slot) = (crate::reader::block_root(&block), block.block().slot);
    let pending = PendingBlock::new(root, block, Origin::Gossip(PeerName::new("peer")), vec![]);
    let unknown = Root::repeat_byte(0xaa);
    service.parking.park_block(pending, unknown, Wait::Name);
    for validator in [1, 2] {
        let mut vote = vote(validator, slot);
        vote.attestation.message.data.head.root = root;
        assert!(service.parking.park_attestation(root, vote));
    }
    for is_vouched in [false, true] {
        service.look_for_vouchers();
        let done = service.jobs.next().now_or_never();
        service.on_done(done.flatten().unwrap()).unwrap();
        assert_eq!(service.parking.contains(&root), !is_vouched);
    }
}
