//! Blocks whose bodies name blocks that are not here.

use std::sync::Arc;

use quartet_chain::{NetworkMessage, Verdict};
use quartet_types::{
    Attestation, AttestationData, Block, Checkpoint, Root, Signature, SignedBlockWithAttestation,
    Slot,
};
use quartet_world::{
    World,
    node::{Node, Setup, Wanted, served},
};

/// A block in slot 3, that of its parent, and a block beside the parent, which its body names.
struct Names {
    parent: usize,
    sibling: usize,
    block: usize,
}

fn names(world: &mut World) -> Names {
    let first = world.grow(0, 1..=1);
    let parent = world.propose(first, 2, &[]).unwrap();
    // Of slot 2, too.
    let sibling = world.propose(0, 2, &[]).unwrap();
    let vote = world.vote(3, sibling, 2);
    let block = world.propose(parent, 3, &[vote]).unwrap();
    Names {
        parent,
        sibling,
        block,
    }
}

/// A node in slot 3 that lacks the sibling, with a peer.
async fn node(world: &World, names: &Names) -> Node {
    let node = Setup::at(3).start(world).await;
    node.import(world, &[world.made[names.parent].parent, names.parent])
        .await;
    node.status(world, "peer", world.genesis().checkpoint())
        .await;
    node
}

