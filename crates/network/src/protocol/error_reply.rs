//! What a responder says instead of answering.

use futures::AsyncRead;

use crate::wire::{MAX_ERROR_BYTES, ResultCode, WireError, encode_chunk, read_payload};

/// An answer that is an error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code:?}: {message}")]
pub(crate) struct ErrorReply {
    /// Not a success.
    pub(crate) code: ResultCode,
    /// For people; at most 256 bytes on the wire.
    pub(crate) message: String,
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
