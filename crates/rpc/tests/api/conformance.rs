//! The public suites for this API, as data, asked of a service that runs: leanSpec's `tests/node/api` (revision `43246bd`) and
//! the RPC suite of ethereum/hive's `simulators/lean` (revision `a74a5a7`). Both begin with a healthy node at genesis; hive asks one
//! again whose chain has finalized something. What is about aggregators or about the containers of later protocols is left out.

use quartet_chain::SyncState;
use quartet_rpc::Limits;
use quartet_types::{SignedBlockWithAttestation, State};
use serde_json::{Value, json};
use ssz::Decode as _;
use tree_hash::TreeHash as _;

use crate::{
    node::{Answer, TestNode},
    running::Running,
};

const JSON: &str = "application/json";
const SSZ: &str = "application/octet-stream";
const SCRAPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What the suites ask: a path, what is accepted, the status and the type of the answer.
const CASES: &[(&str, Option<&str>, u16, &str)] = &[
    ("/lean/v0/health", Some(JSON), 200, JSON),
    ("/lean/v0/health", None, 200, JSON),
    ("/lean/v0/checkpoints/justified", Some(JSON), 200, JSON),
    ("/lean/v0/checkpoints/justified", None, 200, JSON),
    ("/lean/v0/fork_choice", Some(JSON), 200, JSON),
    ("/lean/v0/fork_choice", None, 200, JSON),
    ("/lean/v0/states/finalized", Some(SSZ), 200, SSZ),
    ("/lean/v0/blocks/finalized", Some(SSZ), 200, SSZ),
    ("/metrics", None, 200, SCRAPE),
    ("/unknown", None, 404, JSON),
    ("/lean/v0/unknown", None, 404, JSON),
];

fn healthy(node: TestNode) -> TestNode {
    node.connect("a", None, None);
    node.set_sync_state(SyncState::Synced);
    node
}

async fn ask(running: &Running, path: &str, accept: Option<&str>) -> Answer {
    let accept = accept.map(|accept| format!("Accept: {accept}\r\n"));
    running.get(path, &accept.unwrap_or_default()).await
}

async fn json_of(running: &Running, path: &str) -> Value {
    ask(running, path, None).await.json()
}

#[tokio::test]
async fn endpoints_have_the_status_and_the_type_that_suites_expect() {
    for node in [TestNode::with_validators(3, None), TestNode::with_chain(8)] {
        let running = Running::with(&healthy(node), Limits::default()).await;
        for (path, accept, status, kind) in CASES {
            let answer = ask(&running, path, *accept).await;
            assert_eq!(answer.status, *status, "{path}");
            assert_eq!(answer.content_type(), *kind, "{path}");
        }
        running.stop().await;
    }
}

#[tokio::test]
async fn a_node_at_genesis_answers_what_leanspec_expects() {
    let node = healthy(TestNode::with_validators(3, None));
    let running = Running::with(&node, Limits::default()).await;
    let tree = json_of(&running, "/lean/v0/fork_choice").await;
    let root = &tree["head"];
    let genesis = json!({"slot": 0, "root": root});
    let zero = format!("0x{}", "00".repeat(32));
    let expected = json!({
        "nodes": [{"root": root, "slot": 0, "parent_root": zero, "proposer_index": 0, "weight": 0}],
        "head": root, "justified": genesis, "finalized": genesis, "safe_target": root,
        "validator_count": 3,
    });
    assert_eq!(tree, expected);
    let healthy = json!({"status": "healthy", "service": "lean-rpc-api"});
    assert_eq!(json_of(&running, "/lean/v0/health").await, healthy);
    assert_eq!(
        json_of(&running, "/lean/v0/checkpoints/justified").await,
        genesis
    );
    let (state, block) = finalized(&running).await;
    assert_eq!((state.slot, state.validators.len()), (0, 3));
    assert!(block.signature.is_empty());
    let scrape = ask(&running, "/metrics", None).await;
    assert!(scrape.text().contains("# HELP ") && scrape.text().contains("# TYPE "));
    running.stop().await;
}

async fn finalized(running: &Running) -> (State, SignedBlockWithAttestation) {
    let state = ask(running, "/lean/v0/states/finalized", Some(SSZ)).await;
    let block = ask(running, "/lean/v0/blocks/finalized", Some(SSZ)).await;
    let state = State::from_ssz_bytes(&state.body).unwrap();
    let block = SignedBlockWithAttestation::from_ssz_bytes(&block.body).unwrap();
    // The block is the one that the state is after.
    assert_eq!(state.slot, block.block().slot);
    assert_eq!(block.block().state_root, state.tree_hash_root());
    assert_eq!(
        state.latest_block_header.parent_root,
        block.block().parent_root
    );
    (state, block)
}

#[tokio::test]
async fn a_node_that_has_finalized_answers_what_hive_expects() {
    let node = healthy(TestNode::with_chain(8));
    let running = Running::with(&node, Limits::default()).await;
    let tree = json_of(&running, "/lean/v0/fork_choice").await;
    let nodes = tree["nodes"].as_array().unwrap();
    let known = |root: &Value| nodes.iter().any(|node| node["root"] == *root);
    for root in [
        &tree["head"],
        &tree["safe_target"],
        &tree["justified"]["root"],
        &tree["finalized"]["root"],
    ] {
        assert_eq!(root.as_str().unwrap().len(), 66);
        assert!(known(root), "{root}");
    }
    let slots: Vec<_> = nodes
        .iter()
        .map(|node| node["slot"].as_u64().unwrap())
        .collect();
    assert!(
        slots
            .iter()
            .all(|slot| *slot >= tree["finalized"]["slot"].as_u64().unwrap())
    );
    assert!(tree["finalized"]["slot"].as_u64() > Some(0));
    let justified = json_of(&running, "/lean/v0/checkpoints/justified").await;
    assert_eq!(justified, tree["justified"]);
    let (state, block) = finalized(&running).await;
    assert_eq!(tree["finalized"]["slot"], state.slot);
    assert_eq!(
        tree["finalized"]["root"],
        json!(block.block().tree_hash_root())
    );
    assert_eq!(tree["validator_count"], state.validators.len());
    running.stop().await;
}
