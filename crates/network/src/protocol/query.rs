//! What a peer is asked for: blocks by their roots, or those of a range of slots.

use std::fmt;

use futures::AsyncRead;
use libp2p::StreamProtocol;
use quartet_types::{BlocksByRangeRequest, MAX_REQUEST_BLOCKS, Root};
use ssz::{Decode, Encode as _};

use super::BLOCKS_BY_RANGE;
use crate::wire::{WireError, encode_payload, read_payload};

/// Bytes of a root.
const ROOT_BYTES: usize = 32;

/// A request for blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum BlocksQuery {
    /// These blocks, as far as the responder has them.
    Roots(Vec<Root>),
    /// The blocks of the responder's chain in these slots.
    Range(BlocksByRangeRequest),
}

/// The protocol by which blocks are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Via {
    /// `BlocksByRoot`.
    Roots,
    /// `BlocksByRange`.
    Range,
}

impl Via {
    /// Its name in metrics.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Roots => "blocks_by_root",
            Self::Range => "blocks_by_range",
        }
    }
}

impl BlocksQuery {
    /// Reads a request, which is refused when it breaks the limits.
    pub(super) async fn read<T: AsyncRead + Unpin>(
        protocol: &StreamProtocol,
        stream: &mut T,
    ) -> Result<Self, WireError> {
        if *protocol == BLOCKS_BY_RANGE {
            let length = <BlocksByRangeRequest as Decode>::ssz_fixed_len();
            let ssz = read_payload(stream, length, length).await?;
            return Self::range(BlocksByRangeRequest::from_ssz_bytes(&ssz)?);
        }
        let ssz = read_payload(stream, 0, MAX_REQUEST_BLOCKS * ROOT_BYTES).await?;
        Ok(Self::Roots(Vec::from_ssz_bytes(&ssz)?))
    }

    fn range(request: BlocksByRangeRequest) -> Result<Self, WireError> {
        let (max, found) = (MAX_REQUEST_BLOCKS as u64, request.count);
        match found {
            found if (1..=max).contains(&found) => Ok(Self::Range(request)),
            _ => Err(WireError::SlotCount { max, found }),
        }
    }

    pub(super) fn encode(&self) -> Result<Vec<u8>, WireError> {
        match self {
            Self::Roots(roots) => encode_payload(&roots.as_ssz_bytes()),
            Self::Range(range) => encode_payload(&range.as_ssz_bytes()),
        }
    }
}

impl fmt::Display for BlocksQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Roots(roots) => match roots.first() {
                Some(first) => write!(f, "{} roots from {first}", roots.len()),
                None => f.write_str("no roots"),
            },
            Self::Range(range) => write!(f, "{} slots from {}", range.count, range.start_slot),
        }
    }
}
