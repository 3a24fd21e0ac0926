//! What becomes of blocks that peers send, and of what builds on them.

use std::sync::Arc;

use quartet_chain::{ChainEvent, NetworkMessage, SyncState, Verdict};
use quartet_types::{Block, Checkpoint, Root, Signature, SignedBlockWithAttestation};
use quartet_world::{
    World,
    node::{Node, Setup, Wanted},
};

/// The block of a slot, and others that its proposer has signed for the same slot and parent.
fn proposed_often(world: &mut World, parent: usize, slot: u64, often: usize) -> Vec<usize> {
    let blocks = (0..often).map(|number| {
        let votes: Vec<_> = (0..number as u64)
            .map(|voter| world.vote(voter, parent, slot - 1))
            .collect();
        world.propose(parent, slot, &votes).unwrap()
    });
    blocks.collect()
}

fn without_its_proposers_signature(
    block: &SignedBlockWithAttestation,
) -> Arc<SignedBlockWithAttestation> {
    let mut forged = block.clone();
    let last = forged.signature.len() - 1;
    forged.signature[last] = Signature::default();
    Arc::new(forged)
}

/// The block with a state root that is not its own, signed by its proposer.
fn invalid(
    world: &World,
    block: &SignedBlockWithAttestation,
) -> (Root, Arc<SignedBlockWithAttestation>) {
    changed(world, block, |inner| {
        inner.state_root = Root::repeat_byte(9);
    })
}

/// The block on top of another parent, signed by its proposer.
fn on(
    world: &World,
    block: &SignedBlockWithAttestation,
    parent_root: Root,
) -> (Root, Arc<SignedBlockWithAttestation>) {
    changed(world, block, |inner| inner.parent_root = parent_root)
}

/// The block with a change, signed by its proposer.
fn changed(
    world: &World,
    block: &SignedBlockWithAttestation,
    change: impl FnOnce(&mut Block),
) -> (Root, Arc<SignedBlockWithAttestation>) {
    let mut inner = block.block().clone();
    let before = inner.checkpoint();
    change(&mut inner);
    let after = inner.checkpoint();
    let mut own = block.message.proposer_attestation;
    for named in [&mut own.data.head, &mut own.data.target] {
        if *named == before {
            *named = after;
        }
    }
    (after.root, Arc::new(world.envelope(inner, own)))
}

fn penalized(node: &mut Node) -> Vec<String> {
    let messages = node.messages().into_iter();
    let penalized = messages.filter_map(|message| match message {
        NetworkMessage::Penalize { peer, .. } => Some(peer.to_string()),
        _ => None,
    });
    penalized.collect()
}

#[tokio::test(start_paused = true)]
async fn the_second_block_of_a_slot_is_evidence_and_is_imported_when_somebody_else_votes_for_it() {
    let mut world = World::new(4);
    let blocks = proposed_often(&mut world, 0, 1, 3);
    let mut node = Setup::at(1).start(&world).await;
    node.status(&world, "peer", world.genesis().checkpoint())
        .await;
    node.import(&world, &blocks[..1]).await;
    let second = &world.made[blocks[1]];
    let forged = without_its_proposers_signature(&second.block);
    let equivocation = ChainEvent::Equivocation {
        validator: 1,
        slot: 1,
    };
    let mut awaited = node.block("peer", &forged).await;
    assert_eq!(awaited.verdict(), Some(Verdict::Reject));
    assert!(!node.told().contains(&equivocation));
    for block in &blocks[1..] {
        let mut awaited = node.block("peer", &world.made[*block].block).await;
        assert_eq!(awaited.verdict(), Some(Verdict::Ignore));
        assert!(!node.chain.read().contains(&world.made[*block].root));
    }
    let told = node.told();
    assert_eq!(told.iter().filter(|told| **told == equivocation).count(), 1);
    // The proposer's own word is not enough.
    let own = second.block.message.proposer_attestation;
    node.vote(&world, own).await;
    assert_eq!(node.requests(), []);
    node.vote(&world, world.vote(3, blocks[1], 1)).await;
    let [request] = &node.requests()[..] else {
        panic!("one request");
    };
    assert_eq!(request.wanted, Wanted::Roots(vec![second.root]));
    node.answer(request.number, Ok(vec![second.block.clone()]))
        .await;
    assert!(node.chain.read().contains(&second.root));
}

