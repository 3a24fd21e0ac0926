//! WebSockets: calls over them, and what happens told over them.

use std::{sync::Arc, time::Duration};

use jsonrpsee_core::{
    client::{ClientT as _, Error, Subscription, SubscriptionClientT as _},
    rpc_params,
};
use jsonrpsee_ws_client::{WsClient, WsClientBuilder};
use quartet_chain::{ChainEvent, Duty, DutyKind, DutyOutcome, ImportedBlock, Source};
use quartet_rpc::Limits;
use quartet_types::{Attestation, AttestationData, Checkpoint, Root};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::timeout,
};

use crate::{
    node::TestNode,
    running::{PATIENCE, Running, exchange, get},
};

async fn connect(running: &Running) -> WsClient {
    let url = format!("ws://{}/", running.http);
    WsClientBuilder::default().build(url).await.unwrap()
}

async fn subscribe(client: &WsClient, topics: &[&str]) -> Subscription<Value> {
    let mut params = jsonrpsee_core::params::ArrayParams::new();
    for topic in topics {
        params.insert(topic).unwrap();
    }
    client
        .subscribe("lean_subscribe", params, "lean_unsubscribe")
        .await
        .unwrap()
}

async fn next(events: &mut Subscription<Value>) -> Value {
    timeout(PATIENCE, events.next())
        .await
        .unwrap()
        .unwrap()
        .unwrap()
}

fn checkpoint(slot: u64) -> Checkpoint {
    Checkpoint {
        root: Root::repeat_byte(slot as u8),
        slot,
    }
}

fn vote(validator_id: u64, slot: u64) -> Attestation {
    let data = AttestationData {
        slot,
        head: checkpoint(slot),
        target: checkpoint(slot - 1),
        source: checkpoint(slot - 2),
    };
    Attestation { validator_id, data }
}

#[tokio::test]
async fn calls_are_answered_over_a_websocket() {
    let node = TestNode::with_chain(8);
    let running = Running::with(&node, Limits::default()).await;
    let client = connect(&running).await;
    let head: Value = client.request("lean_head", rpc_params![]).await.unwrap();
    assert_eq!(head["slot"], 8);
    let unknown = client.request::<Value, _>("nope", rpc_params![]).await;
    let Err(Error::Call(error)) = unknown else {
        panic!("{unknown:?}");
    };
    assert_eq!(error.code(), -32601);
    assert!(error.data().unwrap().get().contains("lean_subscribe"));
    running.stop().await;
}

#[tokio::test]
async fn subscribers_are_told_what_they_asked_for_in_order() {
    let node = TestNode::with_chain(8);
    let running = Running::with(&node, Limits::default()).await;
    let client = connect(&running).await;
    let mut some = subscribe(&client, &["head", "attestation", "reorg"]).await;
    let mut other = subscribe(
        &client,
        &["finalized", "safe_target", "peer", "duty", "block"],
    )
    .await;
    let view = node.chain.read().view();

    node.events.send(ChainEvent::Head {
        before: checkpoint(7),
        head: view.head,
        reorg_depth: 2,
    });
    let votes: Arc<[Attestation]> = [vote(1, 8), vote(3, 8)].into();
    let origin = Source::Gossip;
    node.events.send(ChainEvent::Attestations { origin, votes });
    node.events.send(ChainEvent::Finalized(view.finalized));
    node.events.send(ChainEvent::SafeTarget(checkpoint(4)));
    node.events.send(ChainEvent::Duty(Duty {
        kind: DutyKind::Attestation,
        slot: 8,
        validators: [0, 1].into(),
        outcome: DutyOutcome::Late,
        delay: Duration::from_millis(1_234),
    }));
    node.events.send(ChainEvent::Block(ImportedBlock {
        block: checkpoint(9),
        parent_root: Root::ZERO,
        state_root: Root::ZERO,
        proposer: 1,
        attestations: 3,
        origin: Source::Own,
    }));

    let head = next(&mut some).await;
    assert_eq!((&head["topic"], &head["slot"]), (&json!("head"), &json!(8)));
    assert_eq!(head["block"], json!(view.head.root));
    // Nothing of what is told is read from the disk; here, nothing is in memory.
    assert!(head["state"].is_null() && head["parent_root"].is_null());
    assert!(head["at"].is_u64());
    let reorg = next(&mut some).await;
    assert_eq!(
        (&reorg["topic"], &reorg["depth"]),
        (&json!("reorg"), &json!(2))
    );
    assert_eq!(reorg["old_head"], json!(checkpoint(7)));
    for validator in [1, 3] {
        let told = next(&mut some).await;
        assert_eq!(told["validator_id"], validator);
        assert_eq!(told["data"], json!(vote(validator, 8).data));
        assert_eq!(told["origin"], "gossip");
    }

    let topics = ["finalized", "safe_target", "duty", "block"];
    let told = [
        next(&mut other).await,
        next(&mut other).await,
        next(&mut other).await,
        next(&mut other).await,
    ];
    assert_eq!(told.each_ref().map(|event| event["topic"].clone()), topics);
    assert_eq!(told[0]["block"], json!(view.finalized.root));
    assert_eq!(told[2]["outcome"], "late");
    assert_eq!(told[2]["delay_ms"], 1_234);
    assert_eq!(told[3]["attestations"], 3);
    node.connect("a", Some("ream/0.1"), None);
    let peer = next(&mut other).await;
    assert_eq!(
        (&peer["event"], &peer["peer"]["client"]),
        (&json!("connected"), &json!("ream"))
    );

    // Unsubscribed, nothing comes any more.
    drop(other);
    let found: Value = client.request("lean_head", rpc_params![]).await.unwrap();
    assert_eq!(found["slot"], 8);
    running.stop().await;
}

