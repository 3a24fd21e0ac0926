//! Requests as bytes, and answers taken apart.

use std::time::Duration;

use futures::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, FutureExt as _, io::Cursor};
use libp2p::Stream;
use quartet_types::{Root, SignedBlockWithAttestation};
use ssz::{Decode as _, Encode as _};
use tokio::time::{Instant, timeout, timeout_at};
use tree_hash::TreeHash as _;

use crate::{
    frames::{self, MAX_ERROR, MAX_SSZ, Malformed, read_payload},
    peer::Peer,
    verdict::Failure,
};

/// The longest answer that is read.
const MAX_ANSWER: usize = 64 << 20;

/// How an answer ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The node has closed the stream.
    Closed,
    /// It has broken it off.
    Broken(String),
    /// It has not within the checker's patience, or that was not waited for.
    Open,
}

/// The bytes of an answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) bytes: Vec<u8>,
    pub(crate) end: End,
}

/// A part of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chunk {
    pub(crate) code: u8,
    pub(crate) ssz: Vec<u8>,
}

/// Opens a stream, sends these bytes, closes its own side, and reads the answer to its end.
///
/// # Errors
/// When there is no stream.
pub(crate) async fn ask(
    peer: &Peer,
    protocol: &str,
    bytes: &[u8],
    answer_timeout: Duration,
) -> Result<Answer, Failure> {
    let mut stream = send(peer, protocol, bytes, answer_timeout).await?;
    Ok(read_answer(&mut stream, answer_timeout).await)
}

/// As [`ask`], but waits for no more than a chunk: whether a node ends its streams is for cases of their own.
///
/// # Errors
/// When there is no stream.
pub(crate) async fn ask_for_one(
    peer: &Peer,
    protocol: &str,
    bytes: &[u8],
    answer_timeout: Duration,
) -> Result<Answer, Failure> {
    let mut stream = send(peer, protocol, bytes, answer_timeout).await?;
    let is_enough = |answer: &Answer| answer.chunks().is_ok_and(|chunks| !chunks.is_empty());
    Ok(read(&mut stream, answer_timeout, is_enough).await)
}

async fn send(
    peer: &Peer,
    protocol: &str,
    bytes: &[u8],
    answer_timeout: Duration,
) -> Result<Stream, Failure> {
    let mut stream = peer.open(protocol).await?;
    let write = async {
        stream.write_all(bytes).await?;
        stream.close().await
    };
    // A node that refuses need not take all of it.
    let _ = timeout(answer_timeout, write).await;
    Ok(stream)
}

/// Reads until the stream ends.
pub(crate) async fn read_answer(stream: &mut Stream, answer_timeout: Duration) -> Answer {
    read(stream, answer_timeout, |_| false).await
}

/// Reads until the stream ends or what has come `is_enough`.
async fn read(
    stream: &mut Stream,
    answer_timeout: Duration,
    is_enough: impl Fn(&Answer) -> bool,
) -> Answer {
    let mut answer = Answer {
        bytes: Vec::new(),
        end: End::Open,
    };
    let until = Instant::now() + answer_timeout;
    while answer.bytes.len() <= MAX_ANSWER && !is_enough(&answer) {
        let mut piece = [0; 16 << 10];
        match timeout_at(until, stream.read(&mut piece)).await {
            Err(_) => break,
            Ok(Ok(0)) => {
                answer.end = End::Closed;
                break;
            }
            Ok(Err(error)) => {
                answer.end = End::Broken(error.kind().to_string());
                break;
            }
            Ok(Ok(length)) => answer.bytes.extend(&piece[..length]),
        }
    }
    answer
}

impl Answer {
    /// Its chunks.
    ///
    /// # Errors
    /// When some bytes are none.
    pub(crate) fn chunks(&self) -> Result<Vec<Chunk>, Malformed> {
        let mut stream = Cursor::new(self.bytes.as_slice());
        let mut chunks = Vec::new();
        while (stream.position() as usize) < self.bytes.len() {
            // All bytes are there.
            let chunk = read_chunk(&mut stream).now_or_never();
            chunks.push(chunk.unwrap_or(Err(Malformed::Truncated("a chunk")))?);
        }
        Ok(chunks)
    }

    /// Whether it has a chunk that says success.
    pub(crate) fn succeeds(&self) -> bool {
        self.bytes.first() == Some(&0)
    }

    /// The roots and blocks in it.
    ///
    /// # Errors
    /// In words, when it is no answer with blocks.
    pub(crate) fn blocks(&self) -> Result<Vec<(Root, SignedBlockWithAttestation)>, String> {
        let chunks = self.chunks().map_err(|error| error.to_string())?;
        let blocks = chunks.iter().map(|chunk| {
            if chunk.code != 0 {
                return Err(chunk.to_string());
            }
            let block = SignedBlockWithAttestation::from_ssz_bytes(&chunk.ssz)
                .map_err(|error| format!("a chunk that is no block: {error:?}"))?;
            Ok((block.block().tree_hash_root(), block))
        });
        blocks.collect()
    }
}

async fn read_chunk<R: AsyncRead + Unpin>(stream: &mut R) -> Result<Chunk, Malformed> {
    let mut code = [0];
    let read = stream.read_exact(&mut code).await;
    read.map_err(|_| Malformed::Truncated("a code"))?;
    let max = match code[0] {
        0 => MAX_SSZ,
        // Clients may say more than is allowed; that is for a case of its own.
        _ => 16 * MAX_ERROR,
    };
    let ssz = read_payload(stream, max).await?;
    Ok(Chunk { code: code[0], ssz })
}

impl std::fmt::Display for Chunk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.code {
            0 => write!(f, "success with {} bytes", self.ssz.len()),
            code => write!(f, "code {code} {:?}", String::from_utf8_lossy(&self.ssz)),
        }
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.bytes.is_empty(), self.chunks()) {
            (true, _) => f.write_str("nothing")?,
            (_, Err(error)) => write!(f, "{} bytes that are no chunks: {error}", self.bytes.len())?,
            (_, Ok(chunks)) => match chunks.as_slice() {
                [chunk] => write!(f, "{chunk}")?,
                [first, ..] => write!(f, "{} chunks, the first: {first}", chunks.len())?,
                [] => {}
            },
        }
        match &self.end {
            End::Closed => f.write_str(", then the end"),
            End::Broken(kind) => write!(f, ", then broken off ({kind})"),
            End::Open => f.write_str(", and the stream stays open"),
        }
    }
}

/// An answer of one chunk with another length prefix: some clients announce the compressed length.
pub(crate) fn with_length(answer: &Answer, length: usize) -> Answer {
    let rest = answer.bytes.get(1..).unwrap_or_default();
    let prefix = rest.iter().position(|byte| byte & 0x80 == 0);
    let frames = prefix.and_then(|last| rest.get(last + 1..));
    let code = answer.bytes.first().copied().unwrap_or_default();
    Answer {
        bytes: [
            vec![code],
            frames::varint(length as u64),
            frames.unwrap_or_default().to_vec(),
        ]
        .concat(),
        end: answer.end.clone(),
    }
}

/// A request for blocks, as it should be.
pub(crate) fn by_root(roots: &[Root]) -> Vec<u8> {
    frames::payload(&roots.to_vec().as_ssz_bytes())
}
