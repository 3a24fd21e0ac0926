//! Chains of blocks on a pre-state, with some fields of the state at the end.

use anyhow::{Result, bail, ensure};
use quartet_spec_tests::{Report, VectorFile};
use quartet_state_transition::state_transition;
use quartet_types::{Root, State};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::fixture::{JsonBlock, JsonState, fixtures, plain};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fixture {
    pre: JsonState,
    blocks: Vec<JsonBlock>,
    post: Option<Map<String, Value>>,
    expect_exception: Option<String>,
}

pub(crate) fn replay(file: &VectorFile, report: &mut Report) -> Result<()> {
    for (name, fixture) in fixtures::<Fixture>(file.json()?)? {
        report.case(name, || check(fixture));
    }
    Ok(())
}

fn check(fixture: Fixture) -> Result<()> {
    let mut state = fixture.pre.into_state()?;
    let mut refused = None;
    for block in fixture.blocks {
        match state_transition(&state, &block.into_block()?) {
            Ok(post) => state = post,
            Err(error) => {
                refused = Some(error);
                break;
            }
        }
    }
    match (refused, fixture.expect_exception, fixture.post) {
        (Some(_), Some(_), _) => Ok(()),
        (Some(error), None, _) => bail!("refused: {error}"),
        (None, Some(exception), _) => bail!("accepted, the specification raises {exception}"),
        (None, None, None) => bail!("nothing is expected"),
        (None, None, Some(post)) => {
            ensure!(!post.is_empty(), "nothing is expected of the post-state");
            post.iter()
                .try_for_each(|(field, expected)| check_field(&state, field, expected))
        }
    }
}

fn check_field(state: &State, field: &str, expected: &Value) -> Result<()> {
    let header = state.latest_block_header;
    let (justified, finalized) = (state.latest_justified, state.latest_finalized);
    let roots = |roots: &mut dyn Iterator<Item = &Root>| json!(roots.collect::<Vec<_>>());
    let bits = |bits: &mut dyn Iterator<Item = bool>| json!(bits.collect::<Vec<_>>());
    let found = match field {
        "slot" => json!(state.slot),
        "latestJustifiedSlot" => json!(justified.slot),
        "latestJustifiedRoot" => json!(justified.root),
        "latestFinalizedSlot" => json!(finalized.slot),
        "latestFinalizedRoot" => json!(finalized.root),
        "validatorCount" => json!(state.validator_count()),
        "configGenesisTime" => json!(state.config.genesis_time),
        "latestBlockHeaderSlot" => json!(header.slot),
        "latestBlockHeaderProposerIndex" => json!(header.proposer_index),
        "latestBlockHeaderParentRoot" => json!(header.parent_root),
        "latestBlockHeaderStateRoot" => json!(header.state_root),
        "latestBlockHeaderBodyRoot" => json!(header.body_root),
        "historicalBlockHashes" => roots(&mut state.historical_block_hashes.iter()),
        "historicalBlockHashesCount" => json!(state.historical_block_hashes.len()),
        "justifiedSlots" => bits(&mut state.justified_slots.iter()),
        "justificationsRoots" => roots(&mut state.justifications_roots.iter()),
        "justificationsRootsCount" => json!(state.justifications_roots.len()),
        "justificationsValidators" => bits(&mut state.justifications_validators.iter()),
        "justificationsValidatorsCount" => json!(state.justifications_validators.len()),
        other => bail!("an unknown field {other} is expected"),
    };
    let expected = plain(expected);
    ensure!(
        found == expected,
        "{field} should be {expected}, is {found}"
    );
    Ok(())
}
