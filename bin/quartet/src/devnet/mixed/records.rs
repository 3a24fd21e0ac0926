//! The records of all validators and the chain, read from one of our nodes.

use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use quartet_types::{Root, Slot, ValidatorIndex};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::super::http;

/// Calls in one batch; a node takes no more.
const BATCH: usize = 100;

/// What a node has seen.
#[derive(Debug, Default)]
pub(in super::super) struct Records {
    pub(super) validators: Vec<Validator>,
    /// The slots of a chain up to some slot, from 1 on.
    pub(super) slots: Vec<Duties>,
}

/// As `lean_validators` has it.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Validator {
    pub(super) index: ValidatorIndex,
    pub(super) record: Record,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Record {
    pub(super) slots: u64,
    pub(super) votes: Votes,
    pub(super) proposals: Proposals,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Votes {
    pub(super) on_time: u64,
    pub(super) late: u64,
    pub(super) included: u64,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Proposals {
    pub(super) done: u64,
}

/// As `lean_duties` has it.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Duties {
    pub(super) slot: Slot,
    pub(super) proposer_index: Option<ValidatorIndex>,
    /// The one of that slot on the head's chain.
    pub(super) block: Option<Root>,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    result: Value,
}

impl Records {
    /// Asks the node that serves JSON-RPC at `node`, for the chain up to `slot`.
    ///
    /// # Errors
    /// When it does not answer, or otherwise than expected.
    pub(in super::super) async fn ask(node: SocketAddr, slot: Slot) -> Result<Self> {
        let validators = call(node, vec![("lean_validators", json!([]))]).await?;
        let validators: Vec<Vec<Validator>> = validators;
        let slots: Vec<_> = (1..=slot).collect();
        let mut chain = Vec::with_capacity(slots.len());
        for slots in slots.chunks(BATCH) {
            let calls = slots.iter().map(|slot| ("lean_duties", json!([slot])));
            chain.extend(call::<Duties>(node, calls.collect()).await?);
        }
        Ok(Self {
            validators: validators.into_iter().flatten().collect(),
            slots: chain,
        })
    }
}

/// The results of a batch, in some order.
async fn call<T: DeserializeOwned>(
    node: SocketAddr,
    calls: Vec<(&'static str, Value)>,
) -> Result<Vec<T>> {
    let count = calls.len();
    let calls = calls.into_iter().zip(0u64..).map(|((method, params), id)| {
        json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
    });
    let text = Value::Array(calls.collect()).to_string();
    let answers: Vec<Answer> = serde_json::from_str(&http::post(node, "/", &text).await?)?;
    anyhow::ensure!(
        answers.len() == count,
        "{} answers to {count} calls",
        answers.len()
    );
    let results = answers
        .into_iter()
        .map(|answer| serde_json::from_value(answer.result).context("no answer of this version"));
    results.collect()
}
