//! The parameters of a call, by position or by name.

use serde_json::{Map, Value};

use super::fault::Fault;
use crate::{
    block_id::{BlockId, BlockIdError},
    slot_range::SlotRange,
};

/// The parameters of a call.
#[derive(Debug)]
pub(super) enum Params {
    Positional(Vec<Value>),
    Named(Map<String, Value>),
}

impl Params {
    /// Parses the member.
    ///
    /// # Errors
    /// When that is neither an array nor an object.
    pub(super) fn parse(json: Option<&str>) -> Result<Self, Fault> {
        match json.map(serde_json::from_str) {
            None => Ok(Self::Positional(Vec::new())),
            Some(Ok(Value::Array(values))) => Ok(Self::Positional(values)),
            Some(Ok(Value::Object(values))) => Ok(Self::Named(values)),
            Some(_) => Err(Fault::invalid_request(
                "expected an array or an object as `params`",
            )),
        }
    }

    /// The values of the parameters with these names, all of which are needed.
    ///
    /// # Errors
    /// When there are others, or not all.
    pub(super) fn take<const N: usize>(self, names: [&str; N]) -> Result<[Value; N], Fault> {
        let found = match self {
            Self::Positional(values) => {
                <[Value; N]>::try_from(values).map_err(|values| values.len())
            }
            Self::Named(mut values) => {
                let found = values.len();
                let taken: Vec<_> = names
                    .iter()
                    .filter_map(|name| values.remove(*name))
                    .collect();
                if values.is_empty() {
                    <[Value; N]>::try_from(taken).map_err(|_| found)
                } else {
                    Err(found)
                }
            }
        };
        found.map_err(|found| Fault::invalid_params(expected(&names, found)))
    }

    /// The only parameter: a block.
    pub(super) fn block(self) -> Result<BlockId, Fault> {
        let [param] = self.take(["block"])?;
        let id = match &param {
            Value::Number(slot) => slot.as_u64().map(BlockId::Slot),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        id.ok_or_else(|| {
            let error = BlockIdError::new(&param.to_string());
            Fault::invalid_params(error.to_string())
        })
    }

    /// The only parameter: a number.
    pub(super) fn number(self, name: &str) -> Result<u64, Fault> {
        let [param] = self.take([name])?;
        param
            .as_u64()
            .ok_or_else(|| Fault::invalid_params(format!("expected a number, found {param}")))
    }

    /// A range of at most this many slots.
    pub(super) fn range(self, most: u64) -> Result<SlotRange, Fault> {
        let [start, count] = self.take(["start_slot", "count"])?;
        let (Some(start), Some(count)) = (start.as_u64(), count.as_u64()) else {
            let detail = format!("expected two numbers, found {start} and {count}");
            return Err(Fault::invalid_params(detail));
        };
        Ok(SlotRange::new(start, count, most)?)
    }
}

fn expected(names: &[&str], found: usize) -> String {
    match names {
        [] => format!("expected no parameters, found {found}"),
        [name] => format!("expected one parameter, `{name}`"),
        [first, second] => format!("expected two parameters, `{first}` and `{second}`"),
        _ => format!("expected the parameters {}", names.join(", ")),
    }
}
