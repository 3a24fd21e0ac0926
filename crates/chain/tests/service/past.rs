//! The finalized chain's past, which is fetched in the background.

use std::sync::Arc;

use quartet_chain::{
    ChainMessage, ChainServiceConfig, LeanChain, NetworkMessage, PeerName, RequestError,
};
use quartet_storage::Database;
use quartet_types::{Root, Signature, SignedBlockWithAttestation, Slot, State};
use quartet_world::{
    World,
    node::{Node, Setup, Wanted, served},
};

/// The slot that a node starts from.
const ANCHOR: Slot = 30;

/// A chain of one block a slot up to the one after [`ANCHOR`], and a database that starts from that.
fn checkpoint() -> (World, usize, Arc<Database>) {
    let mut world = World::new(4);
    let head = world.grow(0, 1..=ANCHOR + 1);
    let anchor = &world.made[ANCHOR as usize];
    let chain = LeanChain::from_anchor((*anchor.block).clone(), State::clone(&anchor.state));
    let store = Database::in_memory(world.genesis().root).unwrap();
    chain.write_anchor(&store).unwrap();
    (world, head, Arc::new(store))
}

async fn start(world: &World, store: &Arc<Database>, backfill: bool) -> Node {
    let config = ChainServiceConfig {
        backfill,
        ..ChainServiceConfig::default()
    };
    let setup = Setup {
        config,
        store: Some(store.clone()),
        ..Setup::at(ANCHOR + 1)
    };
    let node = setup.start(world).await;
    node.import(world, &[world.made.len() - 1]).await;
    node
}

/// The roots of the requests that have been made in the next ticks, answered as a peer that has all.
async fn fetched(node: &mut Node, world: &World, head: usize) -> Vec<Root> {
    let mut roots = Vec::new();
    node.serve_by(|request| {
        if let Wanted::Roots(wanted) = &request.wanted {
            roots.extend(wanted.iter().copied());
        }
        Ok(served(world, head, &request.wanted))
    })
    .await;
    roots
}

fn is_kept(store: &Database, world: &World, block: usize) -> bool {
    store.get(world.made[block].root).unwrap().is_some()
}

