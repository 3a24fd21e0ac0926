//! Finding and reading the reference vectors.
#![allow(dead_code)]

use quartet_spec_tests::Vectors;
use quartet_xmss::{ConstantOrder, Instance, SIGNATURE_BYTES, Scheme};
use serde_json::Value;

pub(crate) fn vectors() -> Vectors {
    Vectors::find(env!("CARGO_TARGET_TMPDIR")).expect("vectors")
}

pub(crate) fn file(name: &str) -> Value {
    let path = vectors().root().join("own").join(name);
    let text = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&text).expect("vectors are JSON")
}

pub(crate) const ORDERS: [(ConstantOrder, &str); 2] = [
    (ConstantOrder::Interop, "interop"),
    (ConstantOrder::Spec, "spec"),
];

pub(crate) const SCHEMES: [(Scheme, &str, &str); 2] = [
    (Scheme::Test, "TEST", "test"),
    (Scheme::Production, "PROD", "prod"),
];

/// Every scheme vector file, with its instance.
pub(crate) fn scheme_files() -> Vec<(Instance, Value)> {
    let mut files = Vec::new();
    for (order, order_name) in ORDERS {
        for (scheme, _, scheme_name) in SCHEMES {
            let name = format!("xmss_{scheme_name}_scheme_{order_name}.json");
            files.push((Instance { scheme, order }, file(&name)));
        }
    }
    files
}

pub(crate) fn scheme_named(name: &Value) -> Scheme {
    SCHEMES
        .into_iter()
        .find(|scheme| scheme.1 == name)
        .expect("a scheme's name")
        .0
}

pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

pub(crate) fn number(value: &Value) -> u64 {
    value.as_u64().expect("a number")
}

pub(crate) fn elements<const N: usize>(value: &Value) -> [u32; N] {
    let list = list(value);
    assert_eq!(list.len(), N);
    std::array::from_fn(|i| number(&list[i]) as u32)
}

pub(crate) fn hex(value: &Value) -> Vec<u8> {
    const_hex::decode(value.as_str().expect("a string")).expect("hex")
}

pub(crate) fn hex_array<const N: usize>(value: &Value) -> [u8; N] {
    hex(value).try_into().expect("the right length")
}

/// Pads a signature container to its length on the wire.
pub(crate) fn padded(container: Vec<u8>) -> Vec<u8> {
    let mut padded = container;
    padded.resize(SIGNATURE_BYTES, 0);
    padded
}
