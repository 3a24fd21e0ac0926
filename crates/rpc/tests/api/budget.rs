//! How much work is taken on at a time: what is over it is refused at once, and costs nobody else.

use std::{
    sync::mpsc::{SyncSender, sync_channel},
    thread::JoinHandle,
};

use quartet_rpc::Limits;
use serde_json::json;
use tokio::task::{JoinSet, yield_now};

use crate::{
    node::{TestNode, get, post},
    running::{Running, exchange},
};

/// Requests that are worked for or wait for it.
const TAKEN_ON: usize = 34;
/// Batches that are.
const BATCHES: usize = 4;

/// Keeps everybody from reading the chain until it is dropped.
pub(crate) struct Locked {
    release: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Locked {
    pub(crate) fn new(node: &TestNode) -> Self {
        let chain = node.chain.clone();
        let (release, released) = sync_channel::<()>(0);
        let (locked, lock) = sync_channel(1);
        let thread = std::thread::spawn(move || {
            chain.change(|_| {
                locked.send(()).unwrap();
                // Until the other end is dropped.
                let _ = released.recv();
            });
        });
        lock.recv().unwrap();
        Self {
            release: Some(release),
            thread: Some(thread),
        }
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        drop(self.release.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[tokio::test]
async fn heavy_requests_over_the_budget_are_refused_at_once() {
    let node = std::sync::Arc::new(TestNode::with_chain(2));
    let locked = Locked::new(&node);
    let mut asked = JoinSet::new();
    for _ in 0..50 {
        let node = node.clone();
        asked.spawn(async move { get(&node, "/lean/v0/fork_choice").await });
    }
    for _ in TAKEN_ON..50 {
        let refused = asked.join_next().await.unwrap().unwrap();
        assert_eq!(refused.status, 503);
        assert_eq!(refused.json()["code"], 503);
    }
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "lean_block", "params": ["head"]});
    let refused = post(&node, call.to_string()).await;
    assert_eq!(refused.json()["error"]["code"], -32005);
    assert_eq!(get(&node, "/lean/v0/node/version").await.status, 200);
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "lean_version"});
    let light = post(&node, call.to_string()).await;
    assert_eq!(light.json()["result"]["client"], "quartet");

    drop(locked);
    while let Some(answer) = asked.join_next().await {
        assert_eq!(answer.unwrap().status, 200);
    }
    assert_eq!(get(&node, "/lean/v0/fork_choice").await.status, 200);
}

#[tokio::test]
async fn a_client_that_leaves_frees_no_place_before_its_work_is_done() {
    let node = std::sync::Arc::new(TestNode::with_chain(2));
    let locked = Locked::new(&node);
    let mut asked = JoinSet::new();
    for _ in 0..2 {
        let node = node.clone();
        asked.spawn(async move { get(&node, "/lean/v0/fork_choice").await });
    }
    yield_now().await;
    asked.shutdown().await;
    // Both are still at work, so there is room for two less.
    for _ in 0..TAKEN_ON {
        let node = node.clone();
        asked.spawn(async move { get(&node, "/lean/v0/fork_choice").await });
    }
    for _ in 0..2 {
        assert_eq!(asked.join_next().await.unwrap().unwrap().status, 503);
    }
    drop(locked);
    while let Some(answer) = asked.join_next().await {
        assert_eq!(answer.unwrap().status, 200);
    }
}

#[tokio::test]
async fn batches_of_heavy_calls_are_limited() {
    let node = std::sync::Arc::new(TestNode::with_chain(2));
    let locked = Locked::new(&node);
    let heavy = json!({"jsonrpc": "2.0", "id": 1, "method": "lean_block", "params": ["head"]});
    let light = json!({"jsonrpc": "2.0", "id": 2, "method": "lean_version"});
    let batch = json!([heavy, light]).to_string();
    let mut asked = JoinSet::new();
    for _ in 0..=BATCHES {
        let (node, batch) = (node.clone(), batch.clone());
        asked.spawn(async move { post(&node, batch).await.json() });
    }
    let refused = asked.join_next().await.unwrap().unwrap();
    assert_eq!(refused[0]["error"]["code"], -32005, "{refused}");
    assert_eq!(refused[1]["result"]["client"], "quartet", "{refused}");

    drop(locked);
    while let Some(answer) = asked.join_next().await {
        let answer = answer.unwrap();
        assert_eq!(answer[0]["result"]["block"]["slot"], 2, "{answer}");
    }
}

#[tokio::test]
async fn work_that_piles_up_does_not_starve_health() {
    let node = TestNode::with_chain(2);
    let limits = Limits {
        connections: TAKEN_ON + 2,
        ..Limits::default()
    };
    let running = Running::with(&node, limits).await;
    let locked = Locked::new(&node);
    let mut asked = Vec::new();
    for _ in 0..100 {
        let request = crate::running::get("/lean/v0/fork_choice");
        asked.push(running.begin(&request).await);
    }
    for _ in 0..10 {
        let request = crate::running::get("/lean/v0/node/version");
        let answer = exchange(running.connect().await, &request).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    }
    drop(locked);
    running.stop().await;
}
