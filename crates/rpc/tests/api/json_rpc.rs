//! JSON-RPC 2.0: the envelope by the book, and the methods.

use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use quartet_chain::SyncState;
use quartet_types::{Checkpoint, Root, Signature, SignedAttestation};
use serde_json::{Value, json};

use crate::node::{TestNode, ask, post};

async fn call(node: &TestNode, method: &str, params: Value) -> Value {
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    let answer = post(node, call.to_string()).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.content_type(), "application/json");
    let answer = answer.json();
    assert_eq!(
        (&answer["jsonrpc"], &answer["id"]),
        (&json!("2.0"), &json!(1))
    );
    answer
}

async fn result(node: &TestNode, method: &str, params: Value) -> Value {
    let answer = call(node, method, params).await;
    assert!(answer.get("error").is_none(), "{answer}");
    answer["result"].clone()
}

fn checkpoint(checkpoint: Checkpoint) -> Value {
    json!({ "slot": checkpoint.slot, "root": checkpoint.root })
}

#[tokio::test]
async fn head_and_finality_are_checkpoints() {
    let node = TestNode::with_chain(8);
    let view = node.chain.read().view();
    let head = result(&node, "lean_head", json!([])).await;
    assert_eq!(head, checkpoint(view.head));
    let finality = result(&node, "lean_finality", json!({})).await;
    let expected = json!({
        "justified": checkpoint(view.justified),
        "finalized": checkpoint(view.finalized),
    });
    assert_eq!(finality, expected);
}

#[tokio::test]
async fn equivocations_are_shown_with_both_messages() {
    let node = TestNode::with_chain(8);
    let none = result(&node, "lean_equivocations", json!([])).await;
    assert_eq!(none, json!({ "total": 0, "equivocations": [] }));
    let second = node.chain.change(|chain| {
        let mut message = chain.fork_choice().known_attestations().next().unwrap();
        message.data.target = message.data.source;
        let signature = Signature::default();
        let signed = SignedAttestation { message, signature };
        chain.import_attestation(&signed).unwrap();
        signed
    });
    let found = result(&node, "lean_equivocations", json!([])).await;
    assert_eq!(found["total"], 1);
    let equivocation = &found["equivocations"][0];
    assert_eq!(equivocation["validator_id"], second.message.validator_id);
    assert_eq!(equivocation["slot"], second.message.data.slot);
    let [first, other] = [0, 1].map(|index| &equivocation["messages"][index]);
    assert_eq!(
        other["data"]["target"],
        checkpoint(second.message.data.target)
    );
    assert_ne!(first["data"], other["data"]);
    assert_eq!(first["signature"], second.signature.to_string());
}

#[tokio::test]
async fn syncing_says_how_far_there_is_to_go() {
    let node = TestNode::at_genesis(20);
    for slot in 1..=3 {
        node.extend(slot);
    }
    let cases = [
        (
            SyncState::Starting,
            true,
            "starting",
            20,
            json!([null, null]),
        ),
        (
            SyncState::Syncing { target: 17 },
            true,
            "syncing",
            17,
            json!([7, 2]),
        ),
        // In step with what others have, but that is long ago.
        (SyncState::Synced, false, "stalled", 20, json!([null, null])),
    ];
    node.set_sync_speed(7);
    node.connect("a", None, None);
    for (sync, syncing, state, target, progress) in cases {
        node.set_sync_state(sync);
        let expected = json!({
            "syncing": syncing,
            "state": state,
            "head_slot": 3,
            "current_slot": 20,
            "target_slot": target,
            "distance": target - 3,
            "slots_per_second": progress[0],
            "seconds_left": progress[1],
        });
        assert_eq!(result(&node, "lean_syncing", json!([])).await, expected);
    }
}

#[tokio::test]
async fn version_and_peers_tell_who_is_there() {
    let node = TestNode::at_genesis(0);
    node.connect("a", None, None);
    let version = result(&node, "lean_version", json!([])).await;
    let expected = json!({
        "client": "quartet", "version": "0.1.0", "commit": "abc1234", "node": "quartet_0",
    });
    assert_eq!(version, expected);
    let peers = result(&node, "lean_peers", json!([])).await;
    assert_eq!(
        (&peers["count"], &peers["peers"][0]["peer_id"]),
        (&json!(1), &json!("a"))
    );
}

