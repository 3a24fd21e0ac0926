//! The finalized chain's past, fetched in the background with `--backfill`. `quartet-sync` decides; here its decisions are
//! carried out, and blocks that come are written, one piece at a time and after all imported ones.
//!
//! A block is kept when its root is one that the finalized chain has and all its signatures are valid. They decide nothing any
//! more, but peers get them from us, and would blame us for invalid ones.

use std::collections::{BTreeSet, VecDeque};

use metrics::{counter, gauge};
use quartet_processor::Priority;
use quartet_storage::Missing;
use quartet_sync::{Action, Backfill, BackfillAction, SyncState};
use quartet_types::{INTERVALS_PER_SLOT, Root, Slot};
use tracing::{debug, error, info};

use super::{ChainService, jobs::Done};
use crate::{
    ImportError, NetworkMessage, PeerName, RequestError, StoreError,
    past::{Blocks, Worked, keep, look},
    verification::is_signed,
};

/// Ticks between two lines of the log about it: 16 slots.
const TOLD_EVERY: u64 = 16 * INTERVALS_PER_SLOT;
/// Ticks between two lines of the log that no peer has what is missing: 64 slots.
const WAITING_TOLD_EVERY: u64 = 64 * INTERVALS_PER_SLOT;
/// Fetching the past.
#[derive(Debug, Default)]
pub(super) struct Past {
    /// `None` if it is not wanted, or at an end.
    backfill: Option<Backfill>,
    /// What the writer is to do: a look, and as many answers as may be under way.
    work: VecDeque<Work>,
    progress: Progress,
}

#[derive(Debug, Default)]
struct Progress {
    kept_from: Slot,
    ticks: u64,
    /// Blocks that came since something was said.
    blocks: usize,
    /// When it was last said that nobody has them.
    waiting_told: Option<u64>,
}

#[derive(Debug)]
enum Work {
    Look {
        below: Option<Slot>,
        limit: usize,
    },
    Keep {
        request: u64,
        asked: BTreeSet<Root>,
        blocks: Blocks,
    },
}

impl Past {
    pub(super) fn new(is_wanted: bool) -> Self {
        Self {
            backfill: is_wanted.then(Backfill::default),
            ..Self::default()
        }
    }

    /// Nothing more is fetched or written.
    pub(super) fn stop(&mut self) {
        self.backfill = None;
        self.work.clear();
    }

    pub(super) fn on_peer(&mut self, peer: &PeerName) {
        if let Some(backfill) = &mut self.backfill {
            backfill.on_peer(peer);
        }
    }

    pub(super) fn on_disconnected(&mut self, peer: &PeerName) {
        if let Some(backfill) = &mut self.backfill {
            backfill.on_disconnected(peer);
        }
    }
}

impl ChainService {
    pub(super) fn tick_past(&mut self) {
        let is_synced = self.is_synced();
        let Some(backfill) = &mut self.past.backfill else {
            return;
        };
        backfill.on_tick();
        let is_waiting = is_synced && backfill.is_waiting();
        self.past.progress.tell(is_waiting);
        self.poll_past();
    }

    /// An answer to a request of backfilling's has come.
    pub(super) fn on_past_blocks(&mut self, request: u64, result: Result<Blocks, RequestError>) {
        let Some(backfill) = &mut self.past.backfill else {
            return;
        };
        match result {
            Ok(blocks) => {
                if let Some(asked) = backfill.on_answer(request) {
                    let work = Work::Keep {
                        request,
                        asked,
                        blocks,
                    };
                    self.past.work.push_back(work);
                }
            }
            Err(error) => {
                let actions = backfill.on_failed(request, &error);
                self.act_for_past(actions);
            }
        }
        self.poll_past();
    }

    fn is_synced(&self) -> bool {
        self.chain.read().sync_state() == SyncState::Synced
    }

