//! Answers that may be long: states, ranges of blocks, the tree.

use axum::http::header;
use std::sync::Arc;

use quartet_rpc::Limits;
use quartet_storage::{Database, StoredBlock};
use quartet_types::{
    Attestation, HistoricalBlockHashes, JustificationRoots, PublicKey, Root,
    SignedBlockWithAttestation, State,
};
use serde_json::{Value, json};
use ssz::Encode as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tree_hash::TreeHash as _;

use crate::{
    node::{GENESIS_TIME, TestNode, get, get_as, post},
    running::{self, Running},
};

/// A node that starts at a block with so long a history, this many validators and tallies.
fn with_long_state(slots: u64, validators: usize, targets: usize) -> (TestNode, State) {
    let root = |index: usize| Root::left_padding_from(&(index + 1).to_be_bytes());
    let mut state = State::genesis(GENESIS_TIME, &vec![PublicKey::default(); validators]).unwrap();
    state.slot = slots;
    state.historical_block_hashes =
        HistoricalBlockHashes::try_from_iter((0..slots as usize).map(root)).unwrap();
    state.justified_slots.extend_zeros(slots as usize).unwrap();
    state.justifications_roots =
        JustificationRoots::try_from_iter((0..targets).map(root).collect::<Vec<_>>()).unwrap();
    let bits = &mut state.justifications_validators;
    bits.extend_zeros(targets * validators).unwrap();
    for bit in (0..targets * validators).step_by(3) {
        bits.set(bit, true).unwrap();
    }
    let mut block = SignedBlockWithAttestation::default();
    block.message.block.slot = slots;
    state.latest_block_header = block.block().header();
    block.message.block.state_root = state.tree_hash_root();
    (TestNode::anchored_at(block, state.clone()), state)
}

#[tokio::test]
async fn a_state_in_pieces_is_the_whole_state() {
    // Lists that end with a piece, just before and after one, and none at all.
    let cases = [
        (1, 1, 0),
        (2041, 4, 1),
        (2042, 4, 0),
        (9_000, 4096, 5),
        (5_000, 2, 3_000),
    ];
    for (slots, validators, targets) in cases {
        let (node, state) = with_long_state(slots, validators, targets);
        let answer = get(&node, "/lean/v0/states/finalized").await;
        let expected = state.as_ssz_bytes();
        assert!(answer.body == expected, "{slots} {validators} {targets}");
    }
}

#[tokio::test]
async fn a_states_length_is_told_before_it_comes() {
    let (node, state) = with_long_state(9_000, 4, 0);
    let running = Running::with(&node, Limits::default()).await;
    let mut stream = running
        .begin(&running::get("/lean/v0/states/finalized"))
        .await;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let body = state.as_ssz_bytes();
    assert!(answer.ends_with(&body));
    let head = String::from_utf8_lossy(&answer[..answer.len() - body.len()]).into_owned();
    let length = format!("{}: {}\r\n", header::CONTENT_LENGTH, body.len());
    assert!(head.contains(&length), "{head}");
    running.stop().await;
}

#[tokio::test]
async fn many_slow_readers_of_a_long_state_hold_a_piece_each() {
    let (node, state) = with_long_state(100_000, 4, 0);
    let length = state.as_ssz_bytes().len();
    assert!(length > 3 << 20);
    let limits = Limits {
        // Of whole states there would be room for one.
        answer_bytes: 4 << 20,
        ..Limits::default()
    };
    let running = Running::with(&node, limits).await;
    let mut readers = Vec::new();
    for _ in 0..20 {
        let mut stream = running
            .begin(&running::get("/lean/v0/states/finalized"))
            .await;
        let mut first = [0; 12];
        stream.read_exact(&mut first).await.unwrap();
        readers.push(stream);
    }
    for mut reader in readers {
        let mut rest = Vec::new();
        reader.read_to_end(&mut rest).await.unwrap();
        assert!(rest.len() > length, "{} bytes of {length}", rest.len());
        let _ = reader.shutdown().await;
    }
    running.stop().await;
}

/// What `lean_block` says of the block in a slot.
async fn named(node: &TestNode, slot: u64) -> Value {
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "lean_block", "params": [slot]});
    post(node, call.to_string()).await.json()["result"].take()
}

async fn call(node: &TestNode, params: Value) -> Value {
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "lean_blocks", "params": params});
    post(node, call.to_string()).await.json()
}

#[tokio::test]
async fn a_range_has_the_blocks_of_its_slots() {
    let node = TestNode::with_chain(8);
    node.extend(11);
    let all = [0, 1, 2, 3, 4, 5, 6, 7, 8, 11];
    for (start, count) in [
        (0, 1024),
        (1, 3),
        (7, 4),
        (9, 2),
        (11, 1),
        (12, 5),
        (u64::MAX, 9),
    ] {
        let mut expected = Vec::new();
        let last = start.saturating_add(count);
        for slot in all.iter().filter(|slot| (start..last).contains(slot)) {
            expected.push(named(&node, *slot).await);
        }
        let path = format!("/lean/v0/blocks?start_slot={start}&count={count}");
        let answer = get(&node, &path).await;
        assert_eq!(answer.content_type(), "application/json");
        // The genesis block of a node that starts there is in memory only as long as it is not pruned.
        if start > 0 {
            assert_eq!(answer.json(), json!(expected), "{path}");
            let count = count.min(64);
            let by_name = json!({"count": count, "start_slot": start});
            for params in [json!([start, count]), by_name] {
                assert_eq!(
                    call(&node, params).await["result"],
                    json!(expected),
                    "{path}"
                );
            }
        }
    }
}

