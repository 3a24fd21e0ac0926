//! The fork choice's tree as JSON, which may have a hundred thousand blocks when nothing has been finalized for long.

use quartet_chain::ForkChoiceNode;
use quartet_types::Root;
use serde::Serialize;
use serde_json::Value;

use crate::{
    error::ApiError,
    node::{NodeView, Overview},
    pieces::{HasMore, PIECE, PieceSource},
    views::{ForkChoiceNodeView, ForkChoiceView},
};

/// Blocks that are read under the chain's lock at a time, in some tenths of a millisecond.
const PAGE: usize = 2048;
/// Blocks above which the tree is not served: some 30 MB of memory, and more history than a state can have.
const MOST_NODES: usize = 1 << 18;
/// How often reading is begun anew when finality changes the tree in between.
const ATTEMPTS: usize = 3;

/// Writes the tree.
#[derive(Debug)]
pub(crate) struct TreePieces {
    overview: Overview,
    nodes: Vec<ForkChoiceNode>,
    next: usize,
}

impl TreePieces {
    /// Reads the tree page by page, so that the lock is never held for long. Weights may be of moments some milliseconds
    /// apart; blocks that come while it is read are not in it.
    ///
    /// # Errors
    /// 503 when the tree is too large, or changes faster than it is read.
    pub(crate) fn read(node: &NodeView) -> Result<Self, ApiError> {
        for _ in 0..ATTEMPTS {
            if let Some(tree) = Self::try_read(node)? {
                return Ok(tree);
            }
        }
        Err(ApiError::busy())
    }

    fn try_read(node: &NodeView) -> Result<Option<Self>, ApiError> {
        let (overview, oldest, all) = node.tree();
        if all > MOST_NODES {
            return Err(too_large(all));
        }
        let nodes = collect(oldest, all, |first, limit| node.tree_page(first, limit));
        Ok(nodes.map(|mut nodes| {
            nodes.retain(|node| node.block.slot >= overview.finalized.slot);
            Self {
                overview,
                nodes,
                next: 0,
            }
        }))
    }
}

fn too_large(all: usize) -> ApiError {
    let message = format!("the tree has {all} blocks, more than the {MOST_NODES} that are told of");
    ApiError::unavailable(message)
}

/// Reads `all` nodes page by page; `None` when the tree's oldest block is another one in between, so that positions moved.
fn collect<N>(
    oldest: Root,
    all: usize,
    page: impl Fn(usize, usize) -> (Vec<N>, Root),
) -> Option<Vec<N>> {
    let mut nodes = Vec::with_capacity(all);
    for first in (0..all).step_by(PAGE) {
        let (page, still) = page(first, PAGE.min(all - first));
        if still != oldest {
            return None;
        }
        nodes.extend(page);
    }
    Some(nodes)
}

impl PieceSource for TreePieces {
    fn next(&mut self, _: &NodeView, piece: &mut Vec<u8>) -> Result<HasMore, ApiError> {
        if self.next == 0 {
            piece.extend_from_slice(b"{\"nodes\":[");
        }
        while let Some(node) = self.nodes.get(self.next) {
            if piece.len() >= PIECE {
                return Ok(HasMore::Yes);
            }
            if self.next > 0 {
                piece.push(b',');
            }
            write(piece, &ForkChoiceNodeView::from(node))?;
            self.next += 1;
        }
        piece.push(b']');
        let rest = serde_json::to_value(ForkChoiceView::from(&self.overview));
        let Ok(Value::Object(members)) = rest else {
            return Err(ApiError::internal());
        };
        for (name, value) in &members {
            piece.push(b',');
            write(piece, name)?;
            piece.push(b':');
            write(piece, value)?;
        }
        piece.push(b'}');
        Ok(HasMore::No)
    }

    fn held_bytes(&self) -> usize {
        PIECE + size_of_val(&*self.nodes)
    }
}

fn write(piece: &mut Vec<u8>, value: &impl Serialize) -> Result<(), ApiError> {
    serde_json::to_writer(piece, value).map_err(|_| ApiError::internal())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pages_make_up_the_whole_tree() {
        let oldest = Root::repeat_byte(1);
        for all in [0, 1, PAGE - 1, PAGE, PAGE + 1, 3 * PAGE + 5] {
            // It has grown meanwhile.
            let page = |first, limit| ((first..first + 2 * limit).take(limit).collect(), oldest);
            let whole: Vec<usize> = (0..all).collect();
            assert_eq!(collect(oldest, all, page), Some(whole));
        }
    }

    #[test]
    fn a_tree_that_is_pruned_between_pages_is_read_again() {
        let (old, new) = (Root::repeat_byte(1), Root::repeat_byte(2));
        let page = |first: usize, _| (vec![first], if first == 0 { old } else { new });
        assert_eq!(collect(old, PAGE, page), Some(vec![0]));
        assert_eq!(collect(old, PAGE + 1, page), None);
    }
}
