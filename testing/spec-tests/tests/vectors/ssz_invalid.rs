//! Bytes that a strict decoder refuses, and a few beside them that it accepts.

use anyhow::{Context as _, Result, bail, ensure};
use quartet_spec_tests::{Report, VectorFile};
use quartet_types as ours;
use serde_json::Value;
use ssz::{Decode, Encode};

use crate::{
    fixture::{decode, get, hex, list, parse},
    ssz_containers::PADDED,
    ssz_types_of_the_spec as spec,
};

pub(crate) fn replay(file: &VectorFile, report: &mut Report) -> Result<()> {
    for case in list(&file.json()?, "cases")? {
        let container: String = parse(case, "type")?;
        let name = format!("{container}: {}", parse::<String>(case, "why")?);
        let run = || run(&container, case);
        if container == "SignedAttestation" {
            report.deviation(name, PADDED, run);
        } else {
            report.case(name, run);
        }
    }
    Ok(())
}

fn run(container: &str, case: &Value) -> Result<()> {
    match container {
        "AggregationBits" => check::<spec::AggregationBits>(case),
        "Attestation" => check::<ours::Attestation>(case),
        "Attestations" => check::<ours::Attestations>(case),
        "Block" => check::<ours::Block>(case),
        "BlockBody" => check::<ours::BlockBody>(case),
        "BlockHeader" => check::<ours::BlockHeader>(case),
        "BlockWithAttestation" => check::<ours::BlockWithAttestation>(case),
        "BlocksByRootRequest" => check::<ours::BlocksByRootRequest>(case),
        "Checkpoint" => check::<ours::Checkpoint>(case),
        "JustifiedSlots" => check::<ours::JustifiedSlots>(case),
        "State" => check::<ours::State>(case),
        "Status" => check::<ours::Status>(case),
        "SignedAttestation" => {
            // Wrong by either length of a signature.
            check::<ours::SignedAttestation>(case)?;
            check::<spec::SignedAttestation>(case)
        }
        other => bail!("no type {other}"),
    }
}

fn check<T: Encode + Decode>(case: &Value) -> Result<()> {
    let bytes = hex(get(case, "ssz")?)?;
    match parse::<String>(case, "strict")?.as_str() {
        "reject" => {
            ensure!(decode::<T>(&bytes).is_err(), "accepted");
            Ok(())
        }
        "accept" => {
            let container: T = decode(&bytes).context("refused")?;
            ensure!(container.as_ssz_bytes() == bytes, "encodes to other bytes");
            Ok(())
        }
        other => bail!("unknown verdict {other}"),
    }
}
