//! The framing of requests and responses, whole messages at a time.

use quartet_network::wire::{
    MAX_ERROR_BYTES, MAX_MESSAGE_BYTES, ResultCode, decode_chunk, decode_frames, decode_payload,
    decode_varint, encode_chunk, encode_frames, encode_payload, encode_varint,
};

use crate::input::Input;

/// Whatever decodes is within the limits, and comes out of our own encoding of it again.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let kind = input.below(5);
    let (min, max) = match input.below(3) {
        0 => (0, MAX_MESSAGE_BYTES),
        1 => (80, 80),
        _ => (input.below(64), input.below(200)),
    };
    let bytes = input.rest();
    match kind {
        0 => varint(bytes),
        1 => frames(bytes, max),
        2 => payload(bytes, min, max),
        3 => chunk(bytes),
        _ => {
            // What we send, every peer of our kind can read.
            let payload = encode_payload(bytes).unwrap();
            assert_eq!(decode_payload(&payload, 0, bytes.len()).unwrap(), bytes);
            let chunk = encode_chunk(ResultCode::Success, bytes).unwrap();
            assert_eq!(decode_chunk(&chunk).unwrap().payload, bytes);
            assert_eq!(
                decode_frames(&encode_frames(bytes).unwrap(), bytes.len()).unwrap(),
                bytes
            );
        }
    }
}

fn varint(bytes: &[u8]) {
    if let Ok((number, rest)) = decode_varint(bytes) {
        let taken = &bytes[..bytes.len() - rest.len()];
        assert_eq!(encode_varint(number), taken, "not the shortest form");
    }
}

fn frames(bytes: &[u8], max: usize) {
    if let Ok(plain) = decode_frames(bytes, max) {
        assert!(plain.len() <= max);
        assert_eq!(
            decode_frames(&encode_frames(&plain).unwrap(), max).unwrap(),
            plain
        );
    }
}

fn payload(bytes: &[u8], min: usize, max: usize) {
    if let Ok(plain) = decode_payload(bytes, min, max) {
        assert!((min..=max).contains(&plain.len()));
        let again = encode_payload(&plain).unwrap();
        assert_eq!(decode_payload(&again, min, max).unwrap(), plain);
    }
}

fn chunk(bytes: &[u8]) {
    if let Ok(chunk) = decode_chunk(bytes) {
        assert!(chunk.code == ResultCode::Success || chunk.payload.len() <= MAX_ERROR_BYTES);
        let again = encode_chunk(chunk.code, &chunk.payload).unwrap();
        assert_eq!(decode_chunk(&again).unwrap(), chunk);
    }
}
