//! leanSpec's own fixtures for the HTTP API (revision `43246bd`, a later protocol).
//!
//! Its states and blocks hash differently, so roots are compared by form and all else by value. Admin
//! endpoints and metrics of aggregation belong to protocols that have aggregators; here they are absent.

use std::{fs, path::Path};

use quartet_chain::SyncState;
use quartet_spec_tests::Vectors;
use quartet_types::State;
use serde_json::Value;
use ssz::Decode as _;

use crate::{
    metrics::installed,
    node::{Answer, TestNode, VALIDATORS, get_as},
};

fn fixtures(directory: &Path, found: &mut Vec<Value>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            fixtures(&path, found);
        } else {
            let text = fs::read_to_string(path).unwrap();
            let file: Value = serde_json::from_str(&text).unwrap();
            found.extend(file.as_object().unwrap().values().cloned());
        }
    }
}

/// The node that the fixture describes.
fn node(fixture: &Value) -> TestNode {
    let parameters = &fixture["genesisParams"];
    let validators = parameters["numValidators"].as_u64().unwrap();
    let node = match parameters["anchorSlot"].as_u64() {
        None => TestNode::with_validators(validators as usize, Some(installed())),
        Some(slot) => {
            assert_eq!(validators, VALIDATORS);
            TestNode::with_chain(slot).anchored_at_head()
        }
    };
    // A node that nothing is wrong with.
    node.connect("a", None, None);
    node.set_sync_state(SyncState::Synced);
    node
}

fn is_root(value: &Value) -> bool {
    let hex = value.as_str().and_then(|text| text.strip_prefix("0x"));
    hex.is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Equal but for roots.
fn alike(expected: &Value, found: &Value) -> bool {
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => {
            expected.len() == found.len()
                && expected
                    .iter()
                    .all(|(name, value)| found.get(name).is_some_and(|found| alike(value, found)))
        }
        (Value::Array(expected), Value::Array(found)) => {
            expected.len() == found.len()
                && expected
                    .iter()
                    .zip(found)
                    .all(|(one, other)| alike(one, other))
        }
        _ => expected == found || is_root(expected) && is_root(found),
    }
}

fn check(fixture: &Value, answer: &Answer) {
    let expected = &fixture["expectedBody"];
    match fixture["expectedContentType"].as_str().unwrap() {
        "application/json" => {
            assert!(
                alike(expected, &answer.json()),
                "{expected} {}",
                answer.json()
            );
        }
        "application/octet-stream" => {
            let state = State::from_ssz_bytes(&answer.body).unwrap();
            let slot = fixture["genesisParams"]["anchorSlot"].as_u64();
            assert_eq!(state.slot, slot.unwrap_or_default());
            let validators = fixture["genesisParams"]["numValidators"].as_u64();
            assert_eq!(Some(state.validator_count()), validators);
        }
        _ => {
            let names = expected["required_metric_names"].as_array().unwrap();
            for name in names.iter().map(|name| name.as_str().unwrap()) {
                let declared = format!("# TYPE {name} ");
                let is_aggregation = name.contains("_aggregate_");
                assert_ne!(answer.text().contains(&declared), is_aggregation, "{name}");
            }
        }
    }
}

#[tokio::test]
async fn answers_have_the_form_that_leanspec_gives_them() {
    let vectors = Vectors::find(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let mut all = Vec::new();
    fixtures(
        &vectors.root().join("leanspec-43246bd/api_endpoint"),
        &mut all,
    );
    let mut checked = 0;
    for fixture in &all {
        let path = fixture["endpoint"].as_str().unwrap();
        if path.starts_with("/lean/v0/admin/") {
            continue;
        }
        let accepted = fixture["expectedContentType"].as_str().unwrap();
        let answer = get_as(&node(fixture), path, accepted).await;
        assert_eq!(
            answer.status,
            fixture["expectedStatusCode"].as_u64().unwrap() as u16
        );
        assert_eq!(answer.content_type(), accepted, "{path}");
        check(fixture, &answer);
        checked += 1;
    }
    assert!(checked > 0, "none of {} fixtures applies", all.len());
}
