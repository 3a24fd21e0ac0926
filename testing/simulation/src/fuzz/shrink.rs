//! Makes a plan that fails as small as it can while it still fails in the same way.

use quartet_types::Slot;

use super::{
    outcome::Outcome,
    plan::{Behaviour, Body, Fault, FaultKind, Moment, Plan},
    play::play,
};
use crate::Conditions;

/// A plan that has been made smaller.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// The plan.
    pub plan: Plan,
    /// What it comes to.
    pub outcome: Outcome,
    /// How many plans were played to find it.
    pub played: usize,
}

/// Shrinks a plan that fails, playing at most `budget` plans.
pub fn shrink(plan: Plan, outcome: Outcome, budget: usize) -> Shrunk {
    shrink_with(plan, outcome, budget, |plan| play(plan, |_| {}))
}

/// As [`shrink`], with a player of one's own.
fn shrink_with(
    plan: Plan,
    outcome: Outcome,
    budget: usize,
    player: impl Fn(&Plan) -> Outcome,
) -> Shrunk {
    let mut best = Shrunk {
        plan,
        outcome,
        played: 0,
    };
    'smaller: loop {
        for candidate in smaller(&best.plan) {
            if best.played >= budget {
                return best;
            }
            best.played += 1;
            let outcome = player(&candidate);
            if outcome.fails_like(&best.outcome) {
                (best.plan, best.outcome) = (candidate, outcome);
                continue 'smaller;
            }
        }
        return best;
    }
}

/// Plans that are a little smaller, those first that leave out most.
fn smaller(plan: &Plan) -> Vec<Plan> {
    let mut plans = Vec::new();
    let mut offer = |change: &dyn Fn(&mut Plan)| {
        let mut smaller = plan.clone();
        change(&mut smaller);
        if smaller != *plan && smaller.settles() >= plan.settles() {
            plans.push(smaller);
        }
    };
    offer(&|plan| plan.faults.clear());
    offer(&|plan| {
        plan.adversaries.clear();
        plan.adopt();
    });
    offer(&|plan| {
        plan.foreigners.clear();
        plan.adopt();
    });
    for chaos in [plan.chaos / 2, plan.chaos * 3 / 4, plan.chaos - 1] {
        offer(&|plan| shorten(plan, chaos.max(2)));
    }
    for index in 0..plan.faults.len() {
        offer(&|plan| drop(plan.faults.remove(index)));
    }
    for index in 0..plan.faults.len() {
        offer(&|plan| plan.faults[index].come_earlier());
        offer(&|plan| plan.faults[index].end_earlier());
        offer(&|plan| plan.faults[index].what.lessen());
    }
    for index in 0..plan.adversaries.len() {
        offer(&|plan| {
            plan.adversaries.remove(index);
            plan.adopt();
        });
    }
    for index in 0..plan.foreigners.len() {
        offer(&|plan| {
            plan.foreigners.remove(index);
            plan.adopt();
        });
    }
    offer(&remove_node);
    offer(&|plan| plan.conditions = Conditions::default());
    offer(&|plan| plan.conditions.loss = 0.0);
    offer(&|plan| plan.conditions.latency_ms = 20..=80);
    offer(&|plan| plan.skews.clear());
    offer(&|plan| plan.falls_silent = true);
    for index in 0..plan.adversaries.len() {
        offer(&|plan| plan.adversaries[index].dutiful = false);
        offer(&|plan| {
            let adversary = &mut plan.adversaries[index];
            adversary
                .validators
                .truncate(1.max(adversary.validators.len() / 2));
            plan.adopt();
        });
        offer(&|plan| simplify(&mut plan.adversaries[index].behaviour));
    }
    for index in 0..plan.foreigners.len() {
        offer(&|plan| {
            let foreigners = &mut plan.foreigners[index];
            foreigners
                .validators
                .truncate(1.max(foreigners.validators.len() / 2));
            plan.adopt();
        });
    }
    plans
}

impl Fault {
    fn come_earlier(&mut self) {
        let by = (self.from.slot / 2).min(self.from.slot.saturating_sub(1));
        self.from.slot -= by;
        self.until.slot -= by;
    }

    fn end_earlier(&mut self) {
        self.until.slot -= (self.until.slot - self.from.slot) / 2;
    }
}

