// A test that unwraps fails as it should.
#![allow(clippy::unwrap_used)]

mod room;
mod waiting;

use std::time::Duration;

use quartet_clock::{Clock, Stopwatch, Tick};
use quartet_fork_choice::BlockError;
use quartet_types::{
    Attestation, AttestationData, Checkpoint, SECONDS_PER_SLOT, SIGNATURE_BYTES, Signature,
    SignedAttestation, Slot, Status,
};
use tokio::sync::mpsc::Receiver;

use quartet_xmss::Scheme;

use super::{
    triage::tests::{altered, chain, due, envelope},
    *,
};
use crate::{
    ChainEvent, LeanChain, NetworkMessage, PeerName, Source, SyncState, Verdict, chain_channel,
    envelope::Binding,
    network_channel,
    verification::{BlockCheck, invalid_signature},
};

pub(super) fn service() -> (ChainService, Receiver<NetworkMessage>) {
    service_of(chain())
}

fn service_of(chain: LeanChain) -> (ChainService, Receiver<NetworkMessage>) {
    let now = Duration::from_secs(chain.current_slot() * SECONDS_PER_SLOT);
    let (_, inbox) = chain_channel();
    let (network, messages) = network_channel();
    let config = ChainServiceConfig {
        expects_peers: true,
        backfill: false,
    };
    let parts = ChainServiceParts {
        chain: ChainWriter::new(chain),
        inbox,
        network,
        store: Arc::new(Database::in_memory(Root::ZERO).unwrap()),
        events: EventBus::default(),
        processor: Processor::inline(),
        clock: Clock::manual(0, now),
        verifier: &Scheme::Test,
    };
    (ChainService::new(config, parts).unwrap(), messages)
}

#[test]
fn a_copy_that_came_while_a_bad_one_was_checked_is_asked_for() {
    let (mut service, mut messages) = service();
    let good = due(&service.chain.read());
    let [forger, neighbour, other] = ["a forger", "a neighbour", "other"].map(PeerName::new);
    for peer in [&forger, &neighbour, &other] {
        service.on_message(ChainMessage::Status {
            peer: peer.clone(),
            status: Status::default(),
        });
    }
    let good = envelope(good);
    let root = crate::reader::block_root(&good);
    let mut bad = good.as_ref().clone();
    bad.signature[0] = Signature::from([1; SIGNATURE_BYTES]);
    let error = invalid_signature(&bad.message.proposer_attestation);
    service.on_block(Arc::new(bad), Origin::Gossip(forger), None);
    service.on_block(good, Origin::Gossip(neighbour.clone()), None);
    assert!(messages.try_recv().is_err());
    service.on_block_checked(root, Stopwatch::start(), Err(error));
    match messages.try_recv() {
        Ok(NetworkMessage::RequestBlocks { peer, roots, .. }) => {
            assert_eq!((peer, roots), (neighbour, vec![root]));
        }
        other => panic!("{other:?}"),
    }
}

/// A node that catches up after a partition gets blocks by several ways at once.
#[test]
fn a_peer_is_not_blamed_for_a_block_that_finality_passes_during_its_check() {
    let (mut service, mut messages) = service();
    let block = envelope(due(&service.chain.read()));
    let root = crate::reader::block_root(&block);
    let (neighbour, oldest) = (PeerName::new("a neighbour"), service.chain.read().head());
    let (verdict, mut judged) = tokio::sync::oneshot::channel();
    let slot = block.block().slot;
    service.on_block(block, Origin::Sync(neighbour), Some(verdict));
    let passed = BlockError::RuledOut { root, slot, oldest };
    service.on_block_checked(root, Stopwatch::start(), Err(passed.into()));
    assert_eq!(judged.try_recv(), Ok(Verdict::Ignore));
    while let Ok(message) = messages.try_recv() {
        assert!(
            !matches!(message, NetworkMessage::Penalize { .. }),
            "{message:?}"
        );
    }
}

