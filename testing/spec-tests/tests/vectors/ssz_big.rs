//! Large values that are given by a rule: length, hash of the encoding, and root.

use anyhow::{Result, bail, ensure};
use quartet_spec_tests::{Report, VectorFile};
use quartet_types::{
    Attestation, AttestationData, Attestations, Bitlist, Checkpoint, HistoricalBlockHashes,
    JustifiedSlots, PublicKey, Root, Validator, Validators,
};
use serde_json::Value;
use sha2::{Digest as _, Sha256, Sha512};
use ssz::{Decode, Encode};
use tree_hash::TreeHash;

use crate::fixture::{decode, list, parse};

pub(crate) fn replay(file: &VectorFile, report: &mut Report) -> Result<()> {
    for case in list(&file.json()?, "cases")? {
        let (container, count): (String, u64) = (parse(case, "type")?, parse(case, "count")?);
        report.case(format!("{count} {container}"), || {
            run(&container, count, case)
        });
    }
    Ok(())
}

fn run(container: &str, count: u64, case: &Value) -> Result<()> {
    let rule: String = parse(case, "rule")?;
    let full = |error| anyhow::anyhow!("{error:?}");
    let expected = match container {
        "Attestations" => {
            "validator_id=i, data={slot 9, head (0x04*32,4), target (0x03*32,3), source (0x02*32,2)}"
        }
        "Validators" => "pubkey=SHA512(i as 8-byte LE)[:52], index=i",
        "HistoricalBlockHashes" => "SHA256(i as 8-byte LE)",
        "JustifiedSlots" => "i % 3 == 0",
        other => bail!("no rule for {other}"),
    };
    ensure!(rule.ends_with(expected), "another rule: {rule}");
    match container {
        "Attestations" => {
            let attestations: Vec<_> = (0..count).map(attestation).collect();
            check(
                &Attestations::try_from(attestations)
                    .map_err(|error| anyhow::anyhow!("{error:?}"))?,
                case,
            )
        }
        "Validators" => check(
            &Validators::try_from_iter((0..count).map(validator)).map_err(full)?,
            case,
        ),
        "HistoricalBlockHashes" => {
            let roots = (0..count).map(|i| Root::from_slice(&Sha256::digest(i.to_le_bytes())));
            check(&HistoricalBlockHashes::try_from_iter(roots)?, case)
        }
        _ => {
            let bits: JustifiedSlots = Bitlist::try_from_iter((0..count).map(|i| i % 3 == 0))?;
            check(&bits, case)
        }
    }
}

fn attestation(validator_id: u64) -> Attestation {
    let checkpoint = |number: u8| Checkpoint {
        root: Root::repeat_byte(number),
        slot: number.into(),
    };
    Attestation {
        validator_id,
        data: AttestationData {
            slot: 9,
            head: checkpoint(4),
            target: checkpoint(3),
            source: checkpoint(2),
        },
    }
}

fn validator(index: u64) -> Validator {
    let mut pubkey = PublicKey::default();
    pubkey
        .0
        .copy_from_slice(&Sha512::digest(index.to_le_bytes())[..52]);
    Validator { pubkey, index }
}

fn check<T: Encode + Decode + TreeHash>(value: &T, case: &Value) -> Result<()> {
    let bytes = value.as_ssz_bytes();
    ensure!(
        bytes.len() == parse::<usize>(case, "length")?,
        "{} bytes",
        bytes.len()
    );
    let hash = Root::from_slice(&Sha256::digest(&bytes));
    ensure!(
        hash == parse::<Root>(case, "sha256")?,
        "hash of the encoding {hash}"
    );
    let root: Root = parse(case, "root")?;
    ensure!(
        value.tree_hash_root() == root,
        "root {}",
        value.tree_hash_root()
    );
    ensure!(
        decode::<T>(&bytes)?.tree_hash_root() == root,
        "root once decoded"
    );
    Ok(())
}
