//! The indexed store against the specification's, on random trees, votes, equivocations, ticks and prunings.
#![allow(clippy::unwrap_used)]

mod events;
mod stores;

use events::event;
use proptest::prelude::*;
use stores::Stores;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn head_safe_target_and_votes_agree_with_the_specification(
        anchor_slot in prop_oneof![Just(0u64), 1u64..30],
        validators in 1u64..8,
        prunes in any::<bool>(),
        events in prop::collection::vec(event(), 1..90),
    ) {
        let mut stores = Stores::new(anchor_slot, validators);
        for event in &events {
            stores.step(event, prunes);
        }
    }
}

#[test]
fn the_generator_reaches_the_interesting_places() {
    // The property above would say little if its trees never forked, reorganised, pruned or found a safe target.
    use proptest::{strategy::ValueTree as _, test_runner::TestRunner};
    let mut runner = TestRunner::deterministic();
    let (mut reorganised, mut pruned, mut safe, mut forked, mut weightless) = (0, 0, 0, 0, 0);
    for _ in 0..300 {
        let events = prop::collection::vec(event(), 90)
            .new_tree(&mut runner)
            .unwrap();
        let mut stores = Stores::new(3, 5);
        for event in events.current() {
            let head = stores.indexed.head().root;
            let blocks = stores.indexed.blocks().len();
            stores.apply(&event, true);
            let indexed = &stores.indexed;
            reorganised += usize::from(
                indexed.contains(&head) && !indexed.is_ancestor(&head, &indexed.head().root),
            );
            pruned += usize::from(indexed.blocks().len() < blocks);
            safe += usize::from(indexed.safe_target().slot > indexed.latest_justified().slot);
            forked += usize::from(
                indexed
                    .blocks()
                    .any(|node| indexed.children_of(&node.block.root).count() > 1),
            );
            weightless += usize::from(
                indexed
                    .known_attestations()
                    .any(|vote| !indexed.contains(&vote.data.head.root)),
            );
        }
    }
    let seen = [reorganised, pruned, safe, forked, weightless];
    assert!(seen.iter().all(|count| *count > 50), "{seen:?}");
}
