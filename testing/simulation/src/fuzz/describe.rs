//! Plans in words.

use std::{fmt, ops::RangeInclusive};

use super::plan::{AdversaryPlan, Behaviour, Fault, FaultKind, Foreigners, Moment, Plan};
use crate::Conditions;

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
        if self.skews.iter().any(|skew| *skew != 0) {
            writeln!(f, "  clocks are off by {:?} ms", self.skews)?;
        }
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
            FaultKind::Weather(conditions) => write!(f, "{}", Weather(conditions)),
            FaultKind::Partition(group) => write!(f, "nodes {group:?} are cut off"),
            FaultKind::Death { node, loses_store } => {
                let loss = if *loses_store {
                    ", its blocks are lost"
                } else {
                    ""
                };
                write!(f, "node {node} is down{loss}")
            }
            FaultKind::Late { node } => write!(f, "node {node} is not there yet"),
            FaultKind::Crash {
                node,
                operations,
                loses_power,
            } => {
                let power = if *loses_power { " without power" } else { "" };
                write!(f, "node {node} ends after {operations} writes{power}")
            }
            FaultKind::BadDisk {
                node,
                operations,
                error,
            } => write!(
                f,
                "the disk of node {node} fails after {operations} writes: {error:?}"
            ),
            FaultKind::Slow {
                node,
                job_ms,
                write_ms,
            } => write!(
                f,
                "node {node} is slow: {job_ms} ms a job, {write_ms} ms a transaction"
            ),
            FaultKind::ClockJump { node, ms } => {
                write!(f, "the clock of node {node} is {ms:+} ms wrong")
            }
            FaultKind::ClockDrift { node, ms } => {
                write!(f, "the clock of node {node} drifts by {ms:+} ms a slot")
            }
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
            Behaviour::Linger { ms } => write!(f, " until {ms} ms")?,
            Behaviour::BuildInPrivate { blocks } => write!(f, " until it has {blocks} blocks")?,
            Behaviour::HoldVotes { slots } => write!(f, " for {slots} slots")?,
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
