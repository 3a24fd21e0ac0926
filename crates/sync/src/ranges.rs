//! The way forward by ranges of slots: what is fetched, from whom, in which order it is handed on.
//!
//! Ranges are fetched several at a time and handed on one after the other. What they hold is not believed: the chain service
//! verifies it like everything else, and says what came of it. Nobody can hold the way up for long: of a range that
//! everything waits for, more and more peers are asked.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use quartet_types::{Checkpoint, Root, SignedBlockWithAttestation, Slot};

use crate::{Batch, BatchOutcome, PeerName, View, block_root};

/// Slots in a range: with four votes a block, a megabyte.
pub(crate) const RANGE: u64 = 64;
/// Ranges that are fetched or wait at a time. Answers are as large as the network service lets them be.
const WINDOW: usize = 6;
/// Ranges that are being verified or imported at a time: while one is imported, the next one's signatures are verified.
const HANDED_ON: usize = 2;
/// Most peers that are asked for the same range at a time.
const MAX_ASKED: usize = 8;
/// How often the way may begin anew without having got further.
const MAX_FAILURES: u32 = 6;
/// For how many ticks the way waits for blocks that need something else first: four slots. A block of a faulty proposer may
/// name what nobody has.
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
    /// Batches that have been handed on, with who served them.
    handed_on: BTreeMap<u64, PeerName>,
    /// The block handed on last.
    last: Option<Checkpoint>,
    /// Slot up to which all has been imported, and up to which it had been when the way last began.
    imported: Slot,
    began_after: Slot,
    has_imported: bool,
    /// Whether the beginning was moved back to the finalized slot.
    is_rewound: bool,
    failures: u32,
    /// A block that the way waits for, and who served it.
    awaited: Option<(Root, PeerName)>,
    /// For how many ticks it still may.
    may_wait: u32,
    /// Who served what did not help, and is not asked again on this way.
    useless: BTreeSet<PeerName>,
}

