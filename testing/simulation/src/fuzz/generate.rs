//! Plans drawn from seeds.

use quartet_types::{Slot, ValidatorIndex};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng, seq::SliceRandom as _};

use super::machines::{self, pick};
use super::plan::{
    AdversaryPlan, Behaviour, Body, Fault, FaultKind, Foreigners, Manners, Moment, Plan, Source,
};
use crate::Conditions;

/// Most slots before the network is healthy; keys live for 256.
const LONGEST_CHAOS: Slot = 100;
/// Faults of machines are drawn apart, so that the rest of a seed's plan does not depend on them.
const MACHINES: u64 = 0x6d61_6368_696e_6573;
/// The highest share of packets that are lost.
const HIGHEST_LOSS: f64 = 0.45;

impl Plan {
    /// The plan of a seed.
    pub fn draw(seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let random = &mut random;
        let validators = *pick(random, &[4, 4, 4, 7, 7, 7, 7, 7, 16, 16]);
        // Sixty-four take as long as ten others: fewer plans, and shorter ones.
        let mut machine_luck = StdRng::seed_from_u64(seed ^ MACHINES);
        let validators = if random.random_bool(0.025) {
            machines::many_validators(&mut machine_luck)
        } else {
            validators
        };
        let nodes = random.random_range(4..=if validators > 16 { 5 } else { 8 });
        let chaos = match random.random_range(0..4) {
            _ if validators > 16 => random.random_range(12..=30),
            0 => random.random_range(50..=LONGEST_CHAOS),
            _ => random.random_range(16..=50),
        };
        let conditions = weather(random);
        let mut faults = faults(random, nodes, chaos);

        // Strictly less than a third of all validators may be faulty.
        let mut spare: Vec<ValidatorIndex> = (0..validators as ValidatorIndex).collect();
        spare.shuffle(random);
        let mut budget = (validators - 1) / 3;
        let adversaries = adversaries(random, &mut spare, &mut budget);
        let foreigners = foreigners(random, &mut spare, &mut budget, nodes);
        keep_what_foreigners_voted_for(&mut faults, &foreigners);
        let homes: Vec<usize> = {
            // Some nodes have no validators.
            let with = random.random_range(nodes.min(3)..=nodes);
            (0..with).collect()
        };
        spare.sort_unstable();
        let mut assignment = vec![None; validators];
        for (position, validator) in spare.iter().enumerate() {
            assignment[*validator as usize] = Some(homes[position % homes.len()]);
        }
        let mut plan = Self {
            seed,
            nodes,
            assignment,
            chaos,
            conditions,
            faults,
            adversaries,
            falls_silent: random.random_bool(0.3),
            foreigners,
            skews: Vec::new(),
            oracle: validators <= 16,
        };
        machines::affect(&mut plan, &mut machine_luck);
        plan
    }
}

fn weather(random: &mut StdRng) -> Conditions {
    let latencies = [20..=80, 20..=80, 20..=200, 100..=800, 20..=1500, 500..=2500];
    let loss = match random.random_range(0..4) {
        0 => 0.0,
        1 => 0.3,
        _ => random.random_range(0.0..=HIGHEST_LOSS),
    };
    Conditions {
        latency_ms: pick(random, &latencies).clone(),
        loss,
    }
}

fn moment(random: &mut StdRng, slots: std::ops::RangeInclusive<Slot>) -> Moment {
    Moment {
        slot: random.random_range(slots),
        // Not just when a proposer has built its block and not yet sent it.
        ms: random.random_range(1..4000),
    }
}

fn faults(random: &mut StdRng, nodes: usize, chaos: Slot) -> Vec<Fault> {
    let mut faults = Vec::new();
    let last = chaos - 1;
    if random.random_bool(0.2) {
        return faults;
    }
    for _ in 0..random.random_range(0..=2) {
        let (from, until) = period(random, last, 30);
        let what = FaultKind::Weather(weather(random));
        faults.push(Fault { from, until, what });
    }
    for _ in 0..random.random_range(0..=3) {
        let (from, until) = period(random, last, 30);
        let mut group: Vec<usize> = (0..nodes).collect();
        group.shuffle(random);
        group.truncate(random.random_range(1..=nodes / 2));
        group.sort_unstable();
        let what = FaultKind::Partition(group);
        faults.push(Fault { from, until, what });
    }
    let mut absent = Vec::new();
    if random.random_bool(0.25) {
        let node = random.random_range(0..nodes);
        absent.push(node);
        let from = Moment { slot: 0, ms: 0 };
        let until = moment(random, last / 2..=last);
        let what = FaultKind::Late { node };
        faults.push(Fault { from, until, what });
    }
    for _ in 0..random.random_range(0..=5) {
        let node = random.random_range(0..nodes);
        let (from, until) = period(random, last, 12);
        let what = FaultKind::Death {
            node,
            loses_store: random.random_bool(0.3),
        };
        let overlaps = |fault: &&Fault| {
            matches!(fault.what, FaultKind::Death { node: other, .. } if other == node)
                && fault.from <= until
                && from <= fault.until
        };
        if !absent.contains(&node) && !faults.iter().any(|fault| overlaps(&fault)) {
            faults.push(Fault { from, until, what });
        }
    }
    faults
}

