//! One gap being closed: back to a block that the chain has, then forward again.

use std::collections::BTreeSet;

use quartet_types::{Block, HISTORICAL_ROOTS_LIMIT, Root, Slot};

use crate::{ChainView, Need, PeerName};

/// Roots in one request on the way forward.
pub(crate) const BATCH: usize = 32;
/// Requests at a time on the way forward.
const FORWARD_REQUESTS: usize = 2;
/// How many blocks ahead of the chain are fetched on the way forward: they must find room in the parking.
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
    /// Whether what the first block builds on is needed, by whatever.
    is_rest_needed: bool,
    /// Slot up to which the gap is said to reach.
    target: Slot,
    /// Roots met on the way back, newest first.
    roots: Vec<Root>,
    step: Step,
    /// What has been fetched on the way forward.
    fetched: BTreeSet<Root>,
    /// The peer that let us know of the gap.
    hint: Option<PeerName>,
    /// Other peers that have sent the first block, in one envelope or another.
    senders: BTreeSet<PeerName>,
    /// The peer that served the first block.
    first_server: Option<PeerName>,
    /// Peers that could not help with the present step.
    tried: BTreeSet<PeerName>,
    rounds: u32,
    idle_ticks: u32,
}

#[derive(Debug)]
enum Step {
    /// The slot of `missing` must be below that of the block met last.
    Back {
        missing: Root,
        below: Option<Slot>,
    },
    Forward,
}

/// Whether a served block fits the walk. It has the root that was asked for: where that leads is not the fault of the peer that
/// served it, unless it has claimed something else.
///
/// Ordered from good to bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum BlockFit {
    Fits,
    /// The way back goes below the finalized slot on another chain, or finality has overtaken the walk; or the block does
    /// not come before the one that names it as its parent, or has not come by our clock: nothing on the way can be imported.
    LeadsNowhere,
    /// It is the head that this peer has claimed to be in an earlier slot.
    IsNotAsClaimed,
}

/// What a walk needs next.
pub(crate) enum NextStep {
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
            is_rest_needed: need.is_some(),
            target,
            roots: Vec::new(),
            step: Step::Back {
                missing,
                below: None,
            },
            fetched: BTreeSet::new(),
            hint,
            senders: BTreeSet::new(),
            first_server: None,
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

    /// Whether it rests on peers' claims alone so far.
    pub(crate) fn is_mere_claim(&self) -> bool {
        !self.is_rest_needed
    }

