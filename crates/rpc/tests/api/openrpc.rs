//! The OpenRPC document, against the methods and what they answer.

use std::collections::BTreeSet;

use jsonrpsee_core::{
    client::{ClientT as _, SubscriptionClientT as _},
    params::ArrayParams,
    rpc_params,
};
use jsonrpsee_ws_client::WsClientBuilder;
use quartet_rpc::Limits;
use quartet_types::{Signature, SignedAttestation};
use serde_json::{Map, Value, json};

use crate::{
    node::{TestNode, post},
    running::Running,
};

async fn call(node: &TestNode, method: &str, params: &Value) -> Value {
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    post(node, call.to_string()).await.json()
}

async fn document(node: &TestNode) -> Value {
    call(node, "rpc.discover", &json!([])).await["result"].clone()
}

fn name(method: &Value) -> &str {
    method["name"].as_str().unwrap()
}

/// Whether a value is as a schema says. Panics at a keyword that it does not know, so that none is passed over.
fn fits(value: &Value, schema: &Value, document: &Value) -> bool {
    let schema = schema.as_object().unwrap();
    schema.iter().all(|(keyword, rule)| match keyword.as_str() {
        "description" => true,
        "$ref" => {
            let pointer = rule.as_str().unwrap().strip_prefix('#').unwrap();
            fits(value, document.pointer(pointer).unwrap(), document)
        }
        "anyOf" => rule
            .as_array()
            .unwrap()
            .iter()
            .any(|rule| fits(value, rule, document)),
        "enum" => rule.as_array().unwrap().contains(value),
        "type" => match rule {
            Value::Array(types) => types.iter().any(|rule| is_a(value, rule)),
            rule => is_a(value, rule),
        },
        "minimum" => value
            .as_f64()
            .is_none_or(|found| found >= rule.as_f64().unwrap()),
        "maximum" => value
            .as_f64()
            .is_none_or(|found| found <= rule.as_f64().unwrap()),
        "pattern" => value
            .as_str()
            .is_none_or(|found| matches(found, rule.as_str().unwrap())),
        "minItems" => value
            .as_array()
            .is_none_or(|found| found.len() as u64 >= rule.as_u64().unwrap()),
        "maxItems" => value
            .as_array()
            .is_none_or(|found| found.len() as u64 <= rule.as_u64().unwrap()),
        "items" => value
            .as_array()
            .is_none_or(|found| found.iter().all(|item| fits(item, rule, document))),
        "properties" => value.as_object().is_none_or(|found| {
            found.iter().all(|(name, member)| {
                rule.get(name)
                    .is_none_or(|rule| fits(member, rule, document))
            })
        }),
        "required" => value.as_object().is_none_or(|found| {
            let needed = rule.as_array().unwrap().iter();
            needed
                .map(|name| name.as_str().unwrap())
                .all(|name| found.contains_key(name))
        }),
        "additionalProperties" => {
            assert_eq!(rule, false);
            let known: &Map<_, _> = schema["properties"].as_object().unwrap();
            value
                .as_object()
                .is_none_or(|found| found.keys().all(|name| known.contains_key(name)))
        }
        unknown => panic!("the test does not know {unknown}"),
    })
}

