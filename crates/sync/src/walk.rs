//! One gap being closed: back to a block that the chain has, then forward again.

use std::collections::BTreeSet;

use quartet_types::{Block, HISTORICAL_ROOTS_LIMIT, Root, Slot};

use crate::{Need, PeerName, View};

/// Roots in one request on the way forward.
pub(crate) const BATCH: usize = 32;
/// Requests at a time on the way forward.
const FORWARD_REQUESTS: usize = 2;
/// How far ahead of the chain the way forward fetches: bodies must find room in the parking.
pub(crate) const WINDOW: usize = 256;
/// How often all peers are asked in vain before a walk is given up.
const ROUNDS: u32 = 3;
/// Others that are remembered as having sent what a walk looks for.
const MAX_SENDERS: usize = 16;
/// Ticks without progress after which a walk is given up: five slots.
const MAX_IDLE_TICKS: u32 = 20;

/// A gap being closed.
#[derive(Debug)]
pub(crate) struct Walk {
    /// The block that the walk began with.
    first: Root,
    /// Why that is needed; `None` while it is merely claimed.
    need: Option<Need>,
    /// Whether the proposer of the block that it began with has signed it, or that of a block which builds on it.
    is_authentic: bool,
    /// From which place on, counted from the first block backwards, all blocks are needed.
    needed_from: Option<usize>,
    /// Slot up to which the gap is said to reach.
    target: Slot,
    /// Roots met on the way back, newest first.
    roots: Vec<Root>,
    step: Step,
    /// What has been fetched on the way forward.
    fetched: BTreeSet<Root>,
    /// Who let us know of the gap.
    hint: Option<PeerName>,
    /// Who else has sent the first block, in one envelope or another.
    senders: BTreeSet<PeerName>,
    /// Who served the first block.
    begun_by: Option<PeerName>,
    /// Who could not help with the present step.
    tried: BTreeSet<PeerName>,
    rounds: u32,
    idle_ticks: u32,
}

#[derive(Debug)]
enum Step {
    /// `missing` must lie below the slot of the block met last.
    Back {
        missing: Root,
        below: Option<Slot>,
    },
    Forward,
}

/// How a block that was served fits what a walk knows.
///
/// Ordered from good to bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Link {
    Fits,
    /// The way back passes the finalized slot beside our chain, or finality has overtaken the walk:
    /// nothing on it can be imported. That need not be the fault of who served it.
    LeadsNowhere,
    /// It cannot be the parent of the block before.
    Broken,
}

/// What a walk needs next.
pub(crate) enum Next {
    Ask(Vec<Root>),
    Wait,
    Done,
}

impl Walk {
    pub(crate) fn new(
        missing: Root,
        target: Slot,
        hint: Option<PeerName>,
        need: Option<Need>,
    ) -> Self {
        Self {
            first: missing,
            need,
            is_authentic: need == Some(Need::Ancestor),
            needed_from: need.map(|_| 1),
            target,
            roots: Vec::new(),
            step: Step::Back {
                missing,
                below: None,
            },
            fetched: BTreeSet::new(),
            hint,
            senders: BTreeSet::new(),
            begun_by: None,
            tried: BTreeSet::new(),
            rounds: 0,
            idle_ticks: 0,
        }
    }

    pub(crate) fn target(&self) -> Slot {
        self.target
    }

    /// Whether a peer has served a block of this walk.
    pub(crate) fn confirmed(&self) -> bool {
        !self.roots.is_empty()
    }

    /// Whether signatures say that there is something to catch up with, and a peer has served some of it.
    pub(crate) fn is_certain(&self) -> bool {
        self.is_authentic && self.confirmed()
    }

    /// Whether it is nothing but the word of peers yet.
    pub(crate) fn is_mere_claim(&self) -> bool {
        self.need.is_none() && !self.is_authentic
    }

    /// Whether it is nothing but the word of this peer yet.
    pub(crate) fn is_claim_of(&self, peer: &PeerName) -> bool {
        self.is_mere_claim() && self.senders.is_empty() && self.hint.as_ref() == Some(peer)
    }

    /// Who let us know of the gap.
    pub(crate) fn hint(&self) -> Option<&PeerName> {
        self.hint.as_ref()
    }

    /// Whether a peer has let us know of the gap.
    pub(crate) fn is_hinted_by(&self, peer: &PeerName) -> bool {
        self.hint.as_ref() == Some(peer) || self.senders.contains(peer)
    }

    /// Another peer has let us know of the block that it begins with.
    pub(crate) fn add_sender(&mut self, root: &Root, peer: PeerName) {
        if self.begins_with(root) && self.senders.len() < MAX_SENDERS && !self.is_hinted_by(&peer) {
            self.senders.insert(peer);
        }
    }

    /// Whether it looks for what votes name, which may be on no peer's chain.
    pub(crate) fn is_for_name(&self) -> bool {
        self.need == Some(Need::Name)
    }

    /// Who has served the block that it began with.
    pub(crate) fn begun_by(&self) -> Option<&PeerName> {
        self.begun_by.as_ref()
    }

    /// Whether its first block was served, in vain, and nothing but a claim asked for it.
    pub(crate) fn is_refuted(&self) -> bool {
        self.is_mere_claim() && self.confirmed()
    }

    /// Whether the walk will fetch this block, or has.
    pub(crate) fn covers(&self, root: &Root) -> bool {
        matches!(&self.step, Step::Back { missing, .. } if missing == root)
            || self.roots.contains(root)
    }

    pub(crate) fn begins_with(&self, root: &Root) -> bool {
        self.first == *root
    }

    /// Why the block that it began with is needed; `None` while it is merely claimed.
    pub(crate) fn own_need(&self) -> Option<Need> {
        self.need
    }