/// A foreign client that loses its blocks and votes from the beginning is faulty, and there may be more of them than
/// a third. Ours know from their signing record what they have voted for.
fn keep_what_foreigners_voted_for(faults: &mut [Fault], foreigners: &[Foreigners]) {
    for fault in faults {
        if let FaultKind::Death { node, loses_store } = &mut fault.what {
            *loses_store &= foreigners.iter().all(|group| group.host != *node);
        }
    }
}

pub(super) fn period(random: &mut StdRng, last: Slot, longest: Slot) -> (Moment, Moment) {
    let from = moment(random, 2..=last);
    let slot = (from.slot + random.random_range(1..=longest)).min(last + 1);
    let ms = if slot > last {
        0
    } else {
        random.random_range(1..4000)
    };
    (from, Moment { slot, ms })
}

fn adversaries(
    random: &mut StdRng,
    spare: &mut Vec<ValidatorIndex>,
    budget: &mut usize,
) -> Vec<AdversaryPlan> {
    let mut adversaries = Vec::new();
    let kind = random.random_range(0..10);
    if (3..7).contains(&kind) || kind == 9 {
        for _ in 0..random.random_range(1..=2) {
            adversaries.push(AdversaryPlan {
                behaviour: keyless(random),
                validators: Vec::new(),
                dutiful: false,
            });
        }
    }
    if kind >= 6 {
        for _ in 0..random.random_range(1..=3) {
            if *budget == 0 {
                break;
            }
            let count = if random.random_bool(0.5) {
                *budget
            } else {
                random.random_range(1..=*budget)
            };
            *budget -= count;
            let mut validators = spare.split_off(spare.len() - count);
            validators.sort_unstable();
            let behaviour = keyed(random);
            let dutiful = behaviour != Behaviour::Silence && random.random_bool(0.6);
            adversaries.push(AdversaryPlan {
                behaviour,
                validators,
                dutiful,
            });
        }
    }
    adversaries
}

fn keyless(random: &mut StdRng) -> Behaviour {
    match random.random_range(0..5) {
        0 | 1 => Behaviour::ReplayVotes {
            age: *pick(random, &[1, 7, 7, 12, 20]),
        },
        2 | 3 => {
            let body = match random.random_range(0..20) {
                0 => Body::Copies(3_000),
                1..=3 => Body::Copies(200),
                4..=10 => Body::Empty,
                _ => Body::Full,
            };
            let fat = matches!(body, Body::Copies(_));
            let tries = if fat { 1 } else { *pick(random, &[1, 4, 8]) };
            let count = *pick(random, &[1, 1, 2, 4]);
            Behaviour::ForgeBlocks {
                body,
                tries,
                count: count.min(tries),
            }
        }
        _ => Behaviour::ReuseParentVotes,
    }
}

fn keyed(random: &mut StdRng) -> Behaviour {
    match random.random_range(0..11) {
        0 => Behaviour::ProposeTwice {
            blocks: random.random_range(2..=4),
        },
        1 => Behaviour::VoteTwice {
            ms: *pick(random, &[1_050, 1_900, 2_050, 2_900, 3_050]),
        },
        2 => Behaviour::Withhold {
            slots: *pick(random, &[1, 1, 2, 3, 5, 8]),
            to_half: random.random_bool(0.4),
        },
        3 => Behaviour::NameSibling,
        4 => Behaviour::VoteAhead {
            slots: random.random_range(1..=2),
        },
        5 => Behaviour::InventRoots,
        6 => Behaviour::ReviveOldest,
        7 => Behaviour::ProposeForAll,
        8 => Behaviour::VoteToSome,
        9 => Behaviour::ProposeTwice { blocks: 2 },
        _ => Behaviour::Silence,
    }
}

fn foreigners(
    random: &mut StdRng,
    spare: &mut Vec<ValidatorIndex>,
    budget: &mut usize,
    nodes: usize,
) -> Vec<Foreigners> {
    let mut groups = Vec::new();
    for _ in 0..*pick(random, &[0, 0, 0, 1, 1, 2]) {
        let source = match random.random_range(0..6) {
            0 => Source::Store,
            1 => Source::Older(random.random_range(1..=8)),
            _ => Source::Head,
        };
        let manners = Manners {
            attests_to_parent: random.random_bool(0.7),
            source,
            source_after_target: random.random_bool(0.15),
            carries_own: random.random_bool(0.6),
        };
        // Those whose votes may not count are faulty; the others may be many.
        let most = if manners.are_unreliable() {
            *budget
        } else {
            spare.len() / 2
        };
        if most == 0 {
            continue;
        }
        let count = random.random_range(1..=most);
        if manners.are_unreliable() {
            *budget -= count;
        }
        let mut validators = spare.split_off(spare.len() - count);
        validators.sort_unstable();
        groups.push(Foreigners {
            validators,
            host: random.random_range(0..nodes),
            manners,
        });
    }
    groups
}
