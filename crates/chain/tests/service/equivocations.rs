//! What watchers and others learn of validators that sign two messages for one slot.

use quartet_chain::{ChainEvent, Verdict};
use quartet_types::{Slot, ValidatorIndex};
use quartet_world::{
    World,
    node::{Node, Setup},
};

/// Of whom the watchers have been told that they sign twice.
fn told(node: &mut Node) -> Vec<(ValidatorIndex, Slot)> {
    let told = node.told().into_iter();
    let found = told.filter_map(|event| match event {
        ChainEvent::Equivocation { validator, slot } => Some((validator, slot)),
        _ => None,
    });
    found.collect()
}

#[tokio::test(start_paused = true)]
async fn watchers_are_told_once_of_each_validator_that_votes_twice_in_a_slot() {
    let mut world = World::new(4);
    let mut node = Setup::at(1).start(&world).await;
    let mut head = 0;
    for slot in (1..=13).step_by(2) {
        node.until(slot, 0).await;
        let parent = head;
        head = world.propose(parent, slot, &[]).unwrap();
        node.import(&world, &[head]).await;
        node.until(slot, 1).await;
        // Two machines have the keys of two validators, and one of them has not seen the block.
        let twice = [0, 2];
        let mut votes = [head, parent].map(|seen| {
            let vote = |validator: &ValidatorIndex| world.vote(*validator, seen, slot);
            twice.iter().map(vote).collect::<Vec<_>>()
        });
        node.votes(&world, "peer", &votes[0]).await;
        assert_eq!(told(&mut node), []);
        for mut awaited in node.votes(&world, "peer", &votes[1]).await {
            assert_eq!(awaited.verdict(), Some(Verdict::Accept));
        }
        let expected = twice.map(|validator| (validator, slot));
        assert_eq!(told(&mut node), expected);
        // A block that carries them as well is no news.
        node.until(slot, 3).await;
        votes[1].reverse();
        let carrier = world.propose(head, slot + 1, &votes[1]).unwrap();
        node.until(slot + 1, 0).await;
        node.import(&world, &[carrier]).await;
        assert_eq!(told(&mut node), []);
        head = carrier;
    }
    node.stop().await;
}
