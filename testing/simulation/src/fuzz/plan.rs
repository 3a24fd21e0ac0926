//! What happens in a run, as plain data: it can be printed, compared, and made smaller.

use std::collections::BTreeSet;

use quartet_types::{SECONDS_PER_SLOT, Slot, ValidatorIndex};

use crate::{Conditions, DiskError};

const SLOT_MS: u64 = 1000 * SECONDS_PER_SLOT;
/// Slots in which a node whose clock was set does no duty: the one that it happened in, and what is left of it elsewhere.
const SETTLING: Slot = 2;

/// Everything that a run is made of. Slots up to `chaos` are as bad as the plan says; then the network is
/// healthy: all nodes run, nothing is lost, packets take 20 to 80 ms.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The seed of keys, packets, and the choices of behaviours.
    pub seed: u64,
    /// Number of nodes.
    pub nodes: usize,
    /// The node of each validator; those of adversaries and foreign clients have none.
    pub assignment: Vec<Option<usize>>,
    /// The last slot before the network is healthy.
    pub chaos: Slot,
    /// What packets go through until then, unless a fault says otherwise.
    pub conditions: Conditions,
    /// Faults of nodes and links.
    pub faults: Vec<Fault>,
    /// The adversaries.
    pub adversaries: Vec<AdversaryPlan>,
    /// Whether the adversaries end with the chaos.
    pub falls_silent: bool,
    /// Honest validators that do some things differently.
    pub foreigners: Vec<Foreigners>,
    /// By how many milliseconds the clock of each node is ahead of the right time, all the time; none is where this is empty.
    pub skews: Vec<i64>,
    /// Whether each block of our nodes is shown to a store that follows the specification.
    pub oracle: bool,
}

/// A moment of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    /// The slot.
    pub slot: Slot,
    /// Milliseconds since its beginning, less than 4,000.
    pub ms: u64,
}

/// A fault of nodes or links, from one moment to another, or until the network is healthy.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// From when.
    pub from: Moment,
    /// Until when.
    pub until: Moment,
    /// What.
    pub what: FaultKind,
}

/// What can befall nodes and links.
#[derive(Clone, Debug, PartialEq)]
pub enum FaultKind {
    /// All links are like this.
    Weather(Conditions),
    /// The links between these nodes and the others are cut.
    Partition(Vec<usize>),
    /// A node is killed, and started again at the end.
    Death {
        /// The node.
        node: usize,
        /// Whether it comes back without its blocks.
        loses_store: bool,
    },
    /// A node is not there from the start.
    Late {
        /// The node.
        node: usize,
    },
    /// A node's process ends after this many more writes and syncs of its database, often in the middle of a transaction, and
    /// is started again at the end.
    Crash {
        /// The node.
        node: usize,
        /// How many.
        operations: u32,
        /// Whether the power goes, and with it what was not synced.
        loses_power: bool,
    },
    /// A node's disk fails after this many more writes and syncs. The node ends, and is started again when the disk works.
    BadDisk {
        /// The node.
        node: usize,
        /// How many.
        operations: u32,
        /// How it fails.
        error: DiskError,
    },
    /// A node's machine is slow.
    Slow {
        /// The node.
        node: usize,
        /// What each job of its processor takes, in milliseconds.
        job_ms: u64,
        /// What each transaction of its disk takes, in milliseconds.
        write_ms: u64,
    },
    /// A node's clock is set wrong, and right again at the end.
    ClockJump {
        /// The node.
        node: usize,
        /// By how many milliseconds it is ahead, or behind where that is negative.
        ms: i64,
    },
    /// A node's clock runs fast or slowly, and is set right at the end.
    ClockDrift {
        /// The node.
        node: usize,
        /// How many milliseconds it gains in each slot, or loses where that is negative.
        ms: i64,
    },
}

/// An adversary, with the keys of some validators or without any.
#[derive(Clone, Debug, PartialEq)]
pub struct AdversaryPlan {
    /// What it does.
    pub behaviour: Behaviour,
    /// The validators whose keys it has.
    pub validators: Vec<ValidatorIndex>,
    /// Whether its validators do, besides, what honest ones do.
    pub dutiful: bool,
}

/// What an adversary does.
#[derive(Clone, Debug, PartialEq)]
pub enum Behaviour {
    /// Keyless: sends votes of long ago again, just after t=¾.
    ReplayVotes {
        /// How many slots old the votes are at least.
        age: Slot,
    },
    /// Keyless: puts valid blocks into envelopes with another validator's gossiped attestation.
    ForgeBlocks {
        /// What is in them.
        body: Body,
        /// How many variants are made, to send those with the largest root.
        tries: u32,
        /// How many are sent in a slot.
        count: u32,
    },
    /// Keyless: puts valid blocks into envelopes with an attestation of their proposer whose head is the
    /// parent.
    ReuseParentVotes,
    /// Proposes several bound blocks in its slots, each to a part of the nodes.
    ProposeTwice {
        /// How many blocks.
        blocks: usize,
    },
    /// Sends two votes for one slot, each to half the nodes.
    VoteTwice {
        /// When in the slot, in milliseconds.
        ms: u64,
    },
    /// Sends the blocks of its slots late.
    Withhold {
        /// How many slots late.
        slots: Slot,
        /// Whether to half of the nodes only.
        to_half: bool,
    },
    /// Sends the blocks of its slots to half the nodes, in their slots, but late.
    Linger {
        /// When in the slot, in milliseconds.
        ms: u64,
    },
    /// Builds on its own blocks in private, votes for them, and publishes all at once.
    BuildInPrivate {
        /// How many blocks it collects.
        blocks: usize,
    },
    /// Votes in time and sends its votes late.
    HoldVotes {
        /// How many slots late.
        slots: Slot,
    },
    /// Proposes two blocks, one of which names the other in its body; half the nodes get them the wrong way
    /// round.
    NameSibling,
    /// Proposes blocks that carry votes of slots to come.
    VoteAhead {
        /// How many slots ahead.
        slots: Slot,
    },
    /// Votes for unknown heads, at old slots.
    InventRoots,
    /// Proposes on the oldest block that nodes keep, and votes for that block when finality has passed it.
    ReviveOldest,
    /// Proposes in all others' slots.
    ProposeForAll,
    /// Shows its votes to some of the nodes.
    VoteToSome,
    /// Does nothing at all.
    Silence,
    /// Does all its duties, but proposes in no slot whose distance from the finalized one is a square above 5.
    /// No seed draws it: with enough validators it stops finality, which no rule but another transition helps.
    SkipSquares,
}

