//! Framed snappy, as requests and responses carry it, read chunk by chunk from a stream.
//!
//! The reader takes from the stream exactly the chunks that hold the announced number of bytes and not
//! one byte more: some peers never close their streams, and responses follow each other on one.

use std::io::{Read as _, Write as _};

use futures::{AsyncRead, AsyncReadExt as _, FutureExt as _, io::Cursor};

use super::{WireError, max_compressed_bytes};

/// What framed snappy begins with: a chunk of kind 0xff that holds `sNaPpY`.
const IDENTIFIER: [u8; 10] = *b"\xff\x06\x00\x00sNaPpY";
/// Most bytes of data in a chunk, before compression.
const MAX_CHUNK_DATA: usize = 1 << 16;
/// Most bytes of a data chunk's body: a checksum and the compressed data.
const MAX_CHUNK_BODY: usize = 4 + max_compressed_bytes(MAX_CHUNK_DATA);

const COMPRESSED: u8 = 0x00;
const UNCOMPRESSED: u8 = 0x01;
const IDENTIFIER_KIND: u8 = 0xff;

/// Frames `data`. Nothing is framed as the identifier alone.
///
/// # Errors
/// When the compressor fails, which it has no reason to where it writes into memory.
pub fn encode_frames(data: &[u8]) -> Result<Vec<u8>, WireError> {
    if data.is_empty() {
        return Ok(IDENTIFIER.to_vec());
    }
    let mut encoder = snap::write::FrameEncoder::new(Vec::new());
    encoder.write_all(data)?;
    let flushed = encoder.into_inner();
    flushed.map_err(|error| WireError::from(std::io::Error::from(error.error().kind())))
}

/// Takes frames that hold all of `framed` and at most `max` bytes of data.
///
/// # Errors
/// When they are not that.
pub fn decode_frames(framed: &[u8], max: usize) -> Result<Vec<u8>, WireError> {
    let mut stream = Cursor::new(framed);
    let mut frames = Frames::new(max);
    // A stream in memory is always ready.
    let read = async {
        frames.identifier(&mut stream).await?;
        while (stream.position() as usize) < framed.len() {
            frames.chunk(&mut stream).await?;
        }
        Ok(())
    };
    read.now_or_never().unwrap_or(Err(WireError::Truncated))?;
    let found = frames.plain;
    frames.decompress(found)
}

/// Reads frames that hold `expected` bytes, and no byte beyond them.
pub(crate) async fn read_frames<R: AsyncRead + Unpin>(
    stream: &mut R,
    expected: usize,
) -> Result<Vec<u8>, WireError> {
    let mut frames = Frames::new(expected);
    frames.identifier(stream).await?;
    while frames.plain < expected {
        frames.chunk(stream).await?;
    }
    frames.decompress(expected)
}

/// Frames as they come in. Grows with what has arrived, never with what is announced.
struct Frames {
    /// The identifier and the data chunks.
    framed: Vec<u8>,
    /// Bytes of data in them.
    plain: usize,
    /// Bytes taken from the stream.
    taken: usize,
    /// Most bytes of data.
    max_plain: usize,
    /// Most bytes to take: twice what a sensible sender needs.
    max_taken: usize,
}

impl Frames {
    fn new(max_plain: usize) -> Self {
        Self {
            framed: Vec::new(),
            plain: 0,
            taken: 0,
            max_plain,
            max_taken: 1024 + 2 * max_compressed_bytes(max_plain),
        }
    }

    async fn identifier<R: AsyncRead + Unpin>(&mut self, stream: &mut R) -> Result<(), WireError> {
        let mut found = [0; IDENTIFIER.len()];
        stream.read_exact(&mut found).await?;
        if found != IDENTIFIER {
            return Err(WireError::NotFramedSnappy);
        }
        self.framed.extend_from_slice(&found);
        Ok(())
    }

    async fn chunk<R: AsyncRead + Unpin>(&mut self, stream: &mut R) -> Result<(), WireError> {
        let mut header = [0; 4];
        stream.read_exact(&mut header).await?;
        let [kind, length @ ..] = header;
        let length = u32::from_le_bytes([length[0], length[1], length[2], 0]) as usize;

        self.taken += header.len() + length;
        if self.taken > self.max_taken {
            return Err(WireError::WastefulFrames(self.max_taken));
        }
        match kind {
            COMPRESSED | UNCOMPRESSED => self.data(stream, header, length).await,
            0x80..=IDENTIFIER_KIND => skip(stream, length).await,
            unknown => Err(WireError::UnknownSnappyChunk(unknown)),
        }
    }

    async fn data<R: AsyncRead + Unpin>(
        &mut self,
        stream: &mut R,
        header: [u8; 4],
        length: usize,
    ) -> Result<(), WireError> {
        if length > MAX_CHUNK_BODY {
            return Err(WireError::SnappyChunkLength {
                max: MAX_CHUNK_BODY,
                found: length,
            });
        }
        self.framed.extend_from_slice(&header);
        let start = self.framed.len();
        self.framed.resize(start + length, 0);
        stream.read_exact(&mut self.framed[start..]).await?;

        let (_checksum, body) = self.framed[start..]
            .split_at_checked(4)
            .ok_or(WireError::Truncated)?;
        self.plain += match header[0] {
            COMPRESSED => snap::raw::decompress_len(body).map_err(WireError::Snappy)?,
            _ => body.len(),
        };
        if self.plain > self.max_plain {
            return Err(WireError::MoreThanAnnounced {
                expected: self.max_plain,
                found: self.plain,
            });
        }
        Ok(())
    }