/// A vote for a block that nobody has.
fn vote(validator_id: u64, slot: Slot) -> GossipAttestation {
    let head = Checkpoint {
        root: Root::repeat_byte(0xee),
        slot,
    };
    let data = AttestationData {
        slot,
        head,
        ..AttestationData::default()
    };
    GossipAttestation {
        attestation: SignedAttestation {
            message: Attestation { validator_id, data },
            signature: Signature::default(),
        },
        peer: PeerName::new("peer"),
        verdict: tokio::sync::oneshot::channel().0,
    }
}

#[test]
fn a_node_without_what_a_third_of_the_validators_signed_some_slots_ago_is_not_synced() {
    let syncing = |votes: &[(u64, Slot)]| {
        let (mut service, _messages) = service();
        service.readiness = Readiness::new(service.clock.now(), false);
        for (validator, slot) in votes {
            let vote = vote(*validator, *slot);
            let head = vote.attestation.message.data.head.root;
            assert!(service.parking.park_attestation(head, vote));
        }
        service.update_sync_state();
        let state = service.chain.read().sync_state();
        state != SyncState::Synced
    };
    // It is slot 5, there are four validators, each has voted for its own block, and the head is recent.
    assert!(syncing(&[(1, 2), (2, 2)]));
    assert!(syncing(&[(1, 1), (2, 2)]));
    assert!(!syncing(&[(1, 2), (1, 1)]));
    // It may still come.
    assert!(!syncing(&[(1, 3), (2, 3)]));
    assert!(!syncing(&[(1, 2), (2, 3)]));
    // One of them has voted for what is here since then, with its block of slot 4 or 2.
    assert!(!syncing(&[(0, 2), (1, 2)]));
    assert!(!syncing(&[(1, 1), (2, 1)]));
}

#[test]
fn a_node_that_has_just_started_is_not_synced_without_what_a_third_has_signed_since() {
    let state_with = |votes: &[(u64, Slot)]| {
        let (mut service, _messages) = service();
        let now = service.clock.now();
        // It has waited long enough to hear from a peer.
        service.readiness = Readiness::new(now - Duration::from_secs(8), true);
        for (validator, slot) in votes {
            let vote = vote(*validator, *slot);
            let head = vote.attestation.message.data.head.root;
            assert!(service.parking.park_attestation(head, vote));
        }
        service.update_sync_state();
        service.chain.read().sync_state()
    };
    // It is slot 5, and there are four validators.
    assert_eq!(state_with(&[(0, 4), (1, 5)]), SyncState::Starting);
    assert_eq!(state_with(&[(0, 4), (0, 5)]), SyncState::Synced);
    assert_eq!(state_with(&[]), SyncState::Synced);
}

#[test]
fn votes_for_what_is_invalid_or_builds_on_it_are_no_sign_of_being_cut_off() {
    let invalid = Root::repeat_byte(0xbb);
    // Newer than all that these validators have signed, and so old that it is missing.
    let (slot, now) = (7, Duration::from_secs(10 * SECONDS_PER_SLOT));
    let block = quartet_types::Block {
        slot,
        proposer_index: slot % 4,
        parent_root: invalid,
        ..Default::default()
    };
    let child = envelope(quartet_types::BlockWithAttestation {
        block,
        ..Default::default()
    });
    let built_on_it = crate::reader::block_root(&child);
    let unknown = Root::repeat_byte(0xee);
    for (root, is_cut_off) in [(invalid, false), (built_on_it, false), (unknown, true)] {
        let (mut service, _messages) = service();
        service.clock = Clock::manual(0, now);
        service.advance_to_now();
        service.readiness = Readiness::new(service.clock.now(), false);
        service.condemned.prove(invalid);
        let peer = PeerName::new("peer");
        service.on_block(child.clone(), Origin::Gossip(peer), None);
        let justified = service.chain.read().latest_justified();
        for validator in [1, 2] {
            let mut vote = vote(validator, slot);
            let data = &mut vote.attestation.message.data;
            (data.source, data.target) = (justified, justified);
            data.head.root = root;
            service.batches += 1;
            service.on_attestations_verified(vec![vote], Ok(vec![true]));
        }
        service.update_sync_state();
        let state = service.chain.read().sync_state();
        assert_eq!(state != SyncState::Synced, is_cut_off, "{root}");
    }
}

