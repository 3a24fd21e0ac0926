//! `BlocksByRoot`: a list of roots one way, a chunk for each block found the other way.

use std::{collections::HashSet, io, sync::Arc, time::Duration};

use futures::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use libp2p::{StreamProtocol, request_response::Codec};
use quartet_types::{MAX_REQUEST_BLOCKS, Root, SignedBlockWithAttestation};
use ssz::{Decode as _, Encode as _};
use tokio::time::timeout;
use tree_hash::TreeHash as _;

use super::patient::Patient;
use crate::wire::{
    MAX_ERROR_BYTES, MAX_MESSAGE_BYTES, ResultCode, WireError, encode_chunk, encode_payload,
    read_payload, read_result_code,
};

/// How long a responder may be silent before, within and between chunks.
const PATIENCE: Duration = Duration::from_secs(4);
/// How long a whole response may take; less than the limit of the stream, so that what has come by then
/// is not lost.
const RESPONSE_TIME: Duration = Duration::from_secs(20);
/// When this much has been received, the rest of a response is left alone.
const MAX_RESPONSE_BYTES: usize = 16 << 20;
/// Least bytes of a block: no attestation, no signature.
const MIN_BLOCK_BYTES: usize = 236;
/// Bytes of a root.
const ROOT_BYTES: usize = 32;

type Block = Arc<SignedBlockWithAttestation>;

/// What a responder says instead of answering.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code:?}: {message}")]
pub(crate) struct ErrorReply {
    /// Not a success.
    pub(crate) code: ResultCode,
    /// For people; at most 256 bytes on the wire.
    pub(crate) message: String,
}

/// What a peer answers.
pub(crate) type BlocksResponse = Result<Vec<Block>, ErrorReply>;

/// Reads and writes requests for blocks. Each stream has its own clone, which remembers what it asked
/// for, and hence when the response is complete.
#[derive(Clone, Debug, Default)]
pub(crate) struct BlocksCodec {
    asked: Vec<Root>,
}

impl ErrorReply {
    pub(crate) fn new(code: ResultCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    /// Reads what follows the code.
    pub(super) async fn read<T: AsyncRead + Unpin>(
        code: ResultCode,
        stream: &mut T,
    ) -> Result<Self, WireError> {
        let message = read_payload(stream, 0, MAX_ERROR_BYTES).await?;
        Ok(Self::new(code, String::from_utf8_lossy(&message)))
    }

    pub(super) fn encode(&self) -> Result<Vec<u8>, WireError> {
        let end = self.message.floor_char_boundary(MAX_ERROR_BYTES);
        encode_chunk(self.code, &self.message.as_bytes()[..end])
    }
}

impl Codec for BlocksCodec {
    type Protocol = StreamProtocol;
    /// A malformed request is passed on, so that the peer can be told.
    type Request = Result<Vec<Root>, WireError>;
    type Response = BlocksResponse;

    async fn read_request<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        stream: &mut T,
    ) -> io::Result<Self::Request> {
        let read = async {
            let ssz = read_payload(stream, 0, MAX_REQUEST_BLOCKS * ROOT_BYTES).await?;
            Ok(Vec::<Root>::from_ssz_bytes(&ssz)?)
        };
        match read.await {
            Err(WireError::Stream(kind)) => Err(kind.into()),
            request => Ok(request),
        }
    }

    async fn read_response<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        stream: &mut T,
    ) -> io::Result<BlocksResponse> {
        let mut blocks = Vec::new();
        let mut stream = Patient::new(stream, PATIENCE);
        let read = read_blocks(&mut stream, &self.asked, &mut blocks);
        let end = match timeout(RESPONSE_TIME, read).await {
            Ok(end) => end,
            Err(_) => Err(WireError::Stream(io::ErrorKind::TimedOut)),
        };
        match end {
            Ok(Some(error)) if blocks.is_empty() => Ok(Err(error)),
            Err(error) if blocks.is_empty() || !error.is_broken_stream() => Err(error.into()),
            // What came before the stream broke, or before an error, counts.
            _ => Ok(Ok(blocks)),
        }
    }

    async fn write_request<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        stream: &mut T,
        request: Self::Request,
    ) -> io::Result<()> {
        self.asked = request?;
        let payload = encode_payload(&self.asked.as_ssz_bytes())?;
        stream.write_all(&payload).await
    }

    async fn write_response<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        stream: &mut T,
        response: BlocksResponse,
    ) -> io::Result<()> {
        match response {
            // One at a time, so that only one is in memory in its encoded form.
            Ok(blocks) => {
                for block in blocks {
                    let chunk = encode_chunk(ResultCode::Success, &block.as_ssz_bytes())?;
                    stream.write_all(&chunk).await?;
                }
                Ok(())
            }
            Err(error) => stream.write_all(&error.encode()?).await,
        }
    }
}

