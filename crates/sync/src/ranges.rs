//! Range sync: which ranges of slots are fetched, from which peers, and in which order they are imported.
//!
//! Ranges are fetched several at a time and passed on one after the other, as batches. The chain service verifies their
//! blocks like all others, and reports the outcome. No peer can delay it for long: more and more peers are asked for a
//! range that everything else waits for.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use quartet_types::{Checkpoint, Root, SignedBlockWithAttestation, Slot};

use crate::{Batch, BatchOutcome, ChainView, PeerName, block_root};

/// Slots in a range: with four votes a block, a megabyte.
pub(crate) const RANGE: u64 = 64;
/// Ranges that are fetched or wait at a time. Answers are as large as the network service lets them be.
const WINDOW: usize = 6;
/// Ranges that are being verified or imported at a time: while one is imported, the next one's signatures are verified.
const HANDED_ON: usize = 2;
/// Most peers that are asked for the same range at a time.
const MAX_ASKED: usize = 8;
/// How often it may restart without progress.
const MAX_FAILURES: u32 = 6;
/// For how many ticks it waits for blocks that need something else first: four slots. A block of a faulty proposer may
/// name what no peer has.
const MAX_WAITING: u32 = 16;
/// How many peers are remembered as of no use: more than are connected at a time.
const MAX_USELESS: usize = 256;

#[derive(Debug)]
struct Range {
    start: Slot,
    count: u64,
    /// How many peers may be asked for it at a time.
    hedge: usize,
    asked: BTreeSet<PeerName>,
    tried: BTreeSet<PeerName>,
    /// Whether all peers have been asked in vain before.
    is_last_round: bool,
    served: Option<(PeerName, Vec<Arc<SignedBlockWithAttestation>>)>,
    /// Whether what may be missing before it has been asked for.
    is_gap_filled: bool,
}

impl Range {
    fn new(start: Slot, count: u64) -> Self {
        Self {
            start,
            count,
            hedge: 1,
            asked: BTreeSet::new(),
            tried: BTreeSet::new(),
            is_last_round: false,
            served: None,
            is_gap_filled: false,
        }
    }
}

/// Fetching ranges up to a slot.
#[derive(Debug)]
pub(crate) struct Ranges {
    target: Slot,
    /// The first slot that has not been asked for.
    next: Slot,
    /// In the order of their slots, without a gap.
    ranges: VecDeque<Range>,
    /// Batches that are being imported, with the peers that served them.
    handed_on: BTreeMap<u64, PeerName>,
    /// The block handed on last.
    last: Option<Checkpoint>,
    /// The slot up to which all has been imported, and what it was at the last restart.
    imported: Slot,
    began_after: Slot,
    has_imported: bool,
    /// Whether the beginning was moved back to the finalized slot.
    is_rewound: bool,
    failures: u32,
    /// A block that everything waits for, and the peer that served it.
    awaited: Option<(Root, PeerName)>,
    /// For how many ticks it still may.
    wait_ticks_left: u32,
    /// Peers whose blocks did not help. They are not asked again during this range sync.
    useless: BTreeSet<PeerName>,
}

/// What is to be asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RangeRequest {
    pub(crate) start: Slot,
    pub(crate) count: u64,
    pub(crate) peer: PeerName,
}

impl Ranges {
    pub(crate) fn new(start: Slot, target: Slot) -> Self {
        Self {
            target,
            next: start,
            ranges: VecDeque::new(),
            handed_on: BTreeMap::new(),
            last: None,
            imported: start.saturating_sub(1),
            began_after: start.saturating_sub(1),
            has_imported: false,
            is_rewound: false,
            failures: 0,
            awaited: None,
            wait_ticks_left: MAX_WAITING,
            useless: BTreeSet::new(),
        }
    }

    pub(crate) fn target(&self) -> Slot {
        self.target
    }

    /// Raises the target: the chain goes on meanwhile.
    pub(crate) fn raise_target(&mut self, target: Slot) {
        self.target = self.target.max(target);
    }

    /// Whether it has brought anything.
    pub(crate) fn has_imported(&self) -> bool {
        self.has_imported
    }

    /// Whether all batches have been imported.
    pub(crate) fn is_done(&self) -> bool {
        self.next > self.target && self.ranges.is_empty() && self.handed_on.is_empty()
    }

