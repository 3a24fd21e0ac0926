//! What the validators of the node ask of it, and what it tells them.

use quartet_chain::{ChainEvent, MemoryLimits, Source, Verdict};
use quartet_types::INTERVALS_PER_SLOT;
use quartet_world::{World, node::Setup};

#[tokio::test(start_paused = true)]
async fn a_proposer_builds_on_what_votes_say_that_have_just_come() {
    let mut world = World::new(4);
    let blocks = [2, 3].map(|slot| world.propose(0, slot, &[]).unwrap());
    let node = Setup::at(3).start(&world).await;
    node.import(&world, &blocks).await;
    let (head, other): (Vec<usize>, Vec<usize>) = blocks
        .into_iter()
        .partition(|block| world.made[*block].root == node.head());
    for block in [other[0], head[0]] {
        for voter in 0..3 {
            let slot = node.chain.read().current_slot();
            let mut awaited = node.vote(&world, world.vote(voter, block, slot)).await;
            assert_eq!(awaited.verdict(), Some(Verdict::Accept));
        }
        // They count at the end of the slot, and for a proposer sooner.
        let slot = node.chain.read().current_slot() + 1;
        assert_ne!(node.head(), world.made[block].root);
        node.prepare(slot).await;
        assert_eq!(node.head(), world.made[block].root);
        assert_eq!(node.chain.read().time(), slot * INTERVALS_PER_SLOT);
        node.until(slot, 1).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_proposer_counts_votes_that_have_come_since_its_slot_began() {
    let mut world = World::new(4);
    let blocks = [2, 3].map(|slot| world.propose(0, slot, &[]).unwrap());
    let node = Setup::at(4).start(&world).await;
    node.import(&world, &blocks).await;
    let is_other = |block: &&usize| world.made[**block].root != node.head();
    let other = *blocks.iter().find(is_other).unwrap();
    let votes = [0, 1, 2].map(|voter| world.vote(voter, other, 3));
    node.votes(&world, "peer", &votes).await;
    assert_ne!(node.head(), world.made[other].root);
    node.prepare(4).await;
    assert_eq!(node.head(), world.made[other].root);
}

#[tokio::test(start_paused = true)]
async fn a_head_on_an_old_branch_has_its_state_when_a_proposer_is_ready() {
    let mut world = World::new(4);
    let old = world.propose(0, 1, &[]).unwrap();
    let chain: Vec<usize> = (2..14)
        .map(|slot| {
            let parent = world.made.len() - 1;
            world.propose(if slot == 2 { 0 } else { parent }, slot, &[])
        })
        .map(Option::unwrap)
        .collect();
    let setup = Setup {
        memory: MemoryLimits {
            states: 0,
            ..MemoryLimits::default()
        },
        ..Setup::at(1)
    };
    let node = setup.start(&world).await;
    node.import(&world, &[old]).await;
    for block in chain {
        node.until(world.made[block].slot(), 0).await;
        node.import(&world, &[block]).await;
    }
    let votes = [0, 2, 3].map(|voter| world.vote(voter, old, 13));
    node.votes(&world, "peer", &votes).await;
    node.until(14, 0).await;
    assert_eq!(node.head(), world.made[old].root);
    assert!(node.chain.read().head_state().is_none());
    node.prepare(14).await;
    let state = node.chain.read().head_state().cloned();
    assert_eq!(state.as_deref(), Some(&*world.made[old].state));
}

#[tokio::test(start_paused = true)]
async fn blocks_and_votes_of_the_node_itself_count_and_are_told() {
    let mut world = World::new(4);
    let block = world.propose(0, 1, &[]).unwrap();
    let mut node = Setup::at(1).start(&world).await;
    let made = &world.made[block];
    // A block that is known is nothing new.
    for _ in 0..2 {
        node.own_block(made).await;
    }
    let told = node.told();
    let own = told
        .iter()
        .filter(|event| matches!(event, ChainEvent::Block(block) if block.origin == Source::Own));
    assert_eq!(own.count(), 1);
    let good = world.vote(0, block, 1);
    let mut bad = world.vote(2, block, 1);
    bad.data.target.slot = 9;
    let attestations = [good, bad].map(|vote| world.sign(vote)).to_vec();
    let results = node.own_votes(attestations).await;
    assert_eq!(results, [true, false]);
    let votes = [good].into();
    let origin = Source::Own;
    assert!(
        node.told()
            .contains(&ChainEvent::Attestations { origin, votes })
    );
}

#[tokio::test(start_paused = true)]
async fn the_end_of_each_slot_is_told_in_its_last_interval() {
    let world = World::new(4);
    let mut node = Setup::at(1).start(&world).await;
    let mut ends = Vec::new();
    for slot in 1..4 {
        for interval in 0..4 {
            node.until(slot, interval).await;
            let told = node.told().into_iter();
            ends.extend(told.filter_map(|event| match event {
                ChainEvent::SlotEnd(slot) => Some((slot, interval)),
                _ => None,
            }));
        }
    }
    assert_eq!(ends, [(1, 3), (2, 3), (3, 3)]);
}
