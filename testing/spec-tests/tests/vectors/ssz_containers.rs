//! Every container: bytes, root and value.

use anyhow::{Context as _, Result, ensure};
use quartet_spec_tests::{Report, VectorFile};
use quartet_types as ours;
use serde::Serialize;
use serde_json::Value;
use ssz::{Decode, Encode};
use tree_hash::TreeHash;

use crate::{
    fixture::{decode, get, hex, list, parse, plain},
    ssz_types_of_the_spec as spec,
};

/// Why signatures are read with a type of this test.
pub(crate) const PADDED: &str = "the wire has signatures of 3112 bytes, the specification pads them to 3116; \
    read with a type of that size around the node's own message";
/// Why aggregates are.
const AGGREGATED: &str = "no message of pq-devnet-1 carries this container; read with a type of this test, around \
    the node's own bit list and attestation data";

type Check = fn(&Value) -> Result<()>;

/// How to check a container, and why it is not one of the node's if so.
fn container(name: &str) -> Option<(Check, Option<&'static str>)> {
    Some(match name {
        "Attestation" => (check::<ours::Attestation>, None),
        "AttestationData" => (check::<ours::AttestationData>, None),
        "Attestations" => (check::<ours::Attestations>, None),
        "Block" => (check::<ours::Block>, None),
        "BlockBody" => (check::<ours::BlockBody>, None),
        "BlockHeader" => (check::<ours::BlockHeader>, None),
        "BlockWithAttestation" => (check::<ours::BlockWithAttestation>, None),
        "BlocksByRootRequest" => (check::<ours::BlocksByRootRequest>, None),
        "Checkpoint" => (check::<ours::Checkpoint>, None),
        "Config" => (check::<ours::Config>, None),
        "HistoricalBlockHashes" => (check::<ours::HistoricalBlockHashes>, None),
        "JustificationRoots" => (check::<ours::JustificationRoots>, None),
        "JustificationValidators" => (check::<ours::JustificationValidators>, None),
        "JustifiedSlots" => (check::<ours::JustifiedSlots>, None),
        "State" => (check::<ours::State>, None),
        "Status" => (check::<ours::Status>, None),
        "Validator" => (check::<ours::Validator>, None),
        "Validators" => (check::<ours::Validators>, None),
        "BlockSignatures" => (check::<spec::BlockSignatures>, Some(PADDED)),
        "Signature" => (check::<spec::Signature>, Some(PADDED)),
        "SignedAttestation" => (check::<spec::SignedAttestation>, Some(PADDED)),
        "SignedBlockWithAttestation" => (check::<spec::SignedBlockWithAttestation>, Some(PADDED)),
        "AggregatedAttestations" => (check::<spec::AggregatedAttestations>, Some(AGGREGATED)),
        "AggregationBits" => (check::<spec::AggregationBits>, Some(AGGREGATED)),
        "SignedAggregatedAttestations" => (
            check::<spec::SignedAggregatedAttestations>,
            Some(AGGREGATED),
        ),
        _ => return None,
    })
}

pub(crate) fn replay(file: &VectorFile, report: &mut Report) -> Result<()> {
    let json = file.json()?;
    let name: String = parse(&json, "type")?;
    let (check, deviation) = container(&name).with_context(|| format!("no type {name}"))?;
    for case in list(&json, "cases")? {
        let case_name = format!("{name} {}", parse::<String>(case, "name")?);
        match deviation {
            None => report.case(case_name, || check(case)),
            Some(reason) => report.deviation(case_name, reason, || check(case)),
        }
    }
    Ok(())
}

fn check<T: Encode + Decode + TreeHash + Serialize>(case: &Value) -> Result<()> {
    let bytes = hex(get(case, "ssz")?)?;
    let expected = parse::<usize>(case, "length")?;
    ensure!(
        bytes.len() == expected,
        "{} bytes, should be {expected}",
        bytes.len()
    );
    let container: T = decode(&bytes)?;
    ensure!(container.as_ssz_bytes() == bytes, "encodes to other bytes");
    ensure!(
        container.ssz_bytes_len() == bytes.len(),
        "announces another length"
    );
    let root = container.tree_hash_root();
    ensure!(root == parse::<ours::Root>(case, "root")?, "root {root}");

    // The longest bit lists come without their value.
    if let Some(expected) = case.get("value").map(plain) {
        let found = serde_json::to_value(&container)?;
        ensure!(found == expected, "value {found}, should be {expected}");
    }
    // What is longer or shorter by a byte must not decode to the same again.
    for length in [bytes.len().checked_sub(1), Some(bytes.len() + 1)]
        .into_iter()
        .flatten()
    {
        let mut other = bytes.clone();
        other.resize(length, 0);
        if let Ok(decoded) = decode::<T>(&other) {
            ensure!(
                decoded.as_ssz_bytes() == other,
                "bytes with another end decode without a trace"
            );
        }
    }
    Ok(())
}
