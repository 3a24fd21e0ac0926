//! The answers of the HTTP API, in shape: the fixtures' roots are those of a later state.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use axum::{
    body::{Body, to_bytes},
    http::{Request, StatusCode, header::CONTENT_TYPE},
};
use quartet_chain::{ChainReader, ChainWriter, LeanChain, Peers, SyncState};
use quartet_clock::Clock;
use quartet_metrics::Metrics;
use quartet_rpc::{NodeInfo, NodeParts, NodeView, router};
use quartet_spec_tests::{Report, VectorFile};
use quartet_state_transition::{Selection, build_block};
use quartet_storage::Database;
use quartet_types::{
    BlockSignatures, BlockWithAttestation, PublicKey, SignedBlockWithAttestation, State,
};
use serde::Deserialize;
use serde_json::Value;
use ssz::Encode as _;
use tower::ServiceExt as _;

use crate::fixture::{decode, fixtures, get, parse};

const OTHER_STATE: &str = "roots and states are those of a later protocol, whose validators have two keys; everything else \
    of the answer is compared";
const AGGREGATOR: &str =
    "pq-devnet-1 has no aggregators; the node answers that there is nothing at this path";
const AGGREGATES: &str = "pq-devnet-1 has no aggregates to measure; the other names are there";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fixture {
    endpoint: String,
    method: String,
    genesis_params: GenesisParams,
    request_body: Option<Value>,
    expected_status_code: u16,
    expected_content_type: String,
    expected_body: Value,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct GenesisParams {
    num_validators: u8,
    genesis_time: u64,
    anchor_slot: Option<u64>,
}

/// What a node answers.
struct Answer {
    status: StatusCode,
    content_type: String,
    body: Vec<u8>,
}

pub(crate) fn replay(file: &VectorFile, report: &mut Report) -> Result<()> {
    for (name, fixture) in fixtures::<Fixture>(file.json()?)? {
        let mut listed = None;
        report.case(&name, || {
            listed = check(&fixture)?;
            Ok(())
        });
        if let Some(reason) = listed {
            report.set_aside(name, reason);
        }
    }
    Ok(())
}

/// Asks a node in the fixture's situation; a reason if part of the answer is another one.
fn check(fixture: &Fixture) -> Result<Option<&'static str>> {
    let chain = chain(&fixture.genesis_params)?;
    let state = chain
        .state(chain.latest_finalized().root)
        .context("no finalized state")?;
    let answer = ask(chain, fixture)?;
    if fixture.endpoint.contains("/admin/aggregator") {
        ensure!(answer.status == StatusCode::NOT_FOUND, "{}", answer.status);
        return Ok(Some(AGGREGATOR));
    }
    ensure!(
        answer.status.as_u16() == fixture.expected_status_code,
        "{}",
        answer.status
    );
    let (found, expected) = (&answer.content_type, &fixture.expected_content_type);
    ensure!(found == expected, "{found}, should be {expected}");
    if expected.starts_with("text/plain") {
        return metrics(&String::from_utf8(answer.body)?, &fixture.expected_body);
    }
    if expected == "application/octet-stream" {
        ensure!(answer.body == state.as_ssz_bytes(), "another state");
        let decoded: State = decode(&answer.body)?;
        let slot = fixture.genesis_params.anchor_slot.unwrap_or_default();
        ensure!(decoded.slot == slot, "the state of slot {}", decoded.slot);
        return Ok(Some(OTHER_STATE));
    }
    let found: Value = serde_json::from_slice(&answer.body)?;
    let differs = compare(&found, &fixture.expected_body)?;
    Ok(differs.then_some(OTHER_STATE))
}

/// A chain at genesis, or anchored some slots later.
fn chain(params: &GenesisParams) -> Result<LeanChain> {
    let keys: Vec<_> = (0..params.num_validators)
        .map(|byte| PublicKey([byte; 52]))
        .collect();
    let mut state = State::genesis(params.genesis_time, &keys)?;
    let mut anchor = None;
    for slot in 1..=params.anchor_slot.unwrap_or_default() {
        let (block, post) = build_block(&state, slot, &[], Selection::LatestSource)?;
        (state, anchor) = (post, Some(block));
    }
    let Some(block) = anchor else {
        return Ok(LeanChain::from_genesis(state));
    };
    let message = BlockWithAttestation {
        block,
        proposer_attestation: Default::default(),
    };
    let signature = BlockSignatures::default();
    Ok(LeanChain::from_anchor(
        SignedBlockWithAttestation { message, signature },
        state,
    ))
}

