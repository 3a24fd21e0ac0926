//! The state machine: gaps, the requests that are under way for them, and their results.

use std::{collections::BTreeMap, sync::Arc};

use quartet_types::{Root, SignedBlockWithAttestation, Slot, Status};

use crate::{
    Action, ChainView, PeerName, RequestError, ResponseOutcome, SYNC_TOLERANCE_SLOTS, peers::Peers,
    ranges::Ranges, walk::Walk,
};

/// Most gaps that are closed at a time because something needs them. Beside these, each peer may have one for the head
/// that it claims.
pub(crate) const MAX_WALKS: usize = 16;
/// Most requests to one peer at a time.
pub(crate) const MAX_REQUESTS_PER_PEER: usize = 4;

/// A request under way.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) peer: PeerName,
    pub(crate) purpose: Purpose,
}

/// What it is for.
#[derive(Debug)]
pub(crate) enum Purpose {
    Walk { walk: u64, roots: Vec<Root> },
    Range { start: Slot },
}

/// The state of catching up. At most 16 gaps are closed at a time because something needs them, and one for the claim of each
/// peer; at most four requests to a peer are under way.
#[derive(Debug, Default)]
pub struct SyncMachine {
    pub(crate) peers: Peers,
    pub(crate) walks: BTreeMap<u64, Walk>,
    pub(crate) ranges: Option<Ranges>,
    /// Ticks until ranges may be tried again.
    pub(crate) pause: u32,
    /// How often they have brought nothing, in a row.
    pub(crate) futile: u32,
    pub(crate) requests: BTreeMap<u64, Request>,
    next_number: u64,
}

impl SyncMachine {
    /// A peer has told us of its chain.
    pub fn on_status(
        &mut self,
        peer: PeerName,
        status: Status,
        view: &impl ChainView,
    ) -> Vec<Action> {
        if !on_our_chain(&status, view) {
            self.on_disconnected(&peer);
            let reason = "its finalized checkpoint is not on our chain";
            return vec![Action::Disconnect { peer, reason }];
        }
        self.peers.update_status(&peer, status);
        // The block that it started from has no signatures, and is not served.
        let is_first = status.head == status.finalized;
        // No block beyond the next slot can be valid yet.
        let slots = view.finalized().slot + 1..=view.current_slot() + 1;
        if slots.contains(&status.head.slot) && !is_first {
            self.forget_claim(&peer, Some(&status.head.root));
            self.want(status.head.root, status.head.slot, Some(peer), None, view);
        }
        self.poll(view)
    }

    /// A peer is gone.
    pub fn on_disconnected(&mut self, peer: &PeerName) {
        self.peers.remove(peer);
        self.forget_claim(peer, None);
        self.requests.retain(|_, request| request.peer != *peer);
        let ranges = self.ranges.iter_mut();
        ranges.for_each(|ranges| ranges.on_disconnected(peer));
    }

    /// A request has ended. The caller imports the blocks, after this call. `None` where it is not under way any more.
    pub fn on_response(
        &mut self,
        request: u64,
        result: &Result<Vec<Arc<SignedBlockWithAttestation>>, RequestError>,
        view: &impl ChainView,
    ) -> Option<ResponseOutcome> {
        let Request { peer, purpose } = self.requests.remove(&request)?;
        let is_range = matches!(purpose, Purpose::Range { .. });
        let mut actions = Vec::new();
        let mut penalize = |reason| {
            let peer = peer.clone();
            actions.push(Action::Penalize { peer, reason });
        };
        if result == &Err(RequestError::Malformed) {
            penalize("it answered a request for blocks with something else");
        }
        match (purpose, result) {
            (Purpose::Walk { .. }, Err(RequestError::NotSent)) => {}
            (Purpose::Walk { walk, .. }, Ok(blocks)) => {
                if !self.receive(walk, &peer, blocks, view) {
                    penalize("its head is not in the slot that it claims");
                }
            }
            (Purpose::Walk { walk, .. }, Err(error)) => {
                if let Some(walk) = self.walks.get_mut(&walk) {
                    walk.on_failure(peer.clone());
                }
                if let (RequestError::Unsupported, Some(known)) = (error, self.peers.get_mut(&peer))
                {
                    known.serves_blocks = false;
                }
            }
            (Purpose::Range { start }, result) => self.on_range(start, &peer, result),
        }
        Some(ResponseOutcome {
            peer,
            actions,
            is_range,
        })
    }

    /// Time has passed: walks that came to a stop are given up.
    pub fn on_tick(&mut self) {
        self.pause = self.pause.saturating_sub(1);
        let has_ranges = self.are_ranges_active();
        self.walks.retain(|_, walk| {
            if has_ranges && walk.is_certain() {
                walk.reset_idle_ticks();
            }
            walk.tick()
        });
        if let Some(ranges) = &mut self.ranges {
            let (slow, goes_on) = ranges.tick();
            for peer in slow {
                self.peers.add_merit(&peer, -1);
            }
            if !goes_on {
                self.end_ranges();
            }
        }
    }

    /// What to ask for now.
    pub fn poll(&mut self, view: &impl ChainView) -> Vec<Action> {
        let mut actions = Vec::new();
        self.poll_ranges(view, &mut actions);
        // Ranges close the gap sooner than a walk that goes back.
        let has_ranges = self.are_ranges_active();
        let walks = self.walks.iter();
        let walks = walks
            .filter(|(_, walk)| !has_ranges || !walk.is_certain() || walk.is_for_named_block());
        let walks: Vec<u64> = walks.map(|(number, _)| *number).collect();
        for number in walks {
            while let Some(action) = self.poll_walk(number, view) {
                actions.push(action);
            }
        }
        actions
    }

    pub(crate) fn load(&self, peer: &PeerName) -> usize {
        let requests = self.requests.values();
        requests.filter(|request| request.peer == *peer).count()
    }

    /// The newest slot to catch up to that signatures confirm and of which peers serve blocks.
    pub(crate) fn certain_target(&self) -> Option<Slot> {
        let certain = self.walks.values().filter(|walk| walk.is_certain());
        certain.map(Walk::target).max()
    }

    /// The slot that we are catching up to, if it is further ahead of `head` than is usual. What a
    /// peer merely claims does not count, whatever it serves, until a proposer's signature confirms it.
    pub fn target(&self, head: Slot) -> Option<Slot> {
        let ranges = self.ranges.as_ref().map(Ranges::target);
        let target = self.certain_target().max(ranges)?;
        (target > head + SYNC_TOLERANCE_SLOTS).then_some(target)
    }

    /// Whether any peer has sent its status.
    pub fn has_peer_status(&self) -> bool {
        !self.peers.is_empty()
    }

    /// Whether a gap is known, confirmed or not.
    pub fn has_gaps(&self) -> bool {
        !self.walks.is_empty()
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }
}

/// Whether what a peer has finalized can be part of our chain.
fn on_our_chain(status: &Status, view: &impl ChainView) -> bool {
    let theirs = status.finalized;
    // Some clients report the zero root until something beyond genesis is finalized.
    let at_genesis = theirs.slot == 0 && theirs.root == Root::ZERO;
    at_genesis
        || theirs.slot > view.finalized().slot
        || view.canonical_root(theirs.slot) == Some(theirs.root)
}
