//! What becomes of blocks and votes that peers send.

use quartet_chain::Verdict;
use quartet_world::World;

use crate::node::Setup;

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
        let votes: Vec<_> = (0..4)
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
