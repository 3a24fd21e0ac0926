//! Requests for blocks: what is wanted one way, a chunk for each block found the other way.

use std::{fmt, io, time::Duration};

use futures::{AsyncRead, AsyncWrite, AsyncWriteExt as _, StreamExt as _, stream::BoxStream};
use libp2p::{StreamProtocol, request_response::Codec};
use tokio::time::timeout;

use super::{
    BlocksQuery, ErrorReply, ReceivedBlocks,
    idle_timeout_reader::{IdleTimeoutReader, MIN_RATE, as_request},
};
use crate::{
    byte_budget::{ByteBudget, ReservedBytes},
    wire::WireError,
};

/// How long a requester may read nothing: after two rounds of unread answers it is disconnected, within ten seconds.
const WRITE_TIMEOUT: Duration = Duration::from_secs(3);
/// How long a whole response may take; less than the limit of the stream, so that what has come by then
/// is not lost.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(20);
/// Bytes of answers that have been received and not yet been handed to the chain. An answer that exceeds them ends early,
/// and its blocks are kept.
const RECEIVED_BYTES: u32 = 32 << 20;

/// What is answered to a request for blocks.
pub(crate) enum BlocksResponse {
    /// What a peer has sent.
    Received(ReceivedBlocks),
    /// What we send, made as the peer takes it.
    Served(Pieces),
    /// Either says why there are no blocks.
    Refused(ErrorReply),
}

/// The pieces of an answer of ours. An error is the last piece, and is sent only when it is also the first.
pub(crate) type Pieces = BoxStream<'static, Result<Piece, ErrorReply>>;

/// Encoded chunks, and the bytes that they take of the budget.
#[derive(Debug)]
pub(crate) struct Piece {
    pub(crate) bytes: Vec<u8>,
    _reserved: ReservedBytes,
}

impl Piece {
    pub(crate) fn new(bytes: Vec<u8>, reserved: ReservedBytes) -> Self {
        let _reserved = reserved;
        Self { bytes, _reserved }
    }
}

/// Reads and writes requests for blocks. Each stream has its own clone, which remembers what it asked
/// for, and so knows when the response is complete. All clones share the budget for answers.
#[derive(Clone, Debug)]
pub(crate) struct BlocksCodec {
    asked: BlocksQuery,
    budget: ByteBudget,
}

impl Default for BlocksCodec {
    fn default() -> Self {
        Self {
            asked: BlocksQuery::Roots(Vec::new()),
            budget: ByteBudget::new(RECEIVED_BYTES, "quartet_received_response_bytes"),
        }
    }
}

impl fmt::Debug for BlocksResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Received(received) => write!(f, "{} blocks", received.blocks.len()),
            Self::Served(_) => f.write_str("blocks of ours"),
            Self::Refused(error) => write!(f, "{error}"),
        }
    }
}

impl Codec for BlocksCodec {
    type Protocol = StreamProtocol;
    type Request = Result<BlocksQuery, WireError>;
    type Response = BlocksResponse;

    async fn read_request<T: AsyncRead + Unpin + Send>(
        &mut self,
        protocol: &StreamProtocol,
        stream: &mut T,
    ) -> io::Result<Self::Request> {
        let mut stream = IdleTimeoutReader::new(stream);
        as_request(BlocksQuery::read(protocol, &mut stream).await)
    }

    async fn read_response<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        stream: &mut T,
    ) -> io::Result<BlocksResponse> {
        let mut received = ReceivedBlocks::default();
        let mut stream = IdleTimeoutReader::new(stream);
        let read = received.read(&mut stream, &self.asked, &self.budget);
        let end = match timeout(RESPONSE_TIMEOUT, read).await {
            Ok(end) => end,
            Err(_) => Err(WireError::Stream(io::ErrorKind::TimedOut)),
        };
        let is_empty = received.blocks.is_empty();
        match end {
            Ok(Some(error)) if is_empty => Ok(BlocksResponse::Refused(error)),
            Err(error) if is_empty || !error.is_broken_stream() => Err(error.into()),
            // What came before the stream broke, or before an error, counts.
            _ => Ok(BlocksResponse::Received(received)),
        }
    }

    async fn write_request<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        stream: &mut T,
        request: Self::Request,
    ) -> io::Result<()> {
        self.asked = request?;
        stream.write_all(&self.asked.encode()?).await
    }

    async fn write_response<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        stream: &mut T,
        response: BlocksResponse,
    ) -> io::Result<()> {
        match response {
            BlocksResponse::Served(mut pieces) => {
                let mut is_first = true;
                while let Some(piece) = pieces.next().await {
                    match piece {
                        Ok(piece) => write(stream, &piece.bytes).await?,
                        Err(error) if is_first => write(stream, &error.encode()?).await?,
                        Err(_) => break,
                    }
                    is_first = false;
                }
                Ok(())
            }
            BlocksResponse::Refused(error) => write(stream, &error.encode()?).await,
            // We do not pass on what others have sent.
            BlocksResponse::Received(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}

/// Writes bytes in the time in which the slowest peer that is served takes them; after that the answer
/// is cut off with `TimedOut`.
async fn write<T: AsyncWrite + Unpin>(stream: &mut T, bytes: &[u8]) -> io::Result<()> {
    let time = Duration::from_secs_f64(bytes.len() as f64 / f64::from(MIN_RATE));
    let written = timeout(WRITE_TIMEOUT + time, stream.write_all(bytes));
    written
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

#[cfg(test)]
mod tests;
