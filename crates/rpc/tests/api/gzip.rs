//! Compressed answers: to whom, of what, and what they may hold.

use std::io::Read as _;

use axum::{
    body::Body,
    http::{Method, Request},
};
use flate2::read::GzDecoder;
use quartet_rpc::Limits;
use quartet_types::{HistoricalBlockHashes, PublicKey, Root, State};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpSocket,
    time::timeout,
};

use crate::{
    node::{Answer, TestNode, ask},
    running::{PATIENCE, Running, get},
};

async fn ask_for(node: &TestNode, method: Method, path: &str, accept: &str) -> Answer {
    let request = Request::builder().method(method).uri(path);
    let request = request
        .header("accept", accept)
        .header("accept-encoding", "gzip, br");
    ask(node.router(), request.body(Body::empty()).unwrap()).await
}

fn unpacked(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    GzDecoder::new(bytes).read_to_end(&mut plain).unwrap();
    plain
}

#[tokio::test]
async fn text_of_some_length_is_compressed_and_nothing_else() {
    let node = TestNode::with_chain(8);
    let json = "application/json";
    let table = [
        ("/lean/v0/states/head", json, true),
        ("/lean/v0/blocks?start_slot=0&count=9", json, true),
        ("/lean/v0/fork_choice", json, true),
        ("/metrics", "*/*", true),
        ("/lean/v0/states/head", "application/octet-stream", false),
        ("/lean/v0/head", json, false),
        ("/lean/v0/health", json, false),
        ("/lean/v0/nowhere", json, false),
    ];
    for (path, accept, expected) in table {
        let answer = ask_for(&node, Method::GET, path, accept).await;
        let encoding = answer.headers.get("content-encoding");
        assert_eq!(encoding.is_some_and(|by| by == "gzip"), expected, "{path}");
        if !expected {
            continue;
        }
        assert_eq!(answer.headers["vary"], "accept-encoding", "{path}");
        assert!(!answer.headers.contains_key("content-length"), "{path}");
        let plain = crate::node::get_as(&node, path, accept).await;
        assert!(!plain.headers.contains_key("content-encoding"));
        assert_eq!(plain.headers["vary"], "accept-encoding", "{path}");
        assert!(answer.body.len() < plain.body.len() / 2, "{path}");
        // A scrape is of its moment.
        if path != "/metrics" {
            assert_eq!(unpacked(&answer.body), plain.body, "{path}");
        }
        let head = ask_for(&node, Method::HEAD, path, accept).await;
        assert!(head.body.is_empty() && !head.headers.contains_key("content-encoding"));
    }
}

#[tokio::test]
async fn answers_to_calls_are_compressed_too() {
    let node = TestNode::with_chain(8);
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"lean_blocks","params":[0,9]}"#;
    let request = Request::post("/").header("accept-encoding", "gzip");
    let answer = ask(node.router(), request.body(Body::from(call)).unwrap()).await;
    assert_eq!(answer.headers["content-encoding"], "gzip");
    let body: Value = serde_json::from_slice(&unpacked(&answer.body)).unwrap();
    assert_eq!(body["result"].as_array().unwrap().len(), 9);
}

/// A node whose state is more, even compressed, than the kernel holds for a client: a history of random roots.
fn large() -> TestNode {
    let mut number = 1_u64;
    let mut next = || {
        number = number.wrapping_mul(6_364_136_223_846_793_005);
        number = number.wrapping_add(1);
        (number >> 56) as u8
    };
    let history = (0..30_000).map(|_| Root::from(std::array::from_fn(|_| next())));
    let history = HistoricalBlockHashes::try_from_iter(history).unwrap();
    let keys = vec![PublicKey::default(); 4];
    let mut state = State::genesis(crate::node::GENESIS_TIME, &keys).unwrap();
    state.historical_block_hashes = history;
    TestNode::of_genesis(state)
}

#[tokio::test]
async fn a_slow_reader_of_a_compressed_answer_makes_room_for_others() {
    let node = large();
    let limits = Limits {
        // One such answer, and what compresses it.
        answer_bytes: 4 << 20,
        ..Limits::default()
    };
    let running = Running::with(&node, limits).await;
    let request = |accept: &str| {
        format!(
            "GET /lean/v0/states/head HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\n\
             Accept-Encoding: gzip\r\nConnection: close\r\n\r\n"
        )
    };
    let json = request("application/json");
    // The head shows that the answer is there; the rest of it is not taken.
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut slow = socket.connect(running.http).await.unwrap();
    slow.write_all(json.as_bytes()).await.unwrap();
    let mut head = [0; 256];
    slow.read_exact(&mut head).await.unwrap();
    assert!(String::from_utf8_lossy(&head).contains("content-encoding: gzip"));

    let mut next = running.connect().await;
    next.write_all(json.as_bytes()).await.unwrap();
    let mut whole = Vec::new();
    timeout(PATIENCE, next.read_to_end(&mut whole))
        .await
        .unwrap()
        .unwrap();
    assert!(whole.starts_with(b"HTTP/1.1 200 OK"));
    assert!(whole.ends_with(b"0\r\n\r\n"), "it was not given whole");
    // The slow one was cut off in the middle.
    let mut rest = Vec::new();
    let _ = timeout(PATIENCE, slow.read_to_end(&mut rest))
        .await
        .unwrap();
    assert!(rest.len() < whole.len() / 2 && !rest.ends_with(b"0\r\n\r\n"));
    let answer = crate::running::exchange(running.connect().await, &get("/lean/v0/head")).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    running.stop().await;
}