/// What is to be asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ask {
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
            may_wait: MAX_WAITING,
            useless: BTreeSet::new(),
        }
    }

    pub(crate) fn target(&self) -> Slot {
        self.target
    }

    /// The chain goes on meanwhile.
    pub(crate) fn aim(&mut self, target: Slot) {
        self.target = self.target.max(target);
    }

    /// Whether it has brought anything.
    pub(crate) fn has_imported(&self) -> bool {
        self.has_imported
    }

    /// Whether all has been handed on and imported.
    pub(crate) fn is_done(&self) -> bool {
        self.next > self.target && self.ranges.is_empty() && self.handed_on.is_empty()
    }

    /// Whether nothing is fetched until a block is imported that needs something else first.
    pub(crate) fn is_waiting(&self) -> bool {
        self.awaited.is_some()
    }

    /// Looks whether the block that is waited for has been imported, or given up.
    pub(crate) fn look(&mut self, view: &impl View) {
        let Some((root, _)) = &self.awaited else {
            return;
        };
        if view.in_chain(root) {
            self.has_imported = true;
            self.has_moved();
        } else if view.pending(root) {
            return;
        }
        self.awaited = None;
    }

    fn has_moved(&mut self) {
        (self.failures, self.may_wait) = (0, MAX_WAITING);
    }

    /// What to ask for next, of the peers that `candidates` lists for a slot, the best first, and more of them if it is urgent.
    /// Those it is given are not to be among them.
    pub(crate) fn ask(
        &mut self,
        candidates: impl Fn(Slot, bool, &BTreeSet<PeerName>) -> Vec<PeerName>,
    ) -> Option<Ask> {
        if self.is_waiting() {
            return None;
        }
        let useless = &self.useless;
        let open = self.ranges.iter_mut();
        for range in open.filter(|range| range.served.is_none()) {
            if range.asked.len() >= range.hedge {
                continue;
            }
            let is_urgent = range.hedge > 1 || range.is_last_round || !range.tried.is_empty();
            let mut peers = candidates(range.start, is_urgent, useless).into_iter();
            let fresh =
                |peer: &PeerName| !range.asked.contains(peer) && !range.tried.contains(peer);
            if let Some(peer) = peers.find(fresh) {
                range.asked.insert(peer.clone());
                let (start, count) = (range.start, range.count);
                return Some(Ask { start, count, peer });
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
        Some(Ask { start, count, peer })
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
    pub(crate) fn lost(&mut self, peer: &PeerName) {
        for range in &mut self.ranges {
            range.asked.remove(peer);
        }
    }

    fn range(&mut self, start: Slot) -> Option<&mut Range> {
        self.ranges.iter_mut().find(|range| range.start == start)
    }

    /// The next blocks to import, when there are some.
    pub(crate) fn hand_on(&mut self, number: u64) -> Option<Batch> {
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

    /// A second has passed, and a block is waited for; not for ever.
    fn wait(&mut self) {
        self.may_wait = self.may_wait.saturating_sub(1);
        if self.may_wait == 0
            && let Some((_, peer)) = self.awaited.take()
        {
            // Others may be on a chain without it.
            self.begin_without(peer);
        }
    }

    /// A second has passed. Of a range that all others wait for more peers are asked. Returns who has had more than a second
    /// for it, and whether it is worth going on: false when all have been asked in vain, twice.
    pub(crate) fn tick(&mut self) -> (BTreeSet<PeerName>, bool) {
        if self.is_waiting() {
            self.wait();
            return (BTreeSet::new(), self.failures < MAX_FAILURES);
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
        let slow = match is_late {
            true => first.asked.clone(),
            false => BTreeSet::new(),
        };
        (slow, !(is_hopeless && was_last_round))
    }

    /// What came of a batch. False when the way cannot go on.
    pub(crate) fn on_outcome(
        &mut self,
        number: u64,
        outcome: BatchOutcome,
        finalized: Slot,
    ) -> bool {
        let Some(peer) = self.handed_on.remove(&number) else {
            // It was handed on before the way began anew.
            return true;
        };
        match outcome {
            BatchOutcome::Imported { end, is_new } => {
                self.imported = self.imported.max(end);
                self.has_imported |= is_new;
                self.has_moved();
            }
            BatchOutcome::Blocked { .. } if self.may_wait == 0 => self.begin_without(peer),
            BatchOutcome::Blocked { root } => {
                self.begin_anew(self.imported);
                self.awaited = Some((root, peer));
            }
            BatchOutcome::Invalid => {
                // Who served it is not asked again: that happens once for each peer.
                self.begin_anew(self.imported);
                self.failures = 0;
            }
            BatchOutcome::Unattached if self.imported > self.began_after => {
                self.begin_anew(self.imported);
            }
            // The first block after the finalized one has a place with us, whatever chain it is of; and so has what follows
            // on what was imported. Each peer has one try.
            BatchOutcome::Unattached if self.is_rewound => self.begin_without(peer),
            BatchOutcome::Foreign => self.begin_without(peer),
            BatchOutcome::Adrift => self.begin_anew(self.imported),
            BatchOutcome::Unattached => {
                self.is_rewound = true;
                self.begin_anew(finalized);
            }
        }
        self.failures < MAX_FAILURES
    }

    /// A peer is not asked again on this way.
    pub(crate) fn do_without(&mut self, peer: PeerName) {
        // That happens once for each, unless they come again and again by other names.
        if self.useless.len() < MAX_USELESS && self.useless.insert(peer) {
            self.failures = 0;
        }
    }

    fn begin_without(&mut self, peer: PeerName) {
        self.begin_anew(self.imported);
        self.do_without(peer);
    }

    fn begin_anew(&mut self, after: Slot) {
        self.failures += 1;
        self.ranges.clear();
        self.handed_on.clear();
        self.last = None;
        self.imported = after;
        self.began_after = after;
        self.next = after + 1;
    }
}