fn ask(mut chain: LeanChain, fixture: &Fixture) -> Result<Answer> {
    // The fixtures' node is in step with its network.
    chain.set_sync_state(SyncState::Synced);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    runtime.block_on(async {
        let clock = Clock::manual(fixture.genesis_params.genesis_time, Duration::ZERO);
        let store = Arc::new(Database::in_memory(quartet_types::Root::ZERO)?);
        let reader = ChainReader::new(ChainWriter::new(chain).reader(), store);
        // The recorder is the process's, so it is installed once, by whatever asks first.
        static METRICS: OnceLock<Option<Metrics>> = OnceLock::new();
        let metrics = METRICS.get_or_init(|| Metrics::install().ok()).clone();
        ensure!(metrics.is_some(), "the metrics cannot be installed");
        let parts = NodeParts {
            chain: reader,
            peers: Peers::default(),
            clock,
            metrics,
            events: quartet_chain::EventBus::new(),
        };
        let view = NodeView::new(NodeInfo::default(), parts);
        let body = fixture
            .request_body
            .as_ref()
            .map_or(Body::empty(), |body| Body::from(body.to_string()));
        let request = Request::builder()
            .method(fixture.method.as_str())
            .uri(&fixture.endpoint)
            .header(CONTENT_TYPE, "application/json")
            .body(body)?;
        let response = router(view).oneshot(request).await?;
        let content_type = response.headers().get(CONTENT_TYPE);
        let content_type = content_type
            .map_or(Ok(""), |value| value.to_str())?
            .to_owned();
        Ok(Answer {
            status: response.status(),
            content_type,
            body: to_bytes(response.into_body(), 1 << 20).await?.into(),
        })
    })
}

/// Compares all but roots, of which only the form can be the same; whether one differs.
fn compare(found: &Value, expected: &Value) -> Result<bool> {
    let is_root = |text: &str| text.len() == 66 && text.starts_with("0x");
    match (found, expected) {
        (Value::Object(found), Value::Object(expected)) => {
            let same = found.keys().eq(expected.keys());
            ensure!(
                same,
                "members {:?}, should be {:?}",
                found.keys(),
                expected.keys()
            );
            let members = expected.iter().map(|(name, expected)| {
                compare(&found[name], expected).with_context(|| name.clone())
            });
            members
                .collect::<Result<Vec<bool>>>()
                .map(|differs| differs.contains(&true))
        }
        (Value::Array(found), Value::Array(expected)) => {
            ensure!(found.len() == expected.len(), "{} items", found.len());
            let items = found
                .iter()
                .zip(expected)
                .map(|(found, expected)| compare(found, expected));
            items
                .collect::<Result<Vec<bool>>>()
                .map(|differs| differs.contains(&true))
        }
        (Value::String(found), Value::String(expected)) if is_root(found) && is_root(expected) => {
            Ok(found != expected)
        }
        _ if found == expected => Ok(false),
        _ => bail!("is {found}, should be {expected}"),
    }
}

/// Looks for the names of metrics, but for those of aggregates.
fn metrics(text: &str, expected: &Value) -> Result<Option<&'static str>> {
    let names: Vec<String> = parse(expected, "required_metric_names")?;
    ensure!(!names.is_empty(), "no names");
    ensure!(
        get(expected, "required_metric_names")?.is_array(),
        "no list"
    );
    let (aggregates, names): (Vec<_>, Vec<_>) = names
        .into_iter()
        .partition(|name| name.contains("aggregate"));
    for name in names {
        let is_there = |line: &str| line.split(['{', ' ']).any(|word| word.starts_with(&name));
        ensure!(text.lines().any(is_there), "no {name}");
    }
    Ok((!aggregates.is_empty()).then_some(AGGREGATES))
}
