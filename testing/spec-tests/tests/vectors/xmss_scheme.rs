//! Whole keys and signatures.

use anyhow::{Context as _, Result, ensure};
use quartet_spec_tests::{Report, VectorFile};
use quartet_xmss::{
    Backend, Derivation, Instance, KeyMaterial, PaddingNode, PublicKey, SIGNATURE_BYTES, SecretKey,
    Signature, Threads, Verification, primitives,
};
use serde_json::Value;

use crate::{
    field::{array, bytes, fixed, instance},
    fixture::{get, hex, list, parse},
};

const PADDING: &str = "the specification does not look at the padding of its 3116 bytes; on the wire there is none in \
    the production scheme, and the node demands zeros behind a test signature";

pub(crate) fn replay(file: &VectorFile, report: &mut Report) -> Result<()> {
    let json = file.json()?;
    let instance = instance(&json)?;
    let name = |what: &str, case: &Value| {
        let (key, name) = (
            case["key"].as_str().unwrap_or(""),
            case["name"].as_str().unwrap_or(""),
        );
        format!("{} {what} {key} {name}", file.file_name())
    };
    for case in list(&json, "valid")? {
        report.case(name("valid", case), || {
            ensure!(parse::<bool>(case, "valid")?, "should be a valid case");
            valid_container(instance, case)?;
            verdict(instance, case, &wire(instance, case)?)
        });
    }
    for case in list(&json, "invalid")? {
        report.case(name("invalid", case), || {
            ensure!(!parse::<bool>(case, "valid")?, "should be an invalid case");
            verdict(instance, case, &wire(instance, case)?)
        });
    }
    for key in list(&json, "keys")? {
        let valid = list(&json, "valid")?
            .iter()
            .filter(|case| case["key"] == key["name"]);
        let valid: Vec<&Value> = valid.collect();
        report.case(name("key", key), || sign(instance, key, &valid));
    }
    if let Some(padded) = json.get("container_padding") {
        for case in list(padded, "cases")? {
            padding(report, instance, padded, case, name("padding", case))?;
        }
    }
    Ok(())
}

/// Cases of the specification's own container: a plain signature and what follows it.
fn padding(
    report: &mut Report,
    instance: Instance,
    signed: &Value,
    case: &Value,
    name: String,
) -> Result<()> {
    let container = hex(get(case, "container")?)?;
    ensure!(parse::<bool>(case, "valid")?, "an invalid case of padding");
    let length = signature_length(instance);
    let (plain, rest) = container
        .split_at_checked(length)
        .context("a short container")?;
    let mut wire = primitives::signature_from_plain(instance.scheme, plain)?
        .to_bytes()
        .to_vec();
    if rest.iter().all(|byte| *byte == 0) {
        report.case(name, || verify(instance, signed, &wire, true));
    } else {
        // The same fault at the end of what is on the wire.
        wire[SIGNATURE_BYTES - 1] = 1;
        report.deviation(name, PADDING, || verify(instance, signed, &wire, false));
    }
    Ok(())
}

/// Bytes of a signature in the specification's layout: path, randomness, chain values.
pub(crate) fn signature_length(instance: Instance) -> usize {
    match instance.scheme {
        quartet_xmss::Scheme::Production => 4 * (32 * 8 + 7 + 64 * 8),
        quartet_xmss::Scheme::Test => 4 * (8 * 8 + 7 + 4 * 8),
    }
}

/// The signature as it is on the wire; one that does not decode stays what it is, padded.
fn wire(instance: Instance, case: &Value) -> Result<Vec<u8>> {
    if case
        .get("signature_ssz_container")
        .is_some_and(Value::is_string)
    {
        return Ok(padded(hex(get(case, "signature_ssz_container")?)?));
    }
    let plain = hex(get(case, "signature")?)?;
    Ok(
        match primitives::signature_from_plain(instance.scheme, &plain) {
            Ok(signature) => signature.to_bytes().to_vec(),
            Err(_) => padded(plain),
        },
    )
}

fn padded(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.resize(SIGNATURE_BYTES, 0);
    bytes
}

fn verdict(instance: Instance, case: &Value, signature: &[u8]) -> Result<()> {
    verify(instance, case, signature, parse(case, "valid")?)
}

