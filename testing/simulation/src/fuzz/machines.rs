//! Faults of machines, and adversaries that use time: drawn apart from the rest of a plan.

use rand::{RngExt as _, rngs::StdRng};

use super::{
    generate::period,
    plan::{Behaviour, Fault, FaultKind, Plan},
};
use crate::DiskError;

/// By how many milliseconds an honest clock may be off, either way: two of them by less than an interval, with what packets
/// need.
const SKEW: i64 = 400;
/// Most writes and syncs until a disk fails or a process ends: some transactions.
const OPERATIONS: u32 = 60;

pub(super) fn pick<'a, T>(random: &mut StdRng, among: &'a [T]) -> &'a T {
    &among[random.random_range(0..among.len())]
}

/// How many there are in a large network. The largest take as long as some hundred small ones.
pub(super) fn many_validators(random: &mut StdRng) -> usize {
    if random.random_bool(0.1) { 256 } else { 64 }
}

/// Adds faults of machines to a plan.
pub(super) fn affect(plan: &mut Plan, random: &mut StdRng) {
    if random.random_bool(0.35) {
        crashes(plan, random);
    }
    if random.random_bool(0.2) {
        let error = *pick(random, &[DiskError::Full, DiskError::Broken]);
        let node = random.random_range(0..plan.nodes);
        let operations = random.random_range(0..OPERATIONS);
        let what = FaultKind::BadDisk {
            node,
            operations,
            error,
        };
        add(plan, random, 12, what);
    }
    if random.random_bool(0.25) {
        for _ in 0..random.random_range(1..=3) {
            let what = FaultKind::Slow {
                node: random.random_range(0..plan.nodes),
                job_ms: *pick(random, &[0, 0, 20, 100, 400, 1_500]),
                write_ms: *pick(random, &[0, 50, 300, 1_000, 4_000, 10_000]),
            };
            add(plan, random, 30, what);
        }
    }
    if random.random_bool(0.3) {
        clocks(plan, random);
    }
    for adversary in &mut plan.adversaries {
        let is_keyed = adversary.behaviour.needs_keys();
        if is_keyed && random.random_bool(0.25) {
            adversary.behaviour = timely(random);
        }
    }
}

fn crashes(plan: &mut Plan, random: &mut StdRng) {
    let is_blackout = random.random_bool(0.25);
    for _ in 0..random.random_range(1..=3) {
        let crash = |node, random: &mut StdRng| FaultKind::Crash {
            node,
            operations: random.random_range(0..OPERATIONS),
            loses_power: is_blackout || random.random_bool(0.7),
        };
        if !is_blackout {
            let node = random.random_range(0..plan.nodes);
            let what = crash(node, random);
            add(plan, random, 12, what);
            continue;
        }
        let (from, until) = period(random, plan.chaos - 1, 6);
        for node in 0..plan.nodes {
            let what = crash(node, random);
            add_fault(plan, Fault { from, until, what });
        }
    }
}

fn clocks(plan: &mut Plan, random: &mut StdRng) {
    if random.random_bool(0.5) {
        plan.skews = (0..plan.nodes)
            .map(|_| random.random_range(-SKEW..=SKEW))
            .collect();
        // Foreign validators keep the right time, and what they see is of the same client.
        for foreigners in &plan.foreigners {
            plan.skews[foreigners.host] = 0;
        }
    }
    for _ in 0..random.random_range(0..=3) {
        let node = random.random_range(0..plan.nodes);
        let sign = if random.random_bool(0.5) { 1 } else { -1 };
        let what = if random.random_bool(0.7) {
            FaultKind::ClockJump {
                node,
                ms: sign
                    * pick(
                        random,
                        &[300, 700, 1_000, 1_500, 2_500, 4_000, 6_000, 13_000],
                    ),
            }
        } else {
            FaultKind::ClockDrift {
                node,
                ms: sign * pick(random, &[5, 20, 60, 150, 400]),
            }
        };
        add(plan, random, 20, what);
    }
}

fn timely(random: &mut StdRng) -> Behaviour {
    match random.random_range(0..3) {
        0 => Behaviour::Linger {
            ms: *pick(random, &[500, 1_050, 1_900, 2_050, 2_900, 3_050, 3_900]),
        },
        1 => Behaviour::BuildInPrivate {
            blocks: random.random_range(1..=4),
        },
        _ => Behaviour::HoldVotes {
            slots: *pick(random, &[1, 1, 2, 3, 6, 12]),
        },
    }
}

fn add(plan: &mut Plan, random: &mut StdRng, longest: u64, what: FaultKind) {
    let (from, until) = period(random, plan.chaos - 1, longest);
    add_fault(plan, Fault { from, until, what });
}

/// Adds it unless the node is down already, or its clock would not be right in time.
fn add_fault(plan: &mut Plan, fault: Fault) {
    let overlaps = |other: &Fault| {
        let are_downtimes = other.what.takes_down() && fault.what.takes_down();
        let is_same = other.what.kind() == fault.what.kind() || are_downtimes;
        is_same
            && other.what.node() == fault.what.node()
            && other.from <= fault.until
            && fault.from <= other.until
    };
    if plan.faults.iter().any(overlaps) {
        return;
    }
    plan.faults.push(fault);
    if !plan.settles() {
        plan.faults.pop();
    }
}
