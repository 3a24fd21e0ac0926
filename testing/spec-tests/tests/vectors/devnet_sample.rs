//! A devnet's directory as other clients take it: genesis, registry, records, foreign keys, a foreign block.

use std::io::Read as _;

use anyhow::{Context as _, Result, ensure};
use flate2::read::GzDecoder;
use quartet_config::{Bootnode, GenesisConfig, KeyManifest, NodeKey, ValidatorAssignments};
use quartet_spec_tests::{Report, VectorFile, Vectors};
use quartet_types::{Block, PublicKey, Root, SignedBlockWithAttestation};
use quartet_xmss::{ForeignKey, Scheme, SecretKey, Verification};
use serde_json::Value;
use ssz::Encode as _;
use tree_hash::TreeHash as _;

use crate::{
    field::{MODULUS, elements},
    fixture::{decode, get, parse},
};

/// The directory that a file is in, with `/` behind it.
fn folder(file: &VectorFile) -> &str {
    let end = file
        .name
        .rfind("/genesis/")
        .map_or(file.name.rfind('/').map_or(0, |end| end + 1), |end| end + 1);
    &file.name[..end]
}

/// Another file of the sample.
fn other<'a>(vectors: &'a Vectors, file: &VectorFile, name: &str) -> Result<&'a VectorFile> {
    let name = format!("{}{name}", folder(file));
    let found = vectors.files().iter().find(|file| file.name == name);
    found.with_context(|| format!("the sample has no {name}"))
}

pub(crate) fn replay(file: &VectorFile, report: &mut Report) -> Result<()> {
    let vectors = crate::vectors()?;
    let config = || -> Result<GenesisConfig> {
        let config = other(&vectors, file, "genesis/config.yaml")?;
        Ok(GenesisConfig::read(config.path())?)
    };
    let name = file.file_name();
    match name {
        "expected.json" => report.case("genesis", || genesis(&file.json()?, &config()?)),
        "signed_block_with_attestation.ssz" => {
            report.case("foreign block", || foreign_block(&file.bytes()?))
        }
        "config.yaml" => report.case(name, || {
            let config = config()?;
            let fits = config.validators.len() as u64 == config.state()?.validator_count();
            ensure!(fits, "another number of validators");
            Ok(())
        }),
        "validators.yaml" | "annotated_validators.yaml" => report.case(name, || {
            let assignments = ValidatorAssignments::read(file.path())?;
            let config = config()?;
            assignments.check(&config)?;
            let assigned: usize = assignments
                .nodes
                .iter()
                .map(|node| node.validators.len())
                .sum();
            ensure!(
                assigned == config.validators.len(),
                "{assigned} validators are assigned"
            );
            Ok(())
        }),
        "nodes.yaml" => report.case(name, || {
            let nodes = Bootnode::read(file.path())?;
            ensure!(!nodes.is_empty(), "no nodes");
            for node in nodes {
                let Bootnode::Enr(record) = node else {
                    anyhow::bail!("a node is not given by its record");
                };
                ensure!(record.address().is_some(), "a node without an address");
            }
            Ok(())
        }),
        "validator-keys-manifest.yaml" => report.case(name, || {
            let (manifest, config) = (KeyManifest::read(file.path())?, config()?);
            for (index, key) in (0..).zip(&config.validators) {
                let entry = manifest
                    .entry(index)
                    .with_context(|| format!("no entry {index}"))?;
                ensure!(entry.public_key == *key, "key {index} is another");
            }
            Ok(())
        }),
        "genesis.json" => report.case(name, || {
            let ours: Value = serde_json::from_str(&config()?.genesis_json())?;
            ensure!(ours == file.json()?, "is written otherwise: {ours}");
            Ok(())
        }),
        _ if name.ends_with(".key") => report.case(name, || node_key(&vectors, file)),
        _ if name.ends_with("_pk.json") => report.case(name, || {
            public_key(&file.json()?, &registered(name, &config()?)?)
        }),
        _ if name.ends_with("_sk.ssz.gz") => report.case(name, || {
            let bytes = unpacked(file)?;
            let foreign = ForeignKey::from_ssz_bytes(&bytes)?;
            ensure!(
                foreign.to_ssz_bytes()[..] == bytes,
                "is written to other bytes"
            );
            signs(&foreign, &registered(name, &config()?)?)
        }),
        _ if name.ends_with("_sk.json.gz") => report.case(name, || {
            let foreign: ForeignKey = serde_json::from_slice(&unpacked(file)?)?;
            signs(&foreign, &registered(name, &config()?)?)
        }),
        other => report.case(other, || anyhow::bail!("nothing reads this file")),
    }
    Ok(())
}

