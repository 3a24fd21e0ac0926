//! The finalized chain's past: blocks whose roots are known and whose bodies are not here, the newest first.
//!
//! Nothing depends on them, so they are fetched by their roots, a little at a time, from peers in turn. A peer that
//! does not serve what is requested is not penalized: it may have pruned it. It is not asked for a while, and for the
//! roots that it did not have not before 64 slots have passed; so blocks that no peer has are requested rarely.
//!
//! Only blocks that the driver has stored count, not those that came: the driver checks the blocks' roots, which are
//! never seen here.

use std::collections::{BTreeMap, BTreeSet};

use quartet_types::{Checkpoint, Root, Slot};

use crate::{
    Action, PeerName, RequestError,
    paused_peers::{PAUSE, PausedPeers, SHORT_PAUSE},
};

/// Numbers of requests from here on are not [`SyncMachine`](crate::SyncMachine)'s.
const FIRST_REQUEST: u64 = 1 << 63;
/// Most missing blocks that are known at a time.
const WINDOW: usize = 128;
/// Most roots in a request.
const MAX_ROOTS: usize = 32;
/// Bytes that an answer is to have, estimated from the size of the last one's blocks.
const ANSWER_BYTES: usize = 1 << 20;
/// Most requests at a time, one to each peer. Those whose blocks are being written count.
const MAX_UNDER_WAY: usize = 2;
/// Most requests in a tick, of a second: a sixteenth of the roots that a peer of our kind serves.
const MAX_PER_TICK: u32 = 4;
/// How many peers are remembered that do not have a block, for each block of the window.
const MAX_WITHOUT: usize = 128;
/// Up to so many answers with less than was asked for count against a peer's rank.
const MAX_SHORTFALLS: u32 = 8;

/// An action that backfilling asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BackfillAction {
    /// Find out which blocks are missing, and report it with [`Backfill::on_missing_found`].
    FindMissing {
        /// Those below this slot; `None` for all, from where blocks are kept.
        below: Option<Slot>,
        /// How many at most.
        limit: usize,
    },
    /// Ask a peer, or penalize it. The result of a request is reported with [`Backfill::on_stored`] or
    /// [`Backfill::on_failed`].
    Peer(Action),
}

/// How much of the past is known to be missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Frontier {
    /// Not looked yet, or not for long.
    Unknown,
    Looking {
        from_top: bool,
    },
    /// What is missing below this slot is not known.
    Below(Slot),
    /// The window has all that is missing.
    End,
    /// Nothing is missing.
    Done,
}

#[derive(Debug)]
struct Wanted {
    root: Root,
    is_asked_for: bool,
    /// Peers that did not have it, and the tick until which each is not asked again.
    without: BTreeMap<PeerName, u64>,
}

/// A connected peer's rank: peers that served less than was requested come later; of equals, those that were asked
/// last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct PeerRank {
    shortfalls: u32,
    last: u64,
}

#[derive(Debug)]
struct Request {
    peer: PeerName,
    blocks: Vec<Checkpoint>,
    is_answered: bool,
}

/// The state of fetching the finalized chain's past: at most 128 missing blocks are known at a time, and two requests under way,
/// each to another peer.
#[derive(Debug)]
pub struct Backfill {
    peers: BTreeMap<PeerName, PeerRank>,
    paused: PausedPeers,
    window: BTreeMap<Slot, Wanted>,
    frontier: Frontier,
    requests: BTreeMap<u64, Request>,
    /// Roots of the next request.
    batch: usize,
    ticks: u64,
    asked_in_tick: u32,
    /// When something came last, or it was looked anew.
    moved: u64,
    next_request: u64,
}

impl Default for Backfill {
    fn default() -> Self {
        Self {
            peers: BTreeMap::new(),
            paused: PausedPeers::default(),
            window: BTreeMap::new(),
            frontier: Frontier::Unknown,
            requests: BTreeMap::new(),
            batch: MAX_ROOTS / 2,
            ticks: 0,
            asked_in_tick: 0,
            moved: 0,
            next_request: FIRST_REQUEST,
        }
    }
}

impl Backfill {
    /// Whether a request of this number is backfilling's.
    pub fn is_request(number: u64) -> bool {
        number >= FIRST_REQUEST
    }

    /// Whether nothing is missing any more.
    pub fn is_done(&self) -> bool {
        self.frontier == Frontier::Done
    }

