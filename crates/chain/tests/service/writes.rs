//! What is in the database, and when it is there for sure.

use std::sync::Arc;

use quartet_chain::Verdict;
use quartet_storage::Database;
use quartet_types::Slot;
use quartet_world::{
    World,
    node::{Node, Setup, Wanted, served},
};

use crate::disk::Disk;

/// A node in a slot, on a disk.
async fn node_on(disk: &Disk, world: &World, slot: Slot) -> Node {
    let setup = Setup {
        store: Some(disk.database(world)),
        ..Setup::at(slot)
    };
    setup.start(world).await
}

/// Which of these blocks a start finds after a power cut.
fn durable(disk: &Disk, world: &World, blocks: &[usize]) -> Vec<bool> {
    let database: Arc<Database> = disk.after_power_loss().database(world);
    let blocks = blocks.iter();
    blocks
        .map(|block| database.contains(world.made[*block].root).unwrap())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn what_validators_may_vote_for_is_durable_at_once_and_other_blocks_before_a_stop() {
    let mut world = World::new(4);
    let plain = world.grow(0, 1..=1);
    let justifying = world.grow(plain, 2..=2);
    let finalizing = world.grow(justifying, 3..=3);
    let votes: Vec<_> = (0..3)
        .map(|voter| world.vote(voter, finalizing, 3))
        .collect();
    let head = world.propose(finalizing, 5, &votes).unwrap();
    let sibling = world.propose(finalizing, 4, &[]).unwrap();
    let blocks = [plain, justifying, finalizing, head, sibling];
    // In slot 6 the sibling may yet become the head, in slot 7 no longer.
    for (slot, counts) in [(6, [1, 2, 3, 4, 5]), (7, [1, 2, 3, 4, 4])] {
        let disk = Disk::default();
        let node = node_on(&disk, &world, slot).await;
        for (block, count) in blocks.into_iter().zip(counts) {
            node.import(&world, &[block]).await;
            let durable = durable(&disk, &world, &blocks);
            let expected: Vec<bool> = (0..5).map(|place| place < count).collect();
            assert_eq!(durable, expected, "after block {block} in slot {slot}");
        }
        assert_eq!(node.head(), world.made[head].root);
        let finalized = disk.after_power_loss().database(&world).finalized();
        assert_eq!(
            finalized.unwrap(),
            Some(world.made[justifying].checkpoint())
        );
        node.stop().await;
        assert_eq!(durable(&disk, &world, &blocks), [true; 5]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_range_is_durable_at_once() {
    let mut world = World::new(4);
    let head = world.grow(0, 100..=101);
    let blocks = [head - 1, head];
    let disk = Disk::default();
    let mut node = node_on(&disk, &world, 300).await;
    node.status(&world, "peer", world.made[head].checkpoint())
        .await;
    let mut ranges = 0;
    node.serve_by(|request| {
        ranges += usize::from(matches!(request.wanted, Wanted::Slots(_)));
        Ok(served(&world, head, &request.wanted))
    })
    .await;
    assert!(ranges > 0);
    assert_eq!(node.head(), world.made[head].root);
    assert_eq!(durable(&disk, &world, &blocks), [true; 2]);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_cannot_keep_what_it_imports_stops() {
    let mut world = World::new(4);
    let head = world.grow(0, 1..=2);
    let disk = Disk::default();
    let node = node_on(&disk, &world, 2).await;
    node.import(&world, &[1]).await;
    disk.fail();
    let mut awaited = node.block("peer", &world.made[head].block).await;
    assert_eq!(awaited.verdict(), Some(Verdict::Accept));
    assert!(node.ended().await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_start_finds_a_state_no_more_than_32_slots_before_what_is_final() {
    let mut world = World::new(4);
    world.grow(0, 1..=70);
    let node = Setup::at(71).start(&world).await;
    for (block, expected) in [(33, 0), (34, 32), (65, 32), (66, 64)] {
        let first = node.chain.read().head().slot as usize + 1;
        let blocks: Vec<usize> = (first..=block).collect();
        node.import(&world, &blocks).await;
        let anchor = node.store.anchor().unwrap().unwrap();
        assert_eq!(anchor.slot, expected, "after block {block}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_finality_has_abandoned_is_deleted_after_1024_slots() {
    let mut world = World::new(4);
    let first = world.grow(0, 1..=1);
    let abandoned: Vec<usize> = (2..70)
        .map(|slot| world.propose(first, slot, &[]).unwrap())
        .collect();
    let head = world.grow(first, 70..=1_200);
    let mut node = Setup::at(1_201).start(&world).await;
    node.import(&world, &[first]).await;
    node.import(&world, &abandoned).await;
    let kept = |node: &Node| {
        let abandoned = abandoned.iter();
        let kept = abandoned.filter(|block| node.store.contains(world.made[**block].root).unwrap());
        kept.count()
    };
    node.status(&world, "peer", world.made[head - 300].checkpoint())
        .await;
    node.serve(&world, head - 300).await;
    assert_eq!(kept(&node), 68);
    node.status(&world, "peer", world.made[head].checkpoint())
        .await;
    node.serve(&world, head).await;
    assert_eq!(node.head(), world.made[head].root);
    assert_eq!(kept(&node), 0);
}
