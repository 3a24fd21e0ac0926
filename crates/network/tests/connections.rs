//! Who is dialled, who is let in, who is sent away.

mod support;

use std::time::Duration;

use quartet_chain::NetworkMessage;
use quartet_clock::Clock;
use quartet_network::{AddressLimits, NetworkError, StaticPeer};
use support::{Node, attestation, config, peer, until, within};

/// Waits until the node has this many peers.
async fn has_peers(node: &Node, count: usize) {
    within(async {
        while node.peers.count() != count {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_peer_that_comes_back_is_dialled_again() {
    let server = Node::start(2, &[]).await;
    let (address, name) = (server.address, server.name.clone());
    let mut client = Node::start(1, &[&server.multiaddr]).await;
    assert_eq!(client.next_status().await.0, name);
    server.stop().await;
    assert_eq!(client.next_disconnected().await, name);
    assert_eq!(client.peers.count(), 0);

    let mut again = config(2, &[]);
    again.listen_address = address;
    let _server = Node::take_over(again).await;
    assert_eq!(client.next_status().await.0, name);
}

#[tokio::test]
async fn whoever_answers_at_the_address_of_a_static_peer_without_a_name_is_that_peer() {
    let server = Node::start(2, &[]).await;
    let (address, name) = (server.address, server.name.clone());
    let nameless = server.multiaddr.split("/p2p/").next().unwrap().to_owned();
    let mut client = Node::start(1, &[&nameless]).await;
    assert_eq!(client.next_status().await.0, name);
    server.stop().await;
    assert_eq!(client.next_disconnected().await, name);

    // It comes back with another key.
    let mut again = config(3, &[]);
    again.listen_address = address;
    let server = Node::take_over(again).await;
    assert_eq!(client.next_status().await.0, server.name);
}

#[tokio::test]
async fn a_peer_that_comes_back_is_dialled_again_though_the_machines_clock_was_set_back() {
    let server = Node::start(2, &[]).await;
    let (address, name) = (server.address, server.name.clone());
    let clock = Clock::manual(0, Duration::from_secs(1_000_000));
    let mut client = Node::with_clock(config(1, &[&server.multiaddr]), clock.clone()).await;
    assert_eq!(client.next_status().await.0, name);
    server.stop().await;
    assert_eq!(client.next_disconnected().await, name);
    // By an hour.
    clock.step(-3_600_000);

    let mut again = config(2, &[]);
    again.listen_address = address;
    let _server = Node::take_over(again).await;
    assert_eq!(client.next_status().await.0, name);
}

/// A peer that was killed says no farewell, so that its new connection comes while the old one seems
/// alive.
#[tokio::test]
async fn a_peer_that_was_killed_is_heard_as_soon_as_it_is_back() {
    let mut server = Node::start(2, &[]).await;
    let dial = server.multiaddr.clone();
    let killed = std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let (name, address) = runtime.block_on(async {
            let mut client = Node::start(1, &[&dial]).await;
            client.next_status().await;
            (client.name.clone(), client.address)
        });
        // The node's tasks are dropped, none of them runs again.
        runtime.shutdown_background();
        (name, address)
    });
    let (name, address) = within(async {
        let (heard, _) = server.next_status().await;
        while !killed.is_finished() {
            tokio::task::yield_now().await;
        }
        let (name, address) = killed.join().unwrap();
        assert_eq!(heard, name);
        (name, address)
    })
    .await;
    let mut again = config(1, &[&server.multiaddr]);
    again.listen_address = address;
    let mut client = Node::take_over(again).await;
    assert_eq!(client.name, name);

    // Sooner than the old connection would have timed out.
    let both_ways = async {
        let (ours, theirs) = (attestation(1), attestation(2));
        until(
            async || client.publish_attestation(&theirs).await,
            server.next_attestation(),
        )
        .await;
        until(
            async || server.publish_attestation(&ours).await,
            client.next_attestation(),
        )
        .await;
    };
    let soon = std::time::Duration::from_secs(8);
    tokio::time::timeout(soon, both_ways).await.unwrap();
}

#[tokio::test]
async fn nodes_that_dial_each_other_know_one_another_once() {
    let first = Node::start(1, &[]).await;
    let mut second_config = config(2, &[&first.multiaddr]);
    let address = first.address;
    let name = first.name.clone();
    first.stop().await;
    // Both start now, each with the other's address.
    second_config.listen_address = support::LOOPBACK.parse().unwrap();
    let mut second = Node::with(second_config).await.unwrap();
    let mut first_config = config(1, &[&second.multiaddr]);
    first_config.listen_address = address;
    let mut first = Node::take_over(first_config).await;
    assert_eq!(second.next_status().await.0, name);
    assert_eq!(first.next_status().await.0, second.name);
    assert_eq!((first.peers.count(), second.peers.count()), (1, 1));
}

#[tokio::test]
async fn a_node_does_not_dial_itself() {
    let node = Node::start(1, &[]).await;
    let (address, own) = (node.address, node.multiaddr.clone());
    let nameless = own.split("/p2p/").next().unwrap().to_owned();
    node.stop().await;
    let other = Node::start(2, &[]).await;
    let mut config = config(1, &[&own, &nameless, &other.multiaddr]);
    config.listen_address = address;
    let mut node = Node::take_over(config).await;
    assert_eq!(node.next_status().await.0, other.name);
    has_peers(&node, 1).await;
}

#[tokio::test]
async fn a_port_in_use_is_a_clear_error() {
    let node = Node::start(1, &[]).await;
    let mut config = config(2, &[]);
    config.listen_address = node.address;
    let Err(error) = Node::with(config).await else {
        panic!("it listens twice on {}", node.address);
    };
    assert!(matches!(error, NetworkError::Listen { .. }));
    let text = error.to_string();
    assert!(text.contains(&node.address.to_string()), "{text}");
    assert!(text.contains("in use"), "{text}");
}

#[tokio::test]
async fn a_peer_that_is_sent_away_is_not_let_in_again() {
    let mut server = Node::start(2, &[]).await;
    let mut client = Node::start(1, &[&server.multiaddr]).await;
    assert_eq!(server.next_status().await.0, client.name);
    let peer = client.name.clone();
    let reason = "another chain";
    let message = NetworkMessage::Disconnect { peer, reason };
    server.send(message).await;
    assert_eq!(server.next_disconnected().await, client.name);
    assert_eq!(client.next_disconnected().await, server.name);
    // A third one comes in, the client does not.
    let third = Node::start(3, &[&server.multiaddr]).await;
    assert_eq!(server.next_status().await.0, third.name);
    let names: Vec<_> = server.peers.list().into_iter().map(|(n, _)| n).collect();
    assert_eq!(names, [third.name]);
}

#[tokio::test]
async fn a_peer_that_misbehaves_too_often_is_sent_away() {
    let mut server = Node::start(2, &[]).await;
    let client = Node::start(1, &[&server.multiaddr]).await;
    assert_eq!(server.next_status().await.0, client.name);
    for _ in 0..5 {
        let peer = client.name.clone();
        let reason = "invalid block";
        server.send(NetworkMessage::Penalize { peer, reason }).await;
    }
    assert_eq!(server.next_disconnected().await, client.name);
}

#[tokio::test]
async fn a_peer_that_is_sent_away_counts_once_against_others_of_its_address() {
    let mut server = config(2, &[]);
    server.address_limits = Some(AddressLimits {
        private_too: true,
        ..AddressLimits::default()
    });
    let mut server = Node::with(server).await.unwrap();
    let client = Node::start(1, &[&server.multiaddr]).await;
    assert_eq!(server.next_status().await.0, client.name);
    // All of this is heard before its connection is closed.
    for _ in 0..20 {
        let peer = client.name.clone();
        let reason = "invalid block";
        server.send(NetworkMessage::Penalize { peer, reason }).await;
    }
    assert_eq!(server.next_disconnected().await, client.name);
    let third = Node::start(3, &[&server.multiaddr]).await;
    assert_eq!(server.next_status().await.0, third.name);
}

#[tokio::test]
async fn the_end_of_the_chain_is_a_failure_unless_the_node_is_stopped() {
    let stopped = Node::start(1, &[]).await.lose_chain(true).await;
    assert!(stopped.is_ok(), "{stopped:?}");
    let broken = Node::start(2, &[]).await.lose_chain(false).await;
    assert!(
        matches!(broken, Err(NetworkError::Stopped(_))),
        "{broken:?}"
    );
}

#[test]
fn a_static_peer_by_record_and_by_multiaddr_is_the_same() {
    let identity = config(7, &[]).identity;
    let multiaddr = format!("/ip4/127.0.0.1/udp/9000/quic-v1/p2p/{}", identity.name());
    assert_eq!(peer(&multiaddr).name(), Some(identity.name()));
    assert!(StaticPeer::new("127.0.0.1:1".parse().unwrap(), &[5; 33]).is_err());
}

#[tokio::test]
async fn a_peer_with_other_slots_is_sent_away_and_one_with_the_same_stays() {
    let usual = Node::start(1, &[]).await;
    let short = Node::with_slots(2, &[], 400).await;
    let mut same = Node::with_slots(3, &[&short.multiaddr], 400).await;
    let mut other = Node::with_slots(4, &[&usual.multiaddr, &short.multiaddr], 404).await;
    // Both have gone, whoever says it first.
    let mut gone = [
        other.next_disconnected().await,
        other.next_disconnected().await,
    ];
    let mut expected = [usual.name.clone(), short.name.clone()];
    gone.sort();
    expected.sort();
    assert_eq!(gone, expected);
    has_peers(&other, 0).await;
    assert_eq!(same.next_status().await.0, short.name);
    has_peers(&short, 1).await;
    assert_eq!(same.peers.count(), 1);
}

#[tokio::test]
async fn a_peer_that_is_kept_apart_is_not_let_in_until_the_partition_ends() {
    let mut server = Node::start(2, &[]).await;
    let (orders, partition) = tokio::sync::watch::channel(std::collections::BTreeSet::new());
    let mut client = Node::apart(config(1, &[&server.multiaddr]), partition).await;
    assert_eq!(client.next_status().await.0, server.name);
    server.next_status().await;
    orders.send([server.name.clone()].into()).unwrap();
    assert_eq!(client.next_disconnected().await, server.name);
    assert_eq!(server.next_disconnected().await, client.name);
    // Nor does it come in by itself.
    let _other = Node::start(3, &[&client.multiaddr]).await;
    has_peers(&client, 1).await;
    assert_eq!(server.peers.count(), 0);
    orders.send([].into()).unwrap();
    has_peers(&client, 2).await;
    has_peers(&server, 1).await;
}