    /// Whether blocks are missing that no peer is being asked for, since all were asked lately or there is none.
    pub fn is_waiting(&self) -> bool {
        let nothing_comes = self.ticks - self.moved > SHORT_PAUSE;
        !self.window.is_empty() && self.requests.is_empty() && nothing_comes
    }

    /// A request was answered with blocks. Returns the roots that it asked for: blocks with these are to be stored and
    /// reported with [`Backfill::on_stored`]. `None` if the request is not under way any more.
    pub fn on_answer(&mut self, request: u64) -> Option<BTreeSet<Root>> {
        let request = self.requests.get_mut(&request)?;
        if std::mem::replace(&mut request.is_answered, true) {
            return None;
        }
        Some(request.blocks.iter().map(|block| block.root).collect())
    }

    /// A peer is there.
    pub fn on_peer(&mut self, peer: &PeerName) {
        self.peers.entry(peer.clone()).or_default();
    }

    /// A peer is gone. A request to it counts as failed, so that it gains nothing by coming back soon.
    pub fn on_disconnected(&mut self, peer: &PeerName) {
        self.peers.remove(peer);
        let requests = self.requests.iter();
        let asked = requests.filter(|(_, request)| request.peer == *peer && !request.is_answered);
        let asked: Vec<u64> = asked.map(|(number, _)| *number).collect();
        for number in asked {
            self.fail(number, &RequestError::NoAnswer);
        }
    }

    /// A tick, a quarter of a slot, has passed.
    pub fn on_tick(&mut self) {
        self.ticks += 1;
        self.asked_in_tick = 0;
        let now = self.ticks;
        for wanted in self.window.values_mut() {
            wanted.without.retain(|_, until| *until > now);
        }
    }

    /// The result of [`BackfillAction::FindMissing`]: missing blocks, the newest first; more are missing below `next`.
    pub fn on_missing_found(&mut self, missing: &[Checkpoint], next: Option<Slot>) {
        let Frontier::Looking { from_top } = self.frontier else {
            return;
        };
        let mut before = if from_top {
            std::mem::take(&mut self.window)
        } else {
            BTreeMap::new()
        };
        for block in missing.iter().take(WINDOW) {
            let known = before.remove(&block.slot);
            let known = known.filter(|known| known.root == block.root);
            self.window.entry(block.slot).or_insert_with(|| {
                known.unwrap_or_else(|| Wanted {
                    root: block.root,
                    is_asked_for: false,
                    without: BTreeMap::new(),
                })
            });
        }
        self.frontier = match next {
            Some(slot) => Frontier::Below(slot),
            None if from_top && missing.is_empty() => Frontier::Done,
            None => Frontier::End,
        };
    }

    /// The blocks of an answer with these roots were stored; `bytes` is their size. There are none when a peer served
    /// nothing, or nothing that was requested.
    pub fn on_stored(&mut self, request: u64, kept: &BTreeSet<Root>, bytes: usize) {
        let Some(Request { peer, blocks, .. }) = self.requests.remove(&request) else {
            return;
        };
        self.release(&blocks);
        let is_kept = |block: &Checkpoint| kept.contains(&block.root);
        let last = blocks.iter().rposition(is_kept);
        let until = self.ticks + PAUSE;
        for (index, block) in blocks.iter().enumerate() {
            if is_kept(block) {
                self.window.remove(&block.slot);
            } else if last.is_none_or(|last| index < last)
                && let Some(wanted) = self.window.get_mut(&block.slot)
                && wanted.without.len() < MAX_WITHOUT
            {
                // An answer may end early, but does not leave out a block that the peer has.
                wanted.without.insert(peer.clone(), until);
            }
        }
        let count = blocks.iter().filter(|block| is_kept(block)).count();
        if count == 0 {
            return self.paused.pause(&peer, self.ticks);
        }
        self.moved = self.ticks;
        self.paused.resume(&peer);
        self.batch = (ANSWER_BYTES / (bytes / count).max(1)).clamp(1, MAX_ROOTS);
        if let Some(rank) = self.peers.get_mut(&peer) {
            rank.shortfalls = if count == blocks.len() {
                rank.shortfalls.saturating_sub(1)
            } else {
                (rank.shortfalls + 1).min(MAX_SHORTFALLS)
            };
        }
    }

    /// A request has brought nothing.
    pub fn on_failed(&mut self, request: u64, error: &RequestError) -> Vec<BackfillAction> {
        let Some(peer) = self.fail(request, error) else {
            return Vec::new();
        };
        match error {
            RequestError::Malformed => {
                let reason = "it answered a request for blocks with something else";
                vec![BackfillAction::Peer(Action::Penalize { peer, reason })]
            }
            _ => Vec::new(),
        }
    }

