//! Range sync as part of catching up: when it begins and ends, which peers it asks, and how that changes their merit.

use std::{collections::BTreeSet, sync::Arc};

use quartet_types::{SignedBlockWithAttestation, Slot};

use crate::{
    Action, Batch, BatchOutcome, ChainView, PeerName, RequestError, SyncMachine,
    machine::{MAX_REQUESTS_PER_PEER, Purpose, Request},
    peers::Peer,
    ranges::{RangeRequest, Ranges},
};

/// From how many slots behind on ranges are used.
const RANGES_FROM: u64 = 8;
/// Ticks until ranges are tried again: half a slot. When they have brought nothing, ten slots, so that walks have their
/// turn, and twice as many each time.
const PAUSE: u32 = 2;
const LONG_PAUSE: u32 = 40;
const MAX_FUTILE: u32 = 5;

impl SyncMachine {
    pub(crate) fn on_range(
        &mut self,
        start: Slot,
        peer: &PeerName,
        result: &Result<Vec<Arc<SignedBlockWithAttestation>>, RequestError>,
    ) {
        let Some(ranges) = &mut self.ranges else {
            return;
        };
        let lost_merit = match result {
            Ok(blocks) => {
                ranges.served(start, peer.clone(), blocks.clone());
                // So many empty slots are possible, and rare.
                blocks.is_empty()
            }
            Err(RequestError::NotSent) => {
                ranges.not_sent(start, peer);
                false
            }
            Err(error) => {
                ranges.failed(start, peer);
                if let (RequestError::Unsupported, Some(known)) = (error, self.peers.get_mut(peer))
                {
                    known.serves_ranges = false;
                }
                *error != RequestError::Unsupported
            }
        };
        if lost_merit {
            self.peers.add_merit(peer, -1);
        }
    }

    /// The next blocks to import of those that came by ranges.
    pub fn next_batch(&mut self) -> Option<Batch> {
        // A batch of ranges that were given up may still be under way: numbers are never used again.
        let number = self.number();
        self.ranges.as_mut()?.next_batch(number)
    }

    /// The outcome of a batch.
    pub fn on_batch(
        &mut self,
        number: u64,
        peer: &PeerName,
        outcome: BatchOutcome,
        view: &impl ChainView,
    ) {
        let merit = match outcome {
            // Blocks that were imported before may be made up.
            BatchOutcome::Imported { is_new, .. } => i32::from(is_new),
            BatchOutcome::Unfinished
            | BatchOutcome::Unattached
            | BatchOutcome::Adrift
            | BatchOutcome::Blocked { .. } => 0,
            BatchOutcome::Foreign | BatchOutcome::Invalid => -1,
        };
        self.peers.add_merit(peer, merit);
        if let (BatchOutcome::Invalid, Some(peer)) = (outcome, self.peers.get_mut(peer)) {
            peer.serves_ranges = false;
        }
        let goes_on = self
            .ranges
            .as_mut()
            .is_none_or(|ranges| ranges.on_outcome(number, outcome, view.finalized().slot));
        if !goes_on {
            self.end_ranges();
        }
    }

    /// The last blocks of a peer's range, which no proposer's signature confirms, are not what the next range builds
    /// on.
    pub fn on_unconnected_blocks(&mut self, peer: PeerName) {
        self.peers.add_merit(&peer, -1);
        if let Some(ranges) = &mut self.ranges {
            ranges.exclude(peer);
        }
    }

    pub(crate) fn poll_ranges(&mut self, view: &impl ChainView, actions: &mut Vec<Action>) {
        let certain = self.certain_target();
        if let Some(ranges) = &mut self.ranges {
            ranges.check_awaited(view);
        }
        match (&mut self.ranges, certain) {
            (Some(ranges), _) if ranges.is_done() => self.end_ranges(),
            (Some(ranges), Some(target)) => ranges.raise_target(target.min(view.current_slot())),
            (None, Some(target)) if self.pause == 0 => {
                let (head, target) = (view.head_slot(), target.min(view.current_slot()));
                if target > head + RANGES_FROM
                    && !self.candidates(head + 1, true, &BTreeSet::new()).is_empty()
                {
                    self.ranges = Some(Ranges::new(head + 1, target));
                }
            }
            _ => {}
        }
        while let Some(ask) = self.next_range() {
            let request = self.number();
            let RangeRequest { start, count, peer } = ask;
            let purpose = Purpose::Range { start };
            actions.push(Action::RequestRange {
                request,
                peer: peer.clone(),
                start_slot: start,
                count,
            });
            self.requests.insert(request, Request { peer, purpose });
        }
    }

    /// Whether ranges are being fetched.
    pub(crate) fn are_ranges_active(&self) -> bool {
        let ranges = self.ranges.as_ref();
        ranges.is_some_and(|ranges| !ranges.is_waiting())
    }

    pub(crate) fn end_ranges(&mut self) {
        match self.ranges.take() {
            Some(ranges) if !ranges.has_imported() => {
                self.pause = LONG_PAUSE << self.futile;
                self.futile = (self.futile + 1).min(MAX_FUTILE);
            }
            _ => (self.pause, self.futile) = (PAUSE, 0),
        }
    }

    fn next_range(&mut self) -> Option<RangeRequest> {
        let mut ranges = self.ranges.take()?;
        let ask = ranges
            .next_request(|slot, is_urgent, useless| self.candidates(slot, is_urgent, useless));
        self.ranges = Some(ranges);
        ask
    }

    /// The peers that may be asked for the range that begins at a slot, the best first. As long as some peer has merit,
    /// others are asked only for what is urgent.
    fn candidates(
        &self,
        slot: Slot,
        is_urgent: bool,
        useless: &BTreeSet<PeerName>,
    ) -> Vec<PeerName> {
        let serving = self.peers.iter();
        let serving = serving.filter(|(name, peer)| peer.serves_ranges && !useless.contains(*name));
        let able = serving.clone().filter(|(name, peer)| {
            peer.status.head.slot >= slot && self.load(name) < MAX_REQUESTS_PER_PEER
        });
        let has_worthy = { serving }.any(|(_, peer)| peer.merit > 0);
        let able = able.filter(|(_, peer)| is_urgent || !has_worthy || peer.merit > 0);
        let mut able: Vec<(&PeerName, &Peer)> = able.collect();
        able.sort_by_key(|(name, peer)| (-peer.merit.min(1), self.load(name), -peer.merit));
        able.into_iter().map(|(name, _)| name.clone()).collect()
    }
}
