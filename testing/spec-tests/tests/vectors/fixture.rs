//! JSON as the specification writes it, and what all kinds read with.

use alloy_primitives::Bytes;
use anyhow::{Context as _, Result, bail, ensure};
use quartet_types::{
    Attestation, Bitlist, Block, BlockBody, BlockHeader, Checkpoint, Config, HistoricalBlockHashes,
    JustificationRoots, Root, State, Validator, Validators,
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use ssz::Decode;

/// The specification's lists: `{"data": […]}`.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct List<T> {
    pub(crate) data: Vec<T>,
}

/// A state in the specification's JSON.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct JsonState {
    config: Config,
    slot: u64,
    latest_block_header: BlockHeader,
    latest_justified: Checkpoint,
    latest_finalized: Checkpoint,
    historical_block_hashes: List<Root>,
    justified_slots: List<bool>,
    validators: List<Validator>,
    justifications_roots: List<Root>,
    justifications_validators: List<bool>,
}

impl JsonState {
    pub(crate) fn into_state(self) -> Result<State> {
        let full = |error| anyhow::anyhow!("{error:?}");
        Ok(State {
            config: self.config,
            slot: self.slot,
            latest_block_header: self.latest_block_header,
            latest_justified: self.latest_justified,
            latest_finalized: self.latest_finalized,
            historical_block_hashes: HistoricalBlockHashes::try_from_iter(
                self.historical_block_hashes.data,
            )?,
            justified_slots: Bitlist::try_from_iter(self.justified_slots.data)?,
            validators: Validators::try_from_iter(self.validators.data).map_err(full)?,
            justifications_roots: JustificationRoots::new(self.justifications_roots.data)?,
            justifications_validators: Bitlist::try_from_iter(self.justifications_validators.data)?,
        })
    }
}

/// A block in the specification's JSON.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct JsonBlock {
    slot: u64,
    proposer_index: u64,
    parent_root: Root,
    state_root: Root,
    body: JsonBody,
}

#[derive(Debug, Deserialize)]
struct JsonBody {
    attestations: List<Attestation>,
}

impl JsonBlock {
    pub(crate) fn into_block(self) -> Result<Block> {
        let attestations = self.body.attestations.data;
        Ok(Block {
            slot: self.slot,
            proposer_index: self.proposer_index,
            parent_root: self.parent_root,
            state_root: self.state_root,
            body: BlockBody {
                attestations: attestations
                    .try_into()
                    .map_err(|error| anyhow::anyhow!("{error:?}"))?,
            },
        })
    }
}

/// The cases of a filled fixture: test id → value.
pub(crate) fn fixtures<T: DeserializeOwned>(json: Value) -> Result<Vec<(String, T)>> {
    let Value::Object(tests) = json else {
        bail!("a fixture is an object of tests");
    };
    let parsed = tests.into_iter().map(|(id, test)| {
        let test = serde_json::from_value(test).with_context(|| id.clone())?;
        Ok((short(&id), test))
    });
    parsed.collect()
}

/// A test's own name out of its id.
fn short(id: &str) -> String {
    let name = id.rsplit("::").next().unwrap_or(id);
    name.split('[').next().unwrap_or(name).to_owned()
}

/// Bytes written as hex.
pub(crate) fn hex(value: &Value) -> Result<Vec<u8>> {
    let bytes: Bytes = serde_json::from_value(value.clone())?;
    Ok(bytes.into())
}

/// A container from SSZ bytes.
pub(crate) fn decode<T: Decode>(bytes: &[u8]) -> Result<T> {
    T::from_ssz_bytes(bytes).map_err(|error| anyhow::anyhow!("{error:?}"))
}

/// A container from SSZ bytes written as hex in a field.
pub(crate) fn ssz_field<T: Decode>(object: &Value, field: &str) -> Result<T> {
    let bytes = hex(get(object, field)?).with_context(|| field.to_owned())?;
    decode(&bytes).with_context(|| field.to_owned())
}

/// A field that must be there.
pub(crate) fn get<'a>(object: &'a Value, field: &str) -> Result<&'a Value> {
    object
        .get(field)
        .with_context(|| format!("no field {field}"))
}

/// A field that must be there, parsed.
pub(crate) fn parse<T: DeserializeOwned>(object: &Value, field: &str) -> Result<T> {
    serde_json::from_value(get(object, field)?.clone()).with_context(|| field.to_owned())
}

/// A list that must be there and not be empty.
pub(crate) fn list<'a>(object: &'a Value, field: &str) -> Result<&'a Vec<Value>> {
    let items = get(object, field)?.as_array();
    let items = items.with_context(|| format!("{field} is no list"))?;
    ensure!(!items.is_empty(), "{field} is empty");
    Ok(items)
}

/// The specification's JSON with `{"data": […]}` replaced by the list inside.
pub(crate) fn plain(value: &Value) -> Value {
    match value {
        Value::Object(fields)
            if fields.len() == 1 && fields.get("data").is_some_and(Value::is_array) =>
        {
            plain(&fields["data"])
        }
        Value::Object(fields) => {
            let plain = |(name, value): (&String, &Value)| (name.clone(), plain(value));
            Value::Object(fields.iter().map(plain).collect())
        }
        Value::Array(items) => items.iter().map(plain).collect(),
        other => other.clone(),
    }
}
