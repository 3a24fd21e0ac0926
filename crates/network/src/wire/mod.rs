//! What the network's bytes mean: topics, message ids, compression and the framing of requests.
//!
//! Plain functions over bytes and streams; nothing here knows peers, limits of rate or the swarm. Every
//! length that a peer announces is checked against its bound before anything is allocated for it.

mod chunk;
mod error;
mod frames;
mod gossip;
mod topic;

pub use chunk::{
    Chunk, ResultCode, decode_chunk, decode_payload, decode_varint, encode_chunk, encode_payload,
    encode_varint,
};
pub use error::WireError;
pub use frames::{decode_frames, encode_frames};
pub use gossip::{
    Domain, MESSAGE_ID_BYTES, announced_bytes, compress, decompress, message_id,
    message_id_in_domain,
};
pub use topic::Topic;

pub(crate) use chunk::{
    read_body, read_fixed_payload, read_length, read_payload, read_result_code,
};

/// Largest gossip message or response chunk, in bytes of SSZ: 10 MiB. Source: consensus-specs `phase0/p2p-interface.md`
/// (`MAX_PAYLOAD_SIZE`), which leanSpec follows.
pub const MAX_MESSAGE_BYTES: usize = 10 << 20;
/// Largest message of an error chunk, in bytes. Source: consensus-specs `phase0/p2p-interface.md` (`ErrorMessage`).
pub const MAX_ERROR_BYTES: usize = 256;

/// Most bytes that snappy's block format can make of `plain` bytes (the format's own bound).
pub const fn max_compressed_bytes(plain: usize) -> usize {
    32 + plain + plain / 6
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_bound_of_what_compression_makes_is_the_formats_own() {
        for plain in [0, 1, 5, 6, 80, 3_248, 1 << 16, super::MAX_MESSAGE_BYTES] {
            let bound = snap::raw::max_compress_len(plain);
            assert_eq!(super::max_compressed_bytes(plain), bound, "{plain}");
        }
    }
}