#[test]
fn a_bloated_block_at_the_end_of_a_range_has_no_place_by_itself() {
    let (service, _messages) = service();
    let mut message = due(&service.chain.read());
    let rooted = |message: &quartet_types::BlockWithAttestation| {
        let mut message = message.clone();
        let slot = message.block.slot;
        let root = tree_hash::TreeHash::tree_hash_root(&message.block);
        message.proposer_attestation.data.head = Checkpoint { root, slot };
        vec![(root, envelope(message))]
    };
    assert_eq!(service.last_with_a_place(&rooted(&message)), 1);
    let vote = message.proposer_attestation;
    message.block.body.attestations = vec![vote; 2].try_into().unwrap();
    assert_eq!(service.last_with_a_place(&rooted(&message)), 0);
}

#[test]
fn old_half_bound_blocks_of_a_range_pass_by_the_word_of_what_builds_on_them() {
    let (mut service, _messages) = service();
    let head = service.chain.read().head();
    let late = 40 * quartet_types::INTERVALS_PER_SLOT;
    service.chain.change(|chain| chain.advance(late));
    // So many slots apart, each attesting to its parent.
    let run = |apart: u64| {
        let mut parent = head;
        let blocks = (1..=3).map(|number| {
            let slot = head.slot + number * apart;
            let block = quartet_types::Block {
                slot,
                proposer_index: slot % 4,
                parent_root: parent.root,
                ..Default::default()
            };
            let data = AttestationData {
                slot,
                head: parent,
                ..AttestationData::default()
            };
            let validator_id = block.proposer_index;
            parent = block.checkpoint();
            let proposer_attestation = Attestation { validator_id, data };
            let message = quartet_types::BlockWithAttestation {
                block,
                proposer_attestation,
            };
            (parent.root, envelope(message))
        });
        blocks.collect::<Vec<_>>()
    };
    // Each has the next proposer's word, and the last has nobody's.
    let blocks = run(1);
    assert_eq!(service.last_with_a_place(&blocks), 2);
    // Others' word counts whatever has the place, the proposer's own only while it is free.
    let alone = run(4);
    assert_eq!(service.last_with_a_place(&alone), 2);
    for (root, block) in [&blocks[1], &alone[1]] {
        let slot = block.block().slot;
        service.admissions.admit(slot, *root, Binding::HalfBound);
        assert_eq!(service.last_with_a_place(&blocks), 2);
        assert_eq!(service.last_with_a_place(&alone), 2);
        let slot = block.block().slot;
        let other = Root::repeat_byte(9);
        service.admissions.admit(slot, other, Binding::Bound);
    }
    assert_eq!(service.last_with_a_place(&blocks), 2);
    assert_eq!(service.last_with_a_place(&alone), 1);
    // What is not by the proposer of the next block says nothing of the parent's.
    let mut forged = blocks;
    let mut unbound = forged[1].1.as_ref().clone();
    unbound.message.proposer_attestation.data.head = head;
    forged[1].1 = Arc::new(unbound);
    assert_eq!(service.last_with_a_place(&forged[..2]), 0);
}

/// The roots that are asked for next, with the number of the request.
fn asked(messages: &mut Receiver<NetworkMessage>) -> Option<(u64, Vec<Root>)> {
    std::iter::from_fn(|| messages.try_recv().ok()).find_map(|message| match message {
        NetworkMessage::RequestBlocks { request, roots, .. } => Some((request, roots)),
        _ => None,
    })
}