#[tokio::test]
async fn wrong_topics_are_refused_and_http_has_no_subscriptions() {
    let running = Running::http().await;
    let client = connect(&running).await;
    for params in [rpc_params![], rpc_params!["nope"], rpc_params!["head", 1]] {
        let refused = client
            .subscribe::<Value, _>("lean_subscribe", params, "lean_unsubscribe")
            .await;
        let Err(Error::Call(error)) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(error.code(), -32602);
    }
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"lean_subscribe","params":["head"]}"#;
    let request = format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{call}",
        call.len()
    );
    let answer = exchange(running.connect().await, &request).await;
    assert!(
        answer.contains("-32004") && answer.contains("WebSocket"),
        "{answer}"
    );
    running.stop().await;
}

#[tokio::test]
async fn a_subscriber_that_does_not_read_is_dropped_and_others_lose_nothing() {
    let node = TestNode::with_chain(8);
    let running = Running::with(&node, Limits::default()).await;
    let reader = connect(&running).await;
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    // Else the kernel might keep all of it.
    socket.set_recv_buffer_size(4096).unwrap();
    let stuck = socket.connect(running.http).await.unwrap();
    let mut events = subscribe(&reader, &["attestation"]).await;
    let mut stuck = upgraded(stuck).await;
    send_text(
        &mut stuck,
        r#"{"jsonrpc":"2.0","id":1,"method":"lean_subscribe","params":["attestation"]}"#,
    )
    .await;

    // More than the kernel and the ring hold. A reader that keeps up gets all of it, in order.
    const BATCH: u64 = 512;
    let mut expected = 0;
    for _ in 0..60 {
        let votes: Arc<[Attestation]> = (0..BATCH).map(|index| vote(expected + index, 8)).collect();
        let origin = Source::Gossip;
        node.events.send(ChainEvent::Attestations { origin, votes });
        for _ in 0..BATCH {
            assert_eq!(next(&mut events).await["validator_id"], expected);
            expected += 1;
        }
    }
    // The stuck one reads at last: it is told that it has lost events, and is subscribed no more.
    let mut text = String::new();
    let mut buffer = vec![0; 1 << 16];
    while !text.contains("-32008") {
        let read = timeout(PATIENCE, stuck.read(&mut buffer))
            .await
            .unwrap()
            .unwrap();
        assert!(read > 0, "closed without a word");
        text.push_str(&String::from_utf8_lossy(&buffer[..read]));
    }
    assert!(text.contains("faster than they were read"));
    running.stop().await;
}

#[tokio::test]
async fn subscribers_have_a_limit_of_their_own_and_keep_nobody_out() {
    let limits = Limits {
        connections: 2,
        subscribers: 3,
        ..Limits::default()
    };
    let running = Running::with(&TestNode::with_chain(2), limits).await;
    let mut subscribers = Vec::new();
    for _ in 0..3 {
        subscribers.push(connect(&running).await);
    }
    let url = format!("ws://{}/", running.http);
    let one_more = WsClientBuilder::default().build(&url).await;
    assert!(one_more.is_err());
    let answer = exchange(running.connect().await, &get("/lean/v0/head")).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    for subscriber in &subscribers {
        let head: Value = subscriber
            .request("lean_head", rpc_params![])
            .await
            .unwrap();
        assert_eq!(head["slot"], 2);
    }
    // Who leaves makes room.
    drop(subscribers.pop());
    let since = quartet_clock::Stopwatch::start();
    while let Err(error) = WsClientBuilder::default().build(&url).await {
        assert!(since.elapsed() < PATIENCE, "{error}");
    }
    running.stop().await;
}

#[tokio::test]
async fn pages_of_other_origins_open_no_websocket() {
    let running = Running::http().await;
    let request = handshake(&format!("{}\r\nOrigin: https://evil.example", running.http));
    let answer = exchange(running.connect().await, &request).await;
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    running.stop().await;
}

fn handshake(host: &str) -> String {
    format!(
        "GET / HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
}

/// A socket that has become a WebSocket.
async fn upgraded(mut stream: tokio::net::TcpStream) -> tokio::net::TcpStream {
    stream
        .write_all(handshake("localhost").as_bytes())
        .await
        .unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(timeout(PATIENCE, stream.read_u8()).await.unwrap().unwrap());
    }
    assert!(answer.starts_with(b"HTTP/1.1 101"));
    stream
}

/// Sends a text, masked with zeros.
async fn send_text(stream: &mut tokio::net::TcpStream, text: &str) {
    assert!(text.len() < 126);
    let mut frame = vec![0x81, 0x80 | text.len() as u8, 0, 0, 0, 0];
    frame.extend(text.as_bytes());
    stream.write_all(&frame).await.unwrap();
}
