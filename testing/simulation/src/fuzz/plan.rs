//! What happens in a run, as plain data: it can be printed, compared, and made smaller.

use std::{collections::BTreeSet, fmt, ops::RangeInclusive};

use quartet_types::{Slot, ValidatorIndex};

use crate::Conditions;

/// Everything that a run is made of. Slots up to `chaos` are as bad as the plan says; then the network is
/// healthy: all nodes run, nothing is lost, packets take 20 to 80 ms.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// What keys and the luck of packets depend on, and the choices that behaviours leave open.
    pub seed: u64,
    /// Number of nodes.
    pub nodes: usize,
    /// The node of each validator; those of adversaries and foreign clients have none.
    pub assignment: Vec<Option<usize>>,
    /// The last slot before the network is healthy.
    pub chaos: Slot,
    /// What packets go through until then, unless a fault says otherwise.
    pub conditions: Conditions,
    /// What befalls nodes and links.
    pub faults: Vec<Fault>,
    /// Who works against the network.
    pub adversaries: Vec<AdversaryPlan>,
    /// Whether the adversaries end with the chaos.
    pub falls_silent: bool,
    /// Honest validators that do some things differently.
    pub foreigners: Vec<Foreigners>,
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

/// What befalls nodes and links, from one moment to another, or until the network is healthy.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// From when.
    pub from: Moment,
    /// Until when.
    pub until: Moment,
    /// What.
    pub what: Misfortune,
}

/// What can befall nodes and links.
#[derive(Clone, Debug, PartialEq)]
pub enum Misfortune {
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
}

/// Somebody who works against the network, with the keys of some validators or without any.
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
    /// Keyless: puts valid blocks into envelopes with somebody's gossiped attestation.
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
    /// Proposes two blocks, one of which names the other in its body; half the nodes get them the wrong way
    /// round.
    NameSibling,
    /// Proposes blocks that carry votes of slots to come.
    VoteAhead {
        /// How many slots ahead.
        slots: Slot,
    },
    /// Votes for heads that nobody has, at old slots.
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
    /// So many copies of one attestation.
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
    /// What was justified in the head's state so many slots ago.
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

    /// Whether a node loses its blocks.
    pub fn loses_blocks(&self) -> bool {
        let loses = |fault: &Fault| matches!(fault.what, Misfortune::Death { loses_store, .. } if loses_store);
        self.faults.iter().any(loses)
    }

    /// The validators whose proposals may leave votes out: an adversary's, and foreign ones with sources of their own.
    pub fn unreliable_proposers(&self) -> BTreeSet<ValidatorIndex> {
        let adversaries = self.adversaries.iter().flat_map(|group| &group.validators);
        let foreigners = self.foreigners.iter();
        let foreigners = foreigners.filter(|group| group.manners.are_unreliable());
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
    pub fn late_nodes(&self) -> Vec<usize> {
        let faults = self.faults.iter();
        faults
            .filter_map(|fault| match fault.what {
                Misfortune::Late { node } => Some(node),
                _ => None,
            })
            .collect()
    }
}

impl Manners {
    /// Whether votes of such validators may not count although the network is healthy.
    pub fn are_unreliable(&self) -> bool {
        self.source != Source::Head || self.source_after_target
    }
}

impl Behaviour {
    /// Whether it takes validators' keys.
    pub fn needs_keys(&self) -> bool {
        !matches!(
            self,
            Self::ReplayVotes { .. } | Self::ForgeBlocks { .. } | Self::ReuseParentVotes
        )
    }

    /// Whether it says what its validators propose in their slots.
    pub fn proposes(&self) -> bool {
        matches!(
            self,
            Self::ProposeTwice { .. }
                | Self::Withhold { .. }
                | Self::NameSibling
                | Self::VoteAhead { .. }
                | Self::ReviveOldest
                | Self::SkipSquares
        )
    }

    /// Whether it says how its validators vote.
    pub fn votes(&self) -> bool {
        matches!(
            self,
            Self::VoteTwice { .. }
                | Self::InventRoots
                | Self::ReviveOldest
                | Self::VoteToSome
                | Self::SkipSquares
        )
    }

