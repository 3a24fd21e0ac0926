//! Every step of the signature scheme on its own.

use std::str::FromStr as _;

use alloy_primitives::U256;
use anyhow::{Context as _, Result, ensure};
use quartet_spec_tests::{Report, VectorFile};
use quartet_xmss::{Backend, Instance, primitives};
use serde_json::Value;

use crate::{
    field::{array, bytes, elements, fixed, order, scheme, scheme_named},
    fixture::{get, list, parse},
};

/// Checks on each back-end that this machine has.
fn on_every_back_end(check: impl Fn(Backend) -> Result<()>) -> Result<()> {
    Backend::all()
        .into_iter()
        .try_for_each(|backend| check(backend).with_context(|| format!("on {}", backend.name())))
}

pub(crate) fn replay(file: &VectorFile, report: &mut Report) -> Result<()> {
    let json = file.json()?;
    let order = order(&json)?;
    let parameter = array::<5>(&json, "parameter")?;
    let mut run = |section: &str, within: &Value, check: &dyn Fn(&Value) -> Result<()>| {
        for (number, case) in list(within, section)?.iter().enumerate() {
            report.case(format!("{} {section} {number}", file.file_name()), || {
                check(case)
            });
        }
        anyhow::Ok(())
    };

    let prf = get(&json, "prf")?;
    let key = bytes::<32>(prf, "key")?;
    run("apply", prf, &|case| {
        let (epoch, chain) = (parse(case, "epoch")?, parse(case, "chain_index")?);
        on_every_back_end(|backend| {
            let start = primitives::prf_chain_start(backend, &key, epoch, chain);
            same(case, &start)
        })
    })?;
    run("get_randomness", prf, &|case| {
        let (epoch, counter) = (parse(case, "epoch")?, parse(case, "counter")?);
        let message = bytes(case, "message")?;
        on_every_back_end(|backend| {
            let randomness = primitives::prf_randomness(backend, &key, epoch, &message, counter);
            same(case, &randomness)
        })
    })?;
    run("int_to_base_p", &json, &int_to_base_p)?;
    run("tree_tweak", &json, &|case| {
        same(
            case,
            &primitives::tree_tweak(parse(case, "level")?, parse(case, "index")?),
        )
    })?;
    run("chain_tweak", &json, &|case| {
        let (chain, step) = (parse(case, "chain_index")?, parse(case, "step")?);
        same(
            case,
            &primitives::chain_tweak(parse(case, "epoch")?, chain, step),
        )
    })?;
    run("message_encode", &json, &|case| {
        same(case, &primitives::encode_message(&bytes(case, "message")?))
    })?;
    run("epoch_encode", &json, &|case| {
        same(case, &primitives::encode_epoch(parse(case, "epoch")?))
    })?;
    run("hash_chain", &json, &|case| {
        let output = primitives::hash_chain(
            order,
            parameter,
            parse(case, "epoch")?,
            parse(case, "chain_index")?,
            parse(case, "start_step")?,
            parse(case, "num_steps")?,
            array(case, "start")?,
        );
        same(case, &output)
    })?;
    run("tree_node", &json, &|case| {
        let children = [array(case, "left")?, array(case, "right")?];
        let (level, index) = (parse(case, "level")?, parse(case, "index")?);
        same(
            case,
            &primitives::tree_node(order, parameter, level, index, children),
        )
    })?;
    run("leaf", &json, &|case| {
        let scheme = scheme(case, "scheme")?;
        let ends = parse::<Vec<Vec<u32>>>(case, "chain_ends")?
            .into_iter()
            .map(fixed);
        let ends = ends.collect::<Result<Vec<[u32; 8]>>>()?;
        let index = parse(case, "index")?;
        on_every_back_end(|backend| {
            let instance = Instance { scheme, order };
            let leaf = primitives::leaf(backend, instance, parameter, index, &ends);
            same(case, &leaf)
        })
    })?;
    run("target_sum_encode", &json, &|case| {
        let scheme = scheme(case, "scheme")?;
        let instance = Instance { scheme, order };
        let (epoch, message) = (parse(case, "epoch")?, bytes(case, "message")?);
        let randomness = array(case, "rho")?;
        let expected: Vec<u8> = parse(case, "codeword")?;
        let sum: u64 = expected.iter().map(|digit| u64::from(*digit)).sum();
        ensure!(get(case, "sum")? == sum, "the sum of the digits");
        let expected = parse::<bool>(case, "valid")?.then_some(expected);
        on_every_back_end(|backend| {
            let codeword = primitives::target_sum_encode(
                backend, instance, parameter, epoch, &message, randomness,
            );
            ensure!(codeword == expected, "is {codeword:?}");
            Ok(())
        })
    })?;
    run("expand_activation_time", &json, &|case| {
        let scheme = match parse(case, "log_lifetime")? {
            32 => scheme_named("PROD")?,
            8 => scheme_named("TEST")?,
            other => anyhow::bail!("no lifetime of 2^{other}"),
        };
        let (start, count) = (
            parse(case, "activation_epoch")?,
            parse(case, "num_active_epochs")?,
        );
        let expected = (
            parse(case, "start_bottom_tree")?,
            parse(case, "end_bottom_tree")?,
        );
        let found = primitives::expand_activation(scheme, start, count)?;
        ensure!(found == expected, "is {found:?}");
        Ok(())
    })?;
    for (name, cube) in get(&json, "hypercube")?.as_object().context("no object")? {
        let scheme = scheme_named(name)?;
        run("map", cube, &|case| {
            let number: String = parse(case, "x")?;
            let expected = (parse(case, "layer")?, parse(case, "vertex")?);
            let found = primitives::hypercube_vertex(scheme, &number);
            ensure!(found.as_ref() == Some(&expected), "is {found:?}");
            Ok(())
        })?;
    }
    for (name, cube) in get(&json, "hypercube")?.as_object().context("no object")? {
        let scheme = scheme_named(name)?;
        report.case(format!("{} layers of {name}", file.file_name()), || {
            layers(scheme, cube)
        });
    }
    Ok(())
}

