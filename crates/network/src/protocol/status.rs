//! Status: one message each way.

use std::io;

use futures::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use libp2p::{StreamProtocol, request_response::Codec};
use quartet_types::Status;
use ssz::{Decode, Encode};

use super::{
    ErrorReply,
    idle_timeout_reader::{IdleTimeoutReader, as_request},
};
use crate::wire::{
    ResultCode, WireError, encode_chunk, encode_payload, read_fixed_payload, read_result_code,
};

/// What a peer tells: its status, or what is wrong with it.
pub(crate) type StatusRequest = Result<Status, WireError>;
/// What a peer answers: its status, or why not.
pub(crate) type StatusResponse = Result<Status, ErrorReply>;

/// Reads and writes statuses.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct StatusCodec;

impl Codec for StatusCodec {
    type Protocol = StreamProtocol;
    type Request = StatusRequest;
    type Response = StatusResponse;

    async fn read_request<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        stream: &mut T,
    ) -> io::Result<StatusRequest> {
        as_request(read_status(&mut IdleTimeoutReader::new(stream)).await)
    }

    async fn read_response<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        stream: &mut T,
    ) -> io::Result<StatusResponse> {
        let stream = &mut IdleTimeoutReader::new(stream);
        match read_result_code(stream).await? {
            Some(ResultCode::Success) => Ok(Ok(read_status(stream).await?)),
            Some(code) => Ok(Err(ErrorReply::read(code, stream).await?)),
            None => Err(WireError::Truncated.into()),
        }
    }

    async fn write_request<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        stream: &mut T,
        status: StatusRequest,
    ) -> io::Result<()> {
        stream
            .write_all(&encode_payload(&status?.as_ssz_bytes())?)
            .await
    }

    async fn write_response<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        stream: &mut T,
        response: StatusResponse,
    ) -> io::Result<()> {
        let chunk = match response {
            Ok(status) => encode_chunk(ResultCode::Success, &status.as_ssz_bytes())?,
            Err(error) => error.encode()?,
        };
        stream.write_all(&chunk).await
    }
}

async fn read_status<T: AsyncRead + Unpin + Send>(stream: &mut T) -> Result<Status, WireError> {
    let ssz = read_fixed_payload(stream, <Status as Decode>::ssz_fixed_len()).await?;
    Ok(Status::from_ssz_bytes(&ssz)?)
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt as _, io::Cursor};
    use quartet_types::{Checkpoint, Root};

    use super::{super::STATUS, *};
    use crate::wire::{encode_frames, encode_varint};

    fn status() -> Status {
        let checkpoint = |byte, slot| Checkpoint {
            root: Root::repeat_byte(byte),
            slot,
        };
        Status {
            finalized: checkpoint(1, 5),
            head: checkpoint(2, 9),
        }
    }

    fn read_request(bytes: &[u8]) -> Result<Status, WireError> {
        let mut codec = StatusCodec;
        let read = codec
            .read_request(&STATUS, &mut Cursor::new(bytes))
            .now_or_never();
        read.unwrap().unwrap()
    }

    #[tokio::test]
    async fn what_is_written_is_read() {
        let mut codec = StatusCodec;
        let mut bytes = Vec::new();
        let written = codec.write_request(&STATUS, &mut bytes, Ok(status()));
        written.await.unwrap();
        assert_eq!(read_request(&bytes).unwrap(), status());

        let refusal = ErrorReply::new(ResultCode::ServerError, "no");
        for response in [Ok(status()), Err(refusal)] {
            let mut bytes = Vec::new();
            let written = codec.write_response(&STATUS, &mut bytes, response.clone());
            written.await.unwrap();
            let mut stream = Cursor::new(&bytes);
            let read = codec.read_response(&STATUS, &mut stream).await.unwrap();
            assert_eq!(read, response);
        }
    }

    #[test]
    fn an_early_client_may_announce_the_compressed_length() {
        let frames = encode_frames(&status().as_ssz_bytes()).unwrap();
        let bytes = [encode_varint(frames.len() as u64), frames].concat();
        assert_eq!(read_request(&bytes).unwrap(), status());
    }

    #[test]
    fn malformed_statuses_are_refused() {
        for bytes in [
            vec![],
            vec![80],
            encode_payload(&[1; 79]).unwrap(),
            vec![0xff; 100],
        ] {
            assert!(read_request(&bytes).is_err(), "{bytes:?}");
        }
    }
}