    /// Its name, which does not depend on its numbers.
    pub fn name(&self) -> &'static str {
        match self {
            Self::ReplayVotes { .. } => "replays votes",
            Self::ForgeBlocks { .. } => "forges blocks",
            Self::ReuseParentVotes => "reuses votes for parents",
            Self::ProposeTwice { .. } => "proposes twice",
            Self::VoteTwice { .. } => "votes twice",
            Self::Withhold { .. } => "withholds blocks",
            Self::NameSibling => "names siblings",
            Self::VoteAhead { .. } => "votes ahead",
            Self::InventRoots => "invents roots",
            Self::ReviveOldest => "revives the oldest block",
            Self::ProposeForAll => "proposes for all",
            Self::VoteToSome => "votes to some",
            Self::Silence => "is silent",
            Self::SkipSquares => "skips squares",
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "seed {}: {} nodes, {} validators ({} hostile), chaos up to slot {}",
            self.seed,
            self.nodes,
            self.validators(),
            self.hostile_validators(),
            self.chaos
        )?;
        for node in 0..self.nodes {
            let validators = self.assignment.iter().enumerate();
            let mine: Vec<usize> = validators
                .filter_map(|(validator, of)| (*of == Some(node)).then_some(validator))
                .collect();
            writeln!(f, "  node {node}: validators {mine:?}")?;
        }
        writeln!(f, "  links: {}", Weather(&self.conditions))?;
        for fault in &self.faults {
            writeln!(f, "  {fault}")?;
        }
        for adversary in &self.adversaries {
            writeln!(f, "  {adversary}")?;
        }
        if !self.adversaries.is_empty() {
            let after = if self.falls_silent { "stop" } else { "go on" };
            writeln!(f, "  after the chaos the adversaries {after}")?;
        }
        for foreigners in &self.foreigners {
            writeln!(f, "  {foreigners}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, until, what } = self;
        write!(f, "{from} to {until}: ")?;
        match what {
            Misfortune::Weather(conditions) => write!(f, "{}", Weather(conditions)),
            Misfortune::Partition(group) => write!(f, "nodes {group:?} are cut off"),
            Misfortune::Death { node, loses_store } => {
                let loss = if *loses_store {
                    ", its blocks are lost"
                } else {
                    ""
                };
                write!(f, "node {node} is down{loss}")
            }
            Misfortune::Late { node } => write!(f, "node {node} is not there yet"),
        }
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{:04}", self.slot, self.ms)
    }
}

impl fmt::Display for AdversaryPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.validators.as_slice() {
            [] => write!(f, "a stranger without keys ")?,
            validators => write!(f, "an adversary with validators {validators:?} ")?,
        }
        write!(f, "{}", self.behaviour.name())?;
        match &self.behaviour {
            Behaviour::ReplayVotes { age } => write!(f, " {age} slots old or older")?,
            Behaviour::ForgeBlocks { body, tries, count } => {
                write!(f, " ({body:?}, the best {count} of {tries} a slot)")?;
            }
            Behaviour::ProposeTwice { blocks } => write!(f, " ({blocks} blocks a slot)")?,
            Behaviour::VoteTwice { ms } => write!(f, " at {ms} ms")?,
            Behaviour::Withhold { slots, to_half } => {
                let whom = if *to_half { "half the nodes" } else { "all" };
                write!(f, " for {slots} slots, then sends them to {whom}")?;
            }
            Behaviour::VoteAhead { slots } => write!(f, " by {slots} slots")?,
            _ => {}
        }
        let duties = if self.dutiful {
            ", and does its duties"
        } else {
            ""
        };
        write!(f, "{duties}")
    }
}

impl fmt::Display for Foreigners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            validators,
            host,
            manners,
        } = self;
        write!(
            f,
            "foreign validators {validators:?} beside node {host}: {manners:?}"
        )
    }
}

struct Weather<'a>(&'a Conditions);

impl fmt::Display for Weather<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Conditions { latency_ms, loss } = self.0;
        let latency: &RangeInclusive<u64> = latency_ms;
        let (from, to) = (latency.start(), latency.end());
        write!(f, "{from} to {to} ms, {:.0} % lost", loss * 100.0)
    }
}
