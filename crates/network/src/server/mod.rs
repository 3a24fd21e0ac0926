//! Serves blocks to peers, piece by piece as they take them.
//!
//! An answer is made in the task of its connection: of all that was asked for, only one piece is in memory.
//! Each piece waits for its turn to look blocks up, and for free bytes in the budget, so that answers take turns, however
//! many a peer has asked for.

mod response;
mod throttle;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use futures::{StreamExt as _, stream};
use quartet_chain::ChainReader;
use tokio::sync::Semaphore;

use crate::{
    byte_budget::ByteBudget,
    protocol::{BlocksQuery, Pieces},
};
use response::Response;
use throttle::Throttle;

/// Bytes of answers that may be on their way to peers. All peers' answers together fill half of it with
/// pieces of small blocks; of the longest blocks it holds three.
const MAX_BYTES: u32 = 32 << 20;
/// Answers that a peer is given at a time; the others wait. As many as sync asks a peer for at once.
const RESPONSES_PER_PEER: usize = 4;
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
    budget: ByteBudget,
    throttle: Throttle,
}

/// What a peer may be served; each connected peer has one.
#[derive(Clone, Debug)]
pub(crate) struct PeerQuota {
    responses: Arc<Semaphore>,
    throttle: Arc<Throttle>,
}

impl Default for PeerQuota {
    fn default() -> Self {
        Self {
            responses: Arc::new(Semaphore::new(RESPONSES_PER_PEER)),
            throttle: Arc::new(Throttle::new(PEER_BURST, PEER_BYTES_PER_SECOND)),
        }
    }
}

impl BlockServer {
    pub(crate) fn new(reader: ChainReader) -> Self {
        Self(Arc::new(Shared {
            reader,
            lookups: Semaphore::new(LOOKUPS),
            budget: ByteBudget::new(MAX_BYTES, "quartet_served_bytes_under_way"),
            throttle: Throttle::new(TOTAL_BURST, TOTAL_BYTES_PER_SECOND),
        }))
    }

    /// The answer to a peer's request. Nothing is done before the first piece is asked for.
    pub(crate) fn respond(&self, query: BlocksQuery, quota: &PeerQuota) -> Pieces {
        let response = Response::new(self.0.clone(), quota.clone(), query);
        stream::unfold(response, async |mut response| {
            let piece = response.next().await?;
            Some((piece, response))
        })
        .boxed()
    }
}