    /// Whether nothing is fetched until a block is imported that needs something else first.
    pub(crate) fn is_waiting(&self) -> bool {
        self.awaited.is_some()
    }

    /// Checks whether the block that is waited for has been imported, or given up.
    pub(crate) fn check_awaited(&mut self, view: &impl ChainView) {
        let Some((root, _)) = &self.awaited else {
            return;
        };
        if view.in_chain(root) {
            self.has_imported = true;
            self.note_progress();
        } else if view.pending(root) {
            return;
        }
        self.awaited = None;
    }

    fn note_progress(&mut self) {
        (self.failures, self.wait_ticks_left) = (0, MAX_WAITING);
    }

    /// The next request, to one of the peers that `candidates` lists for a slot, the best first; it lists more of them
    /// if the request is urgent, and never the peers that it is given.
    pub(crate) fn next_request(
        &mut self,
        candidates: impl Fn(Slot, bool, &BTreeSet<PeerName>) -> Vec<PeerName>,
    ) -> Option<RangeRequest> {
        if self.is_waiting() {
            return None;
        }
        let useless = &self.useless;
        let open = self.ranges.iter_mut();
        for range in open.filter(|range| range.served.is_none()) {
            if range.asked.len() >= range.hedge {
                continue;
            }
            let is_urgent = range.hedge > 1 || !range.tried.is_empty();
            let mut peers = candidates(range.start, is_urgent, useless).into_iter();
            let fresh =
                |peer: &PeerName| !range.asked.contains(peer) && !range.tried.contains(peer);
            if let Some(peer) = peers.find(fresh) {
                range.asked.insert(peer.clone());
                let (start, count) = (range.start, range.count);
                return Some(RangeRequest { start, count, peer });
            }
        }
        if self.next > self.target || self.ranges.len() >= WINDOW {
            return None;
        }
        let peer = candidates(self.next, false, useless).into_iter().next()?;
        let (start, count) = (self.next, RANGE.min(self.target + 1 - self.next));
        let mut range = Range::new(start, count);
        range.asked.insert(peer.clone());
        self.ranges.push_back(range);
        self.next = start + count;
        Some(RangeRequest { start, count, peer })
    }

    /// A peer has served a range. The first answer counts.
    pub(crate) fn served(
        &mut self,
        start: Slot,
        peer: PeerName,
        blocks: Vec<Arc<SignedBlockWithAttestation>>,
    ) {
        if self.useless.contains(&peer) {
            return self.failed(start, &peer);
        }
        if let Some(range) = self.range(start) {
            range.asked.remove(&peer);
            range.served.get_or_insert((peer, blocks));
        }
    }

    /// A peer could not serve a range.
    pub(crate) fn failed(&mut self, start: Slot, peer: &PeerName) {
        if let Some(range) = self.range(start) {
            range.asked.remove(peer);
            range.tried.insert(peer.clone());
        }
    }

    /// A peer was not asked for a range after all.
    pub(crate) fn not_sent(&mut self, start: Slot, peer: &PeerName) {
        if let Some(range) = self.range(start) {
            range.asked.remove(peer);
        }
    }

    /// A peer is gone.
    pub(crate) fn on_disconnected(&mut self, peer: &PeerName) {
        for range in &mut self.ranges {
            range.asked.remove(peer);
        }
    }

    fn range(&mut self, start: Slot) -> Option<&mut Range> {
        self.ranges.iter_mut().find(|range| range.start == start)
    }

    /// The next blocks to import, when there are some.
    pub(crate) fn next_batch(&mut self, number: u64) -> Option<Batch> {
        while self.handed_on.len() < HANDED_ON {
            let first = self.ranges.front_mut()?;
            let (_, blocks) = first.served.as_ref()?;
            if let (Some(last), Some(block)) = (self.last, blocks.first())
                && block.block().parent_root != last.root
                && last.slot + 1 < first.start
                && !first.is_gap_filled
            {
                // The answer before was cut short, or one of the two is of another chain.
                first.is_gap_filled = true;
                let gap = Range::new(last.slot + 1, first.start - last.slot - 1);
                self.ranges.push_front(gap);
                return None;
            }
            let (peer, blocks) = self.ranges.pop_front()?.served?;
            let Some(last) = blocks.last() else {
                continue;
            };
            self.last = Some(Checkpoint {
                root: block_root(last),
                slot: last.block().slot,
            });
            self.handed_on.insert(number, peer.clone());
            return Some(Batch {
                number,
                peer,
                blocks,
            });
        }
        None
    }

