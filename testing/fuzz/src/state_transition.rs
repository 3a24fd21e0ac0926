//! The state transition against a transcription of the specification on plain vectors.

#[path = "../../../crates/state-transition/tests/oracle/steps.rs"]
mod steps;

use crate::input::{Input, generate};

const MAX_STEPS: usize = 24;

/// Blocks that are valid or nearly so: the same are refused, post-states are equal in every field, cached roots are those of
/// a state without a cache, and a replay ends in the same state.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let validators = 1 + input.below(7) as u8;
    let step = steps::step();
    let mut chain = Vec::new();
    while !input.is_empty() && chain.len() < MAX_STEPS {
        chain.extend(generate(&step, &mut input));
    }
    steps::assert_agreement(validators, &chain);
}
