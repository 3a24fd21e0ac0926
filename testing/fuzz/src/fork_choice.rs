//! Fork choice against the specification's own walk over all blocks and votes.

#[path = "../../../crates/fork-choice/tests/oracle/events.rs"]
mod events;
#[path = "../../../crates/fork-choice/tests/oracle/stores.rs"]
mod stores;

use crate::input::{Input, generate};

/// The oracle's cost grows with the square of what it has seen.
const MAX_EVENTS: usize = 120;

/// Blocks, votes, ticks and prunings in any order: head, weights, safe target and votes agree with the specification's
/// after each.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let (anchor, validators) = (input.below(30) as u64, 1 + input.below(7) as u64);
    let prunes = input.flag();
    let mut stores = stores::Stores::new(anchor, validators);
    let event = events::event();
    for _ in 0..MAX_EVENTS {
        if input.is_empty() {
            return;
        }
        if let Some(event) = generate(&event, &mut input) {
            stores.step(&event, prunes);
        }
    }
}