#[test]
fn a_way_back_ends_at_what_builds_on_an_invalid_block() {
    let (mut service, mut messages) = service();
    let peer = PeerName::new("peer");
    service.on_message(ChainMessage::Status {
        peer: peer.clone(),
        status: Status::default(),
    });
    let on = |parent_root: Root, slot: Slot| {
        let block = quartet_types::Block {
            slot,
            proposer_index: slot % 4,
            parent_root,
            ..Default::default()
        };
        let message = quartet_types::BlockWithAttestation {
            block,
            ..Default::default()
        };
        envelope(message)
    };
    let invalid = Root::repeat_byte(0xbb);
    service.condemned.prove(invalid);
    let child = on(invalid, 4);
    let grandchild = on(crate::reader::block_root(&child), 5);
    let root = crate::reader::block_root(&grandchild);
    let need = Some(quartet_sync::Need::Ancestor);
    service.with_sync(|sync, view| sync.want(root, 5, Some(peer), need, view));
    service.poll_sync();
    for block in [grandchild, child] {
        let (request, roots) = asked(&mut messages).unwrap();
        assert_eq!(roots, [crate::reader::block_root(&block)]);
        service.on_requested_blocks(request, Ok(vec![block]));
    }
    assert_eq!(asked(&mut messages), None);
    assert!(!service.sync.has_gaps() && !service.parking.contains(&root));
}

#[test]
fn early_votes_that_nobody_has_signed_take_no_place_from_those_of_validators() {
    let (mut service, _messages) = service();
    let slot = service.chain.read().current_slot() + 1;
    let forged = |number: u64| {
        let mut forged = vote(number % 4, slot);
        forged.attestation.message.data.head.root = Root::left_padding_from(&number.to_be_bytes());
        forged.attestation.signature = Signature::from([1; SIGNATURE_BYTES]);
        forged
    };
    service.on_attestations((0..1_000).map(forged).collect());
    assert!(service.early.take_until(slot).1.is_empty());
    service.batches += 1;
    service.on_attestations_verified(vec![vote(1, slot)], Ok(vec![true]));
    assert_eq!(service.early.take_until(slot).1.len(), 1);
}

#[test]
fn votes_that_have_waited_for_a_block_are_verified_in_batches() {
    let (mut service, _messages) = service();
    let slot = service.chain.read().current_slot();
    // Which of them are valid does not matter.
    let votes = (0..1_000).map(|number| vote(number % 4, slot));
    service.on_attestations(votes.collect());
    assert_eq!((service.batches, service.jobs.len()), (4, 4));
}

#[test]
fn votes_of_slots_far_ahead_are_not_held_for_them() {
    let (mut service, _messages) = service();
    let current = service.chain.read().current_slot();
    for slot in [current + 5, current + 1_000, Slot::MAX] {
        let mut early = vote(1, slot);
        // Of a block that might come any time.
        early.attestation.message.data.head.slot = current;
        let (verdict, mut judged) = tokio::sync::oneshot::channel();
        early.verdict = verdict;
        service.on_attestations(vec![early]);
        assert_eq!(judged.try_recv(), Ok(Verdict::Ignore), "slot {slot}");
    }
    assert_eq!(service.batches, 0);
}

#[test]
fn early_votes_count_when_their_slot_begins_without_being_verified_again() {
    let (mut service, _messages) = service();
    let current = service.chain.read().current_slot();
    let known = service.chain.read().latest_justified();
    let mut early = vote(1, current + 1);
    let data = &mut early.attestation.message.data;
    (data.source, data.target, data.head) = (known, known, known);
    // Its signature is of zeros: looked at again, it would be rejected.
    service.batches += 1;
    service.on_attestations_verified(vec![early], Ok(vec![true]));
    let vote_in_slot = |service: &ChainService| {
        let chain = service.chain.read();
        chain.fork_choice().vote_in_slot(1, current + 1)
    };
    assert_eq!(vote_in_slot(&service), None);
    let now = Duration::from_secs((current + 1) * SECONDS_PER_SLOT);
    service.clock = Clock::manual(0, now);
    service.on_tick(Tick {
        slot: current + 1,
        interval: 0,
        late: Duration::ZERO,
        missed: 0,
    });
    assert!(vote_in_slot(&service).is_some());
    assert_eq!(service.batches, 0);
}

