//! What the service asks peers for, and what becomes of the answers.

use quartet_chain::{ChainEvent, ChainMessage, NetworkMessage, PeerName, SyncState, Verdict};
use quartet_types::{Checkpoint, Root, Status};
use quartet_world::{
    World,
    node::{Node, Setup, Wanted, served},
};

#[tokio::test(start_paused = true)]
async fn a_node_that_is_late_fetches_the_chain_of_a_peer_and_takes_up_its_duties() {
    let mut world = World::new(4);
    let head = world.grow(0, 1..=40);
    let mut node = Setup::among_peers(41).start(&world).await;
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

#[tokio::test(start_paused = true)]
async fn what_the_network_had_no_room_for_is_asked_for_a_tick_later() {
    let mut world = World::new(4);
    let parent = world.grow(0, 1..=1);
    let child = world.grow(parent, 2..=2);
    let mut node = Setup::at(2).start(&world).await;
    node.status(&world, "peer", world.genesis().checkpoint())
        .await;
    node.fill_network().await;
    node.block("peer", &world.made[child].block).await;
    assert_eq!(node.requests(), []);
    node.until(2, 1).await;
    let requests = node.requests();
    let roots = Wanted::Roots(vec![world.made[parent].root]);
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].wanted, roots);
}

#[tokio::test(start_paused = true)]
async fn what_a_peer_that_leaves_was_asked_for_is_asked_of_another() {
    let mut world = World::new(4);
    let parent = world.grow(0, 1..=1);
    let child = world.grow(parent, 2..=2);
    let mut node = Setup::at(2).start(&world).await;
    for peer in ["one", "other"] {
        node.status(&world, peer, world.genesis().checkpoint())
            .await;
    }
    node.block("one", &world.made[child].block).await;
    let [first] = &node.requests()[..] else {
        panic!("one request");
    };
    let peer = PeerName::new(first.peer.as_str());
    node.tell(ChainMessage::Disconnected { peer }).await;
    let [second] = &node.requests()[..] else {
        panic!("one request");
    };
    assert_eq!(first.wanted, second.wanted);
    assert_ne!(first.peer, second.peer);
    // A late answer of the one that has left is none.
    let blocks = vec![world.made[parent].block.clone()];
    node.answer(first.number, Ok(blocks.clone())).await;
    assert_eq!(node.head(), world.genesis().root);
    node.answer(second.number, Ok(blocks)).await;
    assert_eq!(node.head(), world.made[child].root);
}

#[tokio::test(start_paused = true)]
async fn a_peer_whose_finalized_chain_is_another_is_sent_away() {
    let mut world = World::new(4);
    let head = world.grow(0, 1..=8);
    let mut node = Setup::at(9).start(&world).await;
    let blocks: Vec<usize> = (1..=head).collect();
    node.import(&world, &blocks).await;
    let root = Root::repeat_byte(9);
    for (finalized, is_sent_away) in [
        (world.made[3].checkpoint(), false),
        (Checkpoint { root, slot: 3 }, true),
        (Checkpoint { root, slot: 60 }, false),
    ] {
        let head = world.made[head].checkpoint();
        let peer = PeerName::new("peer");
        let status = Status { finalized, head };
        node.tell(ChainMessage::Status { peer, status }).await;
        let messages = node.messages();
        let sent_away = messages
            .iter()
            .any(|message| matches!(message, NetworkMessage::Disconnect { .. }));
        assert_eq!(sent_away, is_sent_away, "{finalized}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_catches_up_says_how_fast() {
    let mut world = World::new(4);
    let head = world.grow(0, 1..=200);
    let mut node = Setup::at(201).start(&world).await;
    node.status(&world, "peer", world.made[head].checkpoint())
        .await;
    let [claimed] = &node.requests()[..] else {
        panic!("one request");
    };
    let answer = served(&world, head, &claimed.wanted);
    node.answer(claimed.number, Ok(answer)).await;
    let range = node.requests().remove(0);
    node.answer(range.number, Ok(served(&world, head, &range.wanted)))
        .await;
    let state = SyncState::Syncing { target: 200 };
    assert_eq!(node.chain.read().sync_state(), state);
    assert!(node.told().contains(&ChainEvent::Sync(state)));
    node.until(201, 1).await;
    assert_eq!(node.chain.read().head().slot, 64);
    assert_eq!(node.chain.read().sync_speed(), 64);
}

#[tokio::test(start_paused = true)]
async fn a_node_is_synced_as_soon_as_what_its_peers_claim_is_imported() {
    let mut world = World::new(4);
    let head = world.grow(0, 1..=1);
    let mut node = Setup::among_peers(1).start(&world).await;
    node.status(&world, "peer", world.made[head].checkpoint())
        .await;
    assert_eq!(node.chain.read().sync_state(), SyncState::Starting);
    let request = node.requests().remove(0);
    node.answer(request.number, Ok(served(&world, head, &request.wanted)))
        .await;
    assert_eq!(node.chain.read().sync_state(), SyncState::Synced);
}

#[tokio::test(start_paused = true)]
async fn a_node_without_what_more_than_a_third_of_six_validators_signed_is_not_synced() {
    let mut world = World::new(6);
    let head = world.grow(0, 1..=5);
    let node = Setup::at(5).start(&world).await;
    node.import(&world, &(1..=head).collect::<Vec<_>>()).await;
    let unknown = |validator| {
        let mut vote = world.vote(validator, head, 5);
        vote.data.head.root = Root::repeat_byte(0xee);
        vote
    };
    let state = || node.chain.read().sync_state();
    node.votes(&world, "peer", &[unknown(0), unknown(1)]).await;
    node.until(8, 0).await;
    assert_eq!(state(), SyncState::Synced);
    node.votes(&world, "peer", &[unknown(2)]).await;
    node.until(8, 1).await;
    assert_eq!(state(), SyncState::Syncing { target: 5 });
}

#[tokio::test(start_paused = true)]
async fn a_chain_that_is_claimed_and_not_served_keeps_nobody_from_duty_for_long() {
    let mut world = World::new(4);
    let head = world.grow(0, 1..=40);
    let mut node = Setup::at(41).start(&world).await;
    let claim = world.made[head].checkpoint();
    node.status(&world, "peer", claim).await;
    let [claimed] = &node.requests()[..] else {
        panic!("one request");
    };
    let answer = served(&world, head, &claimed.wanted);
    node.answer(claimed.number, Ok(answer)).await;
    let state = |node: &Node| node.chain.read().sync_state();
    let target = 40;
    assert_eq!(state(&node), SyncState::Syncing { target });
    // The peer says so again and again.
    for slot in 42..50 {
        node.until(slot, 2).await;
        for request in node.requests() {
            node.answer(request.number, Ok(Vec::new())).await;
        }
        node.status(&world, "peer", claim).await;
    }
    assert_eq!(state(&node), SyncState::Synced);
}
