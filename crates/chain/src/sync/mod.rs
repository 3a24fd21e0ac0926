//! Catching up: which blocks to ask for, and whom.
//!
//! What is missing is known by its root, and a [`Walk`] closes such a gap in two passes: back, parent by parent, to a block
//! that the chain has, remembering roots; then forward over these, many roots a request. Bodies met on the way back wait in
//! the parking. Where the gap is long and peers serve blocks by their slots, [`Ranges`] fetch the way forward instead, and the
//! walk stands still; where none does, pq-devnet-1's requests by root have to do.
//!
//! What a peer says of its chain is a claim. One block is fetched for it, from that peer; only when its proposer has signed
//! that block there is something to catch up with.
//!
//! This module only decides. The chain service carries messages in and out, so that everything
//! here is plain data, deterministic and bounded.

mod forward;
mod ranges;
#[cfg(test)]
mod tests;
mod walk;

use std::{collections::BTreeMap, sync::Arc};

use quartet_types::{Checkpoint, Root, SignedBlockWithAttestation, Slot, Status};

use crate::{NetworkMessage, PeerName, RequestError, parking::Need, persistence::block_root};
use ranges::Ranges;
use walk::{Link, Next, Walk};

pub(crate) use ranges::{Batch, BatchOutcome};

/// Most gaps that are closed at a time because something needs them. Beside these, each peer has one for its claim.
const MAX_WALKS: usize = 16;
/// Most requests to one peer at a time.
const MAX_REQUESTS_PER_PEER: usize = 4;
/// How far behind a peer's head ours may be before duties wait.
pub(crate) const SYNC_TOLERANCE_SLOTS: u64 = 2;
/// What a peer's merit may grow to.
const MAX_MERIT: i32 = 8;

/// What sync needs to know of the chain and of what waits to enter it.
pub(crate) trait View {
    /// Whether the block is in the chain.
    fn in_chain(&self, root: &Root) -> bool;
    /// Whether the block has been received and waits for its parent or is being verified.
    fn pending(&self, root: &Root) -> bool;
    /// The oldest ancestor of a waiting block that has not been received.
    fn missing_ancestor(&self, root: Root) -> Root;
    /// Slot of the head.
    fn head_slot(&self) -> Slot;
    /// Root of the block of the head's chain at a slot.
    fn canonical_root(&self, slot: Slot) -> Option<Root>;
    /// The latest finalized checkpoint.
    fn finalized(&self) -> Checkpoint;
    /// The current slot.
    fn current_slot(&self) -> Slot;
}

#[derive(Debug)]
struct Peer {
    status: Status,
    serves_blocks: bool,
    serves_ranges: bool,
    /// Grows with what it serves that signatures confirm, shrinks when it is waited for in vain.
    merit: i32,
}

#[derive(Debug)]
struct Request {
    peer: PeerName,
    purpose: Purpose,
}

#[derive(Debug)]
enum Purpose {
    Walk { walk: u64, roots: Vec<Root> },
    Range { start: Slot },
}

/// What came of an answer, beside its blocks.
#[derive(Debug)]
pub(crate) struct Noted {
    /// Who answered.
    pub(crate) peer: PeerName,
    /// What is to be done.
    pub(crate) actions: Vec<NetworkMessage>,
    /// Whether the blocks are kept here until it is their turn.
    pub(crate) is_range: bool,
}

/// The state of catching up.
#[derive(Debug, Default)]
pub(crate) struct Sync {
    peers: BTreeMap<PeerName, Peer>,
    walks: BTreeMap<u64, Walk>,
    ranges: Option<Ranges>,
    /// Ticks until ranges may be tried again.
    pause: u32,
    /// How often they have brought nothing, in a row.
    futile: u32,
    requests: BTreeMap<u64, Request>,
    next_number: u64,
}