    /// A tick has passed while a block is waited for, which has a limit.
    fn tick_waiting(&mut self) {
        self.wait_ticks_left = self.wait_ticks_left.saturating_sub(1);
        if self.wait_ticks_left == 0
            && let Some((_, peer)) = self.awaited.take()
        {
            // Other peers may be on a chain without it.
            self.restart_without(peer);
        }
    }

    /// A tick has passed. More peers are asked for a range that all others wait for. Returns the peers that have had
    /// more than a tick for it, and whether to go on: false when all peers were asked in vain, twice.
    pub(crate) fn tick(&mut self) -> (BTreeSet<PeerName>, bool) {
        if self.is_waiting() {
            self.tick_waiting();
            return (BTreeSet::new(), true);
        }
        let is_idle = self.handed_on.is_empty();
        if is_idle && self.ranges.is_empty() {
            // Nobody can be asked for what is left.
            return (BTreeSet::new(), false);
        }
        let first = self.ranges.front_mut();
        let Some(first) = first.filter(|first| first.served.is_none()) else {
            return (BTreeSet::new(), true);
        };
        let is_hopeless = first.asked.is_empty() && is_idle;
        if is_hopeless {
            first.tried.clear();
        }
        let was_last_round = std::mem::replace(&mut first.is_last_round, is_hopeless);
        let is_late = first.hedge > 1;
        first.hedge = (2 * first.hedge).min(MAX_ASKED);
        let slow = if is_late {
            first.asked.clone()
        } else {
            BTreeSet::new()
        };
        (slow, !(is_hopeless && was_last_round))
    }

    /// The outcome of a batch. False when range sync cannot go on.
    pub(crate) fn on_outcome(
        &mut self,
        number: u64,
        outcome: BatchOutcome,
        finalized: Slot,
    ) -> bool {
        let Some(peer) = self.handed_on.remove(&number) else {
            // It was passed on before a restart.
            return true;
        };
        match outcome {
            BatchOutcome::Imported { end, is_new } => {
                self.imported = self.imported.max(end);
                self.has_imported |= is_new;
                self.note_progress();
            }
            BatchOutcome::Blocked { .. } if self.wait_ticks_left == 0 => self.restart_without(peer),
            BatchOutcome::Blocked { root } => {
                self.restart_after(self.imported);
                self.awaited = Some((root, peer));
            }
            BatchOutcome::Invalid => {
                // The peer that served it is not asked again, so this happens once for each peer.
                self.restart_after(self.imported);
                self.failures = 0;
            }
            BatchOutcome::Unattached if self.imported > self.began_after => {
                self.restart_after(self.imported);
            }
            // The first block after the finalized one fits, whatever chain it is of; and so does what follows on what
            // was imported. Each peer has one try.
            BatchOutcome::Unattached if self.is_rewound => self.restart_without(peer),
            BatchOutcome::Foreign => self.restart_without(peer),
            BatchOutcome::Unfinished | BatchOutcome::Adrift => self.restart_after(self.imported),
            BatchOutcome::Unattached => {
                self.is_rewound = true;
                self.restart_after(finalized);
            }
        }
        self.failures < MAX_FAILURES
    }

    /// A peer is not asked again during this range sync.
    pub(crate) fn exclude(&mut self, peer: PeerName) {
        // This happens once for each peer, unless peers come back again and again with new identities.
        if self.useless.len() < MAX_USELESS && self.useless.insert(peer) {
            self.failures = 0;
        }
    }

    fn restart_without(&mut self, peer: PeerName) {
        self.restart_after(self.imported);
        self.exclude(peer);
    }

    fn restart_after(&mut self, after: Slot) {
        self.failures += 1;
        self.ranges.clear();
        self.handed_on.clear();
        self.last = None;
        self.imported = after;
        self.began_after = after;
        self.next = after + 1;
    }
}
