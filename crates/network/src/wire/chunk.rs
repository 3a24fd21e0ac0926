//! The framing of requests and responses: a length, framed snappy, and before it in responses a result.

use std::io::ErrorKind;

use futures::{AsyncRead, AsyncReadExt as _, FutureExt as _, io::Cursor};

use super::{MAX_ERROR_BYTES, MAX_MESSAGE_BYTES, WireError, encode_frames, frames::read_frames};

/// Most bytes of a varint that holds a 64-bit number.
const MAX_VARINT_BYTES: usize = 10;

/// What a response chunk begins with: one byte. Source: consensus-specs `phase0/p2p-interface.md`, which leanSpec follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ResultCode {
    /// The chunk holds what was asked for.
    Success = 0,
    /// The request broke a rule.
    InvalidRequest = 1,
    /// The responder failed.
    ServerError = 2,
    /// The responder has not what was asked for, or no time for it.
    ResourceUnavailable = 3,
}

/// A response chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Its result.
    pub code: ResultCode,
    /// SSZ of an item if the result is a success, otherwise a message for people.
    pub payload: Vec<u8>,
}

impl TryFrom<u8> for ResultCode {
    type Error = WireError;

    fn try_from(code: u8) -> Result<Self, WireError> {
        match code {
            0 => Ok(Self::Success),
            1 => Ok(Self::InvalidRequest),
            2 => Ok(Self::ServerError),
            3 => Ok(Self::ResourceUnavailable),
            unknown => Err(WireError::ResultCode(unknown)),
        }
    }
}

/// Encodes a number in groups of seven bits, the lowest first.
pub fn encode_varint(number: u64) -> Vec<u8> {
    let mut buffer = unsigned_varint::encode::u64_buffer();
    unsigned_varint::encode::u64(number, &mut buffer).to_vec()
}

/// Takes a varint from the front of `bytes`; returns it and the rest.
///
/// # Errors
/// When it ends early, has more than 64 bits or is not in its shortest form.
pub fn decode_varint(bytes: &[u8]) -> Result<(u64, &[u8]), WireError> {
    use unsigned_varint::decode::Error;
    let (number, rest) = unsigned_varint::decode::u64(bytes).map_err(|error| match error {
        Error::Insufficient => WireError::Truncated,
        _ => WireError::Varint,
    })?;
    // The crate drops what a tenth byte has beyond the 64th bit.
    let taken = bytes.len() - rest.len();
    if taken == MAX_VARINT_BYTES && bytes[taken - 1] > 1 {
        Err(WireError::Varint)
    } else {
        Ok((number, rest))
    }
}

/// Encodes a request, or what follows the result in a response: the length, then framed snappy.
///
/// # Errors
/// As [`encode_frames`].
pub fn encode_payload(ssz: &[u8]) -> Result<Vec<u8>, WireError> {
    let mut payload = encode_varint(ssz.len() as u64);
    payload.extend(encode_frames(ssz)?);
    Ok(payload)
}

/// Takes a request of `min` to `max` bytes of SSZ that fills `bytes`.
///
/// # Errors
/// When it is not that.
pub fn decode_payload(bytes: &[u8], min: usize, max: usize) -> Result<Vec<u8>, WireError> {
    let (length, _) = decode_varint(bytes)?;
    let mut stream = Cursor::new(bytes);
    let payload = (read_payload(&mut stream, min, max).now_or_never())
        .unwrap_or(Err(WireError::Truncated))?;
    let mut rest = &bytes[stream.position() as usize..];
    if length == 0 {
        // Nothing is still framed, which a reader of streams has no need to wait for.
        let nothing = encode_frames(&[])?;
        rest = rest.strip_prefix(nothing.as_slice()).unwrap_or(rest);
    }
    match rest.len() {
        0 => Ok(payload),
        more => Err(WireError::TrailingBytes(more)),
    }
}

/// Encodes a response chunk.
///
/// # Errors
/// As [`encode_frames`].
pub fn encode_chunk(code: ResultCode, payload: &[u8]) -> Result<Vec<u8>, WireError> {
    let mut chunk = vec![code as u8];
    chunk.extend(encode_payload(payload)?);
    Ok(chunk)
}

