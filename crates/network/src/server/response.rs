//! One answer, made piece by piece.

use std::{collections::HashSet, sync::Arc, time::Duration, vec};

use metrics::counter;
use quartet_chain::ChainReader;
use quartet_types::Root;
use ssz::Encode as _;
use tokio::{
    sync::{OwnedSemaphorePermit, oneshot},
    task::spawn_blocking,
    time::Instant,
};
use tracing::{debug, warn};

use super::{PeerQuota, Shared};
use crate::{
    byte_budget::ReservedBytes,
    protocol::{BlocksQuery, ErrorReply, Piece},
    wire::{ResultCode, WireError, encode_chunk},
};

/// Bytes of blocks after which a piece is sent: what a peer that does not read costs. A longer block is a
/// piece of its own.
const PIECE_BYTES: usize = 64 << 10;
/// When an answer has this many bytes, it ends; the peer asks again for the rest.
const MAX_RESPONSE_BYTES: usize = 8 << 20;
/// After this long nothing is added to an answer, so that it ends in order before the stream's limit.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(20);
/// Roots after which a look-up lets others go on, whether blocks were found or not.
const ROOTS_PER_LOOKUP: usize = 64;
/// What looking up a block costs besides its bytes, in bytes.
const LOOKUP_COST: usize = 1 << 10;

/// An answer under way.
pub(super) struct Response {
    server: Arc<Shared>,
    quota: PeerQuota,
    /// Its place among the peer's answers, and when it ends.
    place: Option<(OwnedSemaphorePermit, Instant)>,
    /// Taken by a look-up while it lasts; gone for good when that breaks off, which ends the answer.
    lookup: Option<Lookup>,
}

/// What is still to be looked up.
struct Lookup {
    query: BlocksQuery,
    /// Found out by the first look-up.
    roots: Option<vec::IntoIter<Root>>,
    /// Whether the next block must be there for the answer to have no hole.
    is_range: bool,
    /// Bytes that may follow.
    left: usize,
    is_empty: bool,
}

/// What a look-up has come to.
struct LookupResult {
    /// Chunks.
    bytes: Vec<u8>,
    blocks: u64,
    cost: usize,
    /// Set when this is the end.
    end: Option<Result<(), ErrorReply>>,
}

impl Response {
    pub(super) fn new(server: Arc<Shared>, quota: PeerQuota, query: BlocksQuery) -> Self {
        let lookup = Lookup {
            is_range: matches!(query, BlocksQuery::Range(_)),
            query,
            roots: None,
            left: MAX_RESPONSE_BYTES,
            is_empty: true,
        };
        Self {
            server,
            quota,
            place: None,
            lookup: Some(lookup),
        }
    }

    /// The next piece, or the error that ends the answer; `None` when it is complete.
    pub(super) async fn next(&mut self) -> Option<Result<Piece, ErrorReply>> {
        loop {
            if self.lookup.is_none() || Instant::now() >= self.acquire_place().await? {
                return None;
            }
            self.quota.throttle.wait_until_paid().await;
            self.server.throttle.wait_until_paid().await;
            let (found, held) = self.look_up().await?;
            counter!("quartet_blocks_served_total").increment(found.blocks);
            match found.end {
                Some(Err(error)) if found.blocks == 0 => return Some(Err(error)),
                _ if found.blocks > 0 => {
                    return Some(Ok(Piece::new(found.bytes, held)));
                }
                _ => {}
            }
        }
    }

    /// Looks up the next piece and reserves its bytes. Not in the connection's task, which may stand still and would keep all
    /// others waiting.
    async fn look_up(&mut self) -> Option<(LookupResult, ReservedBytes)> {
        let lookup = self.lookup.take()?;
        let (sender, receiver) = oneshot::channel();
        tokio::spawn(run_lookup(self.server.clone(), lookup, sender));
        let (lookup, found, held) = receiver.await.ok()?;
        self.quota.throttle.charge(found.cost);
        self.server.throttle.charge(found.cost);
        if found.end.is_none() {
            self.lookup = Some(lookup);
        }
        Some((found, held))
    }

    /// Waits until the peer has a place for this answer; returns when the answer must end.
    async fn acquire_place(&mut self) -> Option<Instant> {
        if let Some((_, end)) = &self.place {
            return Some(*end);
        }
        let place = self.quota.responses.clone().acquire_owned().await.ok()?;
        let end = Instant::now() + RESPONSE_TIMEOUT;
        self.place = Some((place, end));
        Some(end)
    }
}

