//! The HTTP API: what is answered, in which form, and what is refused.

use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use quartet_types::{Checkpoint, Root, SignedBlockWithAttestation, State, Status};
use serde_json::{Value, json};
use ssz::{Decode as _, Encode as _};
use tree_hash::TreeHash as _;

use crate::node::{TestNode, ask, get, get_as};

fn checkpoint(checkpoint: Checkpoint) -> Value {
    json!({ "slot": checkpoint.slot, "root": checkpoint.root })
}

#[tokio::test]
async fn checkpoints_and_head_are_slot_and_root() {
    let node = TestNode::with_chain(8);
    let view = node.chain.read().view();
    assert!(view.finalized.slot > 0, "the chain is too short: {view:?}");
    let cases = [
        ("/lean/v0/head", view.head),
        ("/lean/v0/checkpoints/justified", view.justified),
        ("/lean/v0/checkpoints/finalized", view.finalized),
    ];
    for (path, expected) in cases {
        let answer = get(&node, path).await;
        assert_eq!(answer.content_type(), "application/json", "{path}");
        let mut expected_body = checkpoint(expected);
        if path.ends_with("/head") {
            // Its root by ream's name.
            expected_body["head"] = json!(expected.root);
        }
        assert_eq!(answer.json(), expected_body, "{path}");
    }
}

#[tokio::test]
async fn the_tree_at_genesis_is_one_node() {
    let node = TestNode::at_genesis(0);
    let answer = get(&node, "/lean/v0/fork_choice").await;
    let root = node.chain.read().head().root;
    let genesis = json!({ "slot": 0, "root": root });
    let expected = json!({
        "nodes": [{
            "root": root,
            "slot": 0,
            "parent_root": Root::ZERO,
            "proposer_index": 0,
            "weight": 0,
        }],
        "head": root,
        "justified": genesis,
        "finalized": genesis,
        "safe_target": root,
        "validator_count": 4,
    });
    assert_eq!(answer.json(), expected);
}

#[tokio::test]
async fn the_tree_has_the_blocks_from_the_finalized_one_on_with_their_weights() {
    let node = TestNode::with_chain(8);
    let tree = get(&node, "/lean/v0/fork_choice").await.json();
    let view = node.chain.read().view();
    let slots: Vec<_> = tree["nodes"].as_array().unwrap().iter().collect();
    assert_eq!(slots.len() as u64, 8 - view.finalized.slot + 1);
    let head = slots.iter().find(|found| found["slot"] == 8).unwrap();
    assert_eq!(head["root"], json!(view.head.root));
    assert_eq!(head["weight"], 4);
    assert_eq!(tree["finalized"], checkpoint(view.finalized));
    assert_eq!(tree["safe_target"], json!(view.safe_target.root));
}

#[tokio::test]
async fn the_finalized_state_is_ssz_unless_json_is_asked_for() {
    let node = TestNode::with_chain(8);
    let path = "/lean/v0/states/finalized";
    let finalized = node.chain.read().latest_finalized();
    let expected = node.chain.read().state(finalized.root).unwrap();

    for accept in ["*/*", "application/octet-stream"] {
        let answer = get_as(&node, path, accept).await;
        assert_eq!(answer.content_type(), "application/octet-stream");
        let state = State::from_ssz_bytes(&answer.body).unwrap();
        assert_eq!(state.tree_hash_root(), expected.tree_hash_root());
    }

    let answer = get_as(&node, path, "application/json").await;
    assert_eq!(answer.content_type(), "application/json");
    let state = answer.json();
    assert_eq!(state["slot"], finalized.slot);
    assert_eq!(state["config"]["genesis_time"], crate::node::GENESIS_TIME);
    assert_eq!(state["validators"].as_array().unwrap().len(), 4);
    assert_eq!(
        state["historical_block_hashes"].as_array().unwrap().len() as u64,
        finalized.slot
    );
    assert_eq!(
        state["latest_block_header"]["parent_root"],
        json!(expected.latest_block_header.parent_root)
    );
}

