//! Blocks and ticks on a store, with checks of head, checkpoints, target and votes after each.

use std::collections::HashMap;

use anyhow::{Context as _, Result, bail, ensure};
use quartet_spec_tests::{Report, VectorFile};
use quartet_types::{Attestation, INTERVALS_PER_SLOT, Root};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{
    fixture::{JsonBlock, JsonState, fixtures, get},
    store::{Rule, Store},
};

const NO_TIE: &str = "its forks came out of the filler as the same blocks, so there is no tie to break; ties are \
    among the properties of the fork choice crate";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fixture {
    anchor_state: JsonState,
    anchor_block: JsonBlock,
    steps: Vec<Step>,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "stepType", rename_all = "camelCase")]
enum Step {
    Block {
        block: Box<JsonBlockWithAttestation>,
        #[serde(flatten)]
        outcome: Outcome,
    },
    Tick {
        /// Seconds since genesis, which the fixtures put at zero.
        time: u64,
        #[serde(flatten)]
        outcome: Outcome,
    },
}

#[derive(Debug, Deserialize)]
struct Outcome {
    valid: bool,
    checks: Option<Map<String, Value>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct JsonBlockWithAttestation {
    block: JsonBlock,
    proposer_attestation: Attestation,
}

pub(crate) fn replay(file: &VectorFile, report: &mut Report) -> Result<()> {
    for (name, fixture) in fixtures::<Fixture>(file.json()?)? {
        let mut listed = Vec::new();
        report.case(&name, || check(fixture, &mut listed));
        for reason in listed {
            report.set_aside(&name, reason);
        }
    }
    Ok(())
}

fn check(fixture: Fixture, listed: &mut Vec<&'static str>) -> Result<()> {
    let state = fixture.anchor_state.into_state()?;
    let mut store = Store::new(
        state,
        &fixture.anchor_block.into_block()?,
        Rule::Specification,
    )?;
    let mut labels = HashMap::new();
    ensure!(!fixture.steps.is_empty(), "no steps");
    for (number, step) in fixture.steps.into_iter().enumerate() {
        take(&mut store, step, &mut labels, listed).with_context(|| format!("step {number}"))?;
    }
    Ok(())
}

fn take(
    store: &mut Store,
    step: Step,
    labels: &mut HashMap<String, Root>,
    listed: &mut Vec<&'static str>,
) -> Result<()> {
    let (result, outcome) = match step {
        Step::Tick { time, outcome } => {
            // An interval is a second long.
            store.advance(time, false);
            (Ok(()), outcome)
        }
        Step::Block { block, outcome } => {
            let proposer = block.proposer_attestation;
            let block = block.block.into_block()?;
            store.advance(block.slot * INTERVALS_PER_SLOT, true);
            (store.on_block(&block, &proposer), outcome)
        }
    };
    match (result, outcome.valid) {
        (Err(error), true) => return Err(error.context("refused")),
        (Ok(()), false) => bail!("accepted, should be refused"),
        _ => {}
    }
    let checks = outcome.checks.unwrap_or_default();
    for (check, expected) in &checks {
        let result = match check.strip_suffix("Label") {
            Some(labelled) => expect_label(labels, expected, checks.get(labelled)),
            None if check == "lexicographicHeadAmong" => expect_tie(store, expected, listed),
            None => expect(store, check, expected),
        };
        result.with_context(|| check.clone())?;
    }
    Ok(())
}

/// Checks that a label stands for the same root, which is beside it, wherever it is used.
fn expect_label(
    labels: &mut HashMap<String, Root>,
    label: &Value,
    root: Option<&Value>,
) -> Result<()> {
    let label: String = serde_json::from_value(label.clone())?;
    let root: Root = serde_json::from_value(root.context("no root beside a label")?.clone())?;
    let first = *labels.entry(label).or_insert(root);
    ensure!(
        first == root,
        "the label was that of {first}, now it is that of {root}"
    );
    Ok(())
}

/// Checks that the head is the largest of the leaves, one of which each name stands for.
fn expect_tie(store: &Store, names: &Value, listed: &mut Vec<&'static str>) -> Result<()> {
    let fork_choice = store.fork_choice();
    let roots = fork_choice.blocks().map(|node| node.block.root);
    let leaves: Vec<Root> = roots
        .filter(|root| fork_choice.children_of(root).next().is_none())
        .collect();
    ensure!(
        leaves.iter().max() == Some(&fork_choice.head().root),
        "the head is another"
    );
    if leaves.len() < names.as_array().context("no list")?.len() {
        listed.push(NO_TIE);
    }
    Ok(())
}

fn expect(store: &Store, check: &str, expected: &Value) -> Result<()> {
    let fork_choice = store.fork_choice();
    let root = || -> Result<Root> { Ok(serde_json::from_value(expected.clone())?) };
    let same = match check {
        "time" => *expected == fork_choice.time(),
        "headSlot" => *expected == fork_choice.head().slot,
        "headRoot" => root()? == fork_choice.head().root,
        "latestJustifiedSlot" => *expected == fork_choice.latest_justified().slot,
        "latestJustifiedRoot" => root()? == fork_choice.latest_justified().root,
        "latestFinalizedSlot" => *expected == fork_choice.latest_finalized().slot,
        "latestFinalizedRoot" => root()? == fork_choice.latest_finalized().root,
        "safeTargetSlot" => *expected == fork_choice.safe_target().slot,
        "attestationTargetSlot" => {
            *expected == fork_choice.attestation_target().context("no target")?.slot
        }
        "attestationChecks" => {
            let checks = expected.as_array().context("no list")?;
            return checks
                .iter()
                .try_for_each(|check| expect_attestation(store, check));
        }
        other => bail!("an unknown check {other}"),
    };
    ensure!(
        same,
        "should be {expected}, the head is {}",
        fork_choice.head()
    );
    Ok(())
}

fn expect_attestation(store: &Store, check: &Value) -> Result<()> {
    let fork_choice = store.fork_choice();
    let by_validator = |attestation: &Attestation| check["validator"] == attestation.validator_id;
    let found = match check["location"].as_str() {
        Some("new") => fork_choice.new_attestations().find(by_validator),
        Some("known") => fork_choice.known_attestations().find(by_validator),
        other => bail!("an unknown location {other:?}"),
    };
    let data = found
        .with_context(|| format!("no attestation for {check}"))?
        .data;
    let fields = [
        ("attestationSlot", data.slot),
        ("headSlot", data.head.slot),
        ("sourceSlot", data.source.slot),
        ("targetSlot", data.target.slot),
    ];
    for (field, found) in fields {
        let expected = get(check, field)
            .ok()
            .filter(|expected| !expected.is_null());
        ensure!(
            expected.is_none_or(|expected| *expected == found),
            "{field} is {found} for {check}"
        );
    }
    Ok(())
}