#[tokio::test(start_paused = true)]
async fn a_second_block_is_not_imported_for_its_proposers_vote_that_lies_about_its_slot() {
    let mut world = World::new(4);
    let blocks = proposed_often(&mut world, 0, 1, 2);
    let mut node = Setup::at(2).start(&world).await;
    let genesis = world.genesis().checkpoint();
    node.status(&world, "peer", genesis).await;
    node.import(&world, &blocks[..1]).await;
    let second = &world.made[blocks[1]];
    let mut own = world.vote(1, 0, 2);
    // Somebody else is the proposer of slot 2.
    own.data.head = Checkpoint {
        slot: 2,
        ..second.checkpoint()
    };
    node.vote(&world, own).await;
    node.serve(&world, blocks[1]).await;
    let mut awaited = node.block("peer", &second.block).await;
    assert_eq!(awaited.verdict(), Some(Verdict::Ignore));
    assert!(!node.chain.read().contains(&second.root));
}

#[tokio::test(start_paused = true)]
async fn a_second_block_that_comes_while_votes_for_it_wait_is_imported() {
    let mut world = World::new(4);
    let blocks = proposed_often(&mut world, 0, 1, 2);
    let node = Setup::at(1).start(&world).await;
    node.import(&world, &blocks[..1]).await;
    let mut vote = node.vote(&world, world.vote(3, blocks[1], 1)).await;
    let mut block = node.block("peer", &world.made[blocks[1]].block).await;
    assert_eq!(block.verdict(), Some(Verdict::Accept));
    assert_eq!(vote.verdict(), Some(Verdict::Accept));
}

#[tokio::test(start_paused = true)]
async fn what_builds_on_an_invalid_block_falls_with_it_now_and_later() {
    let mut world = World::new(4);
    let head = world.grow(0, 1..=4);
    let made = |slot: usize| &world.made[slot].block;
    let (bad, invalid) = invalid(&world, made(2));
    let (below, child) = on(&world, made(3), bad);
    let (_, grandchild) = on(&world, made(4), below);
    let mut node = Setup::at(4).start(&world).await;
    node.status(&world, "peer", world.made[head].checkpoint())
        .await;
    node.messages();
    node.import(&world, &[1]).await;
    let mut waiting = node.block("neighbour", &child).await;
    let mut vote = world.vote(2, 1, 4);
    (vote.data.head.root, vote.data.head.slot) = (below, 3);
    let mut vote_waiting = node.vote(&world, vote).await;
    assert_eq!((waiting.verdict(), vote_waiting.verdict()), (None, None));
    let [request] = &node.requests()[..] else {
        panic!("one request");
    };
    assert_eq!(request.wanted, Wanted::Roots(vec![bad]));
    node.answer(request.number, Ok(vec![invalid.clone()])).await;
    assert_eq!(waiting.verdict(), Some(Verdict::Reject));
    assert_eq!(vote_waiting.verdict(), Some(Verdict::Ignore));
    assert_eq!(penalized(&mut node), [request.peer.as_str()]);
    for block in [&invalid, &child, &grandchild] {
        let mut later = node.block("later", block).await;
        assert_eq!(later.verdict(), Some(Verdict::Reject));
    }
    vote.validator_id = 3;
    let mut vote = node.vote(&world, vote).await;
    assert_eq!(vote.verdict(), Some(Verdict::Ignore));
    assert_eq!(node.requests(), []);
}

