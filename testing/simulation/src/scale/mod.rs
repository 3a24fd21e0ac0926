//! How far plain signatures go: many nodes with thousands of validators, on lines with a bandwidth and gossip's mesh.
//!
//! Each node has the real [`quartet_chain::LeanChain`]: fork choice, votes, blocks that are built from them, states. What is
//! played instead of done: signatures, which are bytes and a time to verify; the services around the chain, which are one queue of
//! work for each node; the network. A block's transition is computed once, and its post-state shared by all nodes. That makes 200 nodes
//! with 4,096 validators a matter of minutes. A test plays the same with whole nodes at a smaller size.

mod costs;
mod duties;
mod event_queue;
mod messages;
mod model;
mod node;
mod report;
mod tally;
#[cfg(test)]
mod tests;
mod topology;

use quartet_types::{Slot, VALIDATOR_REGISTRY_LIMIT};

pub use costs::Costs;
pub use report::{ScaleReport, SlotReport, Spread, Summary};

use crate::{GossipSettings, SimulationError};
use model::Model;

/// What is played.
#[derive(Clone, Debug)]
pub struct Scale {
    /// What everything that is left to chance depends on.
    pub seed: u64,
    /// Nodes.
    pub nodes: usize,
    /// Validators, dealt out to the nodes in turn. The registry has 4,096 places; those beyond send votes that cost what others
    /// do and count nowhere.
    pub validators: u64,
    /// Bits a second of each node, up and down; `None` for any number.
    pub bits_per_second: Option<u64>,
    /// Bytes that every block is taken to have in gossip, whatever is in it: as if its signatures were aggregated.
    pub block_bytes: Option<u64>,
    /// Milliseconds from one node to another and back.
    pub rtt_ms: u64,
    /// Bytes that go to one peer before the next one has its turn; see [`crate::Line::turn`].
    pub turn_bytes: u64,
    /// Slots that are reported.
    pub slots: Slot,
    /// Connections that a node has, on average; 64 at most.
    pub peers: usize,
    /// How gossip is set.
    pub gossip: GossipSettings,
    /// What work costs.
    pub costs: Costs,
}

impl Default for Scale {
    fn default() -> Self {
        Self {
            seed: 7,
            nodes: 200,
            validators: 4_096,
            bits_per_second: Some(50_000_000),
            block_bytes: None,
            rtt_ms: 80,
            turn_bytes: crate::bandwidth::TURN,
            slots: 20,
            peers: 32,
            gossip: GossipSettings::of(4_096),
            costs: Costs::default(),
        }
    }
}

impl Scale {
    /// Plays it. `tell` is called for each slot when it has ended.
    ///
    /// # Errors
    /// When there is no such genesis.
    pub fn play(&self, tell: impl FnMut(&SlotReport)) -> Result<ScaleReport, SimulationError> {
        Model::new(self)?.play(tell)
    }

    /// Validators of the registry; the others only talk.
    fn registered(&self) -> u64 {
        self.validators.min(VALIDATOR_REGISTRY_LIMIT)
    }
}
