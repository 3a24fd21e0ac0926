//! A state in SSZ, list by list, without its whole form in memory.

use std::sync::Arc;

use quartet_types::State;
use ssz::{BYTES_PER_LENGTH_OFFSET, Encode};

use crate::{
    error::ApiError,
    node::NodeView,
    pieces::{HasMore, PIECE, PieceSource},
};

/// Which part of the state comes next.
#[derive(Clone, Copy, Debug)]
enum Part {
    Fixed,
    History(usize),
    JustifiedSlots,
    Validators(usize),
    Targets(usize),
    Votes,
}

/// Writes a state. The state itself is shared with the chain.
#[derive(Debug)]
pub(crate) struct StatePieces {
    state: Arc<State>,
    part: Part,
}

impl StatePieces {
    pub(crate) const fn new(state: Arc<State>) -> Self {
        Self {
            state,
            part: Part::Fixed,
        }
    }

    /// Everything before the lists: the fixed members, and where each list begins.
    fn write_fixed(&self, piece: &mut Vec<u8>) {
        let State {
            config,
            slot,
            latest_block_header,
            latest_justified,
            latest_finalized,
            historical_block_hashes,
            justified_slots,
            validators,
            justifications_roots,
            justifications_validators: _,
        } = &*self.state;
        config.ssz_append(piece);
        slot.ssz_append(piece);
        latest_block_header.ssz_append(piece);
        latest_justified.ssz_append(piece);
        latest_finalized.ssz_append(piece);
        let before = [
            0,
            historical_block_hashes.ssz_bytes_len(),
            justified_slots.ssz_bytes_len(),
            validators.ssz_bytes_len(),
            justifications_roots.ssz_bytes_len(),
        ];
        let mut offset = piece.len() + before.len() * BYTES_PER_LENGTH_OFFSET;
        for length in before {
            offset += length;
            // Below 2^32, since the limits of all lists together are.
            piece.extend_from_slice(&(offset as u32).to_le_bytes());
        }
    }

    /// Writes the next part, or as much of it as fits. `None` when it was the last.
    fn write(&self, piece: &mut Vec<u8>) -> Option<Part> {
        let state = &*self.state;
        match self.part {
            Part::Fixed => {
                self.write_fixed(piece);
                Some(Part::History(0))
            }
            Part::History(from) => Some(
                append(piece, from, |at| state.historical_block_hashes.get(at))
                    .map_or(Part::JustifiedSlots, Part::History),
            ),
            Part::JustifiedSlots => {
                state.justified_slots.ssz_append(piece);
                Some(Part::Validators(0))
            }
            Part::Validators(from) => Some(
                append(piece, from, |at| state.validators.get(at))
                    .map_or(Part::Targets(0), Part::Validators),
            ),
            Part::Targets(from) => Some(
                append(piece, from, |at| state.justifications_roots.get(at))
                    .map_or(Part::Votes, Part::Targets),
            ),
            Part::Votes => {
                state.justifications_validators.ssz_append(piece);
                None
            }
        }
    }
}

/// Appends items until the piece is full; where to go on, `None` at the end of the list.
fn append<'a, T: Encode + 'a>(
    piece: &mut Vec<u8>,
    from: usize,
    get: impl Fn(usize) -> Option<&'a T>,
) -> Option<usize> {
    let mut at = from;
    while let Some(item) = get(at) {
        if piece.len() >= PIECE {
            return Some(at);
        }
        item.ssz_append(piece);
        at += 1;
    }
    None
}

impl PieceSource for StatePieces {
    fn next(&mut self, _: &NodeView, piece: &mut Vec<u8>) -> Result<HasMore, ApiError> {
        while piece.len() < PIECE {
            match self.write(piece) {
                Some(part) => self.part = part,
                None => return Ok(HasMore::No),
            }
        }
        Ok(HasMore::Yes)
    }

    fn held_bytes(&self) -> usize {
        // A piece, or the tallies, which are written whole.
        PIECE.max(self.state.justifications_validators.ssz_bytes_len())
    }

    fn length(&self) -> Option<u64> {
        Some(self.state.ssz_bytes_len() as u64)
    }
}