#[tokio::test(start_paused = true)]
async fn the_past_is_fetched_from_the_newest_block_to_the_oldest_if_it_is_wanted() {
    for is_wanted in [false, true] {
        let (world, head, store) = checkpoint();
        let mut node = start(&world, &store, is_wanted).await;
        node.status(&world, "peer", world.made[head].checkpoint())
            .await;
        let roots = fetched(&mut node, &world, head).await;
        let expected: Vec<Root> = (1..ANCHOR)
            .rev()
            .filter(|_| is_wanted)
            .map(|slot| world.made[slot as usize].root)
            .collect();
        assert_eq!(roots, expected);
        let kept = (1..=head).filter(|block| is_kept(&store, &world, *block));
        assert_eq!(kept.count(), if is_wanted { head } else { 2 });
        let from = if is_wanted { 0 } else { ANCHOR };
        assert_eq!(store.kept_from().unwrap(), Some(from));
        node.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_past_goes_on_after_a_restart_where_it_was() {
    let (world, head, store) = checkpoint();
    let mut node = start(&world, &store, true).await;
    node.status(&world, "peer", world.made[head].checkpoint())
        .await;
    node.until(ANCHOR + 1, 1).await;
    let first = node.requests().remove(0);
    let Wanted::Roots(roots) = &first.wanted else {
        panic!("{first:?}");
    };
    let count = roots.len();
    node.answer(first.number, Ok(served(&world, head, &first.wanted)))
        .await;
    node.stop().await;
    let mut node = Setup {
        config: ChainServiceConfig {
            backfill: true,
            ..ChainServiceConfig::default()
        },
        store: Some(store.clone()),
        ..Setup::at(ANCHOR + 1)
    }
    .start(&world)
    .await;
    node.status(&world, "peer", world.made[head].checkpoint())
        .await;
    let roots = fetched(&mut node, &world, head).await;
    assert_eq!(roots.len(), ANCHOR as usize - 1 - count);
    assert_eq!(store.kept_from().unwrap(), Some(0));
}

#[tokio::test(start_paused = true)]
async fn blocks_of_the_past_with_bad_signatures_are_not_kept_and_asked_for_elsewhere() {
    let (world, head, store) = checkpoint();
    let mut node = start(&world, &store, true).await;
    for peer in ["forger", "honest"] {
        node.status(&world, peer, world.made[head].checkpoint())
            .await;
    }
    let mut forged = 0;
    node.serve_by(|request| {
        let mut blocks = served(&world, head, &request.wanted);
        if request.peer == "forger" {
            for block in &mut blocks {
                let mut bad = SignedBlockWithAttestation::clone(block);
                bad.signature[0] = Signature::default();
                *block = Arc::new(bad);
                forged += 1;
            }
        }
        Ok(blocks)
    })
    .await;
    assert!(forged > 0);
    assert_eq!(store.kept_from().unwrap(), Some(0));
    for block in 1..=head {
        let kept = store.get(world.made[block].root).unwrap().unwrap();
        assert_eq!(kept, *world.made[block].block);
    }
}

#[tokio::test(start_paused = true)]
async fn the_past_waits_while_the_network_has_no_room_or_blocks_are_missing() {
    let (world, head, store) = checkpoint();
    let mut node = start(&world, &store, true).await;
    node.fill_network().await;
    node.status(&world, "peer", world.made[head].checkpoint())
        .await;
    node.until(ANCHOR + 1, 1).await;
    assert_eq!(node.requests(), []);
    node.until(ANCHOR + 1, 2).await;
    let requests = node.requests();
    assert!(!requests.is_empty());
    let reason = Err(RequestError::Malformed);
    node.answer(requests[0].number, reason).await;
    let messages = node.messages();
    let is_penalty = |message: &NetworkMessage| matches!(message, NetworkMessage::Penalize { .. });
    assert!(messages.iter().any(is_penalty));
}

#[tokio::test(start_paused = true)]
async fn nothing_of_the_past_is_asked_for_before_the_node_has_caught_up() {
    let (world, head, store) = checkpoint();
    let config = ChainServiceConfig {
        backfill: true,
        expects_peers: true,
    };
    let setup = Setup {
        config,
        store: Some(store),
        ..Setup::at(ANCHOR + 1)
    };
    let mut node = setup.start(&world).await;
    node.status(&world, "peer", world.made[head].checkpoint())
        .await;
    let [claimed] = &node.requests()[..] else {
        panic!("one request");
    };
    assert_eq!(claimed.wanted, Wanted::Roots(vec![world.made[head].root]));
    node.until(ANCHOR + 1, 1).await;
    assert_eq!(node.requests(), []);
    let blocks = vec![world.made[head].block.clone()];
    node.answer(claimed.number, Ok(blocks)).await;
    node.until(ANCHOR + 1, 2).await;
    let newest = world.made[ANCHOR as usize - 1].root;
    let Wanted::Roots(roots) = &node.requests()[0].wanted else {
        panic!("a request by roots");
    };
    assert_eq!(roots[0], newest);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_has_left_is_not_asked_for_the_past() {
    let (world, head, store) = checkpoint();
    let mut node = start(&world, &store, true).await;
    for peer in ["gone", "here"] {
        node.status(&world, peer, world.made[head].checkpoint())
            .await;
    }
    let peer = PeerName::new("gone");
    node.tell(ChainMessage::Disconnected { peer }).await;
    node.until(ANCHOR + 1, 1).await;
    let requests = node.requests();
    assert!(!requests.is_empty());
    assert!(requests.iter().all(|request| request.peer == "here"));
}