#[tokio::test]
async fn invalid_ranges_are_refused() {
    let node = TestNode::with_chain(2);
    for query in [
        "",
        "?start_slot=1",
        "?count=1",
        "?start_slot=1&count=0",
        "?start_slot=1&count=1025",
        "?start_slot=-1&count=1",
        "?start_slot=x&count=1",
    ] {
        let answer = get(&node, &format!("/lean/v0/blocks{query}")).await;
        assert_eq!(answer.status, 400, "{query}");
        assert!(!answer.json()["message"].as_str().unwrap().is_empty());
    }
    let path = "/lean/v0/blocks?start_slot=1&count=1024";
    assert_eq!(get(&node, path).await.status, 200);
    let refused = get_as(&node, path, "application/octet-stream").await;
    assert_eq!(refused.status, 406);

    let wrong = [
        json!([]),
        json!([1]),
        json!([1, 2, 3]),
        json!(["1", 2]),
        json!([1, -2]),
        json!([1, 0]),
        json!([1, 65]),
        json!({"start_slot": 1}),
        json!({"start_slot": 1, "count": 1, "more": 1}),
    ];
    for params in wrong {
        let answer = call(&node, params.clone()).await;
        assert_eq!(answer["error"]["code"], -32602, "{params}: {answer}");
    }
    assert!(call(&node, json!([1, 64])).await["result"].is_array());
}

#[tokio::test]
async fn pruned_blocks_are_not_told_as_empty_slots() {
    let node = TestNode::with_chain(8).anchored_at_head();
    let answer = get(&node, "/lean/v0/blocks?start_slot=3&count=5").await;
    assert_eq!(answer.status, 404);
    assert_eq!(call(&node, json!([3, 5])).await["error"]["code"], -32001);
    // The block that it starts from is there.
    let answer = get(&node, "/lean/v0/blocks?start_slot=8&count=5").await;
    assert_eq!(answer.json().as_array().unwrap().len(), 1);
}

/// Puts a block with as many attestations as one may have in the place of an old one.
fn enlarge(store: &Database, root: Root) {
    let mut block = store.get(root).unwrap().unwrap();
    let attestations = vec![Attestation::default(); 4096];
    block.message.block.body.attestations = attestations.try_into().unwrap();
    let entry = store.entry(root).unwrap().unwrap();
    let stored = StoredBlock {
        root,
        block: Arc::new(block),
        justified: entry.justified,
        finalized: entry.finalized,
        state: None,
    };
    store.put(stored).unwrap();
}

#[tokio::test]
async fn a_call_answers_at_most_four_mebibytes_and_http_goes_on() {
    let node = TestNode::with_chain(10);
    for slot in 1..=4 {
        let root = node.chain.read().canonical_root(slot).unwrap();
        assert!(node.chain.read().block(root).is_none());
        enlarge(&node.store, root);
    }
    let answer = call(&node, json!([1, 10])).await;
    assert_eq!(answer["error"]["code"], -32000, "{}", answer["error"]);
    let answer = call(&node, json!([4, 7])).await;
    assert_eq!(answer["result"].as_array().unwrap().len(), 7);
    let answer = get(&node, "/lean/v0/blocks?start_slot=1&count=10").await;
    assert!(answer.body.len() > 5 << 20, "{}", answer.body.len());
    assert_eq!(answer.json().as_array().unwrap().len(), 10);
}

#[tokio::test]
async fn a_tree_of_several_pages_is_told_in_one_answer() {
    let node = TestNode::without_finality(2_500);
    let tree = get(&node, "/lean/v0/fork_choice").await.json();
    let chain = node.chain.read();
    let expected: Vec<_> = chain
        .fork_choice_nodes()
        .iter()
        .map(|node| {
            json!({
                "root": node.block.root,
                "slot": node.block.slot,
                "parent_root": node.parent_root,
                "proposer_index": node.proposer,
                "weight": node.weight,
            })
        })
        .collect();
    assert_eq!(expected.len(), 2_501);
    assert!(tree["nodes"] == json!(expected));
    assert_eq!(tree["head"], json!(chain.head().root));
    assert_eq!(tree["validator_count"], 4);
}

#[tokio::test]
async fn the_finality_history_names_the_slot_of_each_move() {
    let node = TestNode::with_chain(8);
    let finalized = node.chain.read().latest_finalized();
    let all = get(&node, "/lean/v0/finality?start_slot=0&count=100")
        .await
        .json();
    let moves = all.as_array().unwrap();
    assert_eq!(moves.last().unwrap()["slot"], finalized.slot);
    assert_eq!(moves.last().unwrap()["root"], json!(finalized.root));
    // A block is final three slots after its own.
    assert!(
        moves
            .iter()
            .all(|one| one["at"].as_u64() == one["slot"].as_u64().map(|slot| slot + 3))
    );
    let params = json!([finalized.slot - 1, 1]);
    let call =
        json!({"jsonrpc": "2.0", "id": 1, "method": "lean_finality_history", "params": params});
    let answer = post(&node, call.to_string()).await.json();
    let expected = moves.iter().filter(|one| one["slot"] == finalized.slot - 1);
    assert_eq!(answer["result"], json!(expected.collect::<Vec<_>>()));
    let answer = get(&node, "/lean/v0/finality?start_slot=0&count=1025").await;
    assert_eq!(answer.status, 400);
}
