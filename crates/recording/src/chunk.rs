//! Frames on disk: some of them together, compressed, with length and checksum.
//!
//! A chunk is `length: u32 | crc32: u32 | payload`, numbers little-endian; its payload is `signatures: u32 |
//! compressed: u32 | frames, compressed | signatures`. Signatures are as good as random: they are not compressed.

use std::io::{self, Read};

use quartet_types::{SIGNATURE_BYTES, Signature};

use crate::{
    Frame,
    codec::{Decoder, Encoder, Tables},
    error::Damage,
};

/// Length and checksum.
pub(crate) const HEAD_BYTES: usize = 8;
/// Longest payload that is read: a keyframe of the longest chain with the fullest registry has some 40 MiB.
const MAX_PAYLOAD: usize = 256 << 20;
/// Most memory that the frames of a chunk take: 16 million votes, those of 4,096 validators in 4,000 slots without finality.
const MAX_DECODED: usize = 2 << 30;

/// The chunk with what an encoder has gathered, which is empty then and keeps its tables.
pub(crate) fn chunk(encoder: &mut Encoder) -> io::Result<Vec<u8>> {
    let compressed = snap::raw::Encoder::new().compress_vec(&encoder.out)?;
    let signatures = &encoder.signatures;
    let length = 8 + compressed.len() + signatures.len() * SIGNATURE_BYTES;
    let mut chunk = Vec::with_capacity(HEAD_BYTES + length);
    for number in [length, 0, signatures.len(), compressed.len()] {
        let number = u32::try_from(number).map_err(io::Error::other)?;
        chunk.extend_from_slice(&number.to_le_bytes());
    }
    chunk.extend_from_slice(&compressed);
    for signature in signatures {
        chunk.extend_from_slice(signature.as_bytes());
    }
    let checksum = crc32fast::hash(&chunk[HEAD_BYTES..]);
    chunk[4..HEAD_BYTES].copy_from_slice(&checksum.to_le_bytes());
    encoder.out.clear();
    encoder.signatures.clear();
    Ok(chunk)
}

/// The frames of the next chunk; `None` at the end of the file. `at` is where it begins, for the report of damage.
pub(crate) fn read_chunk(
    file: &mut impl Read,
    tables: &mut Tables,
    at: &mut u64,
) -> Result<Option<Vec<Frame>>, Damage> {
    let mut head = [0; HEAD_BYTES];
    match fill(file, &mut head)? {
        0 => return Ok(None),
        HEAD_BYTES => {}
        _ => return Err(Damage::Torn(*at)),
    }
    let [length, checksum] = [&head[..4], &head[4..]].map(number);
    if length as usize > MAX_PAYLOAD {
        return Err(Damage::Broken(*at));
    }
    let mut payload = Vec::new();
    let read = file.take(length.into()).read_to_end(&mut payload);
    read.map_err(|error| Damage::Unreadable(error.to_string()))?;
    if payload.len() < length as usize {
        return Err(Damage::Torn(*at));
    }
    let frames = if crc32fast::hash(&payload) == checksum {
        decode(&payload, tables)
    } else {
        None
    };
    let frames = frames.ok_or(Damage::Broken(*at))?;
    *at += (HEAD_BYTES + payload.len()) as u64;
    Ok(Some(frames))
}

fn decode(payload: &[u8], tables: &mut Tables) -> Option<Vec<Frame>> {
    let (signatures, rest) = payload.split_at_checked(4)?;
    let (compressed, rest) = rest.split_at_checked(4)?;
    let [signatures, compressed] = [signatures, compressed].map(number);
    let (compressed, rest) = rest.split_at_checked(compressed as usize)?;
    let expected = (signatures as usize).checked_mul(SIGNATURE_BYTES)?;
    if rest.len() != expected || snap::raw::decompress_len(compressed).ok()? > MAX_PAYLOAD {
        return None;
    }
    for signature in rest.chunks_exact(SIGNATURE_BYTES) {
        tables.signatures.push(Signature::try_from(signature).ok()?);
    }
    let bytes = snap::raw::Decoder::new().decompress_vec(compressed).ok()?;
    let mut decoder = Decoder::new(&bytes, tables, MAX_DECODED);
    let mut frames = Vec::new();
    while !decoder.is_empty() {
        frames.push(decoder.item(Frame::decode).ok()?);
    }
    Some(frames)
}

fn number(bytes: &[u8]) -> u32 {
    bytes.try_into().map_or(0, u32::from_le_bytes)
}

/// Reads until the buffer is full or the file ends, and says how much that was.
fn fill(file: &mut impl Read, buffer: &mut [u8]) -> Result<usize, Damage> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Damage::Unreadable(error.to_string())),
        }
    }
    Ok(filled)
}
