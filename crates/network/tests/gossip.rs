//! Gossip between services on loopback: what is forwarded, what is refused.

#![allow(clippy::unwrap_used, reason = "everything here is a test")]

mod support;

use std::time::Duration;

use libp2p::request_response::ProtocolSupport;
use quartet_chain::{Verdict, max_useful_block_bytes};
use quartet_network::wire::{Topic, compress};
use quartet_types::Attestation;
use ssz::Encode as _;
use support::{
    Block, FORK, Node, attestation, block, block_with_signatures, config, rogue::Rogue, until,
};

/// Three nodes in a line, with gossip flowing from the first through the second to the third.
async fn line() -> [Node; 3] {
    let mut second = Node::start(2, &[]).await;
    let first = Node::start(1, &[&second.multiaddr]).await;
    let mut third = Node::start(3, &[&second.multiaddr]).await;
    let accept_everything = async {
        loop {
            let (_, verdict) = second.next_block().await;
            verdict.send(Verdict::Accept).unwrap();
        }
    };
    let mut slot = 1_000_000;
    let flow = until(
        async || {
            slot += 1;
            first.publish(&block(slot)).await;
        },
        third.next_block(),
    );
    tokio::select! {
        _ = accept_everything => unreachable!(),
        _ = flow => {}
    }
    // What is still under way must not be taken for what a test sends.
    let last = block(2_000_000);
    first.publish(&last).await;
    loop {
        let (block, verdict) = second.next_block().await;
        let _ = verdict.send(Verdict::Accept);
        if block == last {
            break;
        }
    }
    while third.next_block().await.0 != last {}
    [first, second, third]
}

async fn verdict_on(node: &mut Node, expected: &Block, verdict: Verdict) {
    let (found, sender) = node.next_block().await;
    assert_eq!(&found, expected);
    sender.send(verdict).unwrap();
}

#[tokio::test]
async fn a_block_is_forwarded_when_the_chain_accepts_it_and_not_before() {
    let [first, mut second, mut third] = line().await;
    let (one, two) = (block(1), block(2));
    first.publish(&one).await;
    let (found, verdict_on_one) = second.next_block().await;
    assert_eq!(found, one);
    first.publish(&two).await;
    verdict_on(&mut second, &two, Verdict::Accept).await;
    // The second overtakes the first, on which there is no verdict.
    assert_eq!(third.next_block().await.0, two);
    verdict_on_one.send(Verdict::Accept).unwrap();
    assert_eq!(third.next_block().await.0, one);
}

#[tokio::test]
async fn what_the_chain_rejects_or_ignores_is_not_forwarded() {
    let [first, mut second, mut third] = line().await;
    let verdicts = [
        (Verdict::Reject, attestation(1)),
        (Verdict::Ignore, attestation(2)),
        (Verdict::Accept, attestation(3)),
    ];
    for (verdict, attestation) in &verdicts {
        first.publish_attestation(attestation).await;
        let received = second.next_attestation().await;
        assert_eq!(&received.attestation, attestation);
        assert_eq!(received.peer, first.name);
        received.verdict.send(*verdict).unwrap();
    }
    let (_, accepted) = &verdicts[2];
    assert_eq!(&third.next_attestation().await.attestation, accepted);

    // A verdict that is never given is none.
    for slot in [4, 5] {
        first.publish_attestation(&attestation(slot)).await;
        let received = second.next_attestation().await;
        match slot {
            4 => drop(received.verdict),
            _ => received.verdict.send(Verdict::Accept).unwrap(),
        }
    }
    assert_eq!(third.next_attestation().await.attestation, attestation(5));
}

/// Sends the verdict on `count` attestations that the first node publishes and the second hears.
async fn judge(first: &Node, second: &mut Node, slots: std::ops::Range<u64>, verdict: Verdict) {
    for slot in slots {
        first.publish_attestation(&attestation(slot)).await;
        let received = second.next_attestation().await;
        assert_eq!(received.attestation, attestation(slot));
        received.verdict.send(verdict).unwrap();
    }
}

#[tokio::test]
async fn a_peer_whose_messages_are_all_rejected_is_sent_away() {
    let [first, mut second, _third] = line().await;
    let mut rejected = 0;
    loop {
        first.publish_attestation(&attestation(rejected)).await;
        let next = second.next_attestation();
        let Ok(received) = tokio::time::timeout(Duration::from_secs(2), next).await else {
            break;
        };
        received.verdict.send(Verdict::Reject).unwrap();
        rejected += 1;
    }
    assert!((40..50).contains(&rejected), "{rejected}");
    assert_eq!(second.next_disconnected().await, first.name);
}

