//! A plan as a test in Rust, to be kept in `tests/`.

use std::fmt::Write as _;

use super::plan::{Behaviour, Fault, FaultKind, Foreigners, Manners, Plan, Source};
use crate::Conditions;

impl Plan {
    /// A whole test file that plays this very plan, and expects all to be well.
    pub fn to_test(&self) -> String {
        let name = format!("seed_{}", self.seed);
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "use quartet_simulation::{{Conditions, DiskError, fuzz::*}};\n\n\
             pub(crate) fn {name}() -> Plan {{\n{}}}\n\n\
             #[test]\nfn {name}_is_well() {{\n    \
             let outcome = play(&{name}(), |_| {{}});\n    \
             assert!(outcome.is_good(), \"{{:#?}}\", outcome.failures);\n}}\n",
            self.expression()
        );
        text
    }

    /// The expression whose value it is.
    fn expression(&self) -> String {
        let Self {
            seed,
            nodes,
            assignment,
            chaos,
            conditions,
            faults,
            adversaries,
            falls_silent,
            foreigners,
            skews,
            oracle,
        } = self;
        let mut lines = vec![
            format!("Plan::calm({nodes}, {}, {chaos})", assignment.len()),
            format!(".seed({seed})"),
            format!(".assigned({assignment:?})"),
            format!(".links({:?}, {:?})", conditions.latency_ms, conditions.loss),
        ];
        if !skews.is_empty() {
            lines.push(format!(".skewed({skews:?})"));
        }
        lines.extend(faults.iter().map(of_fault));
        for adversary in adversaries {
            let (validators, dutiful) = (&adversary.validators, adversary.dutiful);
            let behaviour = of_behaviour(&adversary.behaviour);
            lines.push(format!(
                ".adversary({behaviour}, {validators:?}, {dutiful})"
            ));
        }
        lines.extend(foreigners.iter().map(of_foreigners));
        if *falls_silent {
            lines.push(".falls_silent()".to_owned());
        }
        if !oracle {
            lines.push(".without_oracle()".to_owned());
        }
        lines
            .join("\n        ")
            .lines()
            .fold(String::new(), |mut text, line| {
                let _ = if text.is_empty() {
                    writeln!(text, "    {line}")
                } else {
                    writeln!(text, "{line}")
                };
                text
            })
    }
}

fn of_fault(Fault { from, until, what }: &Fault) -> String {
    let what = match what {
        FaultKind::Weather(Conditions { latency_ms, loss }) => format!(
            "FaultKind::Weather(Conditions {{ latency_ms: {latency_ms:?}, loss: {loss:?} }})"
        ),
        FaultKind::Partition(group) => format!("FaultKind::Partition(vec!{group:?})"),
        FaultKind::BadDisk {
            node,
            operations,
            error,
        } => format!(
            "FaultKind::BadDisk {{ node: {node}, operations: {operations}, error: DiskError::{error:?} }}"
        ),
        // All that is in the others is numbers.
        other => format!("FaultKind::{other:?}"),
    };
    let [from, until] = [from, until].map(|at| format!("({}, {})", at.slot, at.ms));
    format!(".fault({from}, {until}, {what})")
}

fn of_behaviour(behaviour: &Behaviour) -> String {
    match behaviour {
        Behaviour::ForgeBlocks { body, tries, count } => format!(
            "Behaviour::ForgeBlocks {{ body: Body::{body:?}, tries: {tries}, count: {count} }}"
        ),
        other => format!("Behaviour::{other:?}"),
    }
}

fn of_foreigners(foreigners: &Foreigners) -> String {
    let Foreigners {
        validators,
        host,
        manners,
    } = foreigners;
    let Manners {
        attests_to_parent,
        source,
        source_after_target,
        carries_own,
    } = manners;
    let source: &Source = source;
    format!(
        ".foreign({validators:?}, {host}, Manners {{ attests_to_parent: {attests_to_parent}, source: Source::{source:?}, \
         source_after_target: {source_after_target}, carries_own: {carries_own} }})"
    )
}
