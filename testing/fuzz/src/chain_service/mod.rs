//! The chain service under any sequence of messages, on virtual time: blocks that are valid, nearly so, or not at all, votes,
//! statuses, answers, own duties, ticks and clocks that are set.

mod node;

use std::path::Path;

use quartet_types::Checkpoint;
use quartet_world::World;

use crate::input::Input;
use node::Node;

const MAX_STEPS: usize = 96;
/// By then everything that waits has been let go.
const SLOTS_TO_REST: u64 = 80;

/// The service never panics and never ends. Finality never goes back, the head descends from what is justified and final, only
/// blocks with a valid transition and signature are imported, nothing that an honest peer can send is rejected, requests stay
/// within their limits, every verdict is given or dropped in the end, and a stop is a clean one.
pub fn run(data: &[u8]) {
    play(data, None);
}

/// Twenty slots of four honest validators, with a block and all votes in each.
pub(crate) fn honest_run() -> Vec<u8> {
    let mut input = vec![3, 0, 1, 0, 0];
    for _ in 0..20 {
        input.extend([0, 0, 1, 0x7f, 0, 22, 3]);
    }
    input
}

/// Plays a whole run, and records it where a directory is given; what was finalized in the end.
pub(crate) fn play(data: &[u8], record_to: Option<&Path>) -> Checkpoint {
    let mut input = Input::new(data);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut world = World::new(1 + input.below(6));
        let mut node = Node::start(&world, &mut input, record_to).await;
        for _ in 0..MAX_STEPS {
            if input.is_empty() {
                break;
            }
            node.step(&mut world, &mut input).await;
            node.check(&world);
        }
        node.rest(SLOTS_TO_REST).await;
        node.check(&world);
        node.stop().await
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn honest_validators_finalize() {
        // The invariants would say little of a chain that never got anywhere.
        let finalized = play(&honest_run(), None);
        assert!(finalized.slot > 5, "{finalized:?}");
    }
}