#[test]
fn a_copy_is_asked_for_whoever_else_sent_one_while_a_bad_one_was_checked() {
    let (mut service, mut messages) = service();
    let good = envelope(due(&service.chain.read()));
    let [forger, friend, neighbour] = ["a forger", "its friend", "neighbour"].map(PeerName::new);
    for peer in [&forger, &friend, &neighbour] {
        let (peer, status) = (peer.clone(), Status::default());
        service.on_message(ChainMessage::Status { peer, status });
    }
    let root = crate::reader::block_root(&good);
    let bad = |byte| {
        let mut bad = good.as_ref().clone();
        bad.signature[0] = Signature::from([byte; SIGNATURE_BYTES]);
        Arc::new(bad)
    };
    let error = invalid_signature(&good.message.proposer_attestation);
    service.on_block(bad(1), Origin::Gossip(forger), None);
    service.on_block(bad(2), Origin::Gossip(friend), None);
    service.on_block(good.clone(), Origin::Gossip(neighbour.clone()), None);
    service.on_block_checked(root, Stopwatch::start(), Err(error));
    let mut asked = Vec::new();
    while let Ok(message) = messages.try_recv() {
        if let NetworkMessage::RequestBlocks { request, peer, .. } = message {
            asked.push(peer);
            let nothing = Ok(Vec::new());
            service.on_message(ChainMessage::RequestedBlocks {
                request,
                result: nothing,
            });
        }
    }
    assert!(asked.contains(&neighbour), "{asked:?}");
}

#[test]
fn a_signature_that_has_come_with_a_vote_is_kept_once() {
    let (service, _messages) = service();
    let chain = service.chain.read();
    let block = envelope(due(&chain));
    let root = crate::reader::block_root(&block);
    let check = BlockCheck::new(&chain, root, block.clone(), true).unwrap();
    let importable = check.run(&Scheme::Test, &service.reader).unwrap();
    assert_eq!(importable.block, block);
    let attestations = &block.block().body.attestations;
    assert!(!attestations.is_empty());
    let place = |signature: &Signature| signature.as_bytes().as_ptr();
    for (index, attestation) in attestations.iter().enumerate() {
        let signature = &block.signature[index];
        let held = chain.verified(attestation, signature).unwrap();
        assert_ne!(place(held), place(signature));
        assert_eq!(place(&importable.block.signature[index]), place(held));
    }
}

#[test]
fn votes_of_our_own_validators_are_told_once_their_signatures_are_verified() {
    let (service, _messages) = service();
    let (sightings, mut seen) = crate::watch_validators(0..4);
    let mut service = service.with_sightings(sightings);
    // What was at hand already.
    while seen.try_recv().is_ok() {}
    let slot = service.chain.read().current_slot();
    service.on_attestations(vec![vote(1, slot)]);
    assert!(seen.try_recv().is_err());
    service.batches += 1;
    let verified = vec![vote(1, slot), vote(2, slot), vote(9, slot)];
    service.on_attestations_verified(verified, Ok(vec![true, false, true]));
    assert_eq!(seen.try_recv().unwrap(), vote(1, slot).attestation.message);
    assert!(seen.try_recv().is_err());

    let block = envelope(due(&service.chain.read()));
    let parent = service
        .chain
        .read()
        .state(block.block().parent_root)
        .unwrap();
    let post_state = quartet_state_transition::state_transition(&parent, block.block()).unwrap();
    let importable = ImportableBlock {
        root: crate::reader::block_root(&block),
        block: block.clone(),
        post_state: Arc::new(post_state),
    };
    let mut events = service.events.watch();
    service
        .import_block(importable, NamedBlocks::Known, Source::Own)
        .unwrap();
    // The block before what it changes, so that whoever draws the chain knows it by then.
    assert!(matches!(events.try_recv(), Ok(ChainEvent::Block(told)) if told.origin == Source::Own));
    assert!(matches!(events.try_recv(), Ok(ChainEvent::Head { .. })));
    let told: Vec<_> = std::iter::from_fn(|| seen.try_recv().ok()).collect();
    assert_eq!(told, Vec::from_iter(block.attestations().copied()));
    assert!(!told.is_empty());
}