#[tokio::test]
async fn a_block_is_found_by_each_of_its_names() {
    let node = TestNode::with_chain(8);
    let view = node.chain.read().view();
    let old = node.chain.read().canonical_root(1).unwrap();
    let cases = [
        (json!("head"), view.head.root),
        (json!("justified"), view.justified.root),
        (json!("finalized"), view.finalized.root),
        (json!(1), old),
        (json!("1"), old),
        (json!(old), old),
    ];
    for (id, expected) in cases {
        let by_position = result(&node, "lean_block", json!([id])).await;
        let by_name = result(&node, "lean_block", json!({ "block": id })).await;
        assert_eq!(by_position, by_name);
        assert_eq!(by_position["root"], json!(expected), "{id}");
    }

    let block = result(&node, "lean_block", json!([2])).await;
    assert_eq!(block["block"]["slot"], 2);
    assert_eq!(block["block"]["parent_root"], json!(old));
    let attestations = block["block"]["body"]["attestations"].as_array().unwrap();
    assert_eq!(block["signatures"], attestations.len() + 1);
    assert_eq!(
        block["proposer_attestation"]["data"]["head"]["root"],
        block["root"]
    );
}

#[tokio::test]
async fn an_unknown_block_is_null() {
    let node = TestNode::with_chain(2);
    for id in [json!(3), json!(u64::MAX), json!(Root::repeat_byte(9))] {
        let answer = call(&node, "lean_block", json!([id])).await;
        assert_eq!(answer.get("result"), Some(&Value::Null), "{id}");
    }
}

#[tokio::test]
async fn wrong_parameters_are_refused() {
    let node = TestNode::at_genesis(0);
    let long = "x".repeat(10_000);
    let cases = [
        ("lean_head", json!([1])),
        ("lean_head", json!({ "a": 1 })),
        ("lean_block", json!([])),
        ("lean_block", json!({})),
        ("lean_block", json!([1, 2])),
        ("lean_block", json!({ "block": 1, "other": 2 })),
        ("lean_block", json!({ "root": 1 })),
        ("lean_block", json!([-1])),
        ("lean_block", json!([1.5])),
        ("lean_block", json!([null])),
        ("lean_block", json!([[]])),
        ("lean_block", json!(["latest"])),
        ("lean_block", json!(["0x12"])),
        ("lean_block", json!([long])),
    ];
    for (method, params) in cases {
        let answer = call(&node, method, params.clone()).await;
        assert_eq!(answer["error"]["code"], -32602, "{params}");
        assert_eq!(answer["error"]["message"], "Invalid params");
        let detail = answer["error"]["data"].as_str().unwrap();
        assert!(
            detail.starts_with("expected ") && detail.len() < 300,
            "{detail}"
        );
        assert!(answer.get("result").is_none());
    }
}

