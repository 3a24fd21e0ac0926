//! The wire's functions against the reference vectors `own/gossip.json` and `own/reqresp.json`.

#![allow(clippy::unwrap_used, reason = "everything here is a test")]

use std::fs;

use quartet_network::wire::{
    MAX_MESSAGE_BYTES, Topic, compress, decode_chunk, decode_payload, decompress, encode_chunk,
    encode_payload, message_id,
};
use quartet_spec_tests::Vectors;
use serde_json::Value;

fn vectors(file: &str) -> Value {
    let vectors = Vectors::find(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let text = fs::read(vectors.root().join(file));
    serde_json::from_slice(&text.unwrap()).unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    const_hex::decode(value.as_str().unwrap()).unwrap()
}

#[test]
fn topics_and_message_ids_are_those_of_the_vectors() {
    let vectors = vectors("own/gossip.json");
    for (fork, topics) in vectors["topics"].as_object().unwrap() {
        for topic in Topic::ALL {
            assert_eq!(topics[topic.word()], topic.name(fork));
        }
    }
    let cases = vectors["cases"].as_array().unwrap();
    assert!(!cases.is_empty());
    for case in cases {
        let topic = case["topic"].as_str().unwrap();
        let data = bytes(&case["data"]);
        assert_eq!(
            message_id(topic, &data).to_vec(),
            bytes(&case["message_id"])
        );
        let plain = decompress(&data, MAX_MESSAGE_BYTES);
        assert_eq!(plain.is_ok(), case["snappy_valid"], "{case}");
        if let Ok(plain) = plain {
            assert_eq!(plain, bytes(&case["decompressed"]));
            let again = compress(&plain).unwrap();
            assert_eq!(decompress(&again, plain.len()).unwrap(), plain);
        }
    }
}

#[test]
fn requests_and_responses_are_those_of_the_vectors() {
    let vectors = vectors("own/reqresp.json");
    let cases = vectors["cases"].as_array().unwrap();
    assert!(!cases.is_empty());
    for case in cases {
        let (ssz, wire) = (bytes(&case["ssz"]), bytes(&case["wire"]));
        match case["kind"].as_str().unwrap() {
            "request" => {
                assert_eq!(decode_payload(&wire, 0, MAX_MESSAGE_BYTES).unwrap(), ssz);
                let ours = encode_payload(&ssz).unwrap();
                assert_eq!(decode_payload(&ours, 0, ssz.len()).unwrap(), ssz);
            }
            "response_chunk" => {
                let chunk = decode_chunk(&wire).unwrap();
                assert_eq!(chunk.code as u64, case["code"]);
                assert_eq!(chunk.payload, ssz);
                let ours = encode_chunk(chunk.code, &ssz).unwrap();
                assert_eq!(decode_chunk(&ours).unwrap(), chunk);
            }
            other => panic!("a kind of case that this test does not know: {other}"),
        }
    }
}