#[tokio::test(start_paused = true)]
async fn a_forged_copy_costs_its_sender_and_says_nothing_of_the_block() {
    let mut world = World::new(4);
    let head = world.grow(0, 1..=2);
    let mut node = Setup::at(2).start(&world).await;
    node.status(&world, "peer", world.genesis().checkpoint())
        .await;
    for block in 1..=head {
        let good = &world.made[block].block;
        let forged = without_its_proposers_signature(good);
        let mut awaited = node.block("forger", &forged).await;
        assert_eq!(awaited.verdict(), Some(Verdict::Reject));
        // Nothing needs it.
        assert_eq!(node.requests(), []);
        node.import(&world, &[block]).await;
    }
    assert_eq!(node.head(), world.made[head].root);
}

#[tokio::test(start_paused = true)]
async fn a_forged_copy_of_a_block_that_others_need_is_asked_for_elsewhere() {
    let mut world = World::new(4);
    let parent = world.grow(0, 1..=1);
    let child = world.grow(parent, 2..=2);
    let mut node = Setup::at(2).start(&world).await;
    for peer in ["forger", "honest"] {
        node.status(&world, peer, world.genesis().checkpoint())
            .await;
    }
    let mut awaited = node.block("forger", &world.made[child].block).await;
    let [request] = &node.requests()[..] else {
        panic!("one request");
    };
    assert_eq!(request.peer, "forger");
    let good = &world.made[parent].block;
    let forged = without_its_proposers_signature(good);
    node.answer(request.number, Ok(vec![forged])).await;
    let messages = node.messages();
    let asked = messages.iter().find_map(|message| match message {
        NetworkMessage::RequestBlocks { request, peer, .. } => Some((*request, peer.to_string())),
        _ => None,
    });
    let (number, peer) = asked.unwrap();
    assert_eq!(peer, "honest");
    let is_penalty = |message: &NetworkMessage| matches!(message, NetworkMessage::Penalize { peer, .. } if peer.to_string() == "forger");
    assert!(messages.iter().any(is_penalty));
    node.answer(number, Ok(vec![good.clone()])).await;
    assert_eq!(awaited.verdict(), Some(Verdict::Accept));
}

/// The block in an envelope with somebody else's vote.
fn unbound(world: &World, block: &SignedBlockWithAttestation) -> Arc<SignedBlockWithAttestation> {
    let inner = block.block();
    let vote = world.vote((inner.proposer_index + 1) % 4, 0, inner.slot);
    Arc::new(world.envelope(inner.clone(), vote))
}

#[tokio::test(start_paused = true)]
async fn a_copy_that_is_of_no_use_does_not_end_the_way_to_a_block() {
    let mut world = World::new(4);
    let head = world.grow(0, 1..=3);
    let mut node = Setup::at(3).start(&world).await;
    let claimed = &world.made[head];
    node.status(&world, "peer", claimed.checkpoint()).await;
    let request = node.requests().remove(0);
    let mut awaited = node.block("forger", &unbound(&world, &claimed.block)).await;
    assert_eq!(awaited.verdict(), Some(Verdict::Reject));
    node.answer(request.number, Ok(vec![claimed.block.clone()]))
        .await;
    let request = node.requests().remove(0);
    let parent = world.made[claimed.parent].root;
    assert_eq!(request.wanted, Wanted::Roots(vec![parent]));
}

#[tokio::test(start_paused = true)]
async fn a_claim_whose_block_is_of_no_use_is_nothing_to_wait_for() {
    let mut world = World::new(4);
    let head = world.grow(0, 1..=3);
    let mut node = Setup::among_peers(3).start(&world).await;
    let claimed = &world.made[head];
    node.status(&world, "forger", claimed.checkpoint()).await;
    let request = node.requests().remove(0);
    assert_eq!(node.chain.read().sync_state(), SyncState::Starting);
    let unbound = unbound(&world, &claimed.block);
    node.answer(request.number, Ok(vec![unbound])).await;
    assert_eq!(node.chain.read().sync_state(), SyncState::Synced);
}
