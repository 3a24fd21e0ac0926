//! The permutation, its constants, and the two ways of hashing with it.

use anyhow::{Context as _, Result, ensure};
use quartet_spec_tests::{Report, VectorFile};
use quartet_xmss::{Backend, ConstantOrder, primitives};
use serde_json::Value;

use crate::{
    field::{MODULUS, array, elements, fixed, order},
    fixture::{get, list, parse},
};

pub(crate) fn replay(file: &VectorFile, report: &mut Report) -> Result<()> {
    let json = file.json()?;
    let order = order(&json)?;
    let cases = |section: &str| -> Result<Vec<(String, Value)>> {
        let name = |number| format!("{} {section} {number}", file.file_name());
        let cases = list(&json, section)?.iter().enumerate();
        Ok(cases
            .map(|(number, case)| (name(number), case.clone()))
            .collect())
    };
    report.case(format!("{} numbers", file.file_name()), || {
        ensure!(get(&json, "field_modulus")? == MODULUS, "the modulus");
        ensure!(get(&json, "s_box")? == 3, "the power");
        Ok(())
    });
    for (name, case) in cases("permute")? {
        report.case(name, || match parse::<usize>(&case, "width")? {
            16 => permute::<16>(order, &json, &case),
            24 => permute::<24>(order, &json, &case),
            other => anyhow::bail!("no width {other}"),
        });
    }
    for (name, case) in cases("compress")? {
        report.case(name, || {
            let (width, length) = (parse(&case, "width")?, parse(&case, "output_len")?);
            let output = primitives::compress(order, width, &elements(&case, "input")?, length);
            ensure!(output == elements(&case, "output")?, "is {output:?}");
            Ok(())
        });
    }
    for (name, case) in cases("safe_domain_separator")? {
        report.case(name, || {
            let lengths = fixed(parse::<Vec<usize>>(&case, "lengths")?)?;
            let separator = primitives::safe_domain_separator(order, lengths);
            // A shorter capacity takes the first elements of a longer one.
            let expected = elements(&case, "output")?;
            ensure!(separator.starts_with(&expected), "is {separator:?}");
            ensure!(
                get(&case, "capacity_len")? == expected.len(),
                "the capacity's length"
            );
            Ok(())
        });
    }
    for (name, case) in cases("sponge")? {
        report.case(name, || sponge(order, &case));
    }
    Ok(())
}

/// The permutation on every back-end, and once more by the book with the constants of the file.
fn permute<const W: usize>(order: ConstantOrder, json: &Value, case: &Value) -> Result<()> {
    let input = array::<W>(case, "input")?;
    let expected = array::<W>(case, "output")?;
    for backend in Backend::all() {
        let output = primitives::permute(backend, order, input);
        ensure!(
            output.first() == Some(&expected),
            "{backend:?} gives {output:?}"
        );
    }
    let width = W.to_string();
    let constants = elements(get(json, "round_constants_in_order_of_use")?, &width)?;
    let diagonal = array::<W>(get(json, "internal_diag")?, &width)?;
    let rounds: [usize; 2] = fixed(parse(get(json, "rounds")?, &width)?)?;
    ensure!(
        by_the_book(input, &constants, diagonal, rounds)? == expected,
        "other constants"
    );
    Ok(())
}

/// Poseidon2 on plain numbers: full rounds, partial rounds, full rounds.
fn by_the_book<const W: usize>(
    input: [u32; W],
    constants: &[u32],
    diagonal: [u32; W],
    [full, partial]: [usize; 2],
) -> Result<[u32; W]> {
    ensure!(
        constants.len() == full * W + partial,
        "{} constants",
        constants.len()
    );
    let mut constants = constants.iter().map(|constant| u64::from(*constant));
    let mut next = || constants.next().context("too few constants");
    let cube = |x: u64| x * x % MODULUS * x % MODULUS;

    let mut state = input.map(u64::from);
    external(&mut state);
    for round in 0..full + partial {
        if (full / 2..full / 2 + partial).contains(&round) {
            state[0] = cube((state[0] + next()?) % MODULUS);
            let sum: u64 = state.iter().sum();
            for (element, factor) in state.iter_mut().zip(diagonal) {
                *element = (sum + *element * u64::from(factor)) % MODULUS;
            }
        } else {
            for element in &mut state {
                *element = cube((*element + next()?) % MODULUS);
            }
            external(&mut state);
        }
    }
    Ok(state.map(|element| element as u32))
}

/// The outer linear layer: a fixed matrix on each four elements, then the sums of every fourth.
fn external<const W: usize>(state: &mut [u64; W]) {
    const MATRIX: [[u64; 4]; 4] = [[2, 3, 1, 1], [1, 2, 3, 1], [1, 1, 2, 3], [3, 1, 1, 2]];
    for four in state.chunks_exact_mut(4) {
        let old: Vec<u64> = four.to_vec();
        for (element, row) in four.iter_mut().zip(MATRIX) {
            *element = row.iter().zip(&old).map(|(factor, x)| factor * x).sum();
        }
    }
    let sums: Vec<u64> = (0..4)
        .map(|k| state.iter().skip(k).step_by(4).sum())
        .collect();
    for (index, element) in state.iter_mut().enumerate() {
        *element = (*element + sums[index % 4]) % MODULUS;
    }
}

/// The sponge, of which the crate shows only the leaves that it makes: absorbed and squeezed with its permutation.
fn sponge(order: ConstantOrder, case: &Value) -> Result<()> {
    ensure!(get(case, "width")? == 24, "no sponge of that width");
    let capacity = elements(case, "capacity_value")?;
    let rate = 24 - capacity.len();
    let mut state = [0; 24];
    state[rate..].copy_from_slice(&capacity);
    let permute = |state| -> Result<[u32; 24]> {
        primitives::permute(Backend::SCALAR, order, state)
            .first()
            .copied()
            .context("no lane")
    };
    for chunk in elements(case, "input")?.chunks(rate) {
        for (element, input) in state.iter_mut().zip(chunk) {
            *element = ((u64::from(*element) + u64::from(*input)) % MODULUS) as u32;
        }
        state = permute(state)?;
    }
    let expected = elements(case, "output")?;
    let mut output = state[..rate].to_vec();
    while output.len() < expected.len() {
        state = permute(state)?;
        output.extend(&state[..rate]);
    }
    ensure!(output.starts_with(&expected), "is {output:?}");
    ensure!(
        get(case, "output_len")? == expected.len(),
        "the output's length"
    );
    Ok(())
}
