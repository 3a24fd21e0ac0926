//! The blocks of a range of slots, as a JSON array.

use quartet_types::Root;

use crate::{
    block_views::NamedBlockView,
    error::ApiError,
    node::NodeView,
    pieces::{HasMore, PIECE, PieceSource},
    slot_range::SlotRange,
};

/// Slots in one range: as many as peers may ask each other for.
pub(crate) const MOST_SLOTS: u64 = 1024;

/// Writes the blocks of the head's chain, as it was at the start. Signatures, most of a block's bytes, are only counted.
#[derive(Debug)]
pub(crate) struct BlockPieces {
    /// In ascending order of slots.
    roots: Vec<Root>,
    next: usize,
}

impl BlockPieces {
    /// # Errors
    /// 404 when the range begins with blocks that are not kept any more: they must not look like empty slots.
    pub(crate) fn new(node: &NodeView, range: SlotRange) -> Result<Self, ApiError> {
        let roots = node.canonical_roots(range.start, range.count);
        if let Some(first) = roots.first()
            && node.block_of(*first)?.is_none()
        {
            let message = format!("the blocks from slot {} on are not kept", range.start);
            return Err(ApiError::not_found(message));
        }
        Ok(Self { roots, next: 0 })
    }
}

impl PieceSource for BlockPieces {
    fn next(&mut self, node: &NodeView, piece: &mut Vec<u8>) -> Result<HasMore, ApiError> {
        if self.next == 0 {
            piece.push(b'[');
        }
        while let Some(root) = self.roots.get(self.next) {
            if piece.len() >= PIECE {
                return Ok(HasMore::Yes);
            }
            // One that has been removed in between ends the answer, which is then no JSON.
            let block = node.block_of(*root)?.ok_or_else(ApiError::internal)?;
            if self.next > 0 {
                piece.push(b',');
            }
            let view = NamedBlockView::new(*root, &block);
            serde_json::to_writer(&mut *piece, &view).map_err(|_| ApiError::internal())?;
            self.next += 1;
        }
        piece.push(b']');
        Ok(HasMore::No)
    }

    fn held_bytes(&self) -> usize {
        PIECE + size_of_val(&*self.roots)
    }
}
