//! What came of it, slot by slot and in sum.

use std::fmt;

use quartet_types::Slot;
use serde::Serialize;

use super::Scale;

/// Slots before finality has come to its pace; they are left out of the sum.
const FIRST_SLOTS: Slot = 6;

/// When something had reached a part of the nodes, in milliseconds since the slot's start; `None` when it never did within two
/// slots more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Spread {
    /// Half of them.
    pub half: Option<f64>,
    /// 95 %.
    pub most: Option<f64>,
    /// Every one.
    pub all: Option<f64>,
}

impl Spread {
    pub(super) fn of(time: impl Fn(usize) -> Option<f64>) -> Self {
        Self {
            half: time(50),
            most: time(95),
            all: time(100),
        }
    }
}

/// A slot. Bytes are those on the line, of one node; counts of messages are of all nodes together.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct SlotReport {
    /// The slot.
    pub slot: Slot,
    /// Attestations in the slot's block.
    pub attestations: usize,
    /// The block in gossip, in kB; 0 when there was none.
    pub block_kb: f64,
    /// When nodes had imported it.
    pub block_ms: Spread,
    /// Votes that were cast.
    pub votes: usize,
    /// The share of them that named the slot's block as head: their node had it by a quarter of the slot.
    pub votes_for_block: f64,
    /// When nodes had verified votes and counted them, each vote at each node; a vote for a block that is not there waits for it.
    pub votes_ms: Spread,
    /// The share of them by the middle of the slot, when the safe target is chosen.
    pub votes_by_half: f64,
    /// And by the next slot, in whose block they belong.
    pub votes_by_next: f64,
    /// The share of the votes that 95 % of the nodes had by the middle of the slot.
    pub at_most_nodes_by_half: f64,
    /// And that every node had.
    pub at_all_nodes_by_half: f64,
    /// Sent, mean of all nodes.
    pub up_mb: f64,
    /// Sent, by the node that sent most.
    pub up_max_mb: f64,
    /// Received, mean of all nodes.
    pub down_mb: f64,
    /// Received, by the node that received most.
    pub down_max_mb: f64,
    /// Copies of a message that a node received.
    pub duplicates: f64,
    /// The most messages that waited for one peer.
    pub queue_messages: usize,
    /// The most bytes that waited at an uplink.
    pub uplink_queue_mb: f64,
    /// The most votes that waited to be verified at a node.
    pub unverified_votes: usize,
    /// Messages that found a peer's queue full.
    pub crowded_out: u64,
    /// Messages that had waited in a queue for too long.
    pub expired: u64,
    /// Control messages that were longer than the other side takes.
    pub refused_control: u64,
    /// Messages that were asked for after an announcement.
    pub asked: u64,
    /// Blocks that were sent on request.
    pub blocks_fetched: u64,
    /// How far the head is behind the slot at its end, at the median node.
    pub head_lag: Slot,
    /// How far the finalized checkpoint is.
    pub finality_lag: Slot,
    /// At the node where it is the farthest.
    pub finality_lag_max: Slot,
}

/// The slots after the first six in one line: means, but the worst where it says so.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Summary {
    /// Validators.
    pub validators: u64,
    /// Mbit/s of each node, up and down; `None` for any number.
    pub mbit: Option<f64>,
    /// The block in gossip, in kB.
    pub block_kb: f64,
    /// When 95 % of the nodes had imported it, at the median slot; `None` when they never did.
    pub block_most_ms: Option<f64>,
    /// The share of votes that named it.
    pub votes_for_block: f64,
    /// When 95 % of the votes were verified, at the median slot.
    pub votes_most_ms: Option<f64>,
    /// The share of them by the middle of the slot.
    pub votes_by_half: f64,
    /// The share of the votes that every node had by the middle of the slot.
    pub at_all_nodes_by_half: f64,
    /// Sent and received in a slot, mean of all nodes.
    pub up_mb: f64,
    /// Received.
    pub down_mb: f64,
    /// Copies of a message that a node received.
    pub duplicates: f64,
    /// The most messages that ever waited for one peer.
    pub queue_messages: usize,
    /// Messages that were dropped in a slot, by all nodes.
    pub dropped: f64,
    /// How far finality was behind, at the median node: the median slot.
    pub finality_lag: Slot,
    /// And the worst slot.
    pub finality_lag_max: Slot,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ScaleReport {
    /// Each slot.
    pub slots: Vec<SlotReport>,
    /// All in one line.
    pub summary: Summary,
    /// Peers in a mesh of votes at the end, on average.
    pub mesh_degree: f64,
}