    /// Why the walk needs a block.
    pub(crate) fn need(&self, root: &Root) -> Option<Need> {
        if self.begins_with(root) {
            return self.need;
        }
        let position = self.position(root)?;
        let is_needed = self.needed_from.is_some_and(|from| position >= from);
        is_needed.then_some(Need::Ancestor)
    }

    /// Something else needs a block of the walk, and so all that it builds on.
    pub(crate) fn add_need(&mut self, root: &Root, need: Option<Need>) {
        let Some((position, need)) = self.position(root).zip(need) else {
            return;
        };
        let from = match self.begins_with(root) {
            true => {
                self.need = self.need.max(Some(need));
                self.is_authentic |= need == Need::Ancestor;
                position + 1
            }
            false => position,
        };
        self.needed_from = Some(self.needed_from.map_or(from, |earlier| earlier.min(from)));
    }

    /// The proposer of a block has signed it: whether or not the block is of use, what it builds on is needed.
    pub(crate) fn on_authentic(&mut self, root: &Root) {
        if self.begins_with(root) {
            self.is_authentic = true;
            self.needed_from = Some(1);
        }
    }

    /// Place of a block on the way back; the one that is looked for comes next.
    fn position(&self, root: &Root) -> Option<usize> {
        let missing = match &self.step {
            Step::Back { missing, .. } if missing == root => Some(self.roots.len()),
            _ => None,
        };
        // On the way forward the oldest come first.
        missing.or_else(|| self.roots.iter().rposition(|other| other == root))
    }

    pub(crate) fn next(
        &mut self,
        view: &impl View,
        open: usize,
        requested: impl Fn(&Root) -> bool,
    ) -> Next {
        while let Step::Back { missing, below } = &mut self.step {
            let ancestor = view.missing_ancestor(*missing);
            if view.in_chain(&ancestor) || view.pending(&ancestor) {
                // The way back has arrived at the chain, or at a block that is being verified.
                self.step = Step::Forward;
            } else if ancestor != *missing {
                // What waits here may wait for a block that its attestations name, of whatever slot.
                (*missing, *below) = (ancestor, None);
            } else if self.is_mere_claim() && !self.roots.is_empty() {
                // Whoever claims it can make up all that lies below it, too.
                return Next::Wait;
            } else if open == 0 {
                return Next::Ask(vec![ancestor]);
            } else {
                return Next::Wait;
            }
        }
        while self.roots.last().is_some_and(|root| view.in_chain(root)) {
            self.roots.pop();
            self.idle_ticks = 0;
        }
        if self.roots.is_empty() {
            return Next::Done;
        }
        let absent = |root: &&Root| !view.in_chain(root) && !view.pending(root) && !requested(root);
        let window = self.roots.iter().rev().take(WINDOW);
        let roots: Vec<Root> = window.filter(absent).take(BATCH).copied().collect();
        match open < FORWARD_REQUESTS && !roots.is_empty() {
            true => Next::Ask(roots),
            false => Next::Wait,
        }
    }

    /// A peer has served a block.
    pub(crate) fn received(
        &mut self,
        peer: &PeerName,
        root: Root,
        block: &Block,
        view: &impl View,
    ) -> Link {
        if self.begins_with(&root) {
            self.begun_by.get_or_insert_with(|| peer.clone());
        }
        let Step::Back { missing, below } = &mut self.step else {
            // What is served again and is of no use is no progress.
            if self.fetched.insert(root) {
                self.has_moved();
            }
            return Link::Fits;
        };
        if *missing != root {
            return Link::Fits;
        }
        self.tried.clear();
        (self.rounds, self.idle_ticks) = (0, 0);
        // No block is imported before its slot, so no chain of ours can begin later than that.
        let limit = below.unwrap_or_else(|| view.current_slot().saturating_add(2));
        if block.slot >= limit || self.roots.len() >= HISTORICAL_ROOTS_LIMIT as usize {
            return Link::Broken;
        }
        if block.slot <= view.finalized().slot {
            return Link::LeadsNowhere;
        }
        self.roots.push(root);
        *missing = block.parent_root;
        *below = Some(block.slot);
        Link::Fits
    }

    fn has_moved(&mut self) {
        self.tried.clear();
        (self.rounds, self.idle_ticks) = (0, 0);
    }

    pub(crate) fn failed_with(&mut self, peer: PeerName) {
        self.tried.insert(peer);
    }

    /// Whether a peer could not help with the present step.
    pub(crate) fn has_tried(&self, peer: &PeerName) -> bool {
        self.tried.contains(peer)
    }

    /// Whom to ask: the peer that let us know, else the one with the least to do.
    pub(crate) fn choose(
        &self,
        peers: &[PeerName],
        load: impl Fn(&PeerName) -> usize,
    ) -> Option<PeerName> {
        let mut untried = peers.iter().filter(|peer| !self.has_tried(peer));
        let hinted = self
            .hint
            .as_ref()
            .filter(|hint| untried.clone().any(|peer| peer == *hint));
        match (hinted, &self.step) {
            (Some(hint), Step::Back { .. }) => Some(hint.clone()),
            _ => untried.by_ref().min_by_key(|peer| load(peer)).cloned(),
        }
    }

    /// Asks everyone again; false when that has been done often enough.
    pub(crate) fn start_over(&mut self) -> bool {
        self.tried.clear();
        self.rounds += 1;
        self.rounds < ROUNDS
    }

    /// Ranges of slots are being fetched meanwhile.
    pub(crate) fn stand_still(&mut self) {
        self.idle_ticks = 0;
    }

    /// False when nothing has moved for too long.
    pub(crate) fn tick(&mut self) -> bool {
        self.idle_ticks += 1;
        self.idle_ticks < MAX_IDLE_TICKS
    }
}