    /// The data, with its checksums verified.
    fn decompress(self, length: usize) -> Result<Vec<u8>, WireError> {
        let mut plain = vec![0; length];
        snap::read::FrameDecoder::new(self.framed.as_slice())
            .read_exact(&mut plain)
            .map_err(|error| WireError::DamagedFrames(error.to_string()))?;
        Ok(plain)
    }
}

/// Reads over padding, reserved chunks and repeated identifiers.
async fn skip<R: AsyncRead + Unpin>(stream: &mut R, mut length: usize) -> Result<(), WireError> {
    let mut discarded = [0; 256];
    while length > 0 {
        let part = length.min(discarded.len());
        stream.read_exact(&mut discarded[..part]).await?;
        length -= part;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn chunk(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = (body.len() as u32).to_le_bytes();
        [&[kind], &length[..3], body].concat()
    }

    #[test]
    fn padding_and_repeated_identifiers_are_read_over() {
        let framed = encode_frames(b"some data").unwrap();
        let (identifier, data) = framed.split_at(IDENTIFIER.len());
        let padded = [
            identifier,
            &chunk(0xfe, &[7; 300]),
            identifier,
            &chunk(0x80, b""),
            data,
        ]
        .concat();
        assert_eq!(decode_frames(&padded, 9).unwrap(), b"some data");
    }

    #[test]
    fn what_is_not_framed_snappy_is_refused() {
        let framed = encode_frames(&[7; 100]).unwrap();
        let mut damaged = framed.clone();
        *damaged.last_mut().unwrap() ^= 1;
        let cases = [
            (vec![], WireError::Truncated),
            (vec![0; 10], WireError::NotFramedSnappy),
            (framed[..framed.len() - 1].to_vec(), WireError::Truncated),
            (
                [&IDENTIFIER[..], &chunk(0x03, b"")].concat(),
                WireError::UnknownSnappyChunk(3),
            ),
            (
                [&IDENTIFIER[..], &chunk(COMPRESSED, b"abc")].concat(),
                WireError::Truncated,
            ),
            (
                [&IDENTIFIER[..], &[UNCOMPRESSED, 0xff, 0xff, 0x01]].concat(),
                WireError::SnappyChunkLength {
                    max: MAX_CHUNK_BODY,
                    found: 0x1_ffff,
                },
            ),
        ];
        for (bytes, error) in cases {
            assert_eq!(decode_frames(&bytes, 1 << 20), Err(error));
        }
        assert!(matches!(
            decode_frames(&damaged, 100),
            Err(WireError::DamagedFrames(_) | WireError::Snappy(_))
        ));
        assert_eq!(
            decode_frames(&framed, 99),
            Err(WireError::MoreThanAnnounced {
                expected: 99,
                found: 100
            })
        );
    }

    #[test]
    fn endless_padding_is_refused() {
        let padding = chunk(0xfe, &[0; 1000]);
        let endless = [&IDENTIFIER[..], &padding.repeat(100)].concat();
        assert!(matches!(
            decode_frames(&endless, 80),
            Err(WireError::WastefulFrames(_))
        ));
    }

    #[test]
    fn padding_may_be_as_much_as_a_sensible_sender_takes_for_the_data() {
        let framed = encode_frames(&[7; 80]).unwrap();
        let (identifier, data) = framed.split_at(IDENTIFIER.len());
        let most = 1024 + 2 * max_compressed_bytes(80);
        let padded = |taken: usize| {
            let padding = chunk(0xfe, &vec![0; taken - data.len() - 4]);
            decode_frames(&[identifier, &padding, data].concat(), 80)
        };
        assert_eq!(padded(most).unwrap(), [7; 80]);
        assert_eq!(padded(most + 1), Err(WireError::WastefulFrames(most)));
    }

    #[test]
    fn a_chunk_may_be_as_long_as_the_format_allows_and_no_longer() {
        let framed = |length: usize| {
            let body = chunk(UNCOMPRESSED, &vec![0; length]);
            decode_frames(&[&IDENTIFIER[..], &body].concat(), 1 << 20)
        };
        let max = MAX_CHUNK_BODY;
        // It is read; what it holds is damaged.
        assert!(matches!(framed(max), Err(WireError::DamagedFrames(_))));
        let found = max + 1;
        let too_long = WireError::SnappyChunkLength { max, found };
        assert_eq!(framed(found), Err(too_long));
    }

    #[test]
    fn a_reader_takes_no_byte_beyond_the_data() {
        let framed = encode_frames(b"first").unwrap();
        let two = [framed.clone(), framed.clone()].concat();
        let mut stream = Cursor::new(&two[..]);
        let read = read_frames(&mut stream, 5).now_or_never().unwrap();
        assert_eq!(read.unwrap(), b"first");
        assert_eq!(stream.position() as usize, framed.len());
    }

    proptest! {
        #[test]
        fn framing_is_undone(data in proptest::collection::vec(any::<u8>(), 0..200_000)) {
            let framed = encode_frames(&data).unwrap();
            prop_assert_eq!(decode_frames(&framed, data.len()).unwrap(), data);
        }

        #[test]
        fn any_bytes_are_either_read_or_refused(bytes: Vec<u8>) {
            let framed = [&IDENTIFIER[..], &bytes].concat();
            if let Ok(data) = decode_frames(&framed, 4096) {
                prop_assert!(data.len() <= 4096);
            }
        }
    }
}