impl FaultKind {
    fn lessen(&mut self) {
        match self {
            Self::Crash { operations, .. } | Self::BadDisk { operations, .. } => *operations /= 2,
            Self::Slow {
                job_ms, write_ms, ..
            } => (*job_ms, *write_ms) = (*job_ms / 2, *write_ms / 2),
            Self::ClockJump { ms, .. } | Self::ClockDrift { ms, .. } => *ms /= 2,
            _ => {}
        }
    }
}

/// Ends the chaos earlier, with what goes on by then.
fn shorten(plan: &mut Plan, chaos: Slot) {
    let end = Moment { slot: chaos, ms: 0 };
    plan.chaos = chaos.min(plan.chaos);
    plan.faults.retain(|fault| fault.from < end);
    for fault in &mut plan.faults {
        fault.until = fault.until.min(end);
    }
}

/// Leaves out the last node; the others take over its validators.
fn remove_node(plan: &mut Plan) {
    if plan.nodes <= 2 {
        return;
    }
    plan.nodes -= 1;
    let (nodes, gone) = (plan.nodes, plan.nodes);
    for (validator, node) in plan.assignment.iter_mut().enumerate() {
        if *node == Some(gone) {
            *node = Some(validator % nodes);
        }
    }
    for foreigners in &mut plan.foreigners {
        foreigners.host %= nodes;
    }
    plan.faults.retain_mut(|fault| match &mut fault.what {
        FaultKind::Weather(_) => true,
        FaultKind::Partition(group) => {
            group.retain(|node| *node != gone);
            !group.is_empty()
        }
        other => other.node() != Some(gone),
    });
    plan.skews.truncate(nodes);
}

fn simplify(behaviour: &mut Behaviour) {
    match behaviour {
        Behaviour::ForgeBlocks { body, tries, count } => {
            (*tries, *count) = (1, 1);
            if let Body::Copies(copies) = body {
                *copies = (*copies / 4).max(2);
            }
        }
        Behaviour::ProposeTwice { blocks } => *blocks = 2,
        Behaviour::Withhold { slots, .. } | Behaviour::HoldVotes { slots } => {
            *slots = (*slots / 2).max(1);
        }
        Behaviour::BuildInPrivate { blocks } => *blocks = (*blocks - 1).max(1),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzz::Failure;

    /// Diverges when there is a partition and at least three slots, and is well otherwise.
    fn diverges_with_a_partition(plan: &Plan) -> Outcome {
        let is_partition = |what: &FaultKind| matches!(what, FaultKind::Partition(_));
        let diverges = plan.chaos >= 3 && plan.faults.iter().any(|fault| is_partition(&fault.what));
        Outcome {
            failures: diverges.then_some(Failure::Diverged).into_iter().collect(),
            ..Outcome::default()
        }
    }

    #[test]
    fn nothing_is_left_but_what_it_takes_to_fail() {
        let failing = (0..).map(Plan::draw).find(|plan| {
            !diverges_with_a_partition(plan).is_good()
                && plan.faults.len() > 3
                && !plan.adversaries.is_empty()
        });
        let plan = failing.expect("some seed has it all");
        let outcome = diverges_with_a_partition(&plan);
        let shrunk = shrink_with(plan, outcome, 1_000, diverges_with_a_partition);
        assert_eq!(shrunk.plan.chaos, 3, "{}", shrunk.plan);
        assert_eq!(shrunk.plan.faults.len(), 1, "{}", shrunk.plan);
        assert!(shrunk.plan.adversaries.is_empty(), "{}", shrunk.plan);
        assert!(shrunk.plan.foreigners.is_empty(), "{}", shrunk.plan);
        assert_eq!(shrunk.plan.conditions, Conditions::default());
        assert!(shrunk.plan.assignment.iter().all(Option::is_some));
    }

    #[test]
    fn a_budget_is_kept() {
        let plan = (0..)
            .map(Plan::draw)
            .find(|plan| !diverges_with_a_partition(plan).is_good());
        let plan = plan.expect("some seed has a partition");
        let outcome = diverges_with_a_partition(&plan);
        let shrunk = shrink_with(plan, outcome, 2, diverges_with_a_partition);
        assert_eq!(shrunk.played, 2);
        assert!(!shrunk.outcome.is_good());
    }
}
