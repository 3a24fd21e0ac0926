//! The protocol's numbers.

use anyhow::{Context as _, Result, ensure};
use quartet_spec_tests::{Report, VectorFile};
use quartet_types as ours;
use serde_json::Value;

use crate::fixture::get;

pub(crate) fn replay(file: &VectorFile, report: &mut Report) -> Result<()> {
    let json = file.json()?;
    let chain = get(&json, "chain")?
        .as_object()
        .context("chain is no object")?;
    for (name, expected) in chain {
        report.case(name, || {
            let found = match name.as_str() {
                "INTERVALS_PER_SLOT" => ours::INTERVALS_PER_SLOT,
                "SECONDS_PER_SLOT" => ours::SECONDS_PER_SLOT,
                "SECONDS_PER_INTERVAL" => ours::SECONDS_PER_INTERVAL,
                "JUSTIFICATION_LOOKBACK_SLOTS" => ours::JUSTIFICATION_LOOKBACK_SLOTS,
                "HISTORICAL_ROOTS_LIMIT" => ours::HISTORICAL_ROOTS_LIMIT,
                "VALIDATOR_REGISTRY_LIMIT" => ours::VALIDATOR_REGISTRY_LIMIT,
                other => anyhow::bail!("no constant {other}"),
            };
            equal(&found.into(), expected)
        });
    }
    Ok(())
}

fn equal(found: &Value, expected: &Value) -> Result<()> {
    ensure!(found == expected, "should be {expected}, is {found}");
    Ok(())
}