impl Sync {
    /// A peer has told us of its chain.
    pub(crate) fn on_status(
        &mut self,
        peer: PeerName,
        status: Status,
        view: &impl View,
    ) -> Vec<NetworkMessage> {
        if !on_our_chain(&status, view) {
            self.on_disconnected(&peer);
            let reason = "its finalized checkpoint is not on our chain";
            return vec![NetworkMessage::Disconnect { peer, reason }];
        }
        match self.peers.get_mut(&peer) {
            Some(known) => known.status = status,
            None => {
                let known = Peer {
                    status,
                    serves_blocks: true,
                    serves_ranges: true,
                    merit: 0,
                };
                self.peers.insert(peer.clone(), known);
            }
        }
        // A head beyond the next slot cannot be: no block of ours would be accepted there either.
        if status.head.slot > view.finalized().slot && status.head.slot <= view.current_slot() + 1 {
            self.forget_claim(&peer, &status.head.root);
            self.want(status.head.root, status.head.slot, Some(peer), None, view);
        }
        self.poll(view)
    }

    /// A peer is gone.
    pub(crate) fn on_disconnected(&mut self, peer: &PeerName) {
        self.peers.remove(peer);
        self.requests.retain(|_, request| request.peer != *peer);
        let ranges = self.ranges.iter_mut();
        ranges.for_each(|ranges| ranges.lost(peer));
    }

    /// A peer claims something else now: what it claimed before is of no interest unless it has been confirmed.
    fn forget_claim(&mut self, peer: &PeerName, unless: &Root) {
        let is_stale = |walk: &Walk| walk.is_claim_of(peer) && !walk.begins_with(unless);
        self.walks.retain(|_, walk| !is_stale(walk));
    }

    /// A block of `slot` or before is missing, as `peer` has let us know. `need` says what needs it, `None` that it was merely
    /// claimed.
    pub(crate) fn want(
        &mut self,
        root: Root,
        slot: Slot,
        peer: Option<PeerName>,
        need: Option<Need>,
        view: &impl View,
    ) {
        let missing = view.missing_ancestor(root);
        if view.in_chain(&missing) || view.pending(&missing) {
            return;
        }
        // What lies below a block that waits is needed by it.
        let need = match missing == root {
            true => need,
            false => need.max(Some(Need::Ancestor)),
        };
        let mut walks = self.walks.values_mut();
        if let Some(walk) = walks.find(|walk| walk.covers(&missing)) {
            return walk.add_need(&missing, need);
        }
        // Claims take no places from what is needed: each peer has one.
        if need.is_some() && self.needed_walks().count() >= MAX_WALKS {
            let unserved = self.needed_walks().filter(|(_, walk)| !walk.confirmed());
            let least = unserved.map(|(number, walk)| (walk.own_need(), *number));
            match least.min().filter(|(least, _)| *least < need) {
                Some((_, number)) => self.walks.remove(&number),
                None => return,
            };
        }
        let number = self.number();
        self.walks
            .insert(number, Walk::new(missing, slot, peer, need));
    }

    fn needed_walks(&self) -> impl Iterator<Item = (&u64, &Walk)> {
        let walks = self.walks.iter();
        walks.filter(|(_, walk)| walk.own_need().is_some())
    }

    /// Why a gap that is being closed needs this block.
    pub(crate) fn need(&self, root: &Root) -> Option<Need> {
        let walks = self.walks.values();
        walks.filter_map(|walk| walk.need(root)).max()
    }

    /// The proposer of a block has signed it: what it builds on is needed.
    pub(crate) fn on_authentic(&mut self, root: &Root) {
        for walk in self.walks.values_mut() {
            walk.on_authentic(root);
            if let Some(peer) = walk.begun_by().filter(|_| walk.begins_with(root)) {
                add_merit(&mut self.peers, peer, 1);
            }
        }
    }

    /// A block is of no use to us: no walk needs to begin with it.
    pub(crate) fn on_unwanted(&mut self, root: &Root) {
        self.walks.retain(|_, walk| !walk.begins_with(root));
    }

