//! Why bytes from a peer are refused.

use std::io;

use quartet_types::{Root, Slot};

/// Bytes that break the wire's rules, or a stream that broke.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum WireError {
    /// The bytes end in the middle of something.
    #[error("ends in the middle")]
    Truncated,
    /// There is more than there should be.
    #[error("{0} bytes too many")]
    TrailingBytes(usize),
    /// The stream failed.
    #[error("the stream failed: {0}")]
    Stream(io::ErrorKind),
    /// Not a varint of at most ten bytes in its shortest form.
    #[error("the length prefix is not a varint")]
    Varint,
    /// A length that the type cannot have.
    #[error("length {found} is not within {min} and {max}")]
    Length {
        /// Least bytes of the type.
        min: usize,
        /// Most bytes of the type.
        max: usize,
        /// Bytes announced, or found.
        found: u64,
    },
    /// Framed snappy begins with its identifier.
    #[error("does not begin with the identifier of framed snappy")]
    NotFramedSnappy,
    /// A chunk of a kind that must not be skipped and is not known.
    #[error("snappy chunk of unknown kind {0:#04x}")]
    UnknownSnappyChunk(u8),
    /// A snappy chunk longer than the format allows.
    #[error("snappy chunk of {found} bytes, at most {max} are allowed")]
    SnappyChunkLength {
        /// Most bytes of a chunk.
        max: usize,
        /// Bytes announced.
        found: usize,
    },
    /// The frames hold more than was announced.
    #[error("the frames hold at least {found} bytes, {expected} were announced")]
    MoreThanAnnounced {
        /// Bytes announced.
        expected: usize,
        /// Bytes found so far.
        found: usize,
    },
    /// Padding and tiny chunks without end.
    #[error("more than {0} bytes of frames for so little data")]
    WastefulFrames(usize),
    /// Snappy does not decompress.
    #[error("not snappy: {0}")]
    Snappy(snap::Error),
    /// A checksum is wrong, or frames are damaged in another way.
    #[error("damaged snappy frames: {0}")]
    DamagedFrames(String),
    /// A response chunk begins with a code that there is not.
    #[error("unknown result code {0}")]
    ResultCode(u8),
    /// Not the SSZ of the type.
    #[error("not SSZ: {0:?}")]
    Ssz(ssz::DecodeError),
    /// A block that was not asked for, or was sent before.
    #[error("block {0} was not asked for")]
    Unrequested(Root),
    /// A request for no slots, or for too many.
    #[error("{found} slots are asked for, 1 to {max} may be")]
    SlotCount {
        /// Most slots of a request.
        max: u64,
        /// Slots asked for.
        found: u64,
    },
    /// A block that is not in the slots that were asked for, or not in their order.
    #[error("a block of slot {found} where one of slots {from} to {end} is due")]
    UnexpectedSlot {
        /// The first slot that may follow.
        from: Slot,
        /// The slot after the last.
        end: Slot,
        /// The block's slot.
        found: Slot,
    },
    /// A topic of another network or of another kind.
    #[error("topic {0:?} is not ours")]
    ForeignTopic(String),
}

impl WireError {
    /// A short name for metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Truncated | Self::TrailingBytes(_) => "truncated",
            Self::Stream(_) => "stream",
            Self::Varint => "varint",
            Self::Length { .. } => "length",
            Self::NotFramedSnappy
            | Self::UnknownSnappyChunk(_)
            | Self::SnappyChunkLength { .. }
            | Self::MoreThanAnnounced { .. }
            | Self::WastefulFrames(_)
            | Self::Snappy(_)
            | Self::DamagedFrames(_) => "snappy",
            Self::ResultCode(_) => "result_code",
            Self::Ssz(_) => "ssz",
            Self::SlotCount { .. } => "slot_count",
            Self::Unrequested(_) | Self::UnexpectedSlot { .. } => "unrequested",
            Self::ForeignTopic(_) => "topic",
        }
    }
}

impl From<io::Error> for WireError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Truncated,
            kind => Self::Stream(kind),
        }
    }
}

impl From<ssz::DecodeError> for WireError {
    fn from(error: ssz::DecodeError) -> Self {
        Self::Ssz(error)
    }
}

/// libp2p's codecs and transforms can fail with `io::Error` only; `WireError::in_io_error` takes it
/// out again.
impl From<WireError> for io::Error {
    fn from(error: WireError) -> Self {
        match error {
            WireError::Stream(kind) => kind.into(),
            WireError::Truncated => io::ErrorKind::UnexpectedEof.into(),
            other => Self::new(io::ErrorKind::InvalidData, other),
        }
    }
}

impl WireError {
    /// Whether the peer may have done nothing wrong: the stream broke or was silent for too long.
    pub(crate) fn is_broken_stream(&self) -> bool {
        matches!(self, Self::Stream(_) | Self::Truncated)
    }

    /// Whether no more came in time.
    pub(crate) fn is_timeout(&self) -> bool {
        matches!(self, Self::Stream(io::ErrorKind::TimedOut))
    }

    /// The wire error that an `io::Error` carries, if it does.
    pub(crate) fn in_io_error(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_stream_may_do_is_told_from_what_only_a_peer_can() {
        let timeout = WireError::Stream(io::ErrorKind::TimedOut);
        let reset = WireError::Stream(io::ErrorKind::ConnectionReset);
        let cases = [
            (timeout, "stream", true, true),
            (reset, "stream", true, false),
            (WireError::Truncated, "truncated", true, false),
            (WireError::TrailingBytes(1), "truncated", false, false),
            (WireError::NotFramedSnappy, "snappy", false, false),
            (WireError::ResultCode(9), "result_code", false, false),
        ];
        for (error, reason, is_broken_stream, is_timeout) in cases {
            assert_eq!(error.reason(), reason);
            assert_eq!(error.is_broken_stream(), is_broken_stream, "{error}");
            assert_eq!(error.is_timeout(), is_timeout, "{error}");
        }
    }

    #[test]
    fn an_io_error_carries_what_the_bytes_were_and_is_what_the_stream_did() {
        let wrong = io::Error::from(WireError::Varint);
        assert_eq!(wrong.kind(), io::ErrorKind::InvalidData);
        assert_eq!(WireError::in_io_error(&wrong), Some(&WireError::Varint));
        for of_stream in [
            WireError::Truncated,
            WireError::Stream(io::ErrorKind::TimedOut),
        ] {
            let carried = io::Error::from(of_stream.clone());
            assert_eq!(WireError::in_io_error(&carried), None);
            assert_eq!(WireError::from(carried), of_stream);
        }
    }
}
