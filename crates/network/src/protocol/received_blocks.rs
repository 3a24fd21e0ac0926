//! A peer's answer to a request for blocks, read block by block and compared with the request.

use std::{collections::HashSet, ops::Range, sync::Arc};

use futures::AsyncRead;
use quartet_types::{Root, SignedBlockWithAttestation, Slot};
use ssz::Decode as _;
use tree_hash::TreeHash as _;

use super::{BlocksQuery, ErrorReply};
use crate::{
    byte_budget::{ByteBudget, ReservedBytes},
    wire::{MAX_MESSAGE_BYTES, ResultCode, WireError, read_body, read_length, read_result_code},
};

/// After this many bytes, the rest of a response is not read.
const MAX_RESPONSE_BYTES: usize = 16 << 20;
/// Least bytes of a block: no attestation, no signature.
pub(super) const MIN_BLOCK_BYTES: usize = 236;

pub(crate) type Block = Arc<SignedBlockWithAttestation>;

/// Blocks that a peer has sent, and the bytes that they take of the budget.
#[derive(Debug, Default)]
pub(crate) struct ReceivedBlocks {
    pub(crate) blocks: Vec<Block>,
    pub(crate) reserved: Option<ReservedBytes>,
}

/// The blocks that may still come.
enum Expected {
    Roots(HashSet<Root>),
    Slots(Range<Slot>),
}

impl Expected {
    fn new(asked: &BlocksQuery) -> Self {
        match asked {
            BlocksQuery::Roots(roots) => Self::Roots(roots.iter().copied().collect()),
            BlocksQuery::Range(range) => Self::Slots(range.slots()),
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Self::Roots(roots) => roots.is_empty(),
            Self::Slots(slots) => slots.is_empty(),
        }
    }

    fn take(&mut self, block: &SignedBlockWithAttestation) -> Result<(), WireError> {
        match self {
            Self::Roots(roots) => {
                let root = block.block().tree_hash_root();
                if roots.remove(&root) {
                    Ok(())
                } else {
                    Err(WireError::Unrequested(root))
                }
            }
            Self::Slots(slots) => {
                let found = block.block().slot;
                if !slots.contains(&found) {
                    return Err(WireError::UnexpectedSlot {
                        from: slots.start,
                        end: slots.end,
                        found,
                    });
                }
                slots.start = found + 1;
                Ok(())
            }
        }
    }
}

impl ReceivedBlocks {
    /// Reads blocks until all that were asked for are there, the stream ends, the budget is used up, or an error chunk comes,
    /// which is returned. Blocks that were read are kept in all cases.
    pub(super) async fn read<T: AsyncRead + Unpin>(
        &mut self,
        stream: &mut T,
        asked: &BlocksQuery,
        budget: &ByteBudget,
    ) -> Result<Option<ErrorReply>, WireError> {
        let mut expected = Expected::new(asked);
        let mut received = 0;
        while !expected.is_empty() && received < MAX_RESPONSE_BYTES {
            match read_result_code(stream).await? {
                None => break,
                Some(ResultCode::Success) => {
                    let length = read_length(stream, MIN_BLOCK_BYTES, MAX_MESSAGE_BYTES).await?;
                    if !self.reserve(length, budget).await {
                        break;
                    }
                    let ssz = read_body(stream, length).await?;
                    received += length;
                    let block = SignedBlockWithAttestation::from_ssz_bytes(&ssz)?;
                    expected.take(&block)?;
                    self.blocks.push(Arc::new(block));
                }
                Some(code) => return ErrorReply::read(code, stream).await.map(Some),
            }
        }
        Ok(None)
    }

    /// Reserves the bytes of a block; false if the budget is used up. Only the first block of an answer waits for bytes, so
    /// that answers never wait for each other.
    async fn reserve(&mut self, bytes: usize, budget: &ByteBudget) -> bool {
        match &mut self.reserved {
            None => self.reserved = Some(budget.reserve(bytes).await),
            Some(reserved) => match budget.try_reserve(bytes) {
                Some(more) => reserved.merge(more),
                None => return false,
            },
        }
        true
    }
}