/// Reads blocks until all that were asked for are there, the stream ends, or an error chunk comes, which
/// is returned. What was read stays in `blocks` whatever happens.
async fn read_blocks<T: AsyncRead + Unpin>(
    stream: &mut T,
    asked: &[Root],
    blocks: &mut Vec<Block>,
) -> Result<Option<ErrorReply>, WireError> {
    let mut wanted: HashSet<Root> = asked.iter().copied().collect();
    let mut received = 0;
    while !wanted.is_empty() && received < MAX_RESPONSE_BYTES {
        match read_result_code(stream).await? {
            None => break,
            Some(ResultCode::Success) => {
                let ssz = read_payload(stream, MIN_BLOCK_BYTES, MAX_MESSAGE_BYTES).await?;
                received += ssz.len();
                let block = SignedBlockWithAttestation::from_ssz_bytes(&ssz)?;
                let root = block.block().tree_hash_root();
                if !wanted.remove(&root) {
                    return Err(WireError::Unrequested(root));
                }
                blocks.push(Arc::new(block));
            }
            Some(code) => return ErrorReply::read(code, stream).await.map(Some),
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::{
        pin::Pin,
        task::{Context, Poll},
    };

    use futures::{AsyncReadExt as _, FutureExt as _, io::Cursor};

    use super::{super::BLOCKS_BY_ROOT, *};
    use crate::wire::encode_varint;

    /// A stream that is open and silent.
    struct Silence;

    impl AsyncRead for Silence {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &mut [u8],
        ) -> Poll<io::Result<usize>> {
            Poll::Pending
        }
    }

    fn block(slot: u64) -> Block {
        let mut block = SignedBlockWithAttestation::default();
        block.message.block.slot = slot;
        Arc::new(block)
    }

    fn root(block: &Block) -> Root {
        block.block().tree_hash_root()
    }

    fn chunk(block: &Block) -> Vec<u8> {
        encode_chunk(ResultCode::Success, &block.as_ssz_bytes()).unwrap()
    }

    /// Asks for the blocks' roots and reads `answer`.
    async fn ask(
        blocks: &[Block],
        mut answer: impl AsyncRead + Unpin + Send,
    ) -> io::Result<BlocksResponse> {
        let mut codec = BlocksCodec::default();
        let roots = blocks.iter().map(root).collect();
        let mut sent = Vec::new();
        let written = codec.write_request(&BLOCKS_BY_ROOT, &mut sent, Ok(roots));
        written.await?;
        codec.read_response(&BLOCKS_BY_ROOT, &mut answer).await
    }

    fn malformed(result: io::Result<BlocksResponse>) -> WireError {
        let error = result.unwrap_err();
        WireError::in_io_error(&error).unwrap().clone()
    }

    #[test]
    fn the_least_block_has_the_least_length() {
        let least = SignedBlockWithAttestation::default();
        assert_eq!(least.ssz_bytes_len(), MIN_BLOCK_BYTES);
    }

    #[tokio::test]
    async fn what_is_written_is_read() {
        let blocks = [block(1), block(2)];
        let mut codec = BlocksCodec::default();
        let roots: Vec<_> = blocks.iter().map(root).collect();
        let mut bytes = Vec::new();
        let written = codec.write_request(&BLOCKS_BY_ROOT, &mut bytes, Ok(roots.clone()));
        written.await.unwrap();
        let mut stream = Cursor::new(&bytes);
        let read = codec.read_request(&BLOCKS_BY_ROOT, &mut stream).await;
        assert_eq!(read.unwrap(), Ok(roots));

        let refusal = ErrorReply::new(ResultCode::ResourceUnavailable, "é".repeat(200));
        for response in [Ok(blocks.to_vec()), Ok(vec![]), Err(refusal)] {
            let mut bytes = Vec::new();
            let written = codec.write_response(&BLOCKS_BY_ROOT, &mut bytes, response.clone());
            written.await.unwrap();
            let read = ask(&blocks, Cursor::new(&bytes)).await.unwrap();
            match (read, response) {
                (Err(read), Err(written)) => {
                    assert_eq!(read.code, written.code);
                    assert_eq!(read.message, "é".repeat(128));
                }
                (read, written) => assert_eq!(read, written),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_complete_response_is_not_waited_beyond() {
        let blocks = [block(1), block(2)];
        let bytes = [chunk(&blocks[1]), chunk(&blocks[0])].concat();
        let answer = ask(&blocks, Cursor::new(bytes).chain(Silence));
        let read = answer.now_or_never().unwrap().unwrap().unwrap();
        assert_eq!(read, [blocks[1].clone(), blocks[0].clone()]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_partial_response_counts_when_the_stream_ends_or_falls_silent() {
        let blocks = [block(1), block(2)];
        let partial = [chunk(&blocks[0])];
        let cut = [chunk(&blocks[0]), chunk(&blocks[1])[..20].to_vec()];
        let error = ErrorReply::new(ResultCode::ServerError, "tired");
        let ended = [chunk(&blocks[0]), error.encode().unwrap()];
        for bytes in [partial.concat(), cut.concat(), ended.concat()] {
            let read = ask(&blocks, Cursor::new(&bytes)).await.unwrap();
            assert_eq!(read, Ok(vec![blocks[0].clone()]));
            let read = ask(&blocks, Cursor::new(&bytes).chain(Silence)).await;
            assert_eq!(read.unwrap(), Ok(vec![blocks[0].clone()]));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn silence_from_the_start_is_no_answer() {
        let error = ask(&[block(1)], Silence).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        let nothing = ask(&[block(1)], Cursor::new([])).await.unwrap();
        assert_eq!(nothing, Ok(vec![]));
    }

    #[tokio::test]
    async fn blocks_that_were_not_asked_for_make_the_answer_malformed() {
        let (asked, other) = (block(1), block(2));
        for (first, second) in [(&other, &asked), (&asked, &asked), (&asked, &other)] {
            let bytes = [chunk(first), chunk(second)].concat();
            let blocks = [asked.clone(), block(3)];
            let error = malformed(ask(&blocks, Cursor::new(bytes)).await);
            let wrong = if first == &asked { second } else { first };
            assert_eq!(error, WireError::Unrequested(root(wrong)));
        }
    }

    #[tokio::test]
    async fn what_is_no_block_makes_the_answer_malformed() {
        let length = |length: u64| [vec![0], encode_varint(length)].concat();
        let payload = |ssz: &[u8]| encode_chunk(ResultCode::Success, ssz).unwrap();
        for bytes in [
            vec![9],
            length(MAX_MESSAGE_BYTES as u64 + 1),
            length(10),
            payload(&[0xff; 300]),
            [length(300), vec![1; 100]].concat(),
        ] {
            malformed(ask(&[block(1)], Cursor::new(bytes)).await);
        }
    }

    #[tokio::test]
    async fn a_malformed_request_is_passed_on_to_be_answered() {
        let roots = vec![Root::ZERO; MAX_REQUEST_BLOCKS + 1].as_ssz_bytes();
        let too_many = encode_payload(&roots).unwrap();
        let uneven = encode_payload(&[1; 33]).unwrap();
        for bytes in [too_many, uneven, vec![0xff; 12], vec![32]] {
            let mut codec = BlocksCodec::default();
            let mut stream = Cursor::new(bytes);
            let read = codec.read_request(&BLOCKS_BY_ROOT, &mut stream).await;
            assert!(read.unwrap().is_err());
        }
    }
}
