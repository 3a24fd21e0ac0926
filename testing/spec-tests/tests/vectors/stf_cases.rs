//! Single state transitions: pre-state, block, and the post-state or the fact that there is none.

use anyhow::{Result, bail, ensure};
use quartet_spec_tests::{Report, VectorFile};
use quartet_state_transition::state_transition;
use quartet_types::{Block, Checkpoint, Root, State};
use serde_json::Value;
use ssz::Encode as _;
use tree_hash::TreeHash as _;

use crate::fixture::{get, hex, list, parse, ssz_field};

pub(crate) fn replay(file: &VectorFile, report: &mut Report) -> Result<()> {
    for case in list(&file.json()?, "cases")? {
        let name: String = parse(case, "name")?;
        report.case(name, || check(case));
    }
    Ok(())
}

fn check(case: &Value) -> Result<()> {
    let pre: State = ssz_field(case, "pre_ssz")?;
    let block: Block = ssz_field(case, "block_ssz")?;
    ensure!(
        pre.tree_hash_root() == parse::<Root>(case, "pre_root")?,
        "root of the pre-state"
    );
    ensure!(
        block.tree_hash_root() == parse::<Root>(case, "block_root")?,
        "root of the block"
    );

    let post = match (state_transition(&pre, &block), parse(case, "valid")?) {
        (Ok(post), true) => post,
        (Err(_), false) => return Ok(()),
        (Ok(_), false) => bail!("accepted, the specification says {}", get(case, "error")?),
        (Err(error), true) => bail!("refused: {error}"),
    };
    ensure!(
        post.tree_hash_root() == parse::<Root>(case, "post_root")?,
        "root of the post-state"
    );
    ensure!(
        post.as_ssz_bytes() == hex(get(case, "post_ssz")?)?,
        "encoding of the post-state"
    );
    check_summary(&post, get(case, "post")?)
}

/// Compares a state with a summary of it: the fields that are there.
pub(crate) fn check_summary(state: &State, summary: &Value) -> Result<()> {
    let bits = |bits: &mut dyn Iterator<Item = bool>| -> String {
        bits.map(|bit| if bit { '1' } else { '0' }).collect()
    };
    let Value::Object(fields) = summary else {
        bail!("a summary is an object");
    };
    for (field, expected) in fields {
        let same = match field.as_str() {
            "slot" => *expected == state.slot,
            "state_root" => parse::<Root>(summary, field)? == state.tree_hash_root(),
            "latest_justified" => parse::<Checkpoint>(summary, field)? == state.latest_justified,
            "latest_finalized" => parse::<Checkpoint>(summary, field)? == state.latest_finalized,
            "justified_slots" => *expected == bits(&mut state.justified_slots.iter()),
            "historical_block_hashes" => *expected == state.historical_block_hashes.len(),
            "justifications_roots" => {
                let roots = state
                    .justifications_roots
                    .iter()
                    .copied()
                    .collect::<Vec<_>>();
                parse::<Vec<Root>>(summary, field)? == roots
            }
            "justifications_validators" => {
                *expected == bits(&mut state.justifications_validators.iter())
            }
            other => bail!("a summary has an unknown field {other}"),
        };
        ensure!(same, "{field} should be {expected}");
    }
    Ok(())
}