impl ScaleReport {
    pub(super) fn new(scale: &Scale, slots: Vec<SlotReport>, mesh_degree: f64) -> Self {
        let skipped = FIRST_SLOTS.min(scale.slots / 2) as usize;
        let summary = Summary::of(scale, &slots[skipped..]);
        Self {
            slots,
            summary,
            mesh_degree,
        }
    }

    /// One JSON object.
    pub fn json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl Summary {
    fn of(scale: &Scale, slots: &[SlotReport]) -> Self {
        let mean = |value: fn(&SlotReport) -> f64| {
            slots.iter().map(value).sum::<f64>() / slots.len().max(1) as f64
        };
        Self {
            validators: scale.validators,
            mbit: scale.bits_per_second.map(|bits| bits as f64 / 1e6),
            block_kb: mean(|slot| slot.block_kb),
            block_most_ms: median(slots, |slot| slot.block_ms.most),
            votes_for_block: mean(|slot| slot.votes_for_block),
            votes_most_ms: median(slots, |slot| slot.votes_ms.most),
            votes_by_half: mean(|slot| slot.votes_by_half),
            at_all_nodes_by_half: mean(|slot| slot.at_all_nodes_by_half),
            up_mb: mean(|slot| slot.up_mb),
            down_mb: mean(|slot| slot.down_mb),
            duplicates: mean(|slot| slot.duplicates),
            queue_messages: slots
                .iter()
                .map(|slot| slot.queue_messages)
                .max()
                .unwrap_or(0),
            dropped: mean(|slot| (slot.crowded_out + slot.expired) as f64),
            finality_lag: median(slots, |slot| Some(slot.finality_lag as f64)).unwrap_or(0.0)
                as Slot,
            finality_lag_max: slots
                .iter()
                .map(|slot| slot.finality_lag)
                .max()
                .unwrap_or(0),
        }
    }
}

/// The value of the middle slot; what never happened is later than all else.
fn median(slots: &[SlotReport], value: fn(&SlotReport) -> Option<f64>) -> Option<f64> {
    let mut values: Vec<f64> = slots
        .iter()
        .map(|slot| value(slot).unwrap_or(f64::INFINITY))
        .collect();
    values.sort_by(f64::total_cmp);
    values
        .get(values.len() / 2)
        .copied()
        .filter(|value| value.is_finite())
}

fn shown(milliseconds: Option<f64>) -> String {
    milliseconds.map_or_else(|| "never".to_owned(), |time| format!("{time:.0}"))
}

impl SlotReport {
    /// The columns of [`fmt::Display`].
    pub const HEADER: &'static str = "slot | block: votes      kB  ms 50%   95%  100% | for it | votes: ms 50%   95%  100% | by half at all | MB up down | copies | queue  dropped | head final";
}

impl fmt::Display for SlotReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (block, votes) = (self.block_ms, self.votes_ms);
        write!(
            f,
            "{:4} | {:12} {:7.0} {:>7} {:>5} {:>5} | {:5.1}% | {:>13} {:>5} {:>5} | {:6.1}% {:5.1}% | {:5.1} {:4.1} | {:6.2} | {:5} {:8} | {:4} {:5}",
            self.slot,
            self.attestations,
            self.block_kb,
            shown(block.half),
            shown(block.most),
            shown(block.all),
            100.0 * self.votes_for_block,
            shown(votes.half),
            shown(votes.most),
            shown(votes.all),
            100.0 * self.votes_by_half,
            100.0 * self.at_all_nodes_by_half,
            self.up_mb,
            self.down_mb,
            self.duplicates,
            self.queue_messages,
            self.crowded_out + self.expired,
            self.head_lag,
            self.finality_lag,
        )
    }
}

impl Summary {
    /// The columns of [`fmt::Display`], as a table of Markdown.
    pub const HEADER: &'static str = "| validators | Mbit/s | block, kB | at 95 % of nodes, ms | votes for it | 95 % of votes, ms | by ½ slot | at all nodes by ½ | MB a slot up | copies | dropped | finality behind, worst |\n| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |";
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mbit = self
            .mbit
            .map_or_else(|| "any".to_owned(), |mbit| format!("{mbit:.0}"));
        write!(
            f,
            "| {} | {mbit} | {:.0} | {} | {:.1} % | {} | {:.1} % | {:.1} % | {:.1} | {:.2} | {:.0} | {}, {} |",
            self.validators,
            self.block_kb,
            shown(self.block_most_ms),
            100.0 * self.votes_for_block,
            shown(self.votes_most_ms),
            100.0 * self.votes_by_half,
            100.0 * self.at_all_nodes_by_half,
            self.up_mb,
            self.duplicates,
            self.dropped,
            self.finality_lag,
            self.finality_lag_max,
        )
    }
}