    fn fail(&mut self, request: u64, error: &RequestError) -> Option<PeerName> {
        let Request { peer, blocks, .. } = self.requests.remove(&request)?;
        self.release(&blocks);
        match error {
            RequestError::NotSent => {}
            RequestError::NoAnswer => self.paused.pause(&peer, self.ticks),
            RequestError::Unsupported | RequestError::Malformed => {
                self.paused.pause_long(&peer, self.ticks);
            }
        }
        Some(peer)
    }

    fn release(&mut self, blocks: &[Checkpoint]) {
        for block in blocks {
            if let Some(wanted) = self.window.get_mut(&block.slot) {
                wanted.is_asked_for = false;
            }
        }
    }

    /// What to do now. `may_ask` says whether the node has nothing better to do.
    pub fn poll(&mut self, may_ask: bool) -> Vec<BackfillAction> {
        let mut actions = Vec::new();
        if !may_ask {
            return actions;
        }
        while self.requests.len() < MAX_UNDER_WAY && self.asked_in_tick < MAX_PER_TICK {
            let Some(action) = self.ask() else {
                break;
            };
            actions.push(BackfillAction::Peer(action));
        }
        actions.extend(self.find_missing());
        actions
    }

    fn find_missing(&mut self) -> Option<BackfillAction> {
        let is_idle = self.requests.is_empty();
        let is_stale = is_idle && self.ticks - self.moved >= PAUSE;
        let below = match self.frontier {
            Frontier::Looking { .. } | Frontier::Done => return None,
            Frontier::Unknown => None,
            // Retention may have passed what is missing, or nothing is missing any more.
            _ if is_stale => None,
            Frontier::End if is_idle && self.window.is_empty() => None,
            Frontier::Below(slot) if self.window.len() <= WINDOW / 2 => Some(slot),
            Frontier::Below(_) | Frontier::End => return None,
        };
        let limit = match below {
            Some(_) => WINDOW - self.window.len(),
            None => WINDOW,
        };
        if below.is_none() {
            self.moved = self.ticks;
        }
        let from_top = below.is_none();
        self.frontier = Frontier::Looking { from_top };
        Some(BackfillAction::FindMissing { below, limit })
    }

    fn ask(&mut self) -> Option<Action> {
        if matches!(self.frontier, Frontier::Looking { from_top: true }) {
            // The window is about to be made anew.
            return None;
        }
        let is_busy = |peer: &PeerName| self.requests.values().any(|request| request.peer == *peer);
        let is_paused = |peer: &PeerName| self.paused.is_paused(peer, self.ticks);
        let able = self.peers.iter();
        let able = able.filter(|(peer, _)| !is_busy(peer) && !is_paused(peer));
        let mut able: Vec<(PeerRank, &PeerName)> = able.map(|(peer, rank)| (*rank, peer)).collect();
        able.sort_unstable();
        let mut choices = able
            .into_iter()
            .map(|(_, peer)| (peer, self.for_peer(peer)));
        let (peer, blocks) = choices.find(|(_, blocks)| !blocks.is_empty())?;
        let peer = peer.clone();
        for block in &blocks {
            if let Some(wanted) = self.window.get_mut(&block.slot) {
                wanted.is_asked_for = true;
            }
        }
        let request = self.next_request;
        self.next_request += 1;
        self.asked_in_tick += 1;
        if let Some(rank) = self.peers.get_mut(&peer) {
            rank.last = request;
        }
        let roots = blocks.iter().map(|block| block.root).collect();
        let name = peer.clone();
        let is_answered = false;
        self.requests.insert(
            request,
            Request {
                peer,
                blocks,
                is_answered,
            },
        );
        Some(Action::RequestBlocks {
            request,
            peer: name,
            roots,
        })
    }

    /// The newest blocks that a peer may be asked for.
    fn for_peer(&self, peer: &PeerName) -> Vec<Checkpoint> {
        let wanted = self.window.iter().rev();
        let free = wanted.filter(|(_, wanted)| {
            let without = wanted.without.get(peer);
            !wanted.is_asked_for && without.is_none_or(|until| *until <= self.ticks)
        });
        let blocks = free.map(|(slot, wanted)| Checkpoint {
            root: wanted.root,
            slot: *slot,
        });
        blocks.take(self.batch).collect()
    }
}