#[test]
fn second_blocks_of_a_slot_find_no_more_room_than_others() {
    let (mut service, _messages) = service();
    let message = due(&service.chain.read());
    let slot = message.block.slot;
    let first = Root::repeat_byte(9);
    service.admissions.admit(slot, first, Binding::Bound);
    // As many as a peer likes: nobody has signed them.
    for number in 0..100 {
        let mut forged = message.clone();
        forged.block.state_root = Root::repeat_byte(number);
        let root = tree_hash::TreeHash::tree_hash_root(&forged.block);
        forged.proposer_attestation.data.head = Checkpoint { root, slot };
        let peer = PeerName::new("a forger");
        service.on_block(envelope(forged), Origin::Gossip(peer), None);
    }
    assert_eq!(service.checking.len(), MAX_CHECKED_PER_PEER);
}

#[test]
fn a_block_that_comes_by_two_ways_at_once_is_told_and_written_once() {
    let (mut service, _messages) = service();
    let block = envelope(due(&service.chain.read()));
    let check = {
        let chain = service.chain.read();
        BlockCheck::new(&chain, crate::reader::block_root(&block), block, true).unwrap()
    };
    let importable = check.run(&Scheme::Test, &service.reader).unwrap();
    let mut events = service.events.watch();
    for source in [Source::Gossip, Source::Sync] {
        let names = NamedBlocks::Known;
        let imported = service.import_block(importable.clone(), names, source);
        assert_eq!(imported, Ok(()));
    }
    let told = std::iter::from_fn(|| events.try_recv().ok());
    let blocks = told.filter(|event| matches!(event, ChainEvent::Block(_)));
    assert_eq!(blocks.count(), 1);
    assert_eq!(service.jobs.len(), 1);
}

#[test]
fn of_two_blocks_of_a_slot_that_are_checked_at_once_the_one_that_is_through_first_has_the_place() {
    let (mut service, _messages) = service();
    let first = due(&service.chain.read());
    let parent = service.chain.read().state(first.block.parent_root).unwrap();
    let mut second = first.clone();
    second.block.body = Default::default();
    let (block, _) = quartet_state_transition::seal_block(&parent, second.block).unwrap();
    second.proposer_attestation.data.head = block.checkpoint();
    second.block = block;
    let mut checked = Vec::new();
    for message in [first, second] {
        let block = envelope(message);
        let root = crate::reader::block_root(&block);
        let (verdict, judged) = tokio::sync::oneshot::channel();
        let peer = PeerName::new("peer");
        service.on_block(block.clone(), Origin::Gossip(peer), Some(verdict));
        let check = BlockCheck::new(&service.chain.read(), root, block, true).unwrap();
        let importable = check.run(&Scheme::Test, &service.reader).unwrap();
        checked.push((root, importable, judged));
    }
    let slot = service.chain.read().current_slot();
    for ((root, importable, mut judged), expected) in
        checked.into_iter().zip([Verdict::Accept, Verdict::Ignore])
    {
        service.on_block_checked(root, Stopwatch::start(), Ok(importable));
        assert_eq!(judged.try_recv(), Ok(expected));
        let is_imported = expected == Verdict::Accept;
        assert_eq!(service.chain.read().contains(&root), is_imported);
    }
    // Both are signed.
    let newest = service.chain.read().equivocations().newest();
    assert_eq!(newest, Some((slot % 4, slot)));
}

#[test]
fn strangers_cannot_have_the_log_say_that_a_validator_has_signed_an_invalid_block() {
    let (mut service, _messages) = service();
    let mut message = due(&service.chain.read());
    message.block.proposer_index += 1;
    let (verdict, mut answer) = tokio::sync::oneshot::channel();
    service.on_message(ChainMessage::Block {
        block: envelope(message),
        peer: PeerName::new("stranger"),
        verdict,
    });
    assert_eq!(answer.try_recv(), Ok(Verdict::Reject));
    let now = service.clock.slot();
    assert!(service.condemned.should_warn(now));
}