fn genesis(expected: &Value, config: &GenesisConfig) -> Result<()> {
    ensure!(
        config.genesis_time == parse::<u64>(expected, "genesis_time")?,
        "genesis time"
    );
    ensure!(
        get(expected, "validators")? == config.validators.len(),
        "validators"
    );
    let state = config.state()?;
    let root = state.tree_hash_root();
    ensure!(
        root == parse::<Root>(expected, "genesis_state_root")?,
        "state root {root}"
    );
    let root = Block::genesis(&state).tree_hash_root();
    ensure!(
        root == parse::<Root>(expected, "genesis_block_root")?,
        "block root {root}"
    );
    Ok(())
}

fn foreign_block(bytes: &[u8]) -> Result<()> {
    let block: SignedBlockWithAttestation = decode(bytes)?;
    ensure!(block.as_ssz_bytes() == bytes, "encodes to other bytes");
    let attestations = block.attestations().count();
    ensure!(
        block.signature.len() == attestations,
        "{attestations} attestations are signed otherwise"
    );
    for signature in &block.signature {
        quartet_xmss::Signature::from_bytes(Scheme::Production, signature.as_bytes())?;
    }
    Ok(())
}

/// The registry's key of the validator that a file of keys is named after.
fn registered(name: &str, config: &GenesisConfig) -> Result<PublicKey> {
    let index = name
        .strip_prefix("validator_")
        .and_then(|rest| rest.split('_').next());
    let index: usize = index.context("another name")?.parse()?;
    config
        .validators
        .get(index)
        .copied()
        .context("beyond the registry")
}

/// A node's key is that of one of the records.
fn node_key(vectors: &Vectors, file: &VectorFile) -> Result<()> {
    let public_key = NodeKey::read(file.path())?.public_key();
    let nodes = Bootnode::read(other(vectors, file, "genesis/nodes.yaml")?.path())?;
    let is_its_own = |node: &Bootnode| match node {
        Bootnode::Enr(record) => record.public_key() == public_key,
        _ => false,
    };
    ensure!(nodes.iter().any(is_its_own), "no record has this key");
    Ok(())
}

/// Public keys in JSON are elements in Montgomery form.
fn public_key(json: &Value, expected: &PublicKey) -> Result<()> {
    let montgomery = [elements(json, "root")?, elements(json, "parameter")?].concat();
    let canonical = expected.as_bytes().chunks_exact(4).map(|bytes| {
        let value = bytes
            .iter()
            .rev()
            .fold(0, |value, byte| value << 8 | u64::from(*byte));
        ((value << 32) % MODULUS) as u32
    });
    ensure!(canonical.eq(montgomery), "another key");
    Ok(())
}

fn unpacked(file: &VectorFile) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    GzDecoder::new(&file.bytes()?[..]).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The key is that of the registry, and our verifier accepts what it signs.
fn signs(foreign: &ForeignKey, expected: &PublicKey) -> Result<()> {
    let public_key = quartet_xmss::PublicKey::from_bytes(expected.as_bytes())?;
    let mut key: SecretKey = foreign.import(Scheme::Production, Some(&public_key))?;
    let active = key.active();
    ensure!(active == (0..1 << 18), "active at {active:?}");
    for epoch in [0, 1, 65_536] {
        let message = [epoch as u8; 32];
        key.prepare(epoch)?;
        let signature = key.sign(epoch, &message)?;
        let verification = Verification {
            public_key: expected.as_bytes(),
            epoch,
            message: &message,
            signature: signature.as_slice(),
        };
        ensure!(
            Scheme::Production.verify(&verification),
            "its signature at {epoch} is refused"
        );
    }
    Ok(())
}