#[tokio::test]
async fn states_are_found_by_each_of_their_blocks_names() {
    let node = TestNode::with_chain(8);
    let view = node.chain.read().view();
    let cases = [
        ("head".to_owned(), view.head),
        ("justified".to_owned(), view.justified),
        ("8".to_owned(), view.head),
        (view.justified.root.to_string(), view.justified),
    ];
    for (id, block) in cases {
        let answer = get(&node, &format!("/lean/v0/states/{id}")).await;
        let expected = node.chain.read().state(block.root).unwrap();
        assert_eq!(answer.body, expected.as_ssz_bytes(), "{id}");
    }
    // Finality has left this one's state behind: it is rebuilt.
    let old = node.chain.read().canonical_root(1).unwrap();
    assert!(node.chain.read().state(old).is_none());
    let block = node.store.get(old).unwrap().unwrap();
    for id in ["1".to_owned(), old.to_string()] {
        let answer = get(&node, &format!("/lean/v0/states/{id}")).await;
        let state = State::from_ssz_bytes(&answer.body).unwrap();
        assert_eq!(state.tree_hash_root(), block.block().state_root, "{id}");
    }
    let nobodys = Root::repeat_byte(9).to_string();
    for id in ["9".to_owned(), nobodys] {
        let answer = get(&node, &format!("/lean/v0/states/{id}")).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{id}");
    }
}

#[tokio::test]
async fn the_genesis_block_is_served_without_signatures() {
    let node = TestNode::at_genesis(0);
    let answer = get(&node, "/lean/v0/blocks/finalized").await;
    let block = SignedBlockWithAttestation::from_ssz_bytes(&answer.body).unwrap();
    let root = node.chain.read().latest_finalized().root;
    assert_eq!(block.block().tree_hash_root(), root);
    assert!(block.signature.is_empty());
}

#[tokio::test]
async fn blocks_are_found_by_each_of_their_names() {
    let node = TestNode::with_chain(8);
    let view = node.chain.read().view();
    // Finality has left this one behind: it is in the store only.
    let old = node.chain.read().canonical_root(1).unwrap();
    assert!(node.chain.read().block(old).is_none());
    let cases = [
        ("head".to_owned(), view.head.root),
        ("justified".to_owned(), view.justified.root),
        ("finalized".to_owned(), view.finalized.root),
        ("1".to_owned(), old),
        (old.to_string(), old),
        ("8".to_owned(), view.head.root),
    ];
    for (id, expected) in cases {
        let path = format!("/lean/v0/blocks/{id}");
        let answer = get_as(&node, &path, "application/octet-stream").await;
        assert_eq!(answer.status, StatusCode::OK, "{id}");
        // As with other clients, SSZ is what is given unasked of the finalized block, and JSON of all others.
        let unasked = get(&node, &path).await;
        let is_ssz = unasked.content_type() == "application/octet-stream";
        assert_eq!(is_ssz, id == "finalized", "{id}");
        let block = SignedBlockWithAttestation::from_ssz_bytes(&answer.body).unwrap();
        assert_eq!(block.block().tree_hash_root(), expected, "{id}");
    }
}