fn is_a(value: &Value, kind: &Value) -> bool {
    match kind.as_str().unwrap() {
        "integer" => value.is_u64() || value.is_i64(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "null" => value.is_null(),
        unknown => panic!("the test does not know {unknown}"),
    }
}

/// The two kinds of patterns that there are: hexadecimal of a length, and decimal.
fn matches(text: &str, pattern: &str) -> bool {
    if pattern == "^[0-9]+$" {
        return !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    }
    let digits = pattern
        .strip_prefix("^0x[0-9a-f]{")
        .unwrap()
        .strip_suffix("}$")
        .unwrap();
    text.strip_prefix("0x").is_some_and(|hex| {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        hex.len().to_string() == digits && hex.bytes().all(is_digit)
    })
}

#[tokio::test]
async fn the_openrpc_document_names_every_method_and_no_other() {
    let node = TestNode::at_genesis(0);
    let document = document(&node).await;
    let described: BTreeSet<_> = document["methods"]
        .as_array()
        .unwrap()
        .iter()
        .map(name)
        .collect();
    let refused = call(&node, "nope", &json!([])).await;
    let known = refused["error"]["data"].as_str().unwrap();
    let known = known.strip_prefix("the methods are ").unwrap();
    assert_eq!(described, known.split(", ").collect());
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
}

#[tokio::test]
async fn answers_and_parameters_match_the_openrpc_document() {
    let node = TestNode::with_chain(8);
    node.connect("a", Some("ream/0.1"), None);
    // Evidence for `lean_equivocations`.
    node.chain.change(|chain| {
        let mut message = chain.fork_choice().known_attestations().next().unwrap();
        message.data.target = message.data.source;
        let signature = Signature::default();
        let signed = SignedAttestation { message, signature };
        chain.import_attestation(&signed).unwrap();
    });
    let document = document(&node).await;
    for method in document["methods"].as_array().unwrap() {
        if name(method).ends_with("subscribe") {
            continue;
        }
        let params = method["params"].as_array().unwrap();
        let example = |param: &Value| match name(param) {
            "block" => json!("head"),
            "start_slot" => json!(1),
            "count" => json!(8),
            "slot" => json!(8),
            "index" => json!(1),
            unknown => panic!("the test has no {unknown}"),
        };
        let examples: Vec<Value> = params.iter().map(example).collect();
        for (param, example) in params.iter().zip(&examples) {
            assert!(fits(example, &param["schema"], &document), "{param}");
        }
        let by_name: Map<_, _> = params
            .iter()
            .map(|param| name(param).to_owned())
            .zip(examples.iter().cloned())
            .collect();
        for params in [Value::Array(examples.clone()), Value::Object(by_name)] {
            let answer = call(&node, name(method), &params).await;
            let result = answer.get("result").unwrap_or_else(|| panic!("{answer}"));
            assert!(!result.is_null(), "{method}");
            let schema = &method["result"]["schema"];
            assert!(
                fits(result, schema, &document),
                "{}: {result}",
                name(method)
            );
        }
        let mut more = examples.clone();
        more.push(json!(1));
        let fewer = examples.split_last().map(|(_, fewer)| fewer.to_vec());
        for params in [Some(more), fewer].into_iter().flatten() {
            let answer = call(&node, name(method), &json!(params)).await;
            assert_eq!(answer["error"]["code"], -32602, "{answer}");
        }
    }
}

#[tokio::test]
async fn absent_results_are_null_as_the_openrpc_document_says() {
    let node = TestNode::with_chain(2);
    let document = document(&node).await;
    let cases = [
        ("lean_block", json!([77])),
        ("lean_state", json!([77])),
        ("lean_validator", json!([77])),
    ];
    for (method, params) in cases {
        let answer = call(&node, method, &params).await;
        assert_eq!(answer.get("result"), Some(&Value::Null), "{answer}");
        let methods = document["methods"].as_array().unwrap();
        let described = methods.iter().find(|found| name(found) == method).unwrap();
        let schema = &described["result"]["schema"];
        assert!(fits(&Value::Null, schema, &document));
        assert!(!fits(&json!(1), schema, &document) && !fits(&json!({}), schema, &document));
    }
    let old = call(&node, "lean_votes", &json!([u64::MAX])).await;
    assert_eq!(old["error"]["code"], -32602);
}

#[tokio::test]
async fn each_topic_of_the_openrpc_document_can_be_subscribed_to() {
    let node = TestNode::with_chain(2);
    let running = Running::with(&node, Limits::default()).await;
    let document = document(&node).await;
    let topics = document["components"]["schemas"]["Topic"]["enum"]
        .as_array()
        .unwrap();
    let client = WsClientBuilder::default()
        .build(format!("ws://{}/", running.http))
        .await
        .unwrap();
    let mut all = ArrayParams::new();
    for topic in topics {
        all.insert(topic).unwrap();
        let alone = client
            .subscribe::<Value, _>("lean_subscribe", rpc_params![topic], "lean_unsubscribe")
            .await;
        assert!(alone.is_ok(), "{topic}");
    }
    let answer: Value = client.request("lean_subscribe", all).await.unwrap();
    assert!(answer.is_u64() || answer.is_string());
    let ended: bool = client
        .request("lean_unsubscribe", rpc_params![answer])
        .await
        .unwrap();
    assert!(ended);
    running.stop().await;
}
