//! How many blocks are checked at a time.

use futures::FutureExt as _;

use super::*;
use crate::MemoryLimits;

/// A block of the slot that it is, unlike others with another number.
fn numbered(service: &ChainService, number: u64) -> Arc<quartet_types::SignedBlockWithAttestation> {
    let mut message = due(&service.chain.read());
    message.block.state_root = Root::left_padding_from(&number.to_be_bytes());
    let root = tree_hash::TreeHash::tree_hash_root(&message.block);
    message.proposer_attestation.data.head.root = root;
    envelope(message)
}

/// Whether a block is checked that arrives.
fn is_checked(service: &mut ChainService, number: u64, origin: Origin) -> bool {
    let block = numbered(service, number);
    let root = crate::reader::block_root(&block);
    service.on_block(block, origin, None);
    service.checking.contains_key(&root)
}

fn gossip(peer: &str) -> Origin {
    Origin::Gossip(PeerName::new(peer))
}

fn sync(peer: &str) -> Origin {
    Origin::Sync(PeerName::new(peer))
}

#[test]
fn a_peer_has_sixteen_blocks_checked_but_for_those_that_are_asked_for_or_needed() {
    let (mut service, _messages) = service();
    for number in 0..16 {
        assert!(is_checked(&mut service, number, gossip("greedy")));
    }
    assert!(!is_checked(&mut service, 16, gossip("greedy")));
    assert!(is_checked(&mut service, 17, gossip("other")));
    assert!(is_checked(&mut service, 18, sync("greedy")));
    let block = numbered(&service, 19);
    let slot = service.chain.read().current_slot();
    let root = crate::reader::block_root(&block);
    assert!(service.parking.park_attestation(root, vote(2, slot)));
    assert!(is_checked(&mut service, 19, gossip("greedy")));
}

#[test]
fn forged_blocks_of_some_peers_leave_room_for_the_first_one_of_each_other() {
    let (mut service, _messages) = service();
    for number in 0..64 {
        let forger = gossip(&format!("forger {}", number / 16));
        assert!(is_checked(&mut service, number, forger), "{number}");
    }
    assert!(is_checked(&mut service, 64, gossip("neighbour")));
    assert!(!is_checked(&mut service, 65, gossip("neighbour")));
    // What is asked for comes again.
    assert!(!is_checked(&mut service, 66, sync("other")));
}

#[test]
fn sixty_four_blocks_are_checked_at_a_time() {
    let (mut service, _messages) = service();
    for number in 0..64 {
        assert!(is_checked(&mut service, number, sync("peer")), "{number}");
    }
    assert!(!is_checked(&mut service, 64, sync("peer")));
}

#[test]
fn thirty_two_mebibytes_of_blocks_are_checked_at_a_time() {
    let (mut service, _messages) = service();
    let limit = 32 << 20;
    // Large ones, until no small one is left room for.
    let (mut held, mut number) = (0, 0);
    loop {
        let mut large = quartet_types::SignedBlockWithAttestation::default();
        let signatures = (limit - held) / (SIGNATURE_BYTES + size_of::<Signature>());
        let signatures = vec![Signature::default(); signatures.saturating_sub(1).min(4_000)];
        if signatures.is_empty() {
            break;
        }
        large.signature = signatures.try_into().unwrap();
        let root = Root::repeat_byte(number);
        let large = PendingBlock::new(root, Arc::new(large), sync("peer"), Vec::new());
        held += large.bytes();
        service.checking.insert(root, large);
        number += 1;
    }
    assert!(held < limit);
    assert!(!is_checked(&mut service, 1, gossip("peer")));
    // Of blocks from gossip that wait for a verdict, the network limits the bytes.
    assert!(is_checked(&mut service, 2, gossip("neighbour")));
    service.checking.remove(&Root::repeat_byte(number - 1));
    assert!(is_checked(&mut service, 1, gossip("peer")));
}

#[test]
fn no_block_is_checked_while_too_much_waits_for_the_disk() {
    let waits = service().0.chain.read().memory().unwritten;
    assert!(waits > 0);
    for (room, expected) in [(0, false), (1, true)] {
        let limits = MemoryLimits {
            unwritten: waits + room,
            ..MemoryLimits::default()
        };
        let (mut service, _messages) = service_of(chain().with_memory_limits(limits));
        let is_checked = is_checked(&mut service, 0, gossip("peer"));
        assert_eq!(is_checked, expected, "room for {room} bytes");
    }
}

/// Takes the outcomes of all jobs.
fn work(service: &mut ChainService) {
    while let Some(Some(done)) = service.jobs.next().now_or_never() {
        service.on_done(done).unwrap();
    }
}

#[test]
fn what_is_imported_while_a_job_writes_is_written_next() {
    let (mut service, _messages) = service();
    let message = due(&service.chain.read());
    let parent = service.chain.read().state(message.block.parent_root);
    let parent = parent.unwrap();
    let mut roots = Vec::new();
    for votes in 0..3 {
        let mut message = message.clone();
        let votes: Vec<_> = message
            .block
            .body
            .attestations
            .iter()
            .copied()
            .take(votes)
            .collect();
        message.block.body.attestations = votes.try_into().unwrap();
        let (block, post_state) =
            quartet_state_transition::seal_block(&parent, message.block).unwrap();
        let (root, slot) = (block.checkpoint().root, block.slot);
        message.block = block;
        message.proposer_attestation.data.head = Checkpoint { root, slot };
        let importable = ImportableBlock {
            root,
            block: envelope(message),
            post_state: Arc::new(post_state),
        };
        let imported = service.import_block(importable, NamedBlocks::Known, Source::Gossip);
        assert_eq!(imported, Ok(()));
        assert_eq!(service.jobs.len(), 1);
        roots.push(root);
    }
    let unwritten = service.chain.read().memory().unwritten;
    work(&mut service);
    for root in &roots {
        assert!(service.store.contains(*root).unwrap());
    }
    assert!(service.chain.read().memory().unwritten < unwritten);
}

#[test]
fn no_more_early_blocks_of_a_proposer_are_verified_once_as_many_wait_as_may() {
    let (mut service, _messages) = service();
    let good = due(&service.chain.read());
    let next = good.block.slot + 1;
    let early = |number: u8| {
        envelope(altered(&good, |block| {
            block.slot = next;
            block.proposer_index = next % 4;
            block.state_root = Root::repeat_byte(number);
        }))
    };
    let origin = || Origin::Gossip(PeerName::new("peer"));
    for number in [1, 2] {
        let block = early(number);
        let root = crate::reader::block_root(&block);
        let pending = PendingBlock::new(root, block, origin(), Vec::new());
        service.early.hold_block(pending, next);
    }
    service.on_block(early(3), origin(), None);
    assert!(service.checking.is_empty());
    // Who sent another copy of one that waits may be asked for it later.
    service.on_block(early(2), origin(), None);
    assert_eq!(service.checking.len(), 1);
}