#[tokio::test]
async fn a_block_in_json_has_everything_that_its_ssz_form_has() {
    let node = TestNode::with_chain(6);
    let ssz = "application/octet-stream";
    let bytes = get_as(&node, "/lean/v0/blocks/6", ssz).await.body;
    let block = SignedBlockWithAttestation::from_ssz_bytes(&bytes).unwrap();
    let answer = get_as(&node, "/lean/v0/blocks/6", "application/json").await;
    let attestation = |attestation: &quartet_types::Attestation| json!({ "validator_id": attestation.validator_id, "data": attestation.data });
    let body: Vec<_> = block
        .block()
        .body
        .attestations
        .iter()
        .map(attestation)
        .collect();
    assert!(!body.is_empty());
    let mut expected = json!({
        "slot": 6,
        "proposer_index": 2,
        "parent_root": block.block().parent_root,
        "state_root": block.block().state_root,
        "body": { "attestations": body },
    });
    // Other clients give the block itself; here it is both.
    let message = json!({
        "block": expected.clone(),
        "proposer_attestation": attestation(&block.message.proposer_attestation),
    });
    expected["message"] = message;
    expected["signature"] = json!(block.signature);
    assert_eq!(answer.json(), expected);
    assert_eq!(block.as_ssz_bytes(), bytes);
}

#[tokio::test]
async fn peers_are_listed_with_what_they_said() {
    let node = TestNode::at_genesis(0);
    let head = Checkpoint {
        root: Root::repeat_byte(7),
        slot: 9,
    };
    let finalized = Checkpoint::default();
    node.connect("a", Some("ream/0.1"), Some(Status { finalized, head }));
    node.connect("b", None, None);
    let address = "/ip4/127.0.0.1/udp/9001/quic-v1";
    let expected = json!({ "count": 2, "peers": [
        {
            "peer_id": "a", "address": address, "direction": "outbound", "agent": "ream/0.1",
            "client": "ream", "head": checkpoint(head), "finalized": checkpoint(finalized),
            "connected_seconds": 0, "latency_ms": null, "points": 0, "bytes_in": 0, "bytes_out": 0,
        },
        {
            "peer_id": "b", "address": address, "direction": "outbound", "agent": null,
            "client": null, "head": null, "finalized": null,
            "connected_seconds": 0, "latency_ms": null, "points": 0, "bytes_in": 0, "bytes_out": 0,
        },
    ]});
    assert_eq!(get(&node, "/lean/v0/node/peers").await.json(), expected);
}

#[tokio::test]
async fn errors_are_told_in_json() {
    let node = TestNode::with_chain(2);
    let unknown = format!("/lean/v0/blocks/{}", Root::repeat_byte(1));
    let cases = [
        ("GET", "/unknown", "*/*", 404),
        ("GET", "/lean/v0/unknown", "*/*", 404),
        ("GET", "/lean/v0/admin/aggregator", "*/*", 404),
        ("GET", "/lean/v0/blocks/", "*/*", 404),
        ("GET", "/lean/v0/blocks/7", "*/*", 404),
        ("GET", &unknown, "*/*", 404),
        ("GET", "/lean/v0/blocks/latest", "*/*", 400),
        ("GET", "/lean/v0/blocks/0x12", "*/*", 400),
        ("GET", "/lean/v0/states/latest", "*/*", 400),
        ("GET", "/lean/v0/blocks/%ff", "*/*", 400),
        ("POST", "/lean/v0/head", "*/*", 405),
        ("GET", "/", "*/*", 405),
        ("GET", "/lean/v0/head", "text/html", 406),
        ("GET", "/lean/v0/states/finalized", "image/png", 406),
        ("GET", "/lean/v0/blocks/head", "text/html", 406),
        ("GET", "/lean/v0/blocks/head", "*/*;q=0", 406),
        ("GET", "/lean/v0/blocks/latest/header", "*/*", 400),
        ("GET", "/lean/v0/headers/7", "*/*", 404),
        (
            "GET",
            "/lean/v0/headers/head",
            "application/octet-stream",
            406,
        ),
        ("GET", "/lean/v0/health", "text/html", 406),
        ("GET", "/health", "*/*;q=0", 406),
        ("GET", "/metrics", "application/json", 406),
        ("GET", "/lean/v0/genesis", "text/html", 406),
        ("GET", "/lean/v0/config/spec", "text/html", 406),
        ("GET", "/lean/v0/node/syncing", "text/html", 406),
        ("GET", "/lean/v0/node/identity", "text/html", 406),
        ("GET", "/lean/v0/node/version", "text/html", 406),
        ("GET", "/lean/v0/node/peer_count", "text/html", 406),
        ("POST", "/lean/v0/events", "*/*", 405),
    ];
    for (method, path, accept, expected) in cases {
        let request = Request::builder().method(method).uri(path);
        let request = request
            .header("accept", accept)
            .body(Body::empty())
            .unwrap();
        let answer = ask(node.router(), request).await;
        assert_eq!(answer.status, expected, "{method} {path}");
        assert_eq!(answer.content_type(), "application/json", "{method} {path}");
        let body = answer.json();
        assert_eq!(body["code"], expected, "{method} {path}");
        assert!(!body["message"].as_str().unwrap().is_empty());
    }
}

