//! `/lean/v0/events`: what happens, as server-sent events.

use std::time::Duration;

use axum::{body::Body, http::Request};
use quartet_chain::{ChainEvent, ImportedBlock, Source};
use quartet_rpc::Limits;
use quartet_types::{Attestation, AttestationData, Checkpoint, Root};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

use crate::{
    node::{TestNode, ask, get, get_as},
    running::{PATIENCE, Running, exchange},
};

/// A client, from after the answer's head on.
struct Client(BufReader<TcpStream>);

impl Client {
    /// Asks in HTTP/1.0, so that the answer is not in chunks.
    async fn new(running: &Running, topics: &str) -> Self {
        Self::over(running.connect().await, topics).await
    }

    /// One for whom the kernel keeps next to nothing.
    async fn with_small_buffer(running: &Running, topics: &str) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        Self::over(socket.connect(running.http).await.unwrap(), topics).await
    }

    async fn over(mut stream: TcpStream, topics: &str) -> Self {
        let request = format!("GET /lean/v0/events?topics={topics} HTTP/1.0\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut client = Self(BufReader::new(stream));
        assert!(client.line().await.ends_with(" 200 OK"));
        while !client.line().await.is_empty() {}
        client
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        let read = timeout(PATIENCE, self.0.read_line(&mut line)).await;
        assert!(read.unwrap().unwrap() > 0, "the stream has ended");
        line.trim_end().to_owned()
    }

    /// The name of the next event, and its data.
    async fn next(&mut self) -> (String, Value) {
        let name = self.line().await;
        let data = self.line().await;
        assert_eq!(self.line().await, "");
        let name = name.strip_prefix("event: ").unwrap();
        let data = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
        (name.to_owned(), data)
    }
}

fn checkpoint(slot: u64) -> Checkpoint {
    Checkpoint {
        root: Root::repeat_byte(slot as u8),
        slot,
    }
}

fn votes(validators: impl Iterator<Item = u64>) -> ChainEvent {
    let data = AttestationData {
        slot: 8,
        head: checkpoint(8),
        target: checkpoint(7),
        source: checkpoint(6),
    };
    let vote = |validator_id| Attestation { validator_id, data };
    ChainEvent::Attestations {
        origin: Source::Gossip,
        votes: validators.map(vote).collect(),
    }
}

#[tokio::test]
async fn events_have_ethlambdas_form() {
    let node = TestNode::with_chain(8);
    let running = Running::with(&node, Limits::default()).await;
    let topics = "head,block,block_gossip,finalized_checkpoint,justified,attestation";
    let mut client = Client::new(&running, topics).await;
    let finalized = node.chain.read().latest_finalized();
    node.events.send(ChainEvent::Block(ImportedBlock {
        block: checkpoint(9),
        parent_root: Root::ZERO,
        state_root: Root::ZERO,
        proposer: 1,
        attestations: 3,
        origin: Source::Gossip,
    }));
    node.events.send(ChainEvent::SafeTarget(checkpoint(4)));
    node.events.send(ChainEvent::Head {
        before: checkpoint(8),
        head: checkpoint(9),
        reorg_depth: 0,
    });
    node.events.send(ChainEvent::Justified(checkpoint(7)));
    node.events.send(ChainEvent::Finalized(finalized));
    node.events.send(votes(std::iter::once(3)));

    let expected = [
        ("block", json!({"slot": 9, "block": checkpoint(9).root})),
        (
            "block_gossip",
            json!({"slot": 9, "block": checkpoint(9).root}),
        ),
        (
            "head",
            json!({"slot": 9, "block": checkpoint(9).root, "state": null}),
        ),
        (
            "justified",
            json!({"slot": 7, "block": checkpoint(7).root, "state": null}),
        ),
        (
            "finalized_checkpoint",
            json!({"slot": finalized.slot, "block": finalized.root}),
        ),
        (
            "attestation",
            json!({"validator_id": 3, "data": {
                "slot": 8, "head": checkpoint(8), "target": checkpoint(7), "source": checkpoint(6),
            }}),
        ),
    ];
    for (name, members) in expected {
        let (found, data) = client.next().await;
        assert_eq!(found, name);
        for (member, value) in members.as_object().unwrap() {
            assert_eq!(&data[member], value, "{name}: {data}");
        }
    }
    running.stop().await;
}

#[tokio::test]
async fn requests_without_valid_topics_are_refused() {
    let node = TestNode::at_genesis(0);
    let commas = format!("?topics={}", ",".repeat(10_000));
    let cases = [
        "",
        "?topics=",
        "?topics=nope",
        "?topics=head,",
        "?topic=head",
        &commas,
        "?topics=%ff",
    ];
    for query in cases {
        let answer = get(&node, &format!("/lean/v0/events{query}")).await;
        assert_eq!(answer.status, 400, "{query:.40}");
        let message = answer.json()["message"].as_str().unwrap().to_owned();
        assert!(
            message.contains("finalized") && message.len() < 600,
            "{message}"
        );
    }
    let path = "/lean/v0/events?topics=head";
    for accept in ["application/json", "*/*;q=0", "text/html"] {
        assert_eq!(get_as(&node, path, accept).await.status, 406, "{accept}");
    }
    let head = Request::head(path).header("accept", "text/*");
    let answer = ask(node.router(), head.body(Body::empty()).unwrap()).await;
    assert_eq!(
        (answer.status.as_u16(), answer.content_type()),
        (200, "text/event-stream")
    );
    assert!(answer.body.is_empty());
}

