//! Signed blocks: single ones, those of the filled fixtures, and those of whole scenarios.

use anyhow::{Context as _, Result, bail, ensure};
use quartet_spec_tests::{Report, VectorFile};
use quartet_types::{
    Attestation, BlockWithAttestation, Root, SignedAttestation, SignedBlockWithAttestation, State,
};
use quartet_xmss::{ConstantOrder, Instance, Scheme, Verification, primitives};
use serde::Deserialize;
use serde_json::Value;
use ssz::Encode as _;
use tree_hash::TreeHash as _;

use crate::{
    field::{fixed, instance},
    fixture::{JsonBlock, JsonState, List, fixtures, get, list, parse, ssz_field},
    ssz_containers::PADDED,
    ssz_types_of_the_spec as spec,
    xmss_scheme::signature_length,
};

/// Checks a block's signatures by the rules of leanSpec's `SignedBlockWithAttestation.verify_signatures`.
fn verify_block(
    instance: Instance,
    registry: &State,
    attestations: &[Attestation],
    signatures: &[Vec<u8>],
) -> Result<()> {
    ensure!(
        signatures.len() == attestations.len(),
        "Number of signatures does not match"
    );
    let mut signed = Vec::new();
    for attestation in attestations {
        let key = registry.public_key(attestation.validator_id);
        signed.push((
            key.context("Validator index out of range")?,
            attestation.tree_hash_root(),
        ));
    }
    let items: Vec<Verification<'_>> = signed
        .iter()
        .zip(attestations)
        .zip(signatures)
        .map(|(((key, root), attestation), signature)| Verification {
            public_key: key.as_bytes(),
            epoch: attestation.data.slot,
            message: &root.0,
            signature,
        })
        .collect();
    let verdicts = instance.verify_many(&items);
    let one_by_one: Vec<bool> = items.iter().map(|item| instance.verify(item)).collect();
    ensure!(
        verdicts == one_by_one,
        "a batch is judged otherwise than its items"
    );
    ensure!(
        verdicts.iter().all(|valid| *valid),
        "Attestation signature verification failed"
    );
    Ok(())
}

/// The attestations of a block in the order of its signatures.
fn attestations(message: &BlockWithAttestation) -> Vec<Attestation> {
    let body = message.block.body.attestations.iter().copied();
    body.chain([message.proposer_attestation]).collect()
}

/// A signature of the specification, padded to 3116 bytes, as it is on the wire.
fn unpadded(instance: Instance, signature: &spec::Signature) -> Vec<u8> {
    let (plain, rest) = signature.as_bytes().split_at(signature_length(instance));
    match primitives::signature_from_plain(instance.scheme, plain) {
        Ok(decoded) if rest.iter().all(|byte| *byte == 0) => decoded.to_bytes().to_vec(),
        _ => signature.as_bytes().to_vec(),
    }
}

/// `block_signatures_*`: blocks on a state, valid or not.
pub(crate) fn replay_blocks(file: &VectorFile, report: &mut Report) -> Result<()> {
    let json = file.json()?;
    let instance = instance(&json)?;
    let state: State = ssz_field(&json, "parent_state_ssz")?;
    for case in list(&json, "cases")? {
        let name = format!("{} {}", file.file_name(), parse::<String>(case, "name")?);
        report.case(&name, || check_block(instance, &state, case));
        if case.get("interop_3112_ssz").is_none() {
            report.set_aside(name, PADDED);
        }
    }
    Ok(())
}

fn check_block(instance: Instance, state: &State, case: &Value) -> Result<()> {
    let padded: spec::SignedBlockWithAttestation = ssz_field(case, "signed_block_ssz")?;
    ensure!(
        padded.tree_hash_root() == parse::<Root>(case, "root")?,
        "root of the block"
    );
    let signatures: Vec<_> = padded
        .signature
        .iter()
        .map(|signature| unpadded(instance, signature))
        .collect();
    let attestations = attestations(&padded.message);
    let verdict = verify_block(instance, state, &attestations, &signatures);
    match (verdict, parse(case, "valid")?) {
        (Ok(()), true) => {}
        (Err(error), false) => {
            let expected: String = parse(case, "error")?;
            ensure!(
                expected.starts_with(&error.to_string()),
                "{error}, should be {expected}"
            );
        }
        (Ok(()), false) => bail!("accepted"),
        (Err(error), true) => return Err(error),
    }
    if case.get("interop_3112_ssz").is_some() {
        let block: SignedBlockWithAttestation = ssz_field(case, "interop_3112_ssz")?;
        same_block(instance, &padded, &block)?;
    }
    Ok(())
}

