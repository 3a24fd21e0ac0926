//! Whole signatures and keys against the reference vectors: every key, every valid and invalid case.

mod common;

use common::{elements, hex, hex_array, list, number, padded, scheme_files};
use quartet_xmss::{
    Backend, Derivation, Instance, KeyMaterial, PaddingNode, PublicKey, Scheme, SecretKey,
    Signature, Threads, Verification, primitives,
};
use serde_json::Value;

/// The signature as it is on the wire; one that does not decode stays what it is, padded.
fn wire(scheme: Scheme, case: &Value) -> Vec<u8> {
    if case["signature_ssz_container"].is_string() {
        return padded(hex(&case["signature_ssz_container"]));
    }
    let plain = hex(&case["signature"]);
    primitives::signature_from_plain(scheme, &plain)
        .map_or(padded(plain), |signature| signature.to_bytes().to_vec())
}

#[test]
fn every_case_has_the_specified_verdict_on_every_back_end() {
    for (instance, content) in scheme_files() {
        let cases: Vec<&Value> = list(&content["valid"])
            .iter()
            .chain(list(&content["invalid"]))
            .collect();
        let keys: Vec<[u8; 52]> = cases
            .iter()
            .map(|case| hex_array(&case["public_key"]))
            .collect();
        let messages: Vec<[u8; 32]> = cases
            .iter()
            .map(|case| hex_array(&case["message"]))
            .collect();
        let signatures: Vec<Vec<u8>> = cases
            .iter()
            .map(|case| wire(instance.scheme, case))
            .collect();
        let verifications: Vec<Verification<'_>> = (0..cases.len())
            .map(|i| Verification {
                public_key: &keys[i],
                epoch: number(&cases[i]["epoch"]),
                message: &messages[i],
                signature: &signatures[i],
            })
            .collect();
        let expected: Vec<bool> = cases
            .iter()
            .map(|case| case["valid"].as_bool().expect("a verdict"))
            .collect();
        for backend in Backend::all() {
            assert_eq!(
                instance.verify_many_on(backend, &verifications),
                expected,
                "{instance:?} {backend:?}"
            );
            for (i, verification) in verifications.iter().enumerate() {
                let alone = instance.verify_many_on(backend, std::slice::from_ref(verification));
                assert_eq!(
                    alone,
                    [expected[i]],
                    "{instance:?} {backend:?} {}",
                    cases[i]["name"]
                );
            }
        }
        assert_eq!(instance.verify_many_parallel(&verifications), expected);
    }
}

#[test]
fn containers_decode_and_encode_to_the_same_bytes() {
    for (instance, content) in scheme_files() {
        for case in list(&content["valid"]) {
            let bytes = wire(instance.scheme, case);
            let signature =
                Signature::from_bytes(instance.scheme, &bytes).expect("a valid container");
            assert_eq!(signature.to_bytes()[..], bytes);
            let plain = primitives::signature_from_plain(instance.scheme, &hex(&case["signature"]));
            assert_eq!(plain, Ok(signature));
            let key = hex_array::<52>(&case["public_key"]);
            assert_eq!(
                PublicKey::from_bytes(&key).expect("a valid key").to_bytes(),
                key
            );
        }
    }
}

#[test]
fn non_canonical_elements_are_named_when_refused() {
    for (instance, content) in scheme_files() {
        for case in list(&content["invalid"]) {
            if case["name"]
                .as_str()
                .is_some_and(|name| name.starts_with("non_canonical"))
            {
                let plain =
                    primitives::signature_from_plain(instance.scheme, &hex(&case["signature"]));
                let error = plain.expect_err("not canonical").to_string();
                assert!(error.contains("not below the prime"), "{error}");
            }
        }
    }
}

/// The key as the vectors describe it. The elements of the parameter and the padding nodes are canonical.
fn material(instance: Instance, key: &Value) -> KeyMaterial {
    let count = key
        .get("expanded_num_active_epochs")
        .unwrap_or(&key["num_active_epochs"]);
    let start = key
        .get("expanded_activation_epoch")
        .unwrap_or(&key["activation_epoch"]);
    let parameter: [u32; 5] = elements(&key["parameter"]);
    let mut bytes = [0; 20];
    bytes.copy_from_slice(&parameter.map(u32::to_le_bytes).concat());
    let padding: Vec<PaddingNode> = key["top_tree_padding_nodes"]
        .as_array()
        .map_or(&[][..], Vec::as_slice)
        .iter()
        .map(|node| {
            let mut bytes = [0; 32];
            bytes.copy_from_slice(&elements::<8>(&node["node"]).map(u32::to_le_bytes).concat());
            PaddingNode {
                layer: number(&node["layer"]) as u32,
                index: number(&node["index"]),
                node: bytes,
            }
        })
        .collect();
    let prf_key = hex_array(&key["prf_key"]);
    KeyMaterial::from_parts(
        instance,
        Derivation::Spec,
        prf_key,
        &bytes,
        number(start),
        number(count),
        &padding,
    )
    .expect("a key")
}

/// Builds the key and signs all its cases. Without the padding nodes, only the parts of a signature that do not
/// depend on them can be compared.
fn signs_as_specified(instance: Instance, content: &Value, key: &Value) {
    let mut secret = SecretKey::build(material(instance, key), Threads::Pool, &|_| ());
    let whole = key["root_is_function_of_prf_key_and_parameter"]
        .as_bool()
        .unwrap_or(true);
    assert_eq!(
        secret.public_key().to_bytes() == hex_array(&key["public_key"]),
        whole
    );
    for case in list(&content["valid"])
        .iter()
        .filter(|case| case["key"] == key["name"])
    {
        let (epoch, message) = (number(&case["epoch"]), hex_array(&case["message"]));
        secret.prepare(epoch).expect("an undamaged key");
        let expected = wire(instance.scheme, case);
        for backend in Backend::all() {
            let signature = secret.sign_on(backend, epoch, &message).expect("prepared");
            if whole {
                assert_eq!(signature[..], expected, "{} {backend:?}", case["name"]);
            } else {
                // Offsets, randomness, and chain values.
                assert_eq!(signature[..40], expected[..40]);
                assert_eq!(signature[40 + 32 * 8..], expected[40 + 32 * 8..]);
                let public_key = secret.public_key().to_bytes();
                let verification = Verification {
                    public_key: &public_key,
                    epoch,
                    message: &message,
                    signature: &signature[..],
                };
                assert!(instance.verify(&verification));
            }
        }
    }
}

#[test]
fn test_keys_sign_byte_for_byte_as_specified() {
    for (instance, content) in scheme_files() {
        if instance.scheme == Scheme::Test {
            for key in list(&content["keys"]) {
                signs_as_specified(instance, &content, key);
            }
        }
    }
}

#[test]
fn production_keys_sign_byte_for_byte_as_specified() {
    // A key takes seconds to build: one of each order.
    for (instance, content) in scheme_files() {
        if instance.scheme == Scheme::Production {
            signs_as_specified(instance, &content, &list(&content["keys"])[0]);
        }
    }
}