#[tokio::test]
async fn a_peer_some_of_whose_messages_are_rejected_is_still_heard() {
    let [first, mut second, mut third] = line().await;
    for round in 0..8 {
        let slots = 100 * round..100 * round + 15;
        judge(&first, &mut second, slots, Verdict::Reject).await;
        let slots = 100 * round + 50..100 * round + 54;
        judge(&first, &mut second, slots.clone(), Verdict::Accept).await;
        for slot in slots {
            assert_eq!(
                third.next_attestation().await.attestation,
                attestation(slot)
            );
        }
    }
}

/// Bytes that no honest node sends, in numbers that none sends by mistake.
#[tokio::test]
async fn a_peer_that_sends_garbage_or_bombs_is_disconnected() {
    let mut node = Node::start(1, &[]).await;
    let bomb = |number: u8| vec![0xff, 0xff, 0xff, 0xff, 0x0f, number];
    let no_ssz = |number: u8| compress(&[number; 3]).unwrap();
    let no_snappy = |number: u8| vec![0xff, number];
    let kinds: [(Topic, Vec<Vec<u8>>); 3] = [
        (Topic::Attestation, (0..60).map(no_snappy).collect()),
        (Topic::Block, (0..60).map(bomb).collect()),
        (Topic::Attestation, (0..60).map(no_ssz).collect()),
    ];
    for (topic, messages) in kinds {
        let mut rogue = Rogue::connect(&node.multiaddr).await;
        for message in messages {
            rogue.gossip(&topic.name(FORK), message).await;
        }
        let gone = node.next_disconnected();
        tokio::select! {
            () = rogue.run() => unreachable!(),
            _ = gone => {}
        }
    }
    assert_eq!(node.peers.count(), 0);
}

#[tokio::test]
async fn gossip_that_is_no_message_of_its_topic_never_reaches_the_chain() {
    let mut node = Node::start(1, &[]).await;
    let ssz = attestation(9).as_ssz_bytes();
    let good = compress(&ssz).unwrap();
    let longest = Topic::Block.max_bytes();
    let cases: [(Topic, Vec<u8>); 9] = [
        (Topic::Attestation, b"no snappy".to_vec()),
        (Topic::Attestation, Vec::new()),
        (Topic::Attestation, good[..good.len() - 1].to_vec()),
        (Topic::Attestation, compress(&ssz[1..]).unwrap()),
        (
            Topic::Attestation,
            compress(&[&ssz[..], &[0]].concat()).unwrap(),
        ),
        // Four gigabytes announced.
        (Topic::Block, vec![0xff, 0xff, 0xff, 0xff, 0x0f]),
        (Topic::Block, compress(&vec![0; longest + 1]).unwrap()),
        (Topic::Block, compress(&ssz).unwrap()),
        (Topic::Block, compress(&[0xff; 500]).unwrap()),
    ];
    for (slot, (topic, data)) in cases.into_iter().enumerate() {
        let mut rogue = Rogue::connect(&node.multiaddr).await;
        rogue.gossip(&topic.name(FORK), data).await;
        // What comes after it on the same connection arrives.
        let sentinel = attestation(slot as u64);
        let data = compress(&sentinel.as_ssz_bytes()).unwrap();
        rogue.gossip(&Topic::Attestation.name(FORK), data).await;
        let received = tokio::select! {
            () = rogue.run() => unreachable!(),
            received = node.next_attestation() => received,
        };
        assert_eq!(received.attestation, sentinel);
    }
    // No block came either: a good one is the first.
    let mut rogue = Rogue::connect(&node.multiaddr).await;
    let good = block(1);
    let data = compress(&good.as_ssz_bytes()).unwrap();
    rogue.gossip(&Topic::Block.name(FORK), data).await;
    let received = tokio::select! {
        () = rogue.run() => unreachable!(),
        received = node.next_block() => received,
    };
    assert_eq!(received.0, good);
}

