//! Serves blocks to peers, piece by piece as they take them.
//!
//! An answer is made in the task of its connection: of all that was asked for, only one piece is in memory.
//! Every piece waits in line for the one place where blocks are looked up and for room, so that answers
//! take turns, however many a peer has asked for.

mod answer;
mod pace;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use futures::{StreamExt as _, stream};
use quartet_chain::ChainReader;
use tokio::sync::Semaphore;

use crate::{
    protocol::{BlocksQuery, Pieces},
    room::Room,
};
use answer::Answer;
use pace::Pace;

/// Bytes of answers that may be on their way to peers. All peers' answers together fill half of it with
/// pieces of small blocks; of the longest blocks it holds three.
const MAX_BYTES: u32 = 32 << 20;
/// Answers that a peer is given at a time; the others wait. As many as sync asks a peer for at once.
const ANSWERS_PER_PEER: usize = 4;
/// Blocks are looked up by one answer at a time: the longest is in memory three times while it is.
const LOOKUPS: usize = 1;
/// Bytes served to a peer in a burst, and per second: 2,000 blocks with four attestations are 32 MB.
const PEER_BURST: u32 = 64 << 20;
const PEER_BYTES_PER_SECOND: u32 = 48 << 20;
/// The same for all peers together. Both ends of such a transfer take a third of a core (`tests/ranges.rs`, the
/// measurement).
const TOTAL_BURST: u32 = 64 << 20;
const TOTAL_BYTES_PER_SECOND: u32 = 64 << 20;

/// Answers requests for blocks.
#[derive(Debug)]
pub(crate) struct BlockServer(Arc<Shared>);

/// What all answers share.
#[derive(Debug)]
struct Shared {
    reader: ChainReader,
    lookups: Semaphore,
    room: Room,
    pace: Pace,
}

/// What a peer may be served; each connected peer has one.
#[derive(Clone, Debug)]
pub(crate) struct Allowance {
    answers: Arc<Semaphore>,
    pace: Arc<Pace>,
}

impl Default for Allowance {
    fn default() -> Self {
        Self {
            answers: Arc::new(Semaphore::new(ANSWERS_PER_PEER)),
            pace: Arc::new(Pace::new(PEER_BURST, PEER_BYTES_PER_SECOND)),
        }
    }
}

impl BlockServer {
    pub(crate) fn new(reader: ChainReader) -> Self {
        Self(Arc::new(Shared {
            reader,
            lookups: Semaphore::new(LOOKUPS),
            room: Room::new(MAX_BYTES, "quartet_served_bytes_under_way"),
            pace: Pace::new(TOTAL_BURST, TOTAL_BYTES_PER_SECOND),
        }))
    }

    /// The answer to a peer's request. Nothing is done before the first piece is asked for.
    pub(crate) fn answer(&self, query: BlocksQuery, allowance: &Allowance) -> Pieces {
        let answer = Answer::new(self.0.clone(), allowance.clone(), query);
        stream::unfold(answer, async |mut answer| {
            let piece = answer.next().await?;
            Some((piece, answer))
        })
        .boxed()
    }
}