/// Waits for the turn of a look-up, and keeps it until the bytes of the found blocks are reserved, so that only one piece
/// exceeds the budget. If nothing is sent back, the answer ends.
async fn run_lookup(
    server: Arc<Shared>,
    lookup: Lookup,
    mut sender: oneshot::Sender<(Lookup, LookupResult, ReservedBytes)>,
) {
    let turn = server.lookups.acquire().await;
    if sender.is_closed() {
        return;
    }
    // On a thread that may wait for the disk.
    let reader = server.reader.clone();
    let (lookup, found) = match spawn_blocking(move || lookup.next_piece(&reader)).await {
        Ok(found) => found,
        Err(error) => return warn!(%error, "a look-up of blocks for a peer broke off"),
    };
    let held = tokio::select! {
        biased;
        held = server.budget.reserve(found.bytes.len()) => held,
        () = sender.closed() => return,
    };
    drop(turn);
    // An error says that the peer is gone.
    let _ = sender.send((lookup, found, held));
}

impl Lookup {
    /// Looks up blocks until there is a piece. May read the disk.
    fn next_piece(mut self, reader: &ChainReader) -> (Self, LookupResult) {
        let mut found = LookupResult {
            bytes: Vec::new(),
            blocks: 0,
            cost: 0,
            end: None,
        };
        let mut roots = (self.roots.take()).unwrap_or_else(|| roots(&self.query, reader));
        let mut taken = 0;
        for _ in 0..ROOTS_PER_LOOKUP {
            found.cost += LOOKUP_COST;
            let looked_up = match roots.next() {
                Some(root) => self.look_up(root, reader, &mut found),
                None => Err(Ok(())),
            };
            match looked_up {
                Ok(bytes) => taken += bytes,
                Err(end) => found.end = Some(end),
            }
            if found.end.is_some() || taken >= PIECE_BYTES.min(self.left) {
                break;
            }
        }
        found.cost += taken;
        self.left = self.left.saturating_sub(taken);
        if self.left == 0 {
            found.end.get_or_insert(Ok(()));
        }
        self.roots = Some(roots);
        (self, found)
    }

    /// Adds a block, and returns its bytes; or says how the answer ends. A block without signatures, which is
    /// the one we started from, is left out, since nobody could verify it.
    fn look_up(
        &mut self,
        root: Root,
        reader: &ChainReader,
        found: &mut LookupResult,
    ) -> Result<usize, Result<(), ErrorReply>> {
        match reader.block(root) {
            Ok(Some(block)) if block.signature.is_empty() => Ok(0),
            Ok(Some(block)) => {
                let ssz = block.as_ssz_bytes();
                let chunk =
                    encode_chunk(ResultCode::Success, &ssz).map_err(|error| broken(&error))?;
                found.bytes.extend(chunk);
                found.blocks += 1;
                self.is_empty = false;
                Ok(ssz.len())
            }
            Ok(None) if self.is_range && self.is_empty => {
                let code = ResultCode::ResourceUnavailable;
                Err(Err(ErrorReply::new(code, "older than what we have")))
            }
            // What follows would not build on what was sent.
            Ok(None) if self.is_range => Err(Ok(())),
            Ok(None) => {
                debug!(%root, "a peer asked for a block that we do not have");
                Ok(0)
            }
            Err(error) => {
                warn!(%error, "cannot serve all blocks that were asked for");
                let code = ResultCode::ServerError;
                Err(Err(ErrorReply::new(code, "no access to blocks")))
            }
        }
    }
}

fn broken(error: &WireError) -> Result<(), ErrorReply> {
    let code = ResultCode::ServerError;
    Err(ErrorReply::new(code, error.to_string()))
}

/// The roots that are asked for, each once. Those of a range are all of one chain, though it may change while
/// the answer is under way.
fn roots(query: &BlocksQuery, reader: &ChainReader) -> vec::IntoIter<Root> {
    let roots = match query {
        BlocksQuery::Range(range) => reader.canonical_roots(range.start_slot, range.count),
        BlocksQuery::Roots(roots) => {
            let mut seen = HashSet::new();
            let first = roots.iter().filter(|root| seen.insert(**root));
            first.copied().collect()
        }
    };
    roots.into_iter()
}
