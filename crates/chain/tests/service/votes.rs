//! What becomes of votes that peers send.

use quartet_chain::{ChainEvent, Source, Verdict};
use quartet_types::{Attestation, Checkpoint, Root, Signature, SignedAttestation, Slot};
use quartet_world::{
    World,
    node::{Awaited, Node, Setup, Wanted},
};

/// A node in a slot after a chain of one block a slot, which it has, and the last of these blocks.
async fn node_after(world: &mut World, slots: Slot) -> (Node, usize) {
    let head = world.grow(0, 1..=slots);
    let node = Setup::at(slots + 1).start(world).await;
    let blocks: Vec<usize> = (1..=head).collect();
    node.import(world, &blocks).await;
    (node, head)
}

fn unknown(slot: Slot) -> Checkpoint {
    let root = Root::left_padding_from(&slot.to_be_bytes());
    Checkpoint { root, slot }
}

/// An honest vote, but for its head.
fn for_head(world: &World, voter: u64, on: usize, slot: Slot, head: Checkpoint) -> Attestation {
    let mut vote = world.vote(voter, on, slot);
    vote.data.head = head;
    vote
}

fn badly_signed(message: Attestation) -> SignedAttestation {
    let signature = Signature::default();
    SignedAttestation { message, signature }
}

async fn verdict_on(node: &Node, vote: SignedAttestation) -> Option<Verdict> {
    let mut awaited: Vec<Awaited> = node.signed_votes("peer", vec![vote]).await;
    awaited[0].verdict()
}

#[tokio::test(start_paused = true)]
async fn a_vote_of_the_next_slot_is_verified_and_counts_when_that_begins() {
    let mut world = World::new(4);
    let (mut node, head) = node_after(&mut world, 1).await;
    let vote = world.vote(3, head, 3);
    assert_eq!(
        verdict_on(&node, badly_signed(vote)).await,
        Some(Verdict::Reject)
    );
    let mut awaited = node.vote(&world, vote).await;
    assert_eq!(awaited.verdict(), None);
    node.told();
    node.until(3, 0).await;
    assert_eq!(awaited.verdict(), Some(Verdict::Accept));
    let votes = [vote].into();
    let origin = Source::Gossip;
    let counted = ChainEvent::Attestations { origin, votes };
    assert!(node.told().contains(&counted));
}

#[tokio::test(start_paused = true)]
async fn a_vote_for_an_unknown_block_is_verified_up_to_four_slots_ahead() {
    let mut world = World::new(4);
    let (node, head) = node_after(&mut world, 1).await;
    for (ahead, expected) in [(4, Verdict::Reject), (5, Verdict::Ignore)] {
        let vote = for_head(&world, 3, head, 2 + ahead, unknown(2));
        let verdict = verdict_on(&node, badly_signed(vote)).await;
        assert_eq!(verdict, Some(expected), "{ahead} slots ahead");
    }
    let vote = for_head(&world, 3, head, 6, unknown(2));
    let mut awaited = node.vote(&world, vote).await;
    assert_eq!(awaited.verdict(), None);
}

#[tokio::test(start_paused = true)]
async fn the_second_of_two_votes_of_a_slot_is_passed_on_once_and_told() {
    let mut world = World::new(4);
    let (mut node, head) = node_after(&mut world, 2).await;
    let [first, second, third] = [head, head - 1, 0].map(|head| world.vote(3, head, 3));
    for (vote, expected) in [
        (first, Verdict::Accept),
        (first, Verdict::Ignore),
        (second, Verdict::Accept),
        (second, Verdict::Ignore),
        (third, Verdict::Ignore),
    ] {
        let mut awaited = node.vote(&world, vote).await;
        assert_eq!(awaited.verdict(), Some(expected), "{vote:?}");
        // What says nothing new is not even verified.
        let verdict = verdict_on(&node, badly_signed(vote)).await;
        assert_eq!(verdict, Some(Verdict::Ignore));
    }
    let (validator, slot) = (3, 3);
    let told = node.told();
    let equivocations = told
        .iter()
        .filter(|event| **event == ChainEvent::Equivocation { validator, slot });
    assert_eq!(equivocations.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_a_vote_names_is_asked_for_unless_nobody_can_have_it() {
    let mut world = World::new(4);
    let (mut node, head) = node_after(&mut world, 8).await;
    let finalized = node.chain.read().latest_finalized().slot;
    assert_eq!(finalized, 6);
    node.status(&world, "peer", world.made[head].checkpoint())
        .await;
    // It is slot 9, whose proposer is 1.
    for (voter, slot, is_wanted) in [
        (0, 6, false),
        (0, 7, true),
        (0, 9, true),
        (0, 10, false),
        (1, 9, false),
        (2, 9, false),
    ] {
        let vote = for_head(&world, voter, head, 9, unknown(slot));
        let mut awaited = node.vote(&world, vote).await;
        let asked = node.requests();
        let expected = is_wanted.then(|| Wanted::Roots(vec![unknown(slot).root]));
        let asked_for = asked.first().map(|request| request.wanted.clone());
        assert_eq!(asked_for, expected, "by {voter} of slot {slot}");
        let is_parked = is_wanted || voter == 2;
        let verdict = (!is_parked).then_some(Verdict::Ignore);
        assert_eq!(awaited.verdict(), verdict, "by {voter} of slot {slot}");
    }
}

#[tokio::test(start_paused = true)]
async fn votes_that_wait_count_when_what_they_name_has_come() {
    let mut world = World::new(4);
    let (mut node, head) = node_after(&mut world, 2).await;
    let next = world.grow(head, 3..=3);
    node.status(&world, "peer", world.made[head].checkpoint())
        .await;
    let mut awaited = node.vote(&world, world.vote(1, next, 3)).await;
    assert_eq!(awaited.verdict(), None);
    node.serve(&world, next).await;
    assert_eq!(awaited.verdict(), Some(Verdict::Accept));
    assert_eq!(node.head(), world.made[next].root);
}
