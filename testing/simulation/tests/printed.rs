//! What is printed as a test is that very plan.

#[path = "common/everything.rs"]
mod everything;

use std::collections::BTreeSet;

use quartet_simulation::fuzz::{Plan, Source};

/// A plan with one of each of all things that a plan can have.
fn one_of_each() -> Plan {
    let mut plan = Plan::draw(0);
    plan.faults.clear();
    plan.adversaries.clear();
    plan.foreigners.clear();
    let mut names = BTreeSet::new();
    let source = |source: Source| match source {
        Source::Head => "head",
        Source::Store => "store",
        Source::Older(_) => "older",
    };
    for other in (0..2_000).map(Plan::draw) {
        let faults = other.faults.into_iter();
        plan.faults
            .extend(faults.filter(|fault| names.insert(fault.what.name())));
        let adversaries = other.adversaries.into_iter();
        plan.adversaries
            .extend(adversaries.filter(|one| names.insert(one.behaviour.name())));
        let foreigners = other.foreigners.into_iter();
        plan.foreigners
            .extend(foreigners.filter(|one| names.insert(source(one.manners.source))));
        if plan.skews.is_empty() {
            plan.skews = other.skews;
        }
    }
    let adversaries = plan.adversaries.iter().flat_map(|one| &one.validators);
    let foreigners = plan.foreigners.iter().flat_map(|one| &one.validators);
    let elsewhere: BTreeSet<u64> = adversaries.chain(foreigners).copied().collect();
    let validators = 0..elsewhere.last().map_or(0, |last| last + 1);
    plan.assignment = validators
        .map(|validator| (!elsewhere.contains(&validator)).then_some(1))
        .collect();
    plan.falls_silent = true;
    plan.oracle = false;
    plan.seed = 0;
    assert_eq!(names.len(), 12 + 16 + 3);
    plan
}

/// Without what a formatter may add or leave out.
fn bare(text: &str) -> String {
    let text: String = text.split_whitespace().collect();
    text.replace(",)", ")")
        .replace(",]", "]")
        .replace(",}", "}")
}

#[test]
fn a_printed_test_plays_the_same_plan() {
    let plan = one_of_each();
    let (printed, kept) = (plan.to_test(), include_str!("common/everything.rs"));
    let body = |text: &str| {
        let text = bare(text);
        let begin = text.find("Plan::calm").expect("the plan begins");
        let end = text.find("#[test]").unwrap_or(text.len());
        text[begin..end].to_owned()
    };
    assert_eq!(body(&printed), body(kept), "{printed}");
    assert_eq!(everything::seed_0(), plan);
    assert_eq!(everything::seed_0().to_test(), printed);
}
