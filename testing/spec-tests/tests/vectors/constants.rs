//! The protocol's numbers.

use anyhow::{Context as _, Result, bail, ensure};
use quartet_network::{BLOCKS_BY_ROOT_PROTOCOL, STATUS_PROTOCOL, wire::Domain};
use quartet_spec_tests::{Report, VectorFile};
use quartet_types as ours;
use quartet_xmss::{Backend, ConstantOrder, Scheme, primitives};
use serde_json::{Value, json};

use crate::{
    field::scheme_named,
    fixture::{get, hex},
};

const SHOWN_ELSEWHERE: &str = "not in the crate's interface; the codewords, layers and signatures of the other kinds \
    depend on it";
const LIBP2P: &str =
    "given to libp2p's gossipsub inside the network crate, and not in its interface";
const SUFFIX: &str =
    "050fa4a names the protocols without their encoding; on the wire they end in ssz_snappy";

pub(crate) fn replay(file: &VectorFile, report: &mut Report) -> Result<()> {
    let json = file.json()?;
    for (name, expected) in fields(&json, "chain")? {
        report.case(name, || {
            let found = match name.as_str() {
                "INTERVALS_PER_SLOT" => ours::INTERVALS_PER_SLOT,
                "SECONDS_PER_SLOT" => ours::SECONDS_PER_SLOT,
                "SECONDS_PER_INTERVAL" => ours::SECONDS_PER_INTERVAL,
                "JUSTIFICATION_LOOKBACK_SLOTS" => ours::JUSTIFICATION_LOOKBACK_SLOTS,
                "HISTORICAL_ROOTS_LIMIT" => ours::HISTORICAL_ROOTS_LIMIT,
                "VALIDATOR_REGISTRY_LIMIT" => ours::VALIDATOR_REGISTRY_LIMIT,
                other => bail!("no constant {other}"),
            };
            equal(&found.into(), expected)
        });
    }
    for (scheme_name, constants) in fields(&json, "xmss")? {
        let scheme = scheme_named(scheme_name)?;
        for (name, expected) in constants.as_object().context("no object")? {
            let full_name = format!("{scheme_name} {name}");
            if name == "SIGNATURE_LEN_BYTES" {
                report.case(full_name, || {
                    let length: usize = serde_json::from_value(expected.clone())?;
                    primitives::signature_from_plain(scheme, &vec![0; length])?;
                    Ok(())
                });
                continue;
            }
            match of_the_scheme(scheme, name)? {
                Some(found) => report.case(full_name, || equal(&found.into(), expected)),
                None => report.set_aside(full_name, SHOWN_ELSEWHERE),
            }
        }
    }
    for (name, expected) in fields(&json, "networking")? {
        match name.as_str() {
            "MAX_REQUEST_BLOCKS" => {
                report.case(name, || equal(&json!(ours::MAX_REQUEST_BLOCKS), expected));
            }
            "MESSAGE_DOMAIN_VALID_SNAPPY" => {
                report.case(name, || domain(Domain::ValidSnappy, expected))
            }
            "MESSAGE_DOMAIN_INVALID_SNAPPY" => {
                report.case(name, || domain(Domain::InvalidSnappy, expected));
            }
            "status_protocol" => {
                report.deviation(name, SUFFIX, || protocol(STATUS_PROTOCOL, expected));
            }
            "blocks_by_root_protocol" => {
                report.deviation(name, SUFFIX, || protocol(BLOCKS_BY_ROOT_PROTOCOL, expected));
            }
            "gossipsub" => report.set_aside(name, LIBP2P),
            other => report.case(name, || bail!("no constant {other}")),
        }
    }
    Ok(())
}

fn fields<'a>(
    json: &'a Value,
    section: &str,
) -> Result<impl Iterator<Item = (&'a String, &'a Value)>> {
    let fields = get(json, section)?.as_object();
    Ok(fields
        .with_context(|| format!("{section} is no object"))?
        .iter())
}

/// A constant of a scheme, as far as the crate's interface shows it.
fn of_the_scheme(scheme: Scheme, name: &str) -> Result<Option<u64>> {
    // The first vertex of the hypercube has the largest digit everywhere.
    let (_, first) = primitives::hypercube_vertex(scheme, "0").context("no first vertex")?;
    let largest = first.first().context("no digits")?;
    Ok(Some(match name {
        "LOG_LIFETIME" => u64::from(scheme.lifetime().ilog2()),
        "DIMENSION" => first.len() as u64,
        "BASE" => u64::from(*largest) + 1,
        "PUBLIC_KEY_LEN_BYTES" => quartet_xmss::PUBLIC_KEY_BYTES as u64,
        "MESSAGE_LENGTH" => size_of::<ours::Root>() as u64,
        "MSG_LEN_FE" => primitives::encode_message(&[0; 32]).len() as u64,
        "TWEAK_LEN_FE" => primitives::encode_epoch(0).len() as u64,
        "RAND_LEN_FE" => {
            primitives::prf_randomness(Backend::SCALAR, &[0; 32], 0, &[0; 32], 0).len() as u64
        }
        "HASH_LEN_FE" => primitives::prf_chain_start(Backend::SCALAR, &[0; 32], 0, 0).len() as u64,
        "CAPACITY" => primitives::safe_domain_separator(ConstantOrder::Spec, [0; 4]).len() as u64,
        // A public key is a hash and a parameter, of four bytes per element.
        "PARAMETER_LEN" => (quartet_xmss::PUBLIC_KEY_BYTES / 4 - 8) as u64,
        "FINAL_LAYER"
        | "TARGET_SUM"
        | "MAX_TRIES"
        | "POS_OUTPUT_LEN_PER_INV_FE"
        | "POS_INVOCATIONS" => return Ok(None),
        other => bail!("no constant {other}"),
    }))
}

fn domain(domain: Domain, expected: &Value) -> Result<()> {
    ensure!(
        domain.bytes()[..] == hex(expected)?,
        "is {:?}",
        domain.bytes()
    );
    Ok(())
}

fn protocol(ours: &str, expected: &Value) -> Result<()> {
    let prefix = ours.strip_suffix("ssz_snappy");
    ensure!(
        prefix.is_some_and(|prefix| *expected == prefix),
        "should begin as {expected}"
    );
    Ok(())
}

fn equal(found: &Value, expected: &Value) -> Result<()> {
    ensure!(found == expected, "should be {expected}, is {found}");
    Ok(())
}