/// What a forged block carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// No attestation.
    Empty,
    /// What an honest proposer would carry.
    Full,
    /// This many copies of one attestation.
    Copies(u32),
}

/// Honest validators of another client, which sees what one of our nodes sees.
#[derive(Clone, Debug, PartialEq)]
pub struct Foreigners {
    /// The validators.
    pub validators: Vec<ValidatorIndex>,
    /// The node whose chain they see.
    pub host: usize,
    /// What they do differently.
    pub manners: Manners,
}

/// In what foreign clients differ from ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manners {
    /// Their proposers attest to the parent as head, so that their envelopes are half bound.
    pub attests_to_parent: bool,
    /// What they take as source.
    pub source: Source,
    /// Whether now and then a source is newer than the target.
    pub source_after_target: bool,
    /// Whether their proposers carry their own client's votes.
    pub carries_own: bool,
}

/// Where a foreign client takes the source of its votes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The latest justified checkpoint of the head's state.
    Head,
    /// The latest justified checkpoint of the store, as the specification has it.
    Store,
    /// The checkpoint that was justified in the head's state this many slots ago.
    Older(Slot),
}

impl Plan {
    /// Number of validators.
    pub fn validators(&self) -> usize {
        self.assignment.len()
    }

    /// Number of validators that an adversary has.
    pub fn hostile_validators(&self) -> usize {
        let adversaries = self.adversaries.iter();
        adversaries
            .map(|adversary| adversary.validators.len())
            .sum()
    }

    /// Whether validators of ours that have signed ahead, by a wrong clock, can sign again when the network is healthy, and
    /// nodes whose clocks have just been set have begun to.
    pub fn settles(&self) -> bool {
        self.faults.iter().all(|fault| {
            let ahead = match fault.what {
                FaultKind::ClockJump { ms, .. } => ms,
                FaultKind::ClockDrift { ms, .. } => ms * fault.slots() as i64,
                _ => return true,
            };
            let ahead = u64::try_from(ahead).unwrap_or(0).div_ceil(SLOT_MS);
            fault.until.slot + ahead + SETTLING <= self.chaos
        })
    }

    /// The clock error of a node that nothing has befallen, in milliseconds.
    pub fn skew(&self, node: usize) -> i64 {
        self.skews.get(node).copied().unwrap_or(0)
    }

    /// The validators whose blocks may not carry the votes that justify something: an adversary's, foreign ones with sources of
    /// their own, and those of a client that leaves its own votes out when too few are left without them.
    pub(crate) fn unreliable_proposers(&self) -> BTreeSet<ValidatorIndex> {
        let adversaries = self.adversaries.iter().flat_map(|group| &group.validators);
        let faulty = self.hostile_validators() + self.unreliable_validators();
        let carries_too_few = |group: &Foreigners| {
            let missing = group.validators.len() + faulty;
            !group.manners.carries_own && 3 * missing > self.validators()
        };
        let foreigners = self.foreigners.iter();
        let foreigners =
            foreigners.filter(|group| group.manners.are_unreliable() || carries_too_few(group));
        adversaries
            .chain(foreigners.flat_map(|group| &group.validators))
            .copied()
            .collect()
    }

    /// Number of foreign validators whose votes may not count, because of their sources.
    pub fn unreliable_validators(&self) -> usize {
        let foreigners = self.foreigners.iter();
        foreigners
            .filter(|group| group.manners.are_unreliable())
            .map(|group| group.validators.len())
            .sum()
    }

    /// Nodes that are not there from the start.
    pub(crate) fn late_nodes(&self) -> Vec<usize> {
        let faults = self.faults.iter();
        faults
            .filter_map(|fault| match fault.what {
                FaultKind::Late { node } => Some(node),
                _ => None,
            })
            .collect()
    }
}

impl Manners {
    /// Whether votes of such validators may not count although the network is healthy.
    pub(crate) fn are_unreliable(&self) -> bool {
        self.source != Source::Head || self.source_after_target
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_without_a_third_of_the_votes_justify_nothing() {
        let mut plan = Plan::draw(0);
        plan.assignment = vec![Some(0); 7];
        plan.adversaries.clear();
        let mut unreliable = |validators: &[ValidatorIndex], carries_own| {
            plan.foreigners = vec![Foreigners {
                validators: validators.to_vec(),
                host: 0,
                manners: Manners {
                    attests_to_parent: false,
                    source: Source::Head,
                    source_after_target: false,
                    carries_own,
                },
            }];
            Vec::from_iter(plan.unreliable_proposers())
        };
        assert_eq!(unreliable(&[0, 5, 6], false), [0, 5, 6]);
        assert!(unreliable(&[0, 5, 6], true).is_empty());
        assert!(unreliable(&[5, 6], false).is_empty());
    }
}