    /// A peer does not claim the block any more that it began with. True if it rested on that claim alone so far.
    pub(crate) fn withdraw_claim(&mut self, peer: &PeerName) -> bool {
        if !self.is_mere_claim() || !self.is_hinted_by(peer) {
            return false;
        }
        self.senders.remove(peer);
        if self.hint.as_ref() == Some(peer) {
            self.hint = self.senders.pop_first();
        }
        self.hint.is_none()
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
    pub(crate) fn is_for_named_block(&self) -> bool {
        self.need == Some(Need::Name)
    }

    /// The peer that served the block that it began with.
    pub(crate) fn first_server(&self) -> Option<&PeerName> {
        self.first_server.as_ref()
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
    pub(crate) fn first_need(&self) -> Option<Need> {
        self.need
    }

    /// Why the walk needs a block.
    pub(crate) fn need(&self, root: &Root) -> Option<Need> {
        if self.begins_with(root) {
            return self.need;
        }
        (self.is_rest_needed && self.covers(root)).then_some(Need::Ancestor)
    }

    /// Something else needs a block of the walk, and so all that it builds on: a mere claim has gone no further than to the first
    /// block's parent, so that this is always all below the first block.
    pub(crate) fn add_need(&mut self, root: &Root, need: Need) {
        if self.begins_with(root) {
            self.need = self.need.max(Some(need));
            self.is_authentic |= need == Need::Ancestor;
        }
        self.is_rest_needed = true;
    }

    /// The proposer of a block has signed it: whether or not the block is of use, what it builds on is needed.
    pub(crate) fn on_authentic(&mut self, root: &Root) {
        if self.begins_with(root) {
            self.is_authentic = true;
            self.is_rest_needed = true;
        }
    }

    pub(crate) fn next(
        &mut self,
        view: &impl ChainView,
        open: usize,
        requested: impl Fn(&Root) -> bool,
    ) -> NextStep {
        while let Step::Back { missing, below } = &mut self.step {
            let ancestor = view.missing_ancestor(*missing);
            if view.in_chain(&ancestor) || view.pending(&ancestor) {
                // The way back has arrived at the chain, or at a block that is being verified.
                self.step = Step::Forward;
            } else if ancestor != *missing {
                // What waits here may wait for a block that its attestations name, of whatever slot.
                (*missing, *below) = (ancestor, None);
            } else if self.is_mere_claim() && !self.roots.is_empty() {
                // A peer that claims it can make up all its ancestors, too.
                return NextStep::Wait;
            } else if open == 0 {
                return NextStep::Ask(vec![ancestor]);
            } else {
                return NextStep::Wait;
            }
        }
        while self.roots.last().is_some_and(|root| view.in_chain(root)) {
            self.roots.pop();
            self.idle_ticks = 0;
        }
        if self.roots.is_empty() {
            return NextStep::Done;
        }
        let absent = |root: &&Root| !view.in_chain(root) && !view.pending(root) && !requested(root);
        let window = self.roots.iter().rev().take(WINDOW);
        let roots: Vec<Root> = window.filter(absent).take(BATCH).copied().collect();
        if open < FORWARD_REQUESTS && !roots.is_empty() {
            NextStep::Ask(roots)
        } else {
            NextStep::Wait
        }
    }

    /// A peer has served a block.
    pub(crate) fn received(
        &mut self,
        peer: &PeerName,
        root: Root,
        block: &Block,
        view: &impl ChainView,
    ) -> BlockFit {
        if self.begins_with(&root) {
            self.first_server.get_or_insert_with(|| peer.clone());
        }
        let is_own_claim = self.is_mere_claim() && self.hint.as_ref() == Some(peer);
        let Step::Back { missing, below } = &mut self.step else {
            // A block that is served again is no progress.
            if self.fetched.insert(root) {
                self.note_progress();
            }
            return BlockFit::Fits;
        };
        if *missing != root {
            return BlockFit::Fits;
        }
        self.tried.clear();
        (self.rounds, self.idle_ticks) = (0, 0);
        // No block is imported before its slot, so no chain can end later than that.
        let limit = below.unwrap_or_else(|| view.current_slot().saturating_add(2));
        if block.slot >= limit && is_own_claim && block.slot > self.target {
            return BlockFit::IsNotAsClaimed;
        }
        let is_too_long = self.roots.len() >= HISTORICAL_ROOTS_LIMIT as usize;
        if block.slot >= limit || is_too_long || block.slot <= view.finalized().slot {
            return BlockFit::LeadsNowhere;
        }
        self.roots.push(root);
        *missing = block.parent_root;
        *below = Some(block.slot);
        BlockFit::Fits
    }

    fn note_progress(&mut self) {
        self.tried.clear();
        (self.rounds, self.idle_ticks) = (0, 0);
    }

    pub(crate) fn on_failure(&mut self, peer: PeerName) {
        self.tried.insert(peer);
    }

    /// Whether a peer could not help with the present step.
    pub(crate) fn has_tried(&self, peer: &PeerName) -> bool {
        self.tried.contains(peer)
    }

    /// The peer to ask: the one that let us know of the gap, else the one with the fewest requests.
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

    /// Asks all peers again; false when that has been done often enough.
    pub(crate) fn ask_all_again(&mut self) -> bool {
        self.tried.clear();
        self.rounds += 1;
        self.rounds < ROUNDS
    }

    /// Ranges of slots are being fetched meanwhile.
    pub(crate) fn reset_idle_ticks(&mut self) {
        self.idle_ticks = 0;
    }

    /// False when nothing has moved for too long.
    pub(crate) fn tick(&mut self) -> bool {
        self.idle_ticks += 1;
        self.idle_ticks < MAX_IDLE_TICKS
    }
}
