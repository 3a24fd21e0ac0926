//! One node, one word: wherever it is asked for.

use quartet_chain::SyncState;
use serde_json::{Value, json};

use crate::node::{TestNode, get, post};

/// A node, and all that it is to say of itself.
struct Case {
    name: &'static str,
    node: TestNode,
    word: &'static str,
    status: u16,
    /// Its status as leanMetrics knows it.
    metric: &'static str,
    is_syncing: bool,
    /// What its health has to mention.
    reason: &'static str,
}

fn node(chain: u64, clock: u64, sync: SyncState, peers: &[&str]) -> TestNode {
    let node = TestNode::at_genesis(clock);
    node.chain.read().write_anchor(&node.store).unwrap();
    for slot in 1..=chain {
        node.extend(slot);
    }
    node.set_sync_state(sync);
    for peer in peers {
        node.connect(peer, None, None);
    }
    node
}

fn cases() -> Vec<Case> {
    let synced = SyncState::Synced;
    vec![
        Case {
            name: "healthy",
            node: node(8, 8, synced, &["a"]),
            word: "synced",
            status: 200,
            metric: "synced",
            is_syncing: false,
            reason: "",
        },
        Case {
            name: "one of leanSpec's at genesis",
            node: node(0, 0, synced, &["a"]),
            word: "synced",
            status: 200,
            metric: "synced",
            is_syncing: false,
            reason: "",
        },
        Case {
            name: "starting",
            node: node(0, 20, SyncState::Starting, &["a"]),
            word: "starting",
            status: 206,
            metric: "idle",
            is_syncing: true,
            reason: "not known yet",
        },
        Case {
            name: "syncing",
            node: node(8, 40, SyncState::Syncing { target: 40 }, &["a"]),
            word: "syncing",
            status: 206,
            metric: "syncing",
            is_syncing: true,
            reason: "slot 8, the clock at 40",
        },
        Case {
            name: "cut off, long after it had all there was",
            node: node(0, 20, synced, &[]),
            word: "cut_off",
            status: 503,
            metric: "idle",
            is_syncing: true,
            reason: "no peers, and 2 of 4 validators",
        },
        Case {
            name: "cut off from the start",
            node: node(0, 20, SyncState::Starting, &[]),
            word: "cut_off",
            status: 503,
            metric: "idle",
            is_syncing: true,
            reason: "no peers",
        },
        Case {
            name: "stalled",
            node: node(8, 40, synced, &["a"]),
            word: "stalled",
            status: 503,
            metric: "synced",
            is_syncing: false,
            reason: "the head is at slot 8, finality at",
        },
    ]
}

#[tokio::test]
async fn a_node_has_the_same_condition_in_every_interface() {
    for case in cases() {
        let (name, node) = (case.name, &case.node);
        let call = json!({"jsonrpc": "2.0", "id": 1, "method": "lean_syncing"});
        let syncing = post(node, call.to_string()).await.json()["result"].clone();
        assert_eq!(syncing["state"], case.word, "{name}");
        assert_eq!(syncing["syncing"], case.is_syncing, "{name}");

        let there = get(node, "/lean/v0/node/syncing").await.json();
        assert_eq!(there["is_syncing"], case.is_syncing, "{name}");
        for (member, value) in syncing.as_object().unwrap() {
            assert_eq!(&there[member], value, "{name}: {member}");
        }
        let chain = node.chain.read().view();
        assert_eq!(there["finalized_slot"], chain.finalized.slot, "{name}");
        let clock = syncing["current_slot"].as_u64().unwrap();
        assert_eq!(there["sync_distance"], clock - chain.head.slot, "{name}");

        check_health(&case).await;
        let scrape = get(node, "/metrics").await;
        for word in ["starting", "syncing", "cut_off", "stalled", "synced"] {
            let is = u8::from(word == case.word);
            let line = format!("quartet_node_condition{{condition=\"{word}\"}} {is}\n");
            assert!(scrape.text().contains(&line), "{name}: {line}");
        }
        for status in ["idle", "syncing", "synced"] {
            let is = u8::from(status == case.metric);
            let line = format!("lean_node_sync_status{{status=\"{status}\"}} {is}\n");
            assert!(scrape.text().contains(&line), "{name}: {line}");
        }
    }
}

async fn check_health(case: &Case) {
    let routers = [
        quartet_rpc::router(case.node.view.clone()),
        quartet_rpc::metrics_router(case.node.view.clone()),
    ];
    for router in routers {
        for path in ["/lean/v0/health", "/health"] {
            let request = axum::http::Request::get(path).body(axum::body::Body::empty());
            let answer = crate::node::ask(router.clone(), request.unwrap()).await;
            assert_eq!(answer.status, case.status, "{} {path}", case.name);
            assert_eq!(answer.content_type(), "application/json");
            let mut body = answer.json();
            if case.status == 200 {
                // Nothing more, since leanSpec's suite compares the whole.
                let healthy = json!({"status": "healthy", "service": "lean-rpc-api"});
                assert_eq!(body, healthy, "{}", case.name);
                continue;
            }
            let reason = body["reason"].take();
            assert!(
                reason.as_str().unwrap().contains(case.reason),
                "{}: {reason}",
                case.name
            );
            let unhealthy =
                json!({"status": case.word, "service": "lean-rpc-api", "reason": Value::Null});
            assert_eq!(body, unhealthy, "{}", case.name);
        }
    }
}