/// Verifies on every back-end, alone and among others.
fn verify(instance: Instance, case: &Value, signature: &[u8], expected: bool) -> Result<()> {
    let (public_key, message) = (
        bytes::<52>(case, "public_key")?,
        bytes::<32>(case, "message")?,
    );
    let verification = || Verification {
        public_key: &public_key,
        epoch: case["epoch"].as_u64().unwrap_or(u64::MAX),
        message: &message,
        signature,
    };
    ensure!(
        instance.verify(&verification()) == expected,
        "should be {expected}"
    );
    let many = [verification(), verification(), verification()];
    for backend in Backend::all() {
        let verdicts = instance.verify_many_on(backend, &many);
        ensure!(verdicts == [expected; 3], "{backend:?} says {verdicts:?}");
    }
    Ok(())
}

/// The signature and the key decode and encode to the same bytes, from either layout.
fn valid_container(instance: Instance, case: &Value) -> Result<()> {
    let wire = wire(instance, case)?;
    let signature = Signature::from_bytes(instance.scheme, &wire)?;
    ensure!(
        signature.to_bytes().as_slice() == wire,
        "the container encodes to other bytes"
    );
    let plain = primitives::signature_from_plain(instance.scheme, &hex(get(case, "signature")?)?)?;
    ensure!(
        plain == signature,
        "the two layouts hold different signatures"
    );
    let key = bytes::<52>(case, "public_key")?;
    ensure!(
        PublicKey::from_bytes(&key)?.to_bytes() == key,
        "the key encodes to other bytes"
    );
    Ok(())
}

/// Builds the key and signs all its cases, byte for byte.
fn sign(instance: Instance, key: &Value, cases: &[&Value]) -> Result<()> {
    let mut secret = SecretKey::build(material(instance, key)?, Threads::Pool, &|_| ());
    // Without the padding nodes, which are random, only what does not depend on them can be compared.
    let whole = key.get("root_is_function_of_prf_key_and_parameter") != Some(&Value::Bool(false));
    let public_key = secret.public_key().to_bytes();
    if whole {
        ensure!(
            public_key == bytes::<52>(key, "public_key")?,
            "another public key"
        );
    }
    for case in cases {
        let (epoch, message) = (parse(case, "epoch")?, bytes::<32>(case, "message")?);
        secret.prepare(epoch)?;
        let signature = secret.sign(epoch, &message)?;
        let expected = wire(instance, case)?;
        if whole {
            ensure!(
                signature.as_slice() == expected,
                "another signature at {epoch}"
            );
        } else {
            let path = 40..40 + 32 * 8;
            ensure!(
                signature[..path.start] == expected[..path.start],
                "randomness at {epoch}"
            );
            ensure!(
                signature[path.end..] == expected[path.end..],
                "chain values at {epoch}"
            );
            let verification = Verification {
                public_key: &public_key,
                epoch,
                message: &message,
                signature: signature.as_slice(),
            };
            ensure!(
                instance.verify(&verification),
                "our own signature at {epoch}"
            );
        }
    }
    Ok(())
}

fn material(instance: Instance, key: &Value) -> Result<KeyMaterial> {
    let either = |expanded: &str, given: &str| -> Result<u64> {
        parse(
            key,
            if key.get(expanded).is_some() {
                expanded
            } else {
                given
            },
        )
    };
    let little_endian = |elements: &[u32]| -> Vec<u8> {
        elements
            .iter()
            .flat_map(|element| element.to_le_bytes())
            .collect()
    };
    let no_padding = Vec::new();
    let padding = key
        .get("top_tree_padding_nodes")
        .and_then(Value::as_array)
        .unwrap_or(&no_padding);
    let padding = padding.iter().map(|node| {
        Ok(PaddingNode {
            layer: parse(node, "layer")?,
            index: parse(node, "index")?,
            node: fixed(little_endian(&array::<8>(node, "node")?))?,
        })
    });
    let material = KeyMaterial::from_parts(
        instance,
        Derivation::Spec,
        bytes(key, "prf_key")?,
        &fixed(little_endian(&array::<5>(key, "parameter")?))?,
        either("expanded_activation_epoch", "activation_epoch")?,
        either("expanded_num_active_epochs", "num_active_epochs")?,
        &padding.collect::<Result<Vec<_>>>()?,
    );
    Ok(material?)
}
