//! The limits on peers: gossip meters, penalties, peer slots, byte budgets.

use quartet_network::fuzz::{byte_budget, meters, peer_slots, penalties};

use crate::input::Input;

const MAX_STEPS: usize = 400;

/// Sums are right whatever happens in which order, and every rule comes to an end.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let kind = input.below(4);
    // Each step takes several choices.
    let steps = (input.rest().len() / 3).min(MAX_STEPS);
    let mut choose = |limit: u64| match limit {
        0 | 1 => 0,
        2..=256 => u64::from(input.byte()) % limit,
        _ => u64::from(u32::from_le_bytes(input.array())) % limit,
    };
    match kind {
        0 => meters(&mut choose, steps),
        1 => penalties(&mut choose, steps),
        2 => peer_slots(&mut choose),
        _ => byte_budget(&mut choose, steps),
    }
}
