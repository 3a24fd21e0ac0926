//! A relay between real sockets on the loopback address.

#![allow(clippy::unwrap_used)]

use std::{net::SocketAddr, time::Duration};

use quartet_relay::{Conditions, Relay, RelayConfig};
use tokio::{
    net::UdpSocket,
    time::{Instant, timeout},
};

const ANY_PORT: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

async fn socket() -> UdpSocket {
    UdpSocket::bind(ANY_PORT).await.unwrap()
}

async fn receive(socket: &UdpSocket) -> Option<(Vec<u8>, SocketAddr)> {
    let mut buffer = [0; 64];
    let received = timeout(Duration::from_secs(5), socket.recv_from(&mut buffer)).await;
    let (length, from) = received.ok()?.unwrap();
    Some((buffer[..length].to_vec(), from))
}

#[tokio::test]
async fn each_client_has_a_port_of_its_own_and_gets_its_own_answers_after_the_delay() {
    let target = socket().await;
    let delay = Duration::from_millis(20);
    let conditions = Conditions {
        delay,
        ..Conditions::default()
    };
    let config = RelayConfig {
        listen: ANY_PORT,
        target: target.local_addr().unwrap(),
        conditions,
        seed: 1,
    };
    let relay = Relay::start(config).await.unwrap();
    let clients = [socket().await, socket().await];
    let start = Instant::now();
    let mut ports = Vec::new();
    for (client, name) in clients.iter().zip([b'a', b'b']) {
        client.send_to(&[name], relay.address()).await.unwrap();
        let (said, from) = receive(&target).await.unwrap();
        assert_eq!(said, [name]);
        assert_ne!(from, client.local_addr().unwrap());
        ports.push(from);
    }
    assert_ne!(ports[0], ports[1]);
    for (port, name) in ports.iter().zip([b'A', b'B']).rev() {
        target.send_to(&[name], port).await.unwrap();
    }
    for (client, name) in clients.iter().zip([b'A', b'B']) {
        let (said, from) = receive(client).await.unwrap();
        assert_eq!((said, from), (vec![name], relay.address()));
    }
    assert!(start.elapsed() >= 2 * delay, "one way there, one back");
    let stats = relay.stats();
    assert_eq!((stats.lost, stats.flows), (0, 2));

    // One client speaks in the cut, the other after it: only that one is heard.
    relay.cut(true);
    clients[0].send_to(b"lost", relay.address()).await.unwrap();
    while relay.stats().lost == 0 {
        tokio::task::yield_now().await;
    }
    relay.cut(false);
    clients[1].send_to(b"heard", relay.address()).await.unwrap();
    assert_eq!(receive(&target).await.unwrap().0, b"heard");
}
