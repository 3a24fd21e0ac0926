//! What the service asks peers for, and what becomes of the answers.

use quartet_chain::{ChainServiceConfig, NetworkMessage, SyncState, Verdict};
use quartet_world::World;

use crate::node::{Setup, Wanted};

#[tokio::test(start_paused = true)]
async fn a_node_that_is_late_fetches_the_chain_of_a_peer_and_takes_up_its_duties() {
    let mut world = World::new(4);
    let head = world.grow(0, 1..=40);
    let config = ChainServiceConfig {
        expects_peers: true,
        ..ChainServiceConfig::default()
    };
    let setup = Setup {
        config,
        ..Setup::at(41)
    };
    let mut node = setup.start(&world).await;
    assert_eq!(node.chain.read().sync_state(), SyncState::Starting);
    node.status(&world, "peer", world.made[head].checkpoint())
        .await;
    node.serve(&world, head).await;
    assert_eq!(node.head(), world.made[head].root);
    assert_eq!(node.chain.read().latest_finalized().slot, 38);
    assert_eq!(node.chain.read().sync_state(), SyncState::Synced);
}

#[tokio::test(start_paused = true)]
async fn a_block_waits_for_its_parent_which_its_sender_is_asked_for() {
    let mut world = World::new(4);
    let parent = world.grow(0, 1..=1);
    let child = world.grow(parent, 2..=2);
    let mut node = Setup::at(2).start(&world).await;
    node.status(&world, "peer", world.genesis().checkpoint())
        .await;
    let mut awaited = node.block("peer", &world.made[child].block).await;
    assert_eq!(awaited.verdict(), None);
    let requests = node.requests();
    let roots = Wanted::Roots(vec![world.made[parent].root]);
    assert_eq!(
        requests.iter().map(|r| &r.wanted).collect::<Vec<_>>(),
        [&roots]
    );
    let blocks = vec![world.made[parent].block.clone()];
    node.answer(requests[0].number, Ok(blocks)).await;
    assert_eq!(awaited.verdict(), Some(Verdict::Accept));
    assert!(!node.told().is_empty());
    let penalized = |message: &NetworkMessage| matches!(message, NetworkMessage::Penalize { .. });
    assert!(!node.messages().iter().any(penalized));
}