/// The examples of the specification's section 7, with a method of ours.
#[tokio::test]
async fn envelopes_follow_json_rpc_2() {
    let node = TestNode::at_genesis(0);
    let head = checkpoint(node.chain.read().head());
    let ok = |id: Value| json!({ "jsonrpc": "2.0", "result": head, "id": id });
    let failed = |code: i32, id: Value| json!({ "jsonrpc": "2.0", "error": code, "id": id });
    let cases = [
        (
            r#"{"jsonrpc":"2.0","method":"lean_head","id":"a"}"#,
            Some(ok(json!("a"))),
        ),
        (
            r#"{"jsonrpc":"2.0","method":"lean_head","id":null}"#,
            Some(ok(json!(null))),
        ),
        (
            r#"{"jsonrpc":"2.0","method":"lean_head","id":-2.5}"#,
            Some(failed(-32600, json!(null))),
        ),
        (
            r#"{"jsonrpc":"2.0","method":"lean_head","id":18446744073709551615,"more":1}"#,
            Some(ok(json!(u64::MAX))),
        ),
        // Notifications have no answer, whatever comes of them.
        (r#"{"jsonrpc":"2.0","method":"lean_head"}"#, None),
        (r#"{"jsonrpc":"2.0","method":"nothing"}"#, None),
        (
            r#"{"jsonrpc":"2.0","method":"lean_head","params":[1]}"#,
            None,
        ),
        (
            r#"{"jsonrpc":"2.0","method":"nothing","id":"1"}"#,
            Some(failed(-32601, json!("1"))),
        ),
        (
            r#"{"jsonrpc":"2.0","method":"lean_head,"params"#,
            Some(failed(-32700, json!(null))),
        ),
        ("", Some(failed(-32700, json!(null)))),
        ("\u{fffd}", Some(failed(-32700, json!(null)))),
        (
            r#"{"jsonrpc":"2.0","method":1,"params":"bar"}"#,
            Some(failed(-32600, json!(null))),
        ),
        (
            r#"{"jsonrpc":"2.0","method":1,"id":5}"#,
            Some(failed(-32600, json!(5))),
        ),
        (
            r#"{"jsonrpc":"1.0","method":"lean_head","id":5}"#,
            Some(failed(-32600, json!(5))),
        ),
        (
            r#"{"method":"lean_head","id":5}"#,
            Some(failed(-32600, json!(5))),
        ),
        (
            r#"{"jsonrpc":"2.0","method":"lean_head","params":null,"id":5}"#,
            Some(ok(json!(5))),
        ),
        (
            r#"{"jsonrpc":"2.0","method":"lean_head","id":[1]}"#,
            Some(failed(-32600, json!(null))),
        ),
        ("1", Some(failed(-32600, json!(null)))),
        ("[]", Some(failed(-32600, json!(null)))),
        ("[1]", Some(json!([failed(-32600, json!(null))]))),
        (
            "[1,2]",
            Some(json!([
                failed(-32600, json!(null)),
                failed(-32600, json!(null))
            ])),
        ),
        (
            r#"[{"jsonrpc":"2.0","method":"lean_head","id":1},{"jsonrpc":"2.0","method""#,
            Some(failed(-32700, json!(null))),
        ),
        (
            r#"[{"jsonrpc":"2.0","method":"lean_head","id":1},{"jsonrpc":"2.0","method":"lean_head"},
                {"foo":"boo"},{"jsonrpc":"2.0","method":"nothing","id":"5"}]"#,
            Some(json!([
                ok(json!(1)),
                failed(-32600, json!(null)),
                failed(-32601, json!("5")),
            ])),
        ),
        (
            r#"[{"jsonrpc":"2.0","method":"lean_head"},{"jsonrpc":"2.0","method":"nothing"}]"#,
            None,
        ),
    ];
    for (request, expected) in cases {
        let answer = post(&node, request).await;
        let Some(expected) = expected else {
            assert_eq!(answer.status, StatusCode::NO_CONTENT, "{request}");
            assert!(answer.body.is_empty());
            continue;
        };
        assert_eq!(answer.status, StatusCode::OK, "{request}");
        assert_eq!(with_bare_codes(answer.json()), expected, "{request}");
    }
}

/// The answer with each error object replaced by its code.
fn with_bare_codes(mut answer: Value) -> Value {
    match &mut answer {
        Value::Array(answers) => answers
            .iter_mut()
            .for_each(|answer| *answer = with_bare_codes(answer.take())),
        answer => {
            if let Some(error) = answer.get_mut("error") {
                *error = error["code"].take();
            }
        }
    }
    answer
}

#[tokio::test]
async fn a_batch_has_a_limit() {
    let node = TestNode::at_genesis(0);
    let call = json!({ "jsonrpc": "2.0", "method": "lean_head", "id": 1 });
    let batch = |calls: usize| Value::Array(vec![call.clone(); calls]).to_string();
    let answer = post(&node, batch(100)).await.json();
    assert_eq!(answer.as_array().unwrap().len(), 100);
    let answer = post(&node, batch(101)).await.json();
    assert_eq!(answer["error"]["code"], -32600);
    assert!(
        answer["error"]["data"]
            .as_str()
            .unwrap()
            .contains("found 101")
    );
}

#[tokio::test]
async fn a_body_has_a_limit() {
    let node = TestNode::at_genesis(0);
    let answer = post(&node, " ".repeat(64 << 10)).await;
    assert_eq!(answer.json()["error"]["code"], -32700);
    let answer = post(&node, " ".repeat((64 << 10) + 1)).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(answer.json()["code"], 413);
}

#[tokio::test]
async fn deep_nesting_is_a_parse_error() {
    let node = TestNode::at_genesis(0);
    let answer = post(&node, "[".repeat(60_000)).await;
    assert_eq!(answer.json()["error"]["code"], -32700);
}

#[tokio::test]
async fn calls_are_answered_at_the_path_rpc_too() {
    let node = TestNode::at_genesis(0);
    let body = r#"{"jsonrpc":"2.0","method":"lean_version","id":1}"#;
    let request = Request::post("/rpc").body(Body::from(body)).unwrap();
    let answer = ask(node.router(), request).await;
    assert_eq!(answer.json()["result"]["client"], "quartet");
}