    /// A request has ended. The blocks themselves are the service's to import, after this.
    pub(crate) fn on_response(
        &mut self,
        request: u64,
        result: &Result<Vec<Arc<SignedBlockWithAttestation>>, RequestError>,
        view: &impl View,
    ) -> Option<Noted> {
        let Request { peer, purpose } = self.requests.remove(&request)?;
        let is_range = matches!(purpose, Purpose::Range { .. });
        let mut actions = Vec::new();
        let mut penalize = |reason| {
            let peer = peer.clone();
            actions.push(NetworkMessage::Penalize { peer, reason });
        };
        if result == &Err(RequestError::Malformed) {
            penalize("it answered a request for blocks with something else");
        }
        match (purpose, result) {
            (Purpose::Walk { walk, .. }, Ok(blocks)) => {
                if !self.receive(walk, &peer, blocks, view) {
                    penalize("it served blocks that do not form a chain");
                }
            }
            (Purpose::Walk { walk, .. }, Err(error)) => {
                if let Some(walk) = self.walks.get_mut(&walk) {
                    walk.failed_with(peer.clone());
                }
                if let (RequestError::Unsupported, Some(known)) = (error, self.peers.get_mut(&peer))
                {
                    known.serves_blocks = false;
                }
            }
            (Purpose::Range { start }, result) => self.on_range(start, &peer, result),
        }
        Some(Noted {
            peer,
            actions,
            is_range,
        })
    }

    /// A block turned out to be invalid: nobody needs what builds on it.
    pub(crate) fn on_invalid(&mut self, root: &Root) {
        self.walks.retain(|_, walk| !walk.covers(root));
    }

    /// A peer's copy of a block has bad signatures: another peer's may have good ones.
    pub(crate) fn on_bad_envelope(&mut self, root: &Root, peer: PeerName) {
        let mut walks = self.walks.values_mut();
        if let Some(walk) = walks.find(|walk| walk.covers(root)) {
            walk.failed_with(peer);
        }
        // Of what was merely claimed there is nothing left.
        self.walks
            .retain(|_, walk| !(walk.begins_with(root) && walk.is_refuted()));
    }

    /// Time has passed: walks that came to a stop are given up.
    pub(crate) fn on_tick(&mut self) {
        self.pause = self.pause.saturating_sub(1);
        let has_ranges = self.ranges.is_some();
        self.walks.retain(|_, walk| {
            if has_ranges && walk.is_certain() {
                walk.stand_still();
            }
            walk.tick()
        });
        if let Some(ranges) = &mut self.ranges {
            let (slow, goes_on) = ranges.tick();
            for peer in slow {
                add_merit(&mut self.peers, &peer, -1);
            }
            if !goes_on {
                self.end_ranges();
            }
        }
    }

    /// What to ask for now.
    pub(crate) fn poll(&mut self, view: &impl View) -> Vec<NetworkMessage> {
        let mut actions = Vec::new();
        self.poll_ranges(view, &mut actions);
        // Ranges get there sooner than a walk that goes back.
        let has_ranges = self.ranges.is_some();
        let walks = self.walks.iter();
        let walks =
            walks.filter(|(_, walk)| !has_ranges || !walk.is_certain() || walk.is_for_name());
        let walks: Vec<u64> = walks.map(|(number, _)| *number).collect();
        for number in walks {
            while let Some(action) = self.poll_walk(number, view) {
                actions.push(action);
            }
        }
        actions
    }

    fn load(&self, peer: &PeerName) -> usize {
        let requests = self.requests.values();
        requests.filter(|request| request.peer == *peer).count()
    }

    /// The newest slot that signatures and peers that serve blocks say there is something to catch up to.
    fn certain_target(&self) -> Option<Slot> {
        let certain = self.walks.values().filter(|walk| walk.is_certain());
        certain.map(Walk::target).max()
    }

    /// The slot that we are catching up to, if it is further ahead of `head` than is usual. What a
    /// peer merely claims does not count, whatever it serves, until a proposer's signature confirms it.
    pub(crate) fn target(&self, head: Slot) -> Option<Slot> {
        let ranges = self.ranges.as_ref().map(Ranges::target);
        let target = self.certain_target().max(ranges)?;
        (target > head + SYNC_TOLERANCE_SLOTS).then_some(target)
    }

    /// Whether any peer has told us of its chain.
    pub(crate) fn has_heard(&self) -> bool {
        !self.peers.is_empty()
    }

    /// Whether a gap is known, confirmed or not.
    pub(crate) fn is_walking(&self) -> bool {
        !self.walks.is_empty()
    }

