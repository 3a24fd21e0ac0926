//! The bytes of requests and answers, written and read by this crate itself: a checker that shares a node's code shares its faults.
//!
//! A payload is the length of its SSZ as a varint, then the SSZ in the framing format of snappy. Before it, in answers, comes a code.

use futures::{AsyncRead, AsyncReadExt as _};

/// The beginning of a framed stream.
pub(crate) const IDENTIFIER: [u8; 10] = *b"\xff\x06\x00\x00sNaPpY";
/// A chunk with compressed data, and one with data as they are.
pub(crate) const COMPRESSED: u8 = 0x00;
/// See [`COMPRESSED`].
pub(crate) const UNCOMPRESSED: u8 = 0x01;
/// Most data of a chunk.
pub(crate) const MAX_CHUNK_DATA: usize = 65_536;
/// Most bytes of a chunk's body: the checksum, and data that did not get shorter.
const MAX_CHUNK_BODY: usize = 4 + 32 + MAX_CHUNK_DATA + MAX_CHUNK_DATA / 6;
/// The longest SSZ there may be, in bytes.
pub(crate) const MAX_SSZ: usize = 10 << 20;
/// The longest message of an error.
pub(crate) const MAX_ERROR: usize = 256;

/// Why bytes are no payload.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    #[error("ends in the middle of {0}")]
    Truncated(&'static str),
    #[error("a length prefix of more than ten bytes")]
    Varint,
    #[error("a length of {0} bytes")]
    Length(u64),
    #[error("no stream identifier of framed snappy")]
    Identifier,
    #[error("a snappy chunk of kind {0:#04x}")]
    Kind(u8),
    #[error("a snappy chunk of {0} bytes")]
    Chunk(usize),
    #[error("a snappy chunk whose checksum is wrong")]
    Checksum,
    #[error("a snappy chunk that does not decompress")]
    Snappy,
    #[error("{found} bytes in frames where {announced} are announced")]
    More { announced: usize, found: usize },
    #[error("the stream failed: {0}")]
    Stream(std::io::ErrorKind),
}

/// A number in groups of seven bits, the lowest first.
pub(crate) fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

/// A chunk of the framing format.
pub(crate) fn chunk(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = (body.len() as u32).to_le_bytes();
    [&[kind], &length[..3], body].concat()
}

/// The body of a chunk with data as they are.
pub(crate) fn plain_body(data: &[u8]) -> Vec<u8> {
    [&masked_checksum(data).to_le_bytes()[..], data].concat()
}

/// The body of a chunk with compressed data.
pub(crate) fn compressed_body(data: &[u8]) -> Vec<u8> {
    let compressed = block(data);
    [&masked_checksum(data).to_le_bytes()[..], &compressed].concat()
}

/// Data in snappy's block format, as gossip has them.
pub(crate) fn block(data: &[u8]) -> Vec<u8> {
    // It fails for more than four gigabytes only.
    snap::raw::Encoder::new()
        .compress_vec(data)
        .unwrap_or_default()
}

/// Data from snappy's block format, at most [`MAX_SSZ`] bytes.
pub(crate) fn unblock(data: &[u8]) -> Option<Vec<u8>> {
    if data.is_empty() || snap::raw::decompress_len(data).ok()? > MAX_SSZ {
        return None;
    }
    snap::raw::Decoder::new().decompress_vec(data).ok()
}

/// Data in the framing format.
pub(crate) fn framed(data: &[u8]) -> Vec<u8> {
    let mut bytes = IDENTIFIER.to_vec();
    for part in data.chunks(MAX_CHUNK_DATA) {
        bytes.extend(chunk(COMPRESSED, &compressed_body(part)));
    }
    bytes
}

/// A payload as it should be.
pub(crate) fn payload(ssz: &[u8]) -> Vec<u8> {
    [varint(ssz.len() as u64), framed(ssz)].concat()
}

/// An answer as it should be.
pub(crate) fn answer(code: u8, ssz: &[u8]) -> Vec<u8> {
    [vec![code], payload(ssz)].concat()
}

/// CRC-32C with the mask of the framing format.
pub(crate) fn masked_checksum(data: &[u8]) -> u32 {
    let checksum = crc32c(data);
    checksum.rotate_right(15).wrapping_add(0xa282_ead8)
}

fn crc32c(data: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        let index = (crc ^ u32::from(*byte)) & 0xff;
        CRC_TABLE[index as usize] ^ (crc >> 8)
    };
    !data.iter().fold(!0, step)
}

/// By Castagnoli's polynomial, reflected.
static CRC_TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut value = index as u32;
        let mut bit = 0;
        while bit < 8 {
            value = match value & 1 {
                1 => (value >> 1) ^ 0x82f6_3b78,
                _ => value >> 1,
            };
            bit += 1;
        }
        table[index] = value;
        index += 1;
    }
    table
};

