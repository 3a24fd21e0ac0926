//! What a user asks over HTTP: methods, paths, parameters, headers and JSON-RPC, through the whole router.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderName, HeaderValue, Method, Request, StatusCode, Uri, header},
};
use quartet_chain::{
    ChainReader, ChainWriter, EventBus, ImportableBlock, LeanChain, MemoryLimits, Peers,
};
use quartet_clock::Clock;
use quartet_rpc::{NodeInfo, NodeParts, NodeView, router};
use quartet_storage::Database;
use quartet_types::{Root, State};
use quartet_world::{GENESIS_TIME, World};
use tower::ServiceExt as _;

use crate::{input::Input, world::Guided as _};

const PATHS: [&str; 16] = [
    "/",
    "/health",
    "/metrics",
    "/lean/v0/head",
    "/lean/v0/checkpoints/justified",
    "/lean/v0/finality",
    "/lean/v0/fork_choice",
    "/lean/v0/states/",
    "/lean/v0/blocks",
    "/lean/v0/blocks/",
    "/lean/v0/headers/",
    "/lean/v0/events",
    "/lean/v0/node/peers",
    "/lean/v0/validators/",
    "/lean/v0/config/spec",
    "/ws",
];
const HEADERS: [HeaderName; 6] = [
    header::ACCEPT,
    header::ACCEPT_ENCODING,
    header::CONTENT_TYPE,
    header::ORIGIN,
    header::HOST,
    header::CONTENT_LENGTH,
];
/// No answer of so short a chain is longer.
const MAX_ANSWER: usize = 4 << 20;

/// Every request has an answer that is not the server's fault, of JSON where it says so.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let Some(request) = request(&mut input) else {
        return;
    };
    let is_rpc = request.method() == Method::POST && request.uri().path() == "/";
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let response = app().oneshot(request).await.unwrap();
        let status = response.status();
        assert_ne!(status, StatusCode::INTERNAL_SERVER_ERROR);
        let kind = response.headers().get(header::CONTENT_TYPE).cloned();
        let is_packed = response.headers().contains_key(header::CONTENT_ENCODING);
        // A stream of events has no end.
        let body = to_bytes(response.into_body(), MAX_ANSWER);
        let Ok(body) = tokio::time::timeout(Duration::from_secs(60), body).await else {
            return;
        };
        let body = body.unwrap();
        let is_json = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
        if is_json && !is_packed && !body.is_empty() {
            let answer: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert!(!is_rpc || status != StatusCode::OK || answer.is_object() || answer.is_array());
        }
    });
}

fn request(input: &mut Input<'_>) -> Option<Request<Body>> {
    if input.flag() {
        let body = if input.flag() {
            input.rest().to_vec()
        } else {
            call(input)
        };
        let request = Request::post("/").header(header::CONTENT_TYPE, "application/json");
        return request
            .header(header::HOST, "localhost")
            .body(body.into())
            .ok();
    }
    let method = match input.below(6) {
        0 => Method::POST,
        1 => Method::OPTIONS,
        2 => Method::HEAD,
        _ => Method::GET,
    };
    let mut uri = PATHS[input.below(PATHS.len())].to_owned();
    let length = input.below(128);
    uri.push_str(&String::from_utf8_lossy(input.take(length)));
    let mut request = Request::builder()
        .method(method)
        .uri(uri.parse::<Uri>().ok()?);
    for _ in 0..input.below(4) {
        let name = &HEADERS[input.below(HEADERS.len())];
        let length = input.below(64);
        request = request.header(name, HeaderValue::from_bytes(input.take(length)).ok()?);
    }
    request.body(input.rest().to_vec().into()).ok()
}

/// A JSON-RPC call of a method that there is, with any parameters.
fn call(input: &mut Input<'_>) -> Vec<u8> {
    const METHODS: [&str; 20] = [
        "lean_block",
        "lean_blocks",
        "lean_constants",
        "lean_duties",
        "lean_equivocations",
        "lean_finality",
        "lean_finalityHistory",
        "lean_forkChoice",
        "lean_genesis",
        "lean_head",
        "lean_nodeInfo",
        "lean_peers",
        "lean_state",
        "lean_syncing",
        "lean_validator",
        "lean_validators",
        "lean_version",
        "lean_votes",
        "rpc.discover",
        "lean_subscribe",
    ];
    let method = METHODS[input.below(METHODS.len())];
    let method = if input.flag() {
        method.to_owned()
    } else {
        // As the catalogue has them.
        method
            .replace("History", "_history")
            .replace("Choice", "_choice")
            .replace("Info", "_info")
    };
    let params = String::from_utf8_lossy(input.rest());
    format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#).into_bytes()
}

fn app() -> Router {
    static VIEW: OnceLock<NodeView> = OnceLock::new();
    router(VIEW.get_or_init(view).clone())
}

/// A node with a short chain, nearly all of which is read from the database.
fn view() -> NodeView {
    let mut world = World::new(3);
    for slot in 1..=9 {
        world.make(slot as usize - 1, slot, &mut Input::new(&[0x7f; 4]));
    }
    let genesis = State::clone(&world.genesis().state);
    let mut chain = LeanChain::from_genesis(genesis).with_memory_limits(MemoryLimits::of(0));
    let store = Arc::new(Database::in_memory(Root::ZERO).unwrap());
    chain.write_anchor(&store).unwrap();
    for made in &world.made[1..] {
        chain.advance(4 * made.slot());
        let importable = ImportableBlock {
            root: made.root,
            block: made.block.clone(),
            post_state: made.state.clone(),
        };
        chain.import_block(importable).unwrap();
    }
    let now = Duration::from_secs(GENESIS_TIME + 40);
    // Its clock stands still: it is no runtime's.
    let clock = Clock::manual(GENESIS_TIME, now);
    let info = NodeInfo {
        name: "quartet_0".to_owned(),
        version: "0.1.0".to_owned(),
        commit: "abc1234".to_owned(),
        validators: vec![0, 1],
        peer_id: "16Uiu2HAm".to_owned(),
        enr: None,
        addresses: Vec::new(),
        genesis_root: Root::ZERO,
        fork_name: "devnet0".to_owned(),
    };
    let reader = ChainReader::new(ChainWriter::new(chain).reader(), store);
    let parts = NodeParts {
        chain: reader,
        peers: Peers::default(),
        clock,
        metrics: None,
        events: EventBus::new(),
    };
    NodeView::new(info, parts)
}
