//! What becomes of blocks and votes that peers send.

use std::sync::Arc;

use quartet_chain::Verdict;
use quartet_types::{Signature, SignedBlockWithAttestation};
use quartet_world::{
    World,
    node::{Setup, Wanted},
};

#[tokio::test(start_paused = true)]
async fn honest_blocks_and_votes_are_accepted_and_finalize() {
    let mut world = World::new(4);
    let node = Setup::at(0).start(&world).await;
    let mut head = 0;
    for slot in 1..8 {
        node.until(slot, 0).await;
        let votes: Vec<_> = (0..4)
            .map(|validator| world.vote(validator, head, slot - 1))
            .collect();
        head = world.propose(head, slot, &votes).unwrap();
        node.import(&world, &[head]).await;
        node.until(slot, 1).await;
        // The proposer's has come with its block.
        let voters = (0..4).filter(|validator| *validator != slot % 4);
        let votes: Vec<_> = voters
            .map(|validator| world.vote(validator, head, slot))
            .collect();
        for mut awaited in node.votes(&world, "peer", &votes).await {
            assert_eq!(awaited.verdict(), Some(Verdict::Accept));
        }
    }
    assert_eq!(node.head(), world.made[head].root);
    assert_eq!(node.chain.read().latest_finalized().slot, 5);
    node.stop().await;
}

/// The block with a bad signature of a vote in its body, as anybody can make it.
fn with_a_bad_signature(block: &SignedBlockWithAttestation) -> Arc<SignedBlockWithAttestation> {
    let mut forged = block.clone();
    forged.signature[0] = Signature::default();
    Arc::new(forged)
}

#[tokio::test(start_paused = true)]
async fn an_honest_copy_is_asked_for_when_a_forged_one_was_held_until_the_slot_began() {
    let mut world = World::new(4);
    let parent = world.grow(0, 1..=1);
    let block = world.grow(parent, 2..=2);
    let mut node = Setup::at(1).start(&world).await;
    node.import(&world, &[parent]).await;
    let claimed = world.made[parent].checkpoint();
    for peer in ["forger", "honest", "other"] {
        node.status(&world, peer, claimed).await;
    }
    let good = &world.made[block].block;
    let mut forged = node.block("forger", &with_a_bad_signature(good)).await;
    let mut honest = node.block("honest", good).await;
    assert_eq!(forged.verdict(), None);
    assert_eq!(honest.verdict(), Some(Verdict::Ignore));
    assert_eq!(node.requests(), []);
    node.until(2, 0).await;
    assert_eq!(forged.verdict(), Some(Verdict::Reject));
    let [request] = &node.requests()[..] else {
        panic!("one request");
    };
    assert_eq!(request.peer, "honest");
    assert_eq!(request.wanted, Wanted::Roots(vec![world.made[block].root]));
    node.answer(request.number, Ok(vec![good.clone()])).await;
    assert_eq!(node.head(), world.made[block].root);
}

#[tokio::test(start_paused = true)]
async fn an_honest_copy_is_asked_for_when_a_forged_one_has_waited_for_its_parent() {
    let mut world = World::new(4);
    let parent = world.grow(0, 1..=1);
    let block = world.grow(parent, 2..=2);
    let mut node = Setup::at(2).start(&world).await;
    for peer in ["forger", "honest", "other"] {
        let genesis = world.genesis().checkpoint();
        node.status(&world, peer, genesis).await;
    }
    let good = &world.made[block].block;
    let mut forged = node.block("forger", &with_a_bad_signature(good)).await;
    node.block("honest", good).await;
    let asked = node.requests();
    node.answer(asked[0].number, Ok(vec![world.made[parent].block.clone()]))
        .await;
    assert_eq!(forged.verdict(), Some(Verdict::Reject));
    let [request] = &node.requests()[..] else {
        panic!("one request");
    };
    assert_eq!(request.peer, "honest");
    node.answer(request.number, Ok(vec![good.clone()])).await;
    assert_eq!(node.head(), world.made[block].root);
}

#[tokio::test(start_paused = true)]
async fn what_came_early_is_looked_at_even_if_the_start_of_its_slot_is_slept_through() {
    let mut world = World::new(4);
    let block = world.propose(0, 2, &[]).unwrap();
    let node = Setup::at(1).start(&world).await;
    let mut early = node.block("peer", &world.made[block].block).await;
    let mut votes = node.votes(&world, "peer", &[world.vote(0, 0, 2)]).await;
    assert_eq!((early.verdict(), votes[0].verdict()), (None, None));
    // The machine sleeps for a slot and a quarter: the next tick is the one at three quarters.
    node.clock.step(5_000);
    node.until(2, 3).await;
    assert_eq!(early.verdict(), Some(Verdict::Accept));
    assert_eq!(votes[0].verdict(), Some(Verdict::Accept));
}

#[tokio::test(start_paused = true)]
async fn a_proposer_of_many_early_blocks_takes_no_place_from_the_next_one() {
    let mut world = World::new(4);
    let parent = world.grow(0, 1..=1);
    // Blocks of slot 2 with votes of slot 4 wait for slot 3: as many as its proposer likes.
    let mut early = Vec::new();
    for voters in 1..16 {
        let voters = (0..4).filter(|validator| voters >> validator & 1 == 1);
        let mut votes: Vec<_> = voters.map(|voter| world.vote(voter, parent, 4)).collect();
        early.extend(world.propose(parent, 2, &votes));
        votes.reverse();
        early.extend(world.propose(parent, 2, &votes));
    }
    let next = world.grow(parent, 3..=3);
    let node = Setup::at(2).start(&world).await;
    node.import(&world, &[parent]).await;
    for block in early {
        node.block("peer", &world.made[block].block).await;
    }
    let mut awaited = node.block("peer", &world.made[next].block).await;
    assert_eq!(awaited.verdict(), None);
    node.until(3, 0).await;
    assert_eq!(awaited.verdict(), Some(Verdict::Accept));
}
