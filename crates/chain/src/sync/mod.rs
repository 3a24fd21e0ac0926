//! Catching up: which blocks to ask for, and whom.
//!
//! pq-devnet-1 serves blocks by root only, so a gap is closed in two passes. A [`Walk`] first goes
//! back, parent by parent, from the block that is missing to one that the chain has, and remembers the
//! roots; then it goes forward over these, many roots a request. Bodies that it meets on its way back
//! wait in the parking; where that overflows, the pass forward fetches them again.
//!
//! This module only decides. The chain service carries messages in and out, so that everything
//! here is plain data, deterministic and bounded.

#[cfg(test)]
mod tests;
mod walk;

use std::{collections::BTreeMap, sync::Arc};

use quartet_types::{Checkpoint, Root, SignedBlockWithAttestation, Slot, Status};

use crate::{NetworkMessage, PeerName, RequestError, parking::Need, persistence::block_root};
use walk::{Link, Next, Walk};

/// Most gaps that are closed at a time.
const MAX_WALKS: usize = 16;
/// Most requests to one peer at a time.
const MAX_REQUESTS_PER_PEER: usize = 4;
/// How far behind a peer's head ours may be before duties wait.
const SYNC_TOLERANCE_SLOTS: u64 = 2;

/// What sync needs to know of the chain and of what waits to enter it.
pub(crate) trait View {
    /// Whether the block is in the chain.
    fn in_chain(&self, root: &Root) -> bool;
    /// Whether the block has been received and waits for its parent or is being verified.
    fn pending(&self, root: &Root) -> bool;
    /// The oldest ancestor of a waiting block that has not been received.
    fn missing_ancestor(&self, root: Root) -> Root;
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
}

#[derive(Debug)]
struct Request {
    walk: u64,
    peer: PeerName,
    roots: Vec<Root>,
}

/// The state of catching up.
#[derive(Debug, Default)]
pub(crate) struct Sync {
    peers: BTreeMap<PeerName, Peer>,
    walks: BTreeMap<u64, Walk>,
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
                let serves_blocks = true;
                self.peers.insert(
                    peer.clone(),
                    Peer {
                        status,
                        serves_blocks,
                    },
                );
            }
        }
        // A head beyond the next slot cannot be: no block of ours would be accepted there either.
        if status.head.slot > view.finalized().slot && status.head.slot <= view.current_slot() + 1 {
            self.want(status.head.root, status.head.slot, Some(peer), None, view);
        }
        self.poll(view)
    }

    /// A peer is gone.
    pub(crate) fn on_disconnected(&mut self, peer: &PeerName) {
        self.peers.remove(peer);
        self.requests.retain(|_, request| request.peer != *peer);
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
        if self.walks.len() >= MAX_WALKS {
            // What is needed more takes the place of what nobody has served a block of: anybody can claim a head.
            let unserved = self.walks.iter().filter(|(_, walk)| !walk.confirmed());
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

    /// Why a gap that is being closed needs this block.
    pub(crate) fn need(&self, root: &Root) -> Option<Need> {
        let walks = self.walks.values();
        walks.filter_map(|walk| walk.need(root)).max()
    }

    /// The proposer of a block has signed it: what it builds on is needed.
    pub(crate) fn on_authentic(&mut self, root: &Root) {
        for walk in self.walks.values_mut() {
            walk.on_authentic(root);
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
    ) -> Option<(PeerName, Vec<NetworkMessage>)> {
        let request = self.requests.remove(&request)?;
        let peer = request.peer;
        let mut actions = Vec::new();
        let mut penalize = |reason| {
            let peer = peer.clone();
            actions.push(NetworkMessage::Penalize { peer, reason });
        };
        match result {
            Ok(blocks) => {
                if !self.receive(request.walk, &peer, blocks, view) {
                    penalize("it served blocks that do not form a chain");
                }
            }
            Err(error) => {
                if let Some(walk) = self.walks.get_mut(&request.walk) {
                    walk.failed_with(peer.clone());
                }
                match (error, self.peers.get_mut(&peer)) {
                    (RequestError::Malformed, _) => {
                        penalize("it answered a request for blocks with something else")
                    }
                    (RequestError::Unsupported, Some(known)) => known.serves_blocks = false,
                    (RequestError::NoAnswer | RequestError::Unsupported, _) => {}
                }
            }
        }
        Some((peer, actions))
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
    }

    /// Time has passed: walks that came to a stop are given up.
    pub(crate) fn on_tick(&mut self) {
        self.walks.retain(|_, walk| walk.tick());
    }

    /// What to ask for now.
    pub(crate) fn poll(&mut self, view: &impl View) -> Vec<NetworkMessage> {
        let mut actions = Vec::new();
        let walks: Vec<u64> = self.walks.keys().copied().collect();
        for number in walks {
            while let Some(action) = self.poll_walk(number, view) {
                actions.push(action);
            }
        }
        actions
    }

    /// The slot that we are catching up to, if it is further ahead of `head` than is usual. What a
    /// peer merely claims does not count until it has served a block of it.
    pub(crate) fn target(&self, head: Slot) -> Option<Slot> {
        let confirmed = self.walks.values().filter(|walk| walk.confirmed());
        let target = confirmed.map(Walk::target).max()?;
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
            .map(|block| walk.received(block_root(block), block.block(), view));
        let worst = links.max().unwrap_or(Link::Fits);
        if worst != Link::Fits {
            self.walks.remove(&number);
        }
        worst != Link::Broken
    }

    fn poll_walk(&mut self, number: u64, view: &impl View) -> Option<NetworkMessage> {
        let walk = self.walks.get_mut(&number)?;
        let open: Vec<&Request> = self
            .requests
            .values()
            .filter(|request| request.walk == number)
            .collect();
        let requested = |root: &Root| open.iter().any(|request| request.roots.contains(root));
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
        let able = |(name, peer): (&PeerName, &Peer)| {
            (peer.serves_blocks && load(name) < MAX_REQUESTS_PER_PEER).then(|| name.clone())
        };
        let peers: Vec<PeerName> = self.peers.iter().filter_map(able).collect();
        let mut serving = self.peers.iter().filter(|(_, peer)| peer.serves_blocks);
        let peer = match walk.choose(&peers, load) {
            Some(peer) => peer,
            // Who could help is busy with other walks, whose answers bring the turn of this one.
            None if serving.any(|(name, _)| !walk.has_tried(name)) => return None,
            // Nobody is left to ask; unless an answer is still under way, start over or give up.
            None if open.is_empty() && !walk.start_over() => {
                self.walks.remove(&number);
                return None;
            }
            None => return None,
        };
        let request = self.number();
        let action = NetworkMessage::RequestBlocks {
            request,
            peer: peer.clone(),
            roots: roots.clone(),
        };
        self.requests.insert(
            request,
            Request {
                walk: number,
                peer,
                roots,
            },
        );
        Some(action)
    }

    fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
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