#[tokio::test]
async fn a_head_request_does_not_subscribe() {
    let node = TestNode::with_chain(2);
    let limits = Limits {
        subscribers: 1,
        idle: Duration::from_millis(50),
        ..Limits::default()
    };
    let running = Running::with(&node, limits).await;
    let head = "HEAD /lean/v0/events?topics=head HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for _ in 0..3 {
        // It is closed for being idle, which a subscriber never is.
        let answer = exchange(running.connect().await, head).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    }
    drop(Client::new(&running, "head").await);
    running.stop().await;
}

#[tokio::test]
async fn subscribers_over_the_limit_are_refused_until_one_leaves() {
    const MAY: usize = 40;
    let limits = Limits {
        connections: 8,
        subscribers: MAY,
        ..Limits::default()
    };
    let node = TestNode::with_chain(2);
    let running = Running::with(&node, limits).await;
    let mut clients = Vec::new();
    for _ in 0..MAY {
        clients.push(Client::new(&running, "head").await);
    }
    let request =
        "GET /lean/v0/events?topics=head HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    for _ in 0..2 * MAY {
        let answer = exchange(running.connect().await, request).await;
        assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
        assert!(answer.contains("too many subscribers"), "{answer}");
    }
    let answer = exchange(
        running.connect().await,
        &crate::running::get("/lean/v0/head"),
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    let head = ChainEvent::Head {
        before: checkpoint(1),
        head: checkpoint(2),
        reorg_depth: 0,
    };
    node.events.send(head);
    for client in &mut clients {
        assert_eq!(client.next().await.1["slot"], 2);
    }
    drop(clients);
    let again = async {
        loop {
            let stream = running.begin(request).await;
            let mut status = [0; 12];
            let mut stream = BufReader::new(stream);
            stream.read_exact(&mut status).await.unwrap();
            if &status == b"HTTP/1.1 200" {
                break;
            }
        }
    };
    timeout(PATIENCE, again).await.unwrap();
    running.stop().await;
}

#[tokio::test]
async fn a_subscriber_that_does_not_read_is_told_what_it_has_missed() {
    let node = TestNode::with_chain(8);
    let running = Running::with(&node, Limits::default()).await;
    let mut reader = Client::new(&running, "attestation").await;
    let mut stuck = Client::with_small_buffer(&running, "attestation").await;
    // More than the kernel and the ring hold. A reader that keeps up gets all of it, in order.
    const BATCH: u64 = 512;
    let mut expected = 0;
    for _ in 0..60 {
        node.events.send(votes(expected..expected + BATCH));
        for _ in 0..BATCH {
            assert_eq!(reader.next().await.1["validator_id"], expected);
            expected += 1;
        }
    }
    let lost = loop {
        let line = stuck.line().await;
        if let Some(lost) = line.strip_prefix(": error - dropped ") {
            break lost
                .strip_suffix(" messages")
                .unwrap()
                .parse::<u64>()
                .unwrap();
        }
    };
    assert!((1..expected).contains(&lost));
    assert_eq!(stuck.line().await, "");
    // It goes on to the end.
    loop {
        if stuck.next().await.1["validator_id"] == expected - 1 {
            break;
        }
    }
    running.stop().await;
}

#[tokio::test]
async fn a_subscriber_that_takes_nothing_is_closed() {
    const STALL: Duration = Duration::from_millis(100);
    let node = TestNode::with_chain(8);
    let limits = Limits {
        stall: STALL,
        ..Limits::default()
    };
    let running = Running::with(&node, limits).await;
    let mut reader = Client::new(&running, "attestation").await;
    let mut stuck = Client::with_small_buffer(&running, "attestation").await;
    let since = quartet_clock::Stopwatch::start();
    let mut batch = 0;
    // However fast this machine is: it takes nothing for longer than it may.
    while batch < 60 || since.elapsed() < 4 * STALL {
        node.events.send(votes(batch * 512..(batch + 1) * 512));
        for _ in 0..512 {
            reader.next().await;
        }
        batch += 1;
    }
    let mut rest = Vec::new();
    // What the kernel had taken comes yet, and then nothing more, though the node goes on.
    let ended = timeout(PATIENCE, stuck.0.read_to_end(&mut rest)).await;
    assert!(ended.is_ok());
    running.stop().await;
}

#[tokio::test]
async fn a_node_that_stops_does_not_wait_for_its_subscribers() {
    let running = Running::http().await;
    let mut client = Client::new(&running, "head").await;
    let before = quartet_clock::Stopwatch::start();
    running.stop().await;
    // Half a second is what requests get that have an end.
    assert!(before.elapsed() < Duration::from_millis(400));
    let mut rest = Vec::new();
    let _ = client.0.read_to_end(&mut rest).await;
    assert!(rest.is_empty());
}

#[tokio::test]
async fn events_are_not_compressed() {
    let node = TestNode::with_chain(2);
    let request = Request::get("/lean/v0/events?topics=head").header("accept-encoding", "gzip");
    let response = tower::ServiceExt::oneshot(node.router(), request.body(Body::empty()).unwrap());
    let response = response.await.unwrap();
    assert!(!response.headers().contains_key("content-encoding"));
    assert_eq!(response.headers()["content-type"], "text/event-stream");
}