#[tokio::test]
async fn headers_are_found_as_ethlambda_and_ream_serve_them() {
    let node = TestNode::with_chain(8);
    let head = node.chain.read().head();
    let block = node.store.get(head.root).unwrap().unwrap();
    let expected = json!({
        "root": head.root,
        "slot": 8,
        "proposer_index": 0,
        "parent_root": block.block().parent_root,
        "state_root": block.block().state_root,
        "body_root": block.block().body.tree_hash_root(),
    });
    for path in [
        "blocks/head/header",
        "blocks/8/header",
        "headers/head",
        "headers/8",
    ] {
        let answer = get(&node, &format!("/lean/v0/{path}")).await;
        assert_eq!(answer.json(), expected, "{path}");
    }
    let path = format!("/lean/v0/headers/{}", head.root);
    assert_eq!(get(&node, &path).await.json(), expected);
}

#[tokio::test]
async fn the_node_and_its_network_are_told_in_the_members_of_all() {
    let node = TestNode::with_chain(2);
    node.connect("a", None, None);
    let version = "quartet/v0.1.0-abc1234";
    let cases = [
        // ethlambda's.
        (
            "node/identity",
            json!({"version": version, "peer_id": "16Uiu2HAm", "enr": null, "addresses": [], "node": "quartet_0"}),
        ),
        (
            "genesis",
            json!({
                "genesis_time": crate::node::GENESIS_TIME, "validator_count": 4,
                "genesis_root": Root::ZERO, "slot_duration_ms": 4000,
            }),
        ),
        (
            "config/spec",
            json!({
                "MILLISECONDS_PER_SLOT": 4000, "SECONDS_PER_SLOT": 4, "INTERVALS_PER_SLOT": 4,
                "MILLISECONDS_PER_INTERVAL": 1000, "HISTORICAL_ROOTS_LIMIT": 262_144,
                "JUSTIFICATION_LOOKBACK_SLOTS": 3, "VALIDATOR_REGISTRY_LIMIT": 4096,
                "FORK_DIGEST": "devnet0",
            }),
        ),
        // ream's, `data` and the counts in strings.
        (
            "node/version",
            json!({
                "data": {"version": version},
                "client": "quartet", "version": "0.1.0", "commit": "abc1234", "node": "quartet_0",
            }),
        ),
        (
            "node/peer_count",
            json!({"connected": "1", "connecting": "0", "disconnected": "0", "disconnecting": "0"}),
        ),
    ];
    for (path, expected) in cases {
        let answer = get(&node, &format!("/lean/v0/{path}")).await;
        assert_eq!(answer.json(), expected, "{path}");
    }
}

#[tokio::test]
async fn the_path_of_ethlambdas_page_leads_to_ours() {
    let node = TestNode::at_genesis(0);
    let answer = get(&node, "/lean/v0/fork_choice/ui").await;
    assert_eq!(answer.status, StatusCode::TEMPORARY_REDIRECT);
    let place = answer.headers["location"].to_str().unwrap();
    let page = get_as(&node, place, "text/html").await;
    assert!(page.content_type().starts_with("text/html"));
}
