//! Long gaps, which are closed by ranges of slots.

use std::collections::BTreeMap;

use super::*;
use crate::BatchOutcome;

#[test]
fn a_long_gap_is_closed_by_ranges() {
    let tree = chain(2_000);
    let mut model = Model::new(&tree, 0, 1);
    for number in 0..3 {
        model.connect(number, Behaviour::Honest);
        model.status(number, tree.tip());
    }
    model.run(MAX_STEPS);
    assert!(model.in_chain(&tree.tip().root) && model.is_quiet());
    assert!(
        model.requests() <= 2_000 / 64 + 12,
        "{} requests",
        model.requests()
    );
}

#[test]
fn a_short_gap_is_not_worth_a_range() {
    for (length, is_long) in [(8, false), (9, true)] {
        let tree = chain(length);
        let mut model = Model::new(&tree, 0, 1);
        model.connect(0, Behaviour::Honest);
        model.status(0, tree.tip());
        model.run(MAX_STEPS);
        assert!(model.in_chain(&tree.tip().root) && model.is_quiet());
        assert_eq!(model.ranges > 0, is_long, "{length} slots");
    }
}

#[test]
fn peers_that_serve_ranges_of_nothing_or_of_forgeries_do_not_keep_an_honest_one_from_serving() {
    let tree = chain(1_000);
    for liars in [
        Behaviour::Silent,
        Behaviour::Empty,
        Behaviour::Sparing(3),
        Behaviour::Honest,
    ] {
        let mut model = Model::new(&tree, 0, 1);
        for number in 0..24 {
            model.connect(number, liars);
            if liars == Behaviour::Honest {
                model.forgers.insert(peer(number));
            }
        }
        model.connect(24, Behaviour::Honest);
        for number in 0..25 {
            model.status(number, tree.tip());
        }
        model.run(MAX_STEPS);
        assert!(model.in_chain(&tree.tip().root), "{liars:?}");
        // A peer that serves three blocks of each range still serves.
        let most = match liars {
            Behaviour::Sparing(3) => 1_200,
            _ => 400,
        };
        assert!(
            model.requests() <= most,
            "{liars:?}: {} requests",
            model.requests()
        );
    }
}

#[test]
fn peers_whose_ranges_lead_nowhere_do_not_keep_an_honest_one_from_serving() {
    let tree = chain(1_000);
    for outcome in [
        BatchOutcome::Unattached,
        BatchOutcome::Foreign,
        BatchOutcome::Adrift,
    ] {
        let mut model = Model::new(&tree, 0, 1);
        for number in 0..24 {
            model.connect(number, Behaviour::Honest);
            model.useless.insert(peer(number), outcome);
        }
        model.connect(24, Behaviour::Honest);
        for number in 0..25 {
            model.status(number, tree.tip());
        }
        model.run(MAX_STEPS);
        assert!(model.in_chain(&tree.tip().root), "{outcome:?}");
        assert!(
            model.requests() <= 600,
            "{outcome:?}: {} requests",
            model.requests()
        );
    }
}

/// Ten answers a tick, until the chain has everything: how many ticks that takes.
fn ticks_until_all_is_there(model: &mut Model, tree: &Tree, most: usize) -> Option<usize> {
    (0..most).find(|_| {
        for _ in 0..10 {
            model.step();
        }
        model.tick();
        model.in_chain(&tree.tip().root)
    })
}

#[test]
fn ranges_go_on_as_soon_as_what_a_block_needs_has_come() {
    let tree = chain(2_000);
    for ticks in [1, 4, 12] {
        let mut model = Model::new(&tree, 0, 1);
        model.held = BTreeMap::from([(tree.roots()[5], ticks), (tree.roots()[500], ticks)]);
        model.connect(0, Behaviour::Honest);
        model.status(0, tree.tip());
        let taken = ticks_until_all_is_there(&mut model, &tree, 1_000);
        // Without such blocks it takes a few ticks.
        let most = ticks as usize + 12;
        assert!(taken.is_some_and(|taken| taken <= most), "{taken:?}");
    }
}

#[test]
fn a_block_that_needs_what_nobody_has_does_not_keep_others_from_serving_their_chain() {
    // Two branches from block 10 on; on the one that the first peers have, a block can never be imported.
    let mut tree = chain(10);
    for _ in 0..500 {
        tree.grow(tree.len() - 1, 1);
    }
    let (stuck, other) = (tree.roots()[20], tree.tip());
    tree.grow(10, 2);
    for _ in 0..500 {
        tree.grow(tree.len() - 1, 1);
    }
    let mut model = Model::new(&tree, 0, 1);
    model.held = BTreeMap::from([(stuck, u32::MAX)]);
    for number in 0..8 {
        model.connect(number, Behaviour::Honest);
        let tip = if number < 7 { other } else { tree.tip() };
        model.status(number, tip);
    }
    let taken = ticks_until_all_is_there(&mut model, &tree, 1_000);
    assert!(taken.is_some_and(|taken| taken <= 40), "{taken:?}");
}

#[test]
fn batches_of_ranges_that_were_given_up_are_never_taken_for_later_ones() {
    let tree = chain(400);
    let mut model = Model::new(&tree, 0, 1);
    model.connect(0, Behaviour::Honest);
    let root = tree.roots()[200];
    model.status(0, Checkpoint { root, slot: 200 });
    model.run(MAX_STEPS);
    let before = model.handed_on.len();
    // A while later.
    for _ in 0..8 {
        model.step();
    }
    model.status(0, tree.tip());
    model.run(MAX_STEPS);
    let handed_on = &model.handed_on;
    let ascends = handed_on.windows(2).all(|pair| pair[0] < pair[1]);
    assert!(
        before > 0 && handed_on.len() > before && ascends,
        "{handed_on:?}"
    );
}

#[test]
fn a_range_on_another_branch_begins_at_the_finalized_slot() {
    // The chain has the first ten blocks, and then a branch of its own that the peer does not serve.
    let mut tree = chain(10);
    tree.grow(10, 1);
    for _ in 0..4 {
        tree.grow(tree.len() - 1, 1);
    }
    let known = tree.len();
    tree.grow(10, 2);
    for _ in 0..300 {
        tree.grow(tree.len() - 1, 1);
    }
    let mut model = Model::new(&tree, known, 1);
    model.finalized_slot = 5;
    model.connect(0, Behaviour::Honest);
    model.status(0, tree.tip());
    model.run(MAX_STEPS);
    assert!(model.in_chain(&tree.tip().root) && model.is_quiet());
    assert!(
        model.ranges > 0 && model.requests() <= 60,
        "{} requests",
        model.requests()
    );
}

#[test]
fn a_walk_goes_on_while_ranges_wait_for_a_block() {
    let tree = chain(200);
    let mut model = Model::new(&tree, 0, 1);
    model.held = BTreeMap::from([(tree.roots()[5], 1_000)]);
    model.connect(0, Behaviour::Honest);
    model.status(0, tree.tip());
    for _ in 0..100 {
        model.step();
    }
    let by_root = model.requests() - model.ranges;
    assert!(by_root > 80, "{by_root} requests");
}
