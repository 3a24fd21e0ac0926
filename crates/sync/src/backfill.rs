//! The finalized chain's past: blocks whose roots are known and whose bodies are not here, the newest first.
//!
//! Nothing depends on them, so they are fetched by their roots, a little at a time, from peers in turn. Whoever does not serve
//! what is asked for is no offender: it may have pruned it. It is left aside for a while, and the roots it did not have are not
//! asked of it again before that; so what nobody has is asked for rarely.
//!
//! What the driver kept of an answer counts, not what came: it looks at the blocks' roots, which these decisions never see.

use std::collections::{BTreeMap, BTreeSet};

use quartet_types::{Checkpoint, Root, Slot};

use crate::{
    Action, PeerName, RequestError,
    aside::{Aside, PAUSE, SHORT_PAUSE},
};

/// Numbers of requests from here on are not [`Sync`](crate::Sync)'s.
const FIRST_REQUEST: u64 = 1 << 63;
/// Most missing blocks that are known at a time.
const WINDOW: usize = 128;
/// Most roots in a request.
const MAX_ROOTS: usize = 32;
/// What an answer is to have, in bytes, going by the last one's blocks: a piece of the line for a moment.
const ANSWER_BYTES: usize = 1 << 20;
/// Most requests at a time, with those whose blocks are being written; of one peer one.
const MAX_UNDER_WAY: usize = 2;
/// Most requests in a tick, of a second: a sixteenth of the roots that a peer of our kind serves.
const MAX_PER_TICK: u32 = 4;
/// How many peers are remembered that do not have a block, for each block of the window.
const MAX_WITHOUT: usize = 128;
/// Up to so many answers with less than was asked for count against a peer's turn.
const MAX_SHORTFALLS: u32 = 8;

/// What backfilling wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BackfillAction {
    /// Find out which blocks are missing, and tell it with [`Backfill::on_looked`].
    Look {
        /// Those below this slot; `None` for all, from where blocks are kept.
        below: Option<Slot>,
        /// How many at most.
        limit: usize,
    },
    /// Ask a peer, or penalize it. What comes of a request is told with [`Backfill::on_kept`] or [`Backfill::on_failed`].
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
    /// Who did not have it, and until when it is not asked again.
    without: BTreeMap<PeerName, u64>,
}

/// A connected peer's turn: who served less than was asked for comes later, then who was asked last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Turn {
    shortfalls: u32,
    last: u64,
}

#[derive(Debug)]
struct Request {
    peer: PeerName,
    blocks: Vec<Checkpoint>,
    is_answered: bool,
}

/// The state of fetching the finalized chain's past.
#[derive(Debug)]
pub struct Backfill {
    peers: BTreeMap<PeerName, Turn>,
    aside: Aside,
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
            aside: Aside::default(),
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

    /// Whether something is missing that no peer is being asked for, since all have been lately or there are none.
    pub fn is_waiting(&self) -> bool {
        let nothing_comes = self.ticks - self.moved > SHORT_PAUSE;
        !self.window.is_empty() && self.requests.is_empty() && nothing_comes
    }

    /// A request was answered with blocks: what it asked for, to be kept of them and told with [`Backfill::on_kept`]. `None` if
    /// it is not under way any more.
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

    /// A peer is gone. If it was being asked, it has not answered, so that coming back soon is of no use.
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

    /// What is missing, the newest first, as [`BackfillAction::Look`] wanted to know, and where more is missing: below `next`.
    pub fn on_looked(&mut self, missing: &[Checkpoint], next: Option<Slot>) {
        let Frontier::Looking { from_top } = self.frontier else {
            return;
        };
        let mut before = match from_top {
            true => std::mem::take(&mut self.window),
            false => BTreeMap::new(),
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

    /// Blocks of an answer were kept, those with these roots; `bytes` is what they take. None of them are there when a peer
    /// served nothing, or nothing that was asked for.
    pub fn on_kept(&mut self, request: u64, kept: &BTreeSet<Root>, bytes: usize) {
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
                // An answer may end early, but does not pass over what is there.
                wanted.without.insert(peer.clone(), until);
            }
        }
        let count = blocks.iter().filter(|block| is_kept(block)).count();
        if count == 0 {
            return self.aside.leave(&peer, self.ticks);
        }
        self.moved = self.ticks;
        self.aside.forget(&peer);
        self.batch = (ANSWER_BYTES / (bytes / count).max(1)).clamp(1, MAX_ROOTS);
        if let Some(turn) = self.peers.get_mut(&peer) {
            turn.shortfalls = match count == blocks.len() {
                true => turn.shortfalls.saturating_sub(1),
                false => (turn.shortfalls + 1).min(MAX_SHORTFALLS),
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
            RequestError::NoAnswer => self.aside.leave(&peer, self.ticks),
            RequestError::Unsupported | RequestError::Malformed => {
                self.aside.leave_long(&peer, self.ticks);
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
        actions.extend(self.look());
        actions
    }

    fn look(&mut self) -> Option<BackfillAction> {
        let is_idle = self.requests.is_empty();
        let is_stale = is_idle && self.ticks - self.moved >= PAUSE;
        let below = match self.frontier {
            Frontier::Looking { .. } | Frontier::Done => return None,
            Frontier::Unknown => None,
            // Retention may have passed what is missing, or nothing is any more.
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
        Some(BackfillAction::Look { below, limit })
    }

    fn ask(&mut self) -> Option<Action> {
        if matches!(self.frontier, Frontier::Looking { from_top: true }) {
            // The window is about to be made anew.
            return None;
        }
        let is_busy = |peer: &PeerName| self.requests.values().any(|request| request.peer == *peer);
        let is_aside = |peer: &PeerName| self.aside.has(peer, self.ticks);
        let able = self.peers.iter();
        let able = able.filter(|(peer, _)| !is_busy(peer) && !is_aside(peer));
        let mut able: Vec<(Turn, &PeerName)> = able.map(|(peer, turn)| (*turn, peer)).collect();
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
        if let Some(turn) = self.peers.get_mut(&peer) {
            turn.last = request;
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
