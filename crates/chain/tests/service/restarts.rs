//! What a node that starts again knows of its chain.

use std::sync::Arc;

use quartet_chain::Verdict;
use quartet_storage::Database;
use quartet_types::Slot;
use quartet_world::{
    World,
    node::{Node, Setup},
};

async fn restart(world: &World, node: Node, slot: Slot) -> Node {
    let store: Arc<Database> = node.stop().await;
    let setup = Setup {
        store: Some(store),
        ..Setup::at(slot)
    };
    setup.start(world).await
}

#[tokio::test(start_paused = true)]
async fn the_blocks_of_the_last_32_slots_and_their_votes_are_at_hand_again() {
    let mut world = World::new(4);
    // Nothing is final.
    let blocks: Vec<usize> = (1..=40)
        .map(|slot| {
            let parent = world.made.len() - 1;
            world.propose(parent, slot, &[]).unwrap()
        })
        .collect();
    let node = Setup::at(40).start(&world).await;
    node.import(&world, &blocks).await;
    let head = node.head();
    let node = restart(&world, node, 40).await;
    assert_eq!(node.head(), head);
    let chain = node.chain.read();
    for block in &world.made[1..] {
        let is_recent = block.slot() > 8;
        assert_eq!(
            chain.block(block.root).is_some(),
            is_recent,
            "{}",
            block.slot()
        );
        assert!(chain.contains(&block.root));
    }
    let own = world.made[40].block.message.proposer_attestation;
    let signature = world.sign(own).signature;
    assert!(chain.has_verified(&own, &signature));
    assert_eq!(chain.memory().unwritten, 0);
}

#[tokio::test(start_paused = true)]
async fn the_places_of_slots_are_taken_as_before() {
    let mut world = World::new(4);
    let first = world.propose(0, 1, &[]).unwrap();
    let votes = [world.vote(0, 0, 0)];
    let second = world.propose(0, 1, &votes).unwrap();
    let last = world.propose(first, 40, &[]).unwrap();
    let late = world.propose(first, 40, &votes).unwrap();
    let free = world.propose(first, 39, &[]).unwrap();
    let node = Setup::at(40).start(&world).await;
    node.import(&world, &[first, last]).await;
    let node = restart(&world, node, 40).await;
    for (block, expected) in [
        (second, Verdict::Ignore),
        (late, Verdict::Ignore),
        (free, Verdict::Accept),
    ] {
        let mut awaited = node.block("peer", &world.made[block].block).await;
        assert_eq!(awaited.verdict(), Some(expected), "block {block}");
    }
}

#[tokio::test(start_paused = true)]
async fn names_of_abandoned_blocks_are_found_in_the_database() {
    let mut world = World::new(4);
    let first = world.grow(0, 1..=1);
    let abandoned = world.propose(first, 2, &[]).unwrap();
    // The next start begins with slot 32.
    let chain = world.grow(first, 3..=40);
    let vote = world.vote(3, abandoned, 2);
    let naming = world.propose(chain, 41, &[vote]).unwrap();
    let mut node = Setup::at(41).start(&world).await;
    let blocks: Vec<usize> = (1..=chain).collect();
    node.import(&world, &blocks).await;
    assert!(!node.chain.read().contains(&world.made[abandoned].root));
    node = restart(&world, node, 41).await;
    assert_eq!(node.store.anchor().unwrap().unwrap().slot, 32);
    for slot in 0..=40 {
        let found = node.chain.read().canonical_root(slot);
        let made = world.made[..=chain].iter().find(|made| made.slot() == slot);
        let made = made.filter(|_| slot != 2).map(|made| made.root);
        assert_eq!(found, made, "slot {slot}");
    }
    node.import(&world, &[naming]).await;
    assert_eq!(node.requests(), []);
}
