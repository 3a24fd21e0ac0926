//! What is measured while it is played.

use std::collections::BTreeMap;

use quartet_types::{Root, Slot};

use super::{
    SlotReport, Spread,
    messages::{Content, MessageRef, Messages, Packet},
    model::{INTERVAL, SLOT, start_of},
    node::Node,
};
use crate::{
    bandwidth::{Bandwidth, Nanos},
    mesh::Counts,
};

/// Arrivals of votes are counted by the hundredth of a second, for three slots.
const BUCKET: Nanos = 10_000_000;
const BUCKETS: usize = (3 * SLOT / BUCKET) as usize;
/// Most nodes: this many of a hundred.
const MOST: usize = 95;

#[derive(Debug)]
pub(super) struct Tally {
    nodes: usize,
    slots: BTreeMap<Slot, SlotTally>,
    /// How many nodes have each letter by the middle of its slot, and by the next slot.
    by_half: Vec<u16>,
    by_next: Vec<u16>,
    /// Blocks that were sent on request.
    pub(super) requests: u64,
    before: Before,
}

/// What counters said at the end of the last slot.
#[derive(Debug, Default)]
struct Before {
    traffic: Vec<(u64, u64)>,
    counts: Counts,
    requests: u64,
}

#[derive(Debug, Default)]
struct SlotTally {
    block: Option<Root>,
    block_bytes: u64,
    attestations: usize,
    votes: usize,
    for_block: usize,
    /// When nodes have imported the block, and when they have which share of the votes, since the slot's start.
    block_times: Vec<Nanos>,
    arrivals: Vec<u32>,
    /// The votes' numbers.
    messages: Vec<u32>,
    end: SlotReport,
}

impl Tally {
    pub(super) fn new(nodes: usize) -> Self {
        Self {
            nodes,
            slots: BTreeMap::new(),
            by_half: Vec::new(),
            by_next: Vec::new(),
            requests: 0,
            before: Before {
                traffic: vec![(0, 0); nodes],
                ..Before::default()
            },
        }
    }

    fn slot(&mut self, slot: Slot) -> &mut SlotTally {
        self.slots.entry(slot).or_insert_with(|| SlotTally {
            arrivals: vec![0; BUCKETS],
            ..SlotTally::default()
        })
    }

    pub(super) fn proposed(&mut self, slot: Slot, root: Root, attestations: usize, bytes: u64) {
        let tally = self.slot(slot);
        (tally.block, tally.attestations, tally.block_bytes) = (Some(root), attestations, bytes);
    }

    pub(super) fn has_proposed(&self, slot: Slot) -> bool {
        self.slots
            .get(&slot)
            .is_some_and(|tally| tally.block.is_some())
    }

    /// A node's validators attest that this is the head.
    pub(super) fn attested(&mut self, slot: Slot, head: Root, votes: usize) {
        let tally = self.slot(slot);
        tally.votes += votes;
        if tally.block == Some(head) {
            tally.for_block += votes;
        }
    }

    /// A node sends what it has made.
    pub(super) fn published(&mut self, messages: &Messages, reference: MessageRef) {
        let letter = messages.get(reference.number);
        if !matches!(letter.content, Content::Block(_)) {
            let slot = letter.slot;
            self.slot(slot).messages.push(reference.number);
        }
    }

    /// A node has verified a vote, or imported a block.
    pub(super) fn known(
        &mut self,
        messages: &Messages,
        now: Nanos,
        reference: MessageRef,
        _: usize,
    ) {
        let letter = messages.get(reference.number);
        let since = now.saturating_sub(start_of(letter.slot));
        let number = reference.number as usize;
        if self.by_half.len() <= number {
            self.by_half.resize(number + 1, 0);
            self.by_next.resize(number + 1, 0);
        }
        self.by_half[number] += u16::from(since <= 2 * INTERVAL);
        self.by_next[number] += u16::from(since <= SLOT);
        let is_block = matches!(letter.content, Content::Block(_));
        let tally = self.slot(letter.slot);
        if is_block {
            tally.block_times.push(since)
        } else {
            if let Some(count) = tally.arrivals.get_mut((since / BUCKET) as usize) {
                *count += 1;
            }
        }
    }