/// Gossips the first so many votes to a node and stays: all have come when this returns, for what comes after them on the same
/// connection has.
async fn gossip_votes(mut rogue: Rogue, votes: u64, node: &mut Node) {
    for slot in 0..votes {
        let data = compress(&attestation(slot).as_ssz_bytes()).unwrap();
        rogue.gossip(&Topic::Attestation.name(FORK), data).await;
    }
    let last = compress(&block(1).as_ssz_bytes()).unwrap();
    rogue.gossip(&Topic::Block.name(FORK), last).await;
    tokio::select! {
        () = rogue.run() => unreachable!(),
        _ = node.next_block() => {}
    }
    tokio::spawn(async move { rogue.run().await });
}

/// A stranger that wants a vote to be missed brings it when it may bring no more.
#[tokio::test]
async fn a_vote_beyond_its_senders_share_is_taken_from_another_peer() {
    const SHARE: u64 = 512;
    let mut node = Node::start(1, &[]).await;
    let rogue = Rogue::connect(&node.multiaddr).await;
    gossip_votes(rogue, SHARE + 1, &mut node).await;
    let mut without_verdict = Vec::new();
    for slot in 0..SHARE {
        let received = node.next_attestation().await;
        assert_eq!(received.attestation, attestation(slot));
        without_verdict.push(received);
    }
    let honest = Node::start(2, &[&node.multiaddr]).await;
    let missed = attestation(SHARE);
    let received = until(
        async || honest.publish_attestation(&missed).await,
        node.next_attestation(),
    )
    .await;
    assert_eq!((received.attestation, received.peer), (missed, honest.name));
}

#[tokio::test]
async fn a_block_that_is_longer_than_any_of_the_network_is_not_decompressed() {
    let mut small = config(1, &[]);
    small.max_block_bytes = 10_000;
    let mut node = Node::with(small).await.unwrap();
    let mut rogue = Rogue::connect(&node.multiaddr).await;
    // It compresses well.
    let (long, short) = (block_with_signatures(1, 20), block(2));
    for block in [&long, &short] {
        let data = compress(&block.as_ssz_bytes()).unwrap();
        assert!(data.len() < 10_000);
        rogue.gossip(&Topic::Block.name(FORK), data).await;
    }
    let (received, _) = tokio::select! {
        () = rogue.run() => unreachable!(),
        received = node.next_block() => received,
    };
    assert_eq!(received, short);
}

#[tokio::test]
async fn the_longest_useful_block_is_taken() {
    let mut hundred = config(1, &[]);
    hundred.max_block_bytes = max_useful_block_bytes(100);
    let mut node = Node::with(hundred).await.unwrap();
    // Four votes of each validator.
    let mut longest = (*block_with_signatures(1, 401)).clone();
    let votes = vec![Attestation::default(); 400];
    longest.message.block.body.attestations = votes.try_into().unwrap();
    let ssz = longest.as_ssz_bytes();
    assert_eq!(ssz.len(), max_useful_block_bytes(100));
    let mut rogue = Rogue::connect(&node.multiaddr).await;
    let data = compress(&ssz).unwrap();
    rogue.gossip(&Topic::Block.name(FORK), data).await;
    let (received, _) = tokio::select! {
        () = rogue.run() => unreachable!(),
        received = node.next_block() => received,
    };
    assert_eq!(*received, longest);
}

/// A peer that has delivered something may bring many, which the chain has to look at.
#[tokio::test]
async fn a_vote_that_comes_after_a_flood_of_a_known_peers_is_heard() {
    const FLOOD: u64 = 4_096;
    let (rogue, address) = Rogue::listen(ProtocolSupport::Full).await;
    let mut node = Node::start(1, &[&address]).await;
    gossip_votes(rogue, FLOOD, &mut node).await;
    let honest = Node::start(2, &[&node.multiaddr]).await;
    // The chain takes none of the flood until it is there.
    let (missed, end) = (attestation(FLOOD), block(2));
    until(
        async || {
            honest.publish_attestation(&missed).await;
            honest.publish(&end).await;
        },
        node.next_block(),
    )
    .await;
    for _ in 0..FLOOD {
        node.next_attestation().await;
    }
    let received = node.next_attestation().await;
    assert_eq!((received.attestation, received.peer), (missed, honest.name));
}

#[tokio::test]
async fn blocks_wait_for_a_chain_that_does_not_keep_up() {
    let [first, mut second, _third] = line().await;
    // More than the queue to the chain and the one before it hold.
    let blocks: Vec<_> = (0..400).map(block).collect();
    for block in &blocks {
        first.publish(block).await;
    }
    for block in &blocks {
        verdict_on(&mut second, block, Verdict::Ignore).await;
    }
}