/// Whether the specification's and the wire's form hold the same block and signatures.
fn same_block(
    instance: Instance,
    padded: &spec::SignedBlockWithAttestation,
    block: &SignedBlockWithAttestation,
) -> Result<()> {
    ensure!(
        block.message == padded.message,
        "the two forms hold different blocks"
    );
    ensure!(
        block.signature.len() == padded.signature.len(),
        "the two forms differ in number"
    );
    for (ours, theirs) in block.signature.iter().zip(&padded.signature) {
        ensure!(
            ours.as_bytes()[..] == unpadded(instance, theirs),
            "the two forms differ"
        );
    }
    Ok(())
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fixture {
    anchor_state: JsonState,
    signed_block_with_attestation: JsonSignedBlock,
    expect_exception: Option<String>,
}

#[derive(Debug, Deserialize)]
struct JsonSignedBlock {
    message: JsonBlockWithAttestation,
    signature: List<JsonSignature>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct JsonBlockWithAttestation {
    block: JsonBlock,
    proposer_attestation: Attestation,
}

#[derive(Debug, Deserialize)]
struct JsonSignature {
    path: JsonPath,
    rho: List<u32>,
    hashes: List<List<u32>>,
}

#[derive(Debug, Deserialize)]
struct JsonPath {
    siblings: List<List<u32>>,
}

/// The filled fixtures: the test scheme in the specification's order of constants, signatures as JSON.
pub(crate) fn replay_fixture(file: &VectorFile, report: &mut Report) -> Result<()> {
    let instance = Instance {
        scheme: Scheme::Test,
        order: ConstantOrder::Spec,
    };
    for (name, fixture) in fixtures::<Fixture>(file.json()?)? {
        report.case(name, || {
            let state = fixture.anchor_state.into_state()?;
            let block = fixture.signed_block_with_attestation;
            let message = BlockWithAttestation {
                block: block.message.block.into_block()?,
                proposer_attestation: block.message.proposer_attestation,
            };
            let signatures: Vec<_> = block
                .signature
                .data
                .into_iter()
                .map(JsonSignature::encode)
                .collect();
            let verdict = verify_block(instance, &state, &attestations(&message), &signatures);
            match (verdict, fixture.expect_exception) {
                (Ok(()), None) | (Err(_), Some(_)) => Ok(()),
                (Ok(()), Some(_)) => bail!("accepted"),
                (Err(error), None) => Err(error),
            }
        });
    }
    Ok(())
}

impl JsonSignature {
    /// The signature as it is on the wire; what is none has no bytes.
    fn encode(self) -> Vec<u8> {
        let digests = |list: List<List<u32>>| -> Result<Vec<[u32; 8]>> {
            list.data
                .into_iter()
                .map(|digest| fixed(digest.data))
                .collect()
        };
        let parts = (
            digests(self.path.siblings),
            fixed(self.rho.data),
            digests(self.hashes),
        );
        match parts {
            (Ok(path), Ok(randomness), Ok(chains)) if !path.is_empty() && !chains.is_empty() => {
                primitives::signature_from_parts(&path, randomness, &chains)
                    .to_bytes()
                    .to_vec()
            }
            _ => Vec::new(),
        }
    }
}

/// The signed forms of the blocks and attestations of a scenario.
pub(crate) fn replay_scenario(file: &VectorFile, report: &mut Report) -> Result<()> {
    let json = file.json()?;
    let scheme = if file.file_name().contains("prod") {
        Scheme::Production
    } else {
        Scheme::Test
    };
    let order = crate::field::order(&json)?;
    let instance = Instance { scheme, order };
    let registry: State = ssz_field(get(&json, "anchor")?, "state_ssz")?;
    for (root, block) in get(&json, "blocks")?.as_object().context("blocks")? {
        let name = format!("{} block {root}", file.file_name());
        report.case(&name, || check_scenario_block(instance, &registry, block));
        if block
            .get("interop_3112_signed_block_with_attestation_ssz")
            .is_none()
        {
            report.set_aside(name, PADDED);
        }
    }
    for (number, event) in list(&json, "events")?.iter().enumerate() {
        if event.get("signed_attestation_ssz").is_some() {
            let name = format!("{} event {number}", file.file_name());
            report.case(&name, || {
                check_scenario_attestation(instance, &registry, event)
            });
            report.set_aside(name, PADDED);
        }
    }
    Ok(())
}

fn check_scenario_block(instance: Instance, registry: &State, block: &Value) -> Result<()> {
    let field = "signed_block_with_attestation_ssz";
    let padded: spec::SignedBlockWithAttestation = ssz_field(block, field)?;
    let root: Root = parse(block, "signed_block_with_attestation_root")?;
    ensure!(padded.tree_hash_root() == root, "root of the signed block");
    let message: BlockWithAttestation = ssz_field(block, "block_with_attestation_ssz")?;
    ensure!(padded.message == message, "another block");
    let signatures: Vec<_> = padded
        .signature
        .iter()
        .map(|signature| unpadded(instance, signature))
        .collect();
    verify_block(instance, registry, &attestations(&message), &signatures)?;
    if block.get(format!("interop_3112_{field}")).is_some() {
        let ours: SignedBlockWithAttestation = ssz_field(block, &format!("interop_3112_{field}"))?;
        same_block(instance, &padded, &ours)?;
        let root: Root = parse(block, "interop_3112_signed_block_with_attestation_root")?;
        ensure!(
            ours.tree_hash_root() == root,
            "root of the signed block on the wire"
        );
    }
    Ok(())
}

fn check_scenario_attestation(instance: Instance, registry: &State, event: &Value) -> Result<()> {
    let padded: spec::SignedAttestation = ssz_field(event, "signed_attestation_ssz")?;
    let message: Attestation = ssz_field(event, "attestation_ssz")?;
    ensure!(padded.message == message, "another attestation");
    let wire = unpadded(instance, &padded.signature);
    if event.get("interop_3112_signed_attestation_ssz").is_some() {
        let ours: SignedAttestation = ssz_field(event, "interop_3112_signed_attestation_ssz")?;
        ensure!(ours.message == message, "another attestation on the wire");
        ensure!(
            ours.signature.as_bytes()[..] == wire,
            "another signature on the wire"
        );
        ensure!(
            ours.as_ssz_bytes().len() == 3248,
            "another length on the wire"
        );
    }
    verify_block(instance, registry, &[message], &[wire])
}