    /// Takes down where counters and chains stand.
    pub(super) fn end_slot(
        &mut self,
        slot: Slot,
        nodes: &mut [Node],
        lines: &mut Bandwidth<Packet>,
    ) {
        let mut counts = Counts::default();
        nodes.iter().for_each(|node| counts += node.mesh.counts());
        let traffic: Vec<(u64, u64)> = (0..self.nodes).map(|node| lines.traffic(node)).collect();
        let pairs = traffic.iter().zip(&self.before.traffic);
        let (up, down): (Vec<u64>, Vec<u64>) = pairs
            .map(|(now, then)| (now.0 - then.0, now.1 - then.1))
            .unzip();
        let views: Vec<_> = nodes.iter().map(|node| node.chain.view()).collect();
        let mut lags: Vec<Slot> = views
            .iter()
            .map(|view| slot - view.finalized.slot)
            .collect();
        let mut heads: Vec<Slot> = views.iter().map(|view| slot - view.head.slot).collect();
        lags.sort_unstable();
        heads.sort_unstable();
        let middle = self.nodes / 2;
        let before = std::mem::replace(
            &mut self.before,
            Before {
                traffic,
                counts,
                requests: self.requests,
            },
        );
        let first = counts.first - before.counts.first;
        let again = counts.again - before.counts.again;
        let end = SlotReport {
            slot,
            up_mb: megabytes(mean(&up)),
            up_max_mb: megabytes(up.iter().max().copied().unwrap_or(0) as f64),
            down_mb: megabytes(mean(&down)),
            down_max_mb: megabytes(down.iter().max().copied().unwrap_or(0) as f64),
            duplicates: (first + again) as f64 / first.max(1) as f64,
            queue_messages: nodes
                .iter_mut()
                .map(|node| node.mesh.take_longest_queue())
                .max()
                .unwrap_or(0),
            uplink_queue_mb: megabytes(
                (0..self.nodes)
                    .map(|node| lines.take_longest_backlog(node))
                    .max()
                    .unwrap_or(0) as f64,
            ),
            unverified_votes: nodes
                .iter_mut()
                .map(|node| std::mem::take(&mut node.longest_inbox))
                .max()
                .unwrap_or(0),
            crowded_out: counts.crowded_out - before.counts.crowded_out,
            expired: counts.expired - before.counts.expired,
            refused_control: counts.too_long - before.counts.too_long,
            asked: counts.asked - before.counts.asked,
            blocks_fetched: self.requests - before.requests,
            head_lag: heads[middle],
            finality_lag: lags[middle],
            finality_lag_max: lags.last().copied().unwrap_or(0),
            ..SlotReport::default()
        };
        self.slot(slot).end = end;
    }

    /// What became of a slot. Its figures are complete two slots later.
    pub(super) fn report(&mut self, slot: Slot) -> SlotReport {
        let nodes = self.nodes;
        let mut tally = self.slots.remove(&slot).unwrap_or_default();
        tally.block_times.sort_unstable();
        let block_time = |share: usize| {
            let needed = (nodes * share).div_ceil(100);
            tally
                .block_times
                .get(needed - 1)
                .map(|time| *time as f64 / 1e6)
        };
        let pairs = (tally.messages.len() * nodes) as u64;
        let vote_time = |share: u64| {
            let needed = (pairs * share).div_ceil(100);
            let mut so_far = 0;
            let bucket = tally.arrivals.iter().position(|count| {
                so_far += u64::from(*count);
                so_far >= needed
            });
            bucket
                .filter(|_| pairs > 0)
                .map(|bucket| ((bucket as u64 + 1) * BUCKET) as f64 / 1e6)
        };
        let by = |counts: &[u16]| -> f64 {
            let reached = tally
                .messages
                .iter()
                .map(|number| u64::from(counts[*number as usize]));
            reached.sum::<u64>() as f64 / pairs.max(1) as f64
        };
        let reached = |nodes: usize| {
            let reached = tally
                .messages
                .iter()
                .filter(|number| usize::from(self.by_half[**number as usize]) >= nodes);
            reached.count() as f64 / tally.messages.len().max(1) as f64
        };
        SlotReport {
            attestations: tally.attestations,
            block_kb: tally.block_bytes as f64 / 1e3,
            block_ms: Spread::of(block_time),
            votes: tally.votes,
            votes_for_block: tally.for_block as f64 / tally.votes.max(1) as f64,
            votes_ms: Spread::of(|share| vote_time(share as u64)),
            votes_by_half: by(&self.by_half),
            votes_by_next: by(&self.by_next),
            at_most_nodes_by_half: reached((nodes * MOST).div_ceil(100)),
            at_all_nodes_by_half: reached(nodes),
            ..tally.end
        }
    }
}

fn mean(values: &[u64]) -> f64 {
    values.iter().sum::<u64>() as f64 / values.len().max(1) as f64
}

fn megabytes(bytes: f64) -> f64 {
    bytes / 1e6
}
