//! Which slots can be justified after which finalized slot.

use anyhow::{Result, ensure};
use quartet_spec_tests::{Report, VectorFile};
use quartet_types::is_justifiable_after;
use serde::Deserialize;

use crate::fixture::{fixtures, list, parse};

pub(crate) fn replay(file: &VectorFile, report: &mut Report) -> Result<()> {
    let json = file.json()?;
    for case in list(&json, "lists")? {
        let finalized: u64 = parse(case, "finalized")?;
        report.case(
            format!("all distances up to 2000 after {finalized}"),
            || {
                let expected: Vec<u64> = parse(case, "justifiable_slots_up_to_delta_2000")?;
                let slots = (0..=2000).filter_map(|delta| finalized.checked_add(delta));
                let found = slots.filter(|slot| is_justifiable_after(*slot, finalized) == Ok(true));
                ensure!(found.collect::<Vec<_>>() == expected, "other slots");
                Ok(())
            },
        );
    }
    for case in list(&json, "spot")? {
        let (slot, finalized): (u64, u64) = (parse(case, "slot")?, parse(case, "finalized")?);
        report.case(format!("{slot} after {finalized}"), || {
            let expected: bool = parse(case, "justifiable")?;
            ensure!(
                is_justifiable_after(slot, finalized)? == expected,
                "should be {expected}"
            );
            Ok(())
        });
    }
    for case in list(&json, "before_finalized_raises")? {
        let (slot, finalized): (u64, u64) = (parse(case, "slot")?, parse(case, "finalized")?);
        report.case(format!("{slot} before {finalized}"), || {
            ensure!(
                is_justifiable_after(slot, finalized).is_err(),
                "should be an error"
            );
            Ok(())
        });
    }
    Ok(())
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fixture {
    slot: u64,
    finalized_slot: u64,
    output: Output,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Output {
    delta: u64,
    is_justifiable: bool,
}

pub(crate) fn replay_fixture(file: &VectorFile, report: &mut Report) -> Result<()> {
    for (name, fixture) in fixtures::<Fixture>(file.json()?)? {
        report.case(name, || {
            let Fixture {
                slot,
                finalized_slot,
                output,
            } = fixture;
            ensure!(
                slot.checked_sub(finalized_slot) == Some(output.delta),
                "the distance"
            );
            let found = is_justifiable_after(slot, finalized_slot)?;
            ensure!(
                found == output.is_justifiable,
                "should be {}",
                output.is_justifiable
            );
            Ok(())
        });
    }
    Ok(())
}