fn same<const N: usize>(case: &Value, output: &[u32; N]) -> Result<()> {
    ensure!(
        output.as_slice() == elements(case, "output")?,
        "is {output:?}"
    );
    Ok(())
}

/// Digits of a number in base p, the lowest first. What exceeds 128 bits is a message in the node.
fn int_to_base_p(case: &Value) -> Result<()> {
    let (number, limbs) = (parse::<String>(case, "value")?, elements(case, "limbs")?);
    let found = match number.parse::<u128>() {
        Ok(number) => primitives::int_to_base_p::<9>(number),
        Err(_) => primitives::encode_message(&U256::from_str(&number)?.to_le_bytes()),
    };
    let (digits, rest) = found.split_at_checked(limbs.len()).context("more digits")?;
    ensure!(
        digits == limbs && rest.iter().all(|digit| *digit == 0),
        "is {found:?}"
    );
    Ok(())
}

/// Each layer of a hypercube begins where the sizes of those before it end.
fn layers(scheme: quartet_xmss::Scheme, cube: &Value) -> Result<()> {
    let layer = |number: U256| {
        primitives::hypercube_vertex(scheme, &number.to_string()).map(|(layer, _)| layer)
    };
    let mut start = U256::ZERO;
    for (number, size) in parse::<Vec<String>>(cube, "layer_sizes")?
        .iter()
        .enumerate()
    {
        let end = start + U256::from_str(size)?;
        let found = (layer(start), layer(end - U256::ONE));
        ensure!(
            found == (Some(number), Some(number)),
            "layer {number} has {found:?}"
        );
        start = end;
    }
    ensure!(
        start.to_string() == parse::<String>(cube, "part_size")?,
        "the size of all layers"
    );
    ensure!(layer(start).is_none(), "there is a layer too many");
    Ok(())
}
