//! Field elements and byte strings out of the signature vectors.

use anyhow::{Context as _, Result};
use quartet_xmss::{ConstantOrder, Instance, Scheme};
use serde_json::Value;

use crate::fixture::{get, hex, parse};

/// The field's prime.
pub(crate) const MODULUS: u64 = 2_130_706_433;

/// A list of elements of a field of an object.
pub(crate) fn elements(object: &Value, field: &str) -> Result<Vec<u32>> {
    parse(object, field)
}

/// As many elements as the place takes.
pub(crate) fn array<const N: usize>(object: &Value, field: &str) -> Result<[u32; N]> {
    fixed(elements(object, field)?).with_context(|| field.to_owned())
}

/// As many bytes as the place takes.
pub(crate) fn bytes<const N: usize>(object: &Value, field: &str) -> Result<[u8; N]> {
    fixed(hex(get(object, field)?)?).with_context(|| field.to_owned())
}

pub(crate) fn fixed<T, const N: usize>(items: Vec<T>) -> Result<[T; N]> {
    items
        .try_into()
        .map_err(|items: Vec<T>| anyhow::anyhow!("{} items, should be {N}", items.len()))
}

/// The order of the constants that a file is made with.
pub(crate) fn order(json: &Value) -> Result<ConstantOrder> {
    match get(json, "poseidon2_constant_order")?.as_str() {
        Some("interop") => Ok(ConstantOrder::Interop),
        Some("spec") => Ok(ConstantOrder::Spec),
        other => anyhow::bail!("no order {other:?}"),
    }
}

/// The scheme that a field names.
pub(crate) fn scheme(json: &Value, field: &str) -> Result<Scheme> {
    scheme_named(&parse::<String>(json, field)?)
}

pub(crate) fn scheme_named(name: &str) -> Result<Scheme> {
    match name {
        "PROD" => Ok(Scheme::Production),
        "TEST" => Ok(Scheme::Test),
        other => anyhow::bail!("no scheme {other}"),
    }
}

/// The scheme and order that a file is made with.
pub(crate) fn instance(json: &Value) -> Result<Instance> {
    Ok(Instance {
        scheme: scheme(json, "scheme")?,
        order: order(json)?,
    })
}