/// Takes a response chunk that fills `bytes`; an item may have up to [`MAX_MESSAGE_BYTES`], an error's
/// message [`MAX_ERROR_BYTES`].
///
/// # Errors
/// When it is not that.
pub fn decode_chunk(bytes: &[u8]) -> Result<Chunk, WireError> {
    let (code, rest) = bytes.split_first().ok_or(WireError::Truncated)?;
    let code = ResultCode::try_from(*code)?;
    let max = match code {
        ResultCode::Success => MAX_MESSAGE_BYTES,
        _ => MAX_ERROR_BYTES,
    };
    let payload = decode_payload(rest, 0, max)?;
    Ok(Chunk { code, payload })
}

/// Reads the result of the next chunk, or `None` when the stream ends before it.
pub(crate) async fn read_result_code<R: AsyncRead + Unpin>(
    stream: &mut R,
) -> Result<Option<ResultCode>, WireError> {
    let mut code = [0];
    match stream.read_exact(&mut code).await {
        Ok(()) => ResultCode::try_from(code[0]).map(Some),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Reads a length of `min` to `max` and as many bytes in framed snappy, and no byte beyond.
pub(crate) async fn read_payload<R: AsyncRead + Unpin>(
    stream: &mut R,
    min: usize,
    max: usize,
) -> Result<Vec<u8>, WireError> {
    let length = read_length(stream, min, max).await?;
    read_body(stream, length).await
}

/// Reads the length of a payload, which must be `min` to `max` bytes.
pub(crate) async fn read_length<R: AsyncRead + Unpin>(
    stream: &mut R,
    min: usize,
    max: usize,
) -> Result<usize, WireError> {
    let found = read_varint(stream).await?;
    let length = usize::try_from(found).ok();
    let allowed = length.filter(|length| (min..=max).contains(length));
    allowed.ok_or(WireError::Length { min, max, found })
}

/// Reads what follows the length of a payload.
pub(crate) async fn read_body<R: AsyncRead + Unpin>(
    stream: &mut R,
    length: usize,
) -> Result<Vec<u8>, WireError> {
    match length {
        0 => Ok(Vec::new()),
        length => read_frames(stream, length).await,
    }
}

/// Reads a payload of exactly `length` bytes whose announced length is not trusted: an early client
/// announces the compressed length. The announcement must be small all the same.
pub(crate) async fn read_fixed_payload<R: AsyncRead + Unpin>(
    stream: &mut R,
    length: usize,
) -> Result<Vec<u8>, WireError> {
    let announced = read_varint(stream).await?;
    // The identifier, a chunk's header and checksum, and the data in its longest form.
    let max = 10 + 8 + super::max_compressed_bytes(length);
    if announced == 0 || announced > max as u64 {
        return Err(WireError::Length {
            min: 1,
            max,
            found: announced,
        });
    }
    read_frames(stream, length).await
}

async fn read_varint<R: AsyncRead + Unpin>(stream: &mut R) -> Result<u64, WireError> {
    let mut bytes = [0; MAX_VARINT_BYTES];
    for length in 1..=MAX_VARINT_BYTES {
        stream.read_exact(&mut bytes[length - 1..length]).await?;
        if unsigned_varint::decode::is_last(bytes[length - 1]) {
            return decode_varint(&bytes[..length]).map(|(number, _)| number);
        }
    }
    Err(WireError::Varint)
}

#[cfg(test)]
mod tests {
    use std::{
        pin::Pin,
        task::{Context, Poll},
    };

    use proptest::prelude::*;

    use super::*;

    fn fixed(bytes: &[u8], length: usize) -> Result<Vec<u8>, WireError> {
        read_fixed_payload(&mut Cursor::new(bytes), length)
            .now_or_never()
            .unwrap()
    }

    #[test]
    fn a_length_beyond_the_bound_is_refused_before_anything_is_read() {
        let error = decode_payload(&encode_varint(u64::MAX), 0, 100).unwrap_err();
        let (min, max, found) = (0, 100, u64::MAX);
        assert_eq!(error, WireError::Length { min, max, found });
        let short = encode_payload(&[1; 9]).unwrap();
        let (min, found) = (10, 9);
        assert_eq!(
            decode_payload(&short, min, max),
            Err(WireError::Length { min, max, found })
        );
    }

    #[test]
    fn frames_with_less_than_announced_are_truncated() {
        let mut payload = encode_varint(10);
        payload.extend(encode_frames(&[1; 9]).unwrap());
        assert_eq!(decode_payload(&payload, 0, 100), Err(WireError::Truncated));
    }

    #[test]
    fn varints_are_short_and_in_their_shortest_form() {
        for wrong in [&[0x80, 0x00][..], &[0x80; 11]] {
            assert_eq!(decode_varint(wrong), Err(WireError::Varint));
            assert_eq!(decode_payload(wrong, 0, 9), Err(WireError::Varint));
        }
        // Ten bytes have room for 70 bits: those beyond the 64th are no number's.
        let largest = encode_varint(u64::MAX);
        assert_eq!(decode_varint(&largest), Ok((u64::MAX, &[][..])));
        for last in [0x02, 0x3f, 0x7f] {
            let wrong = [&largest[..9], &[last]].concat();
            assert_eq!(decode_varint(&wrong), Err(WireError::Varint));
        }
        for short in [&[][..], &[0x80], &[0x80, 0x80]] {
            assert_eq!(decode_payload(short, 0, 9), Err(WireError::Truncated));
        }
    }

    #[test]
    fn a_varint_is_taken_from_the_front_of_whatever_follows() {
        for number in [0, 300, u64::from(u32::MAX), u64::MAX] {
            for follow in 0..20 {
                let rest = vec![0xff; follow];
                let bytes = [encode_varint(number), rest.clone()].concat();
                assert_eq!(decode_varint(&bytes), Ok((number, &rest[..])));
            }
        }
    }

    /// A stream that breaks.
    struct Broken(ErrorKind);

    impl AsyncRead for Broken {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &mut [u8],
        ) -> Poll<std::io::Result<usize>> {
            Poll::Ready(Err(self.0.into()))
        }
    }

    #[test]
    fn a_stream_may_end_before_a_result_and_not_break_there() {
        let read = |bytes: &[u8]| {
            read_result_code(&mut Cursor::new(bytes))
                .now_or_never()
                .unwrap()
        };
        assert_eq!(read(&[2, 9]), Ok(Some(ResultCode::ServerError)));
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&[9]), Err(WireError::ResultCode(9)));
        let reset = ErrorKind::ConnectionReset;
        let broken = read_result_code(&mut Broken(reset)).now_or_never().unwrap();
        assert_eq!(broken, Err(WireError::Stream(reset)));
    }

    #[test]
    fn a_fixed_payload_may_announce_its_compressed_length() {
        let data = [7; 80];
        let frames = encode_frames(&data).unwrap();
        // An identifier, a chunk's header and checksum, and the data at its worst.
        let longest = 10 + 8 + snap::raw::max_compress_len(80) as u64;
        let too_long = [encode_varint(longest + 1), frames.clone()].concat();
        assert_eq!(
            fixed(&too_long, 80),
            Err(WireError::Length {
                min: 1,
                max: longest as usize,
                found: longest + 1,
            })
        );
        for announced in [80, frames.len() as u64, longest] {
            let bytes = [encode_varint(announced), frames.clone()].concat();
            assert_eq!(fixed(&bytes, 80).unwrap(), data);
        }
        let bytes = [encode_varint(1 << 20), frames.clone()].concat();
        assert!(matches!(fixed(&bytes, 80), Err(WireError::Length { .. })));
        let longer = encode_payload(&[7; 81]).unwrap();
        assert!(matches!(
            fixed(&longer, 80),
            Err(WireError::MoreThanAnnounced { .. })
        ));
    }

    #[test]
    fn a_message_of_an_error_is_at_most_256_bytes() {
        let longest = encode_chunk(ResultCode::ServerError, &[b'x'; MAX_ERROR_BYTES]).unwrap();
        assert_eq!(decode_chunk(&longest).unwrap().payload.len(), 256);
        let longer = encode_chunk(ResultCode::ServerError, &[b'x'; 257]).unwrap();
        assert!(matches!(
            decode_chunk(&longer),
            Err(WireError::Length { found: 257, .. })
        ));
        assert_eq!(decode_chunk(&[4]), Err(WireError::ResultCode(4)));
        assert_eq!(decode_chunk(&[]), Err(WireError::Truncated));
    }

    proptest! {
        #[test]
        fn chunks_are_read_back(payload: Vec<u8>) {
            let bytes = encode_chunk(ResultCode::Success, &payload).unwrap();
            let code = ResultCode::Success;
            prop_assert_eq!(decode_chunk(&bytes).unwrap(), Chunk { code, payload });
        }

        #[test]
        fn varints_are_read_back(number: u64) {
            let bytes = encode_varint(number);
            prop_assert_eq!(decode_varint(&bytes), Ok((number, &[][..])));
        }

        #[test]
        fn any_bytes_are_either_a_chunk_or_refused(bytes: Vec<u8>) {
            let _ = decode_chunk(&bytes);
        }
    }
}
