//! What strangers without any key can do to others' places.

#![allow(clippy::unwrap_used, reason = "everything here is a test")]

mod support;

use libp2p::request_response::ProtocolSupport;
use quartet_network::AddressLimits;
use support::{LOOPBACK, Node, config, rogue::Rogue, within};
use tokio::{net::UdpSocket, sync::mpsc};

/// Handshakes that are under way before an honest peer dials.
const UNFINISHED: usize = 200;

/// Passes on what comes in and nothing that goes out, so that no handshake gets beyond its first packet.
async fn one_way(to: std::net::SocketAddr) -> String {
    let (inside, outside) = (
        UdpSocket::bind(LOOPBACK).await.unwrap(),
        UdpSocket::bind(LOOPBACK).await.unwrap(),
    );
    let port = inside.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut packet = vec![0; 1 << 16];
        loop {
            let (length, _) = inside.recv_from(&mut packet).await.unwrap();
            let _ = outside.send_to(&packet[..length], to).await;
        }
    });
    format!("/ip4/127.0.0.1/udp/{port}/quic-v1")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unfinished_handshakes_keep_no_peer_out() {
    handshakes_get_through(Node::start(1, &[]).await).await;
}

/// They may come from an address that others share, or that the sender only pretends to have.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unfinished_handshakes_from_an_address_keep_no_peer_there_out() {
    let mut limited = config(1, &[]);
    limited.address_limits = Some(AddressLimits {
        peers: 64,
        private_too: true,
    });
    handshakes_get_through(Node::with(limited).await.unwrap()).await;
}

/// Honest handshakes get through while hundreds of others are never ended.
async fn handshakes_get_through(node: Node) {
    let dead_end = one_way(node.address).await;
    let (begun, mut told) = mpsc::channel(UNFINISHED);
    let attack = tokio::spawn(async move {
        let mut rogue = Rogue::new(ProtocolSupport::Full);
        rogue.begin_handshakes(&dead_end, begun).await;
    });
    // Far more than a limit of some dozens would let in.
    for _ in 0..UNFINISHED {
        within(told.recv()).await.unwrap();
    }
    for _ in 0..10 {
        // Whoever is refused would have to dial once more, which this one does not.
        Rogue::connect(&node.multiaddr).await;
    }
    assert!(!attack.is_finished(), "the attack was over before the test");
    attack.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_identities_keep_no_honest_node_out() {
    let mut node = Node::start(1, &[]).await;
    let places = config(1, &[]).max_peers;
    let (seated, mut told) = mpsc::channel(places + places / 4);
    let address = node.multiaddr.clone();
    let idle = tokio::spawn(async move {
        let mut rogues = Vec::new();
        // All there are, and those that newcomers have for a while.
        for _ in 0..places + places / 4 {
            let mut rogue = Rogue::connect(&address).await;
            rogues.push(tokio::spawn(async move { rogue.run().await }));
            seated.send(()).await.unwrap();
        }
        for rogue in rogues {
            let _ = rogue.await;
        }
    });
    for _ in 0..places + places / 4 {
        within(told.recv()).await.unwrap();
    }
    within(async {
        while node.peers.count() < places + places / 4 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    for number in 10..15 {
        let honest = Node::start(number, &[&node.multiaddr]).await;
        assert_eq!(node.next_status().await.0, honest.name);
        assert!(node.peer_names().contains(&honest.name));
        honest.stop().await;
    }
    idle.abort();
}

#[tokio::test]
async fn a_static_peer_has_its_place_when_all_others_are_taken() {
    let wanted = config(2, &[]).identity.name();
    // Nobody listens there: the peer will have to come by itself.
    let dial = format!("/ip4/127.0.0.1/udp/9/quic-v1/p2p/{wanted}");
    let mut full = config(1, &[&dial]);
    full.max_peers = 1;
    let mut node = Node::with(full).await.unwrap();
    let first = Node::start(3, &[&node.multiaddr]).await;
    assert_eq!(node.next_status().await.0, first.name);
    let peer = Node::start(2, &[&node.multiaddr]).await;
    assert_eq!(node.next_status().await.0, peer.name);
    assert_eq!(node.peers.count(), 2);
}

#[tokio::test]
async fn static_peers_take_no_strangers_place_however_many_they_are() {
    let numbers = 2..=9;
    // Nobody listens there: they come by themselves.
    let names = numbers
        .clone()
        .map(|number| config(number, &[]).identity.name());
    let dials = names.map(|name| format!("/ip4/127.0.0.1/udp/9/quic-v1/p2p/{name}"));
    let dials: Vec<String> = dials.collect();
    let dials: Vec<&str> = dials.iter().map(String::as_str).collect();
    let mut config = config(1, &dials);
    config.max_peers = 1;
    let node = Node::with(config).await.unwrap();
    let mut peers = Vec::new();
    for number in numbers.chain([99]) {
        let peer = Node::start(number, &[&node.multiaddr]).await;
        within(async {
            while !node.peer_names().contains(&peer.name) {
                tokio::task::yield_now().await;
            }
        })
        .await;
        peers.push(peer);
    }
    assert_eq!(node.peers.count(), peers.len());
}

#[tokio::test]
async fn the_newest_stranger_is_kept_and_an_older_one_is_evicted() {
    let mut full = config(1, &[]);
    full.max_peers = 1;
    let mut node = Node::with(full).await.unwrap();
    let first = Node::start(2, &[&node.multiaddr]).await;
    assert_eq!(node.next_status().await.0, first.name);
    // Neither has been of any use, and the first has had its time.
    let second = Node::start(3, &[&node.multiaddr]).await;
    assert_eq!(node.next_disconnected().await, first.name);
    assert_eq!(node.peer_names(), [second.name]);
}

#[tokio::test]
async fn a_peer_that_says_who_it_is_without_end_is_sent_away() {
    let node = Node::start(1, &[]).await;
    let mut rogue = Rogue::connect(&node.multiaddr).await;
    within(async {
        while rogue.swarm.connected_peers().next().is_some() {
            rogue.tell_identity().await;
        }
    })
    .await;
}
