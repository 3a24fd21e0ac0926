//! Plans written by hand, and what is expected of them.

use quartet_simulation::fuzz::{Behaviour, Manners, Outcome, Plan, SlotReport, play};
use quartet_types::{Slot, ValidatorIndex};

/// A network in which nothing goes wrong for this many slots; validators are dealt out to the nodes in turn.
pub(crate) fn calm(nodes: usize, validators: usize, slots: Slot) -> Plan {
    Plan::calm(nodes, validators, slots)
}

/// Adds an adversary, with validators that it takes from the nodes.
pub(crate) fn against(plan: Plan, behaviour: Behaviour, validators: &[ValidatorIndex]) -> Plan {
    let dutiful =
        !validators.is_empty() && !matches!(behaviour, Behaviour::Silence | Behaviour::SkipSquares);
    plan.adversary(behaviour, validators.iter().copied(), dutiful)
}

/// Gives validators to a client that is not ours.
pub(crate) fn foreign(
    plan: Plan,
    host: usize,
    manners: Manners,
    validators: &[ValidatorIndex],
) -> Plan {
    plan.foreign(validators.iter().copied(), host, manners)
}

/// Plays a plan and expects all to be well.
pub(crate) fn is_well(plan: &Plan) -> Outcome {
    let outcome = play(plan, |_| {});
    assert!(outcome.is_good(), "{plan}{:#?}", outcome.failures);
    outcome
}

/// Plays a plan and expects all to be well, and finality never to be more than this many slots behind, at any
/// node, from slot 5 on.
pub(crate) fn keeps_pace(plan: &Plan, lag: Slot) -> Outcome {
    let mut worst: Option<SlotReport> = None;
    let lag_of = |report: &SlotReport| {
        let finalized = report.views.iter().flatten();
        let finalized = finalized.map(|view| view.finalized.slot).min();
        report.slot.saturating_sub(finalized.unwrap_or_default())
    };
    let outcome = play(plan, |report| {
        let is_worst = worst
            .as_ref()
            .is_none_or(|worst| lag_of(worst) < lag_of(report));
        if report.slot >= 5 && is_worst {
            worst = Some(report.clone());
        }
    });
    assert!(outcome.is_good(), "{plan}{:#?}", outcome.failures);
    let worst = worst.expect("slots were played");
    assert!(
        lag_of(&worst) <= lag,
        "{plan}finality is {} slots behind:\n{worst}",
        lag_of(&worst)
    );
    outcome
}