    /// Takes note of blocks that a peer served for a walk. False when they cannot be a chain: the walk
    /// is then given up.
    fn receive(
        &mut self,
        number: u64,
        peer: &PeerName,
        blocks: &[Arc<SignedBlockWithAttestation>],
        view: &impl View,
    ) -> bool {
        let Some(walk) = self.walks.get_mut(&number) else {
            return true;
        };
        if blocks.is_empty() {
            walk.failed_with(peer.clone());
        }
        let links = blocks
            .iter()
            .map(|block| walk.received(peer, block_root(block), block.block(), view));
        let worst = links.max().unwrap_or(Link::Fits);
        if worst == Link::Fits && !blocks.is_empty() && walk.is_certain() {
            add_merit(&mut self.peers, peer, 1);
        }
        if worst != Link::Fits {
            self.walks.remove(&number);
        }
        worst != Link::Broken
    }

    fn poll_walk(&mut self, number: u64, view: &impl View) -> Option<NetworkMessage> {
        let walk = self.walks.get_mut(&number)?;
        let open = self.requests.values().filter_map(|request| {
            let Purpose::Walk { walk, roots } = &request.purpose else {
                return None;
            };
            (*walk == number).then_some(roots)
        });
        let open: Vec<&Vec<Root>> = open.collect();
        let requested = |root: &Root| open.iter().any(|roots| roots.contains(root));
        let roots = match walk.next(view, open.len(), requested) {
            Next::Ask(roots) => roots,
            Next::Wait => return None,
            Next::Done => {
                self.walks.remove(&number);
                return None;
            }
        };
        let load = |peer: &PeerName| {
            self.requests
                .values()
                .filter(|request| request.peer == *peer)
                .count()
        };
        // What is merely claimed, only those are asked for who claim it.
        let claims = |name: &PeerName, peer: &Peer| {
            walk.hint() == Some(name) || walk.begins_with(&peer.status.head.root)
        };
        let is_claim = walk.is_mere_claim();
        let serving = self
            .peers
            .iter()
            .filter(|(name, peer)| peer.serves_blocks && (!is_claim || claims(name, peer)));
        let mut serving = serving.map(|(name, _)| name);
        let able = serving
            .clone()
            .filter(|name| load(name) < MAX_REQUESTS_PER_PEER);
        let peers: Vec<PeerName> = able.cloned().collect();
        let peer = match walk.choose(&peers, load) {
            Some(peer) => peer,
            // Who could help is busy with other walks, whose answers bring the turn of this one.
            None if serving.any(|name| !walk.has_tried(name)) => return None,
            // Nobody is left to ask; unless an answer is still under way, start over or give up.
            None if open.is_empty() && !walk.start_over() => {
                let walk = self.walks.remove(&number)?;
                return self.blame(&walk);
            }
            None => return None,
        };
        let request = self.number();
        let action = NetworkMessage::RequestBlocks {
            request,
            peer: peer.clone(),
            roots: roots.clone(),
        };
        let purpose = Purpose::Walk {
            walk: number,
            roots,
        };
        self.requests.insert(request, Request { peer, purpose });
        Some(action)
    }

    /// A walk has come to nothing: who claimed a head, and did not serve it when asked again and again, pays for it.
    fn blame(&self, walk: &Walk) -> Option<NetworkMessage> {
        let claimant = walk.hint().filter(|_| walk.is_mere_claim())?;
        let serves_blocks = self.peers.get(claimant)?.serves_blocks;
        serves_blocks.then(|| NetworkMessage::Penalize {
            peer: claimant.clone(),
            reason: "it does not serve the head that it claims",
        })
    }

    fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }
}

fn add_merit(peers: &mut BTreeMap<PeerName, Peer>, peer: &PeerName, merit: i32) {
    if let Some(peer) = peers.get_mut(peer) {
        peer.merit = (peer.merit + merit).clamp(-MAX_MERIT, MAX_MERIT);
    }
}

/// Whether what a peer has finalized can be part of our chain.
fn on_our_chain(status: &Status, view: &impl View) -> bool {
    let theirs = status.finalized;
    // Some clients report the zero root until something beyond genesis is finalized.
    let at_genesis = theirs.slot == 0 && theirs.root == Root::ZERO;
    at_genesis
        || theirs.slot > view.finalized().slot
        || view.canonical_root(theirs.slot) == Some(theirs.root)
}