    fn poll_past(&mut self) {
        let may_ask = self.is_synced() && self.has_room_to_write();
        let Some(backfill) = &mut self.past.backfill else {
            return;
        };
        let actions = backfill.poll(may_ask);
        if backfill.is_done() {
            let kept_from = self.past.progress.kept_from;
            info!(kept_from, "all older blocks that are to be kept are here");
            self.past.stop();
        }
        self.act_for_past(actions);
        self.write_next();
    }

    fn act_for_past(&mut self, actions: Vec<BackfillAction>) {
        for action in actions {
            let action = match action {
                BackfillAction::Peer(action) => action,
                BackfillAction::FindMissing { below, limit } => {
                    self.past.work.push_back(Work::Look { below, limit });
                    continue;
                }
            };
            if let Action::RequestBlocks { peer, roots, .. } = &action {
                debug!(%peer, first = ?roots.first(), count = roots.len(), "asking for older blocks");
            }
            let request = action.request();
            if !self.tell_network(NetworkMessage::from(action))
                && let Some((backfill, request)) = self.past.backfill.as_mut().zip(request)
            {
                // The network is busy; the next tick asks again.
                backfill.on_failed(request, &RequestError::NotSent);
            }
        }
    }

    /// What the writer is to do for the past, if anything.
    pub(super) fn write_past(&mut self) -> bool {
        let Some(work) = self.past.work.pop_front() else {
            return false;
        };
        let (store, chain) = (self.store.clone(), self.chain.reader());
        let (verifier, validators) = (self.verifier, self.chain.read().validators().clone());
        let work = move || match work {
            Work::Look { below, limit } => look(&store, &chain, below, limit),
            Work::Keep {
                request,
                asked,
                blocks,
            } => keep(&store, request, &asked, blocks, |block| {
                is_signed(verifier, &validators, block)
            }),
        };
        let done = |worked: Result<Result<_, StoreError>, ImportError>| {
            Done::Past(match worked {
                Ok(worked) => worked,
                Err(error) => Err(StoreError(error.to_string())),
            })
        };
        self.spawn(Priority::Background, work, done);
        true
    }

    /// The writer has done something for the past.
    pub(super) fn on_past_written(&mut self, worked: Result<(Worked, Slot), StoreError>) {
        self.unwritten.end_write();
        match (worked, &mut self.past.backfill) {
            (Ok((worked, kept_from)), Some(backfill)) => {
                self.past.progress.kept_from = kept_from;
                gauge!("quartet_backfill_slot").set(kept_from as f64);
                match worked {
                    Worked::Looked(Missing { blocks, next }) => {
                        backfill.on_missing_found(&blocks, next)
                    }
                    Worked::Kept {
                        request,
                        roots,
                        bytes,
                    } => {
                        counter!("quartet_backfill_blocks_total").increment(roots.len() as u64);
                        self.past.progress.blocks += roots.len();
                        backfill.on_stored(request, &roots, bytes);
                    }
                }
            }
            (Ok(_), None) => {}
            (Err(StoreError(reason)), _) => {
                // Nothing depends on the past; if the disk has failed, the next import shows it.
                error!(%reason, "older blocks cannot be kept; no more are fetched");
                self.past.stop();
            }
        }
        self.poll_past();
        self.write_next();
    }
}

impl Progress {
    fn tell(&mut self, is_waiting: bool) {
        self.ticks += 1;
        let kept_from = self.kept_from;
        if self.blocks > 0 && self.ticks.is_multiple_of(TOLD_EVERY) {
            let blocks = std::mem::take(&mut self.blocks);
            info!(kept_from, blocks, "fetching older blocks");
        }
        let told = self.waiting_told;
        let is_news = told.is_none_or(|told| self.ticks - told >= WAITING_TOLD_EVERY);
        if is_waiting && is_news {
            self.waiting_told = Some(self.ticks);
            info!(
                kept_from,
                "no peer has the older blocks that are missing; they are asked again later"
            );
        }
    }
}