#[tokio::test(start_paused = true)]
async fn a_block_that_is_named_is_fetched_although_it_has_no_place() {
    let mut world = World::new(4);
    let names = names(&mut world);
    let mut node = node(&world, &names).await;
    let mut awaited = node.block("peer", &world.made[names.block].block).await;
    let [request] = &node.requests()[..] else {
        panic!("one request");
    };
    let root = world.made[names.sibling].root;
    assert_eq!(request.wanted, Wanted::Roots(vec![root]));
    let sibling = world.made[names.sibling].block.clone();
    node.answer(request.number, Ok(vec![sibling])).await;
    assert_eq!(awaited.verdict(), Some(Verdict::Accept));
    for block in [names.sibling, names.block] {
        assert!(node.chain.read().contains(&world.made[block].root));
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_fetched_block_names_is_fetched_too() {
    let mut world = World::new(4);
    let names = names(&mut world);
    let mut node = node(&world, &names).await;
    let (block, sibling) = (&world.made[names.block], &world.made[names.sibling]);
    node.status(&world, "peer", block.checkpoint()).await;
    let request = node.requests().remove(0);
    node.answer(request.number, Ok(vec![block.block.clone()]))
        .await;
    let request = node.requests().remove(0);
    assert_eq!(request.wanted, Wanted::Roots(vec![sibling.root]));
    node.answer(request.number, Ok(vec![sibling.block.clone()]))
        .await;
    assert!(node.chain.read().contains(&block.root));
}

#[tokio::test(start_paused = true)]
async fn more_than_a_third_of_the_validators_vouch_for_a_block_that_names_what_nobody_has() {
    let mut world = World::new(4);
    let names = names(&mut world);
    let mut node = node(&world, &names).await;
    let block = &world.made[names.block];
    let mut awaited = node.block("peer", &block.block).await;
    // Its proposer alone.
    node.until(3, 1).await;
    assert_eq!(awaited.verdict(), None);
    node.vote(&world, world.vote(1, names.block, 3)).await;
    node.until(3, 2).await;
    assert_eq!(awaited.verdict(), Some(Verdict::Accept));
    assert_eq!(node.head(), block.root);
    assert!(!node.chain.read().contains(&world.made[names.sibling].root));
    let penalized = |message: &NetworkMessage| matches!(message, NetworkMessage::Penalize { .. });
    assert!(!node.messages().iter().any(penalized));
}

#[tokio::test(start_paused = true)]
async fn a_copy_whose_votes_are_forged_makes_way_for_one_whose_votes_vouch() {
    let mut world = World::new(7);
    let names = names(&mut world);
    let votes = [1, 2].map(|voter| world.vote(voter, names.block, 3));
    let child = world.propose(names.block, 4, &votes).unwrap();
    let node = node(&world, &names).await;
    let mut awaited = node.block("peer", &world.made[names.block].block).await;
    node.until(4, 0).await;
    let good = &world.made[child].block;
    let mut forged = SignedBlockWithAttestation::clone(good);
    forged.signature[0] = Signature::default();
    forged.signature[1] = Signature::default();
    let mut forged = node.block("forger", &Arc::new(forged)).await;
    assert_eq!(forged.verdict(), None);
    node.until(4, 1).await;
    assert_eq!(forged.verdict(), Some(Verdict::Reject));
    // The two proposers are no more than a third of seven.
    assert_eq!(awaited.verdict(), None);
    node.block("peer", good).await;
    node.until(4, 2).await;
    assert_eq!(awaited.verdict(), Some(Verdict::Accept));
    assert_eq!(node.head(), world.made[child].root);
}

#[tokio::test(start_paused = true)]
async fn no_more_than_sixteen_blocks_are_asked_for_because_a_body_names_them() {
    for (names, is_asked) in [(16, true), (17, false)] {
        let mut world = World::new(17);
        let invented = |number: u64| Checkpoint {
            root: Root::left_padding_from(&(number + 1).to_be_bytes()),
            slot: 1,
        };
        let votes: Vec<_> = (0..names)
            .map(|voter| {
                let mut vote = world.vote(voter, 0, 1);
                vote.data.head = invented(voter);
                vote
            })
            .collect();
        let block = world.propose(0, 2, &votes).unwrap();
        let mut node = Setup::at(2).start(&world).await;
        node.status(&world, "peer", world.genesis().checkpoint())
            .await;
        node.block("peer", &world.made[block].block).await;
        let asked = node.requests();
        assert_eq!(!asked.is_empty(), is_asked, "{names} names");
        if is_asked {
            assert_eq!(asked[0].wanted, Wanted::Roots(vec![invented(0).root]));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_is_blamed_for_an_envelope_that_gives_a_block_another_slot() {
    let mut world = World::new(4);
    let beside = world.propose(0, 1, &[]).unwrap();
    let block = world.propose(0, 3, &[]).unwrap();
    let mut node = Setup::at(3).start(&world).await;
    node.import(&world, &[beside]).await;
    // Who lacks the block beside it has imported it in this envelope, by the word of the others.
    let good = &world.made[block];
    let mut own = good.block.message.proposer_attestation;
    own.data.target = Checkpoint {
        slot: 2,
        ..world.made[beside].checkpoint()
    };
    let naming = Arc::new(world.envelope(good.block.block().clone(), own));
    let mut awaited = node.block("peer", &naming).await;
    assert_eq!(awaited.verdict(), Some(Verdict::Ignore));
    node.status(&world, "peer", good.checkpoint()).await;
    node.serve_by(|_| Ok(vec![naming.clone()])).await;
    assert!(node.penalized.is_empty());
    let mut awaited = node.block("peer", &good.block).await;
    assert_eq!(awaited.verdict(), Some(Verdict::Accept));
}

#[tokio::test(start_paused = true)]
async fn an_envelope_that_names_what_builds_on_its_own_block_keeps_neither_from_the_chain() {
    for is_first in [true, false] {
        let mut world = World::new(4);
        let block = world.grow(0, 1..=1);
        let child = world.grow(block, 2..=2);
        let node = Setup::at(2).start(&world).await;
        node.status(&world, "peer", world.genesis().checkpoint())
            .await;
        let (good, child) = (&world.made[block].block, &world.made[child]);
        // Its proposer has signed it.
        let mut own = good.message.proposer_attestation;
        own.data.target = child.checkpoint();
        let naming = Arc::new(world.envelope(good.block().clone(), own));
        let mut waiting = if is_first {
            node.block("faulty", &naming).await;
            node.block("peer", &child.block).await
        } else {
            let waiting = node.block("peer", &child.block).await;
            let mut naming = node.block("faulty", &naming).await;
            assert_eq!(naming.verdict(), Some(Verdict::Ignore));
            waiting
        };
        assert_eq!(waiting.verdict(), None);
        let mut block = node.block("peer", good).await;
        assert_eq!(block.verdict(), Some(Verdict::Accept), "{is_first}");
        assert_eq!(waiting.verdict(), Some(Verdict::Accept), "{is_first}");
        assert_eq!(node.head(), child.root);
    }
}

/// A block of a slot on a parent that nobody has, signed by its proposer.
fn made_up(world: &World, slot: Slot, number: u64) -> Arc<SignedBlockWithAttestation> {
    let block = Block {
        slot,
        proposer_index: slot % world.keys.len() as u64,
        parent_root: Root::left_padding_from(&(number + 1).to_be_bytes()),
        ..Block::default()
    };
    let genesis = world.genesis().checkpoint();
    let own = Attestation {
        validator_id: block.proposer_index,
        data: AttestationData {
            slot,
            head: block.checkpoint(),
            target: genesis,
            source: genesis,
        },
    };
    Arc::new(world.envelope(block, own))
}

#[tokio::test(start_paused = true)]
async fn what_one_proposer_has_made_up_keeps_no_other_block_from_waiting() {
    // Many blocks of one of its slots, or one of each of many.
    for (now, slots) in [(4, 1), (2_404, 600)] {
        let mut world = World::new(4);
        let first = world.grow(0, 1..=1);
        let sibling = world.propose(0, 2, &[]).unwrap();
        let vote = world.vote(2, sibling, 2);
        let block = world.propose(first, now, &[vote]).unwrap();
        let mut node = Setup::at(now).start(&world).await;
        node.import(&world, &[first]).await;
        node.status(&world, "peer", world.genesis().checkpoint())
            .await;
        for number in 0..600 {
            let slot = 3 + 4 * (number % slots);
            node.block("faulty", &made_up(&world, slot, number)).await;
        }
        // Nobody has what they build on.
        node.serve_by(|_| Ok(Vec::new())).await;
        node.block("peer", &world.made[block].block).await;
        node.serve_by(|request| Ok(served(&world, sibling, &request.wanted)))
            .await;
        let root = world.made[block].root;
        assert!(node.chain.read().contains(&root), "{slots} slots");
    }
}

#[tokio::test(start_paused = true)]
async fn no_more_than_sixteen_blocks_of_a_slot_are_imported_because_a_body_names_them() {
    let mut world = World::new(4);
    let parent = world.grow(0, 1..=1);
    let of_slot: Vec<usize> = (0..21)
        .map(|number| {
            let vote = world.vote(number % 4, parent, number / 4);
            world.propose(parent, 2, &[vote]).unwrap()
        })
        .collect();
    let votes: Vec<_> = (of_slot[1..].chunks(2).zip(0..))
        .map(|(named, voter)| {
            let mut vote = world.vote(voter % 4, parent, 2);
            let [target, head] = [named[0], named[1]].map(|block| world.made[block].checkpoint());
            (vote.data.target, vote.data.head) = (target, head);
            vote
        })
        .collect();
    let naming = world.propose(parent, 3, &votes).unwrap();
    let node = Setup::at(3).start(&world).await;
    node.import(&world, &[parent, of_slot[0]]).await;
    node.block("faulty", &world.made[naming].block).await;
    // It is not asked for them, and sends them.
    for block in of_slot.iter().cycle().take(21 * 21) {
        node.block("faulty", &world.made[*block].block).await;
    }
    let is_here = |block: &usize| node.chain.read().contains(&world.made[*block].root);
    let here = of_slot.iter().filter(|block| is_here(block));
    assert_eq!(here.count(), 17);
    assert!(!is_here(&naming));
    let now = node.clock.slot();
    node.vote(&world, world.vote(1, naming, now)).await;
    node.until(now + 1, 0).await;
    assert!(is_here(&naming));
}