/// Reads a varint of at most ten bytes.
pub(crate) async fn read_varint<R: AsyncRead + Unpin>(stream: &mut R) -> Result<u64, Malformed> {
    let mut number = 0u64;
    for shift in (0..70).step_by(7) {
        let [byte] = read(stream, "the length").await?;
        let bits = u64::from(byte & 0x7f);
        if shift == 63 && bits > 1 {
            return Err(Malformed::Varint);
        }
        number |= bits << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(Malformed::Varint)
}

/// Reads a payload of at most `max` bytes, and no byte beyond.
pub(crate) async fn read_payload<R: AsyncRead + Unpin>(
    stream: &mut R,
    max: usize,
) -> Result<Vec<u8>, Malformed> {
    let announced = read_varint(stream).await?;
    let length = usize::try_from(announced)
        .ok()
        .filter(|length| *length <= max)
        .ok_or(Malformed::Length(announced))?;
    let mut data = Vec::new();
    if length == 0 {
        return Ok(data);
    }
    if read::<10, _>(stream, "the stream identifier").await? != IDENTIFIER {
        return Err(Malformed::Identifier);
    }
    while data.len() < length {
        read_chunk(stream, &mut data).await?;
    }
    match data.len() {
        found if found == length => Ok(data),
        found => Err(Malformed::More {
            announced: length,
            found,
        }),
    }
}

async fn read_chunk<R: AsyncRead + Unpin>(
    stream: &mut R,
    data: &mut Vec<u8>,
) -> Result<(), Malformed> {
    let [kind, a, b, c] = read(stream, "a snappy chunk").await?;
    let length = u32::from_le_bytes([a, b, c, 0]) as usize;
    if !matches!(kind, COMPRESSED | UNCOMPRESSED | 0x80..=0xff) {
        return Err(Malformed::Kind(kind));
    }
    if length > MAX_CHUNK_BODY {
        return Err(Malformed::Chunk(length));
    }
    let mut body = vec![0; length];
    stream
        .read_exact(&mut body)
        .await
        .map_err(|error| broken(&error, "a snappy chunk"))?;
    if kind >= 0x80 {
        return Ok(());
    }
    let (checksum, body) = body
        .split_at_checked(4)
        .ok_or(Malformed::Truncated("a snappy chunk"))?;
    let plain = match kind {
        COMPRESSED => unblock(body).ok_or(Malformed::Snappy)?,
        _ => body.to_vec(),
    };
    if masked_checksum(&plain).to_le_bytes() != *checksum {
        return Err(Malformed::Checksum);
    }
    data.extend(plain);
    Ok(())
}

async fn read<const N: usize, R: AsyncRead + Unpin>(
    stream: &mut R,
    what: &'static str,
) -> Result<[u8; N], Malformed> {
    let mut bytes = [0; N];
    let read = stream.read_exact(&mut bytes).await;
    read.map_err(|error| broken(&error, what))?;
    Ok(bytes)
}

fn broken(error: &std::io::Error, what: &'static str) -> Malformed {
    match error.kind() {
        std::io::ErrorKind::UnexpectedEof => Malformed::Truncated(what),
        kind => Malformed::Stream(kind),
    }
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt as _, io::Cursor};

    use super::*;

    fn read_back(bytes: &[u8]) -> Result<Vec<u8>, Malformed> {
        let mut stream = Cursor::new(bytes);
        read_payload(&mut stream, MAX_SSZ).now_or_never().unwrap()
    }

    #[test]
    fn the_checksum_is_that_of_the_format() {
        // The check value of CRC-32C.
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn other_implementations_read_what_is_written() {
        use std::io::Read as _;
        let data: Vec<u8> = (0..200_000u32).map(|i| (i / 7) as u8).collect();
        let mut read = Vec::new();
        let framed = framed(&data);
        let mut reader = snap::read::FrameDecoder::new(framed.as_slice());
        reader.read_to_end(&mut read).unwrap();
        assert_eq!(read, data);
        assert_eq!(read_back(&payload(&data)), Ok(data));
    }

    #[test]
    fn damaged_chunks_are_refused() {
        let whole = payload(b"abcdefgh");
        let mut damaged = whole.clone();
        *damaged.last_mut().unwrap() ^= 1;
        assert!(matches!(
            read_back(&damaged),
            Err(Malformed::Checksum | Malformed::Snappy)
        ));
        assert!(matches!(
            read_back(&whole[..whole.len() - 1]),
            Err(Malformed::Truncated(_))
        ));
        assert_eq!(read_back(&[0x80; 11]), Err(Malformed::Varint));
        let longer = [varint(7), framed(b"abcdefgh")].concat();
        assert_eq!(
            read_back(&longer),
            Err(Malformed::More {
                announced: 7,
                found: 8
            })
        );
    }

    #[test]
    fn numbers_are_read_back() {
        for number in [0, 1, 127, 128, 300, u64::MAX] {
            let bytes = varint(number);
            let mut stream = Cursor::new(&bytes[..]);
            assert_eq!(read_varint(&mut stream).now_or_never().unwrap(), Ok(number));
        }
    }
}
