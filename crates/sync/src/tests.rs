//! Sync against random trees and unreliable peers: walks end, what is reachable is fetched, and what is
//! asked for stays within its bounds.

mod backfill;
mod model;
mod ranges;
mod room;

use std::collections::BTreeMap;

use proptest::{collection::vec, prelude::*, sample::Index};
use quartet_types::{Checkpoint, Root, Slot};

use crate::{BatchOutcome, Need, walk::WINDOW};
use model::{Behaviour, Model, Tree, peer};

/// More than any walk here may take; a run that is not quiet by then never would be.
const PATIENCE: usize = 200_000;

fn behaviour() -> impl Strategy<Value = Behaviour> {
    prop_oneof![
        3 => Just(Behaviour::Honest),
        2 => (1usize..4).prop_map(Behaviour::Sparing),
        2 => (2usize..5).prop_map(Behaviour::Forgetful),
        1 => Just(Behaviour::Silent),
        1 => Just(Behaviour::Unsupported),
        1 => Just(Behaviour::Malformed),
        1 => Just(Behaviour::Empty),
    ]
}

/// A tree as a list of parents: each block builds on one that came before, recent ones more often.
fn tree(size: usize) -> impl Strategy<Value = Tree> {
    vec((any::<Index>(), 0usize..4, 1u64..4), 1..size).prop_map(|shape| {
        let mut tree = Tree::new();
        for (any, kind, gap) in shape {
            let newest = tree.len() - 1;
            let parent = match kind {
                0 => any.index(tree.len()),
                _ => newest,
            };
            tree.grow(parent, gap);
        }
        tree
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn everything_that_an_honest_peer_has_is_fetched(
        tree in tree(120),
        known in 0usize..40,
        others in vec(behaviour(), 0..6),
        by_root_only in any::<bool>(),
        seed in any::<u64>(),
    ) {
        let mut model = Model::new(&tree, known, seed);
        model.by_root_only = by_root_only;
        model.connect(0, Behaviour::Honest);
        for (number, behaviour) in others.iter().enumerate() {
            model.connect(number + 1, *behaviour);
        }
        // Peers say again and again what they have; a handful of times is enough for any tree.
        for _ in 0..2 {
            for (tip, slot) in tree.tips() {
                model.status(0, Checkpoint { root: tip, slot });
                model.run(PATIENCE);
            }
        }
        for root in tree.roots() {
            prop_assert!(model.in_chain(&root), "{root} is still missing");
        }
        prop_assert!(model.is_quiet());
        // Going back costs a request a block, going forward at most one more; the useless peers may
        // each be asked in vain before each success.
        let asks = 2 * tree.len() * (others.len() + 1) + 32 * (others.len() + 1);
        prop_assert!(model.requests() <= asks, "{} requests for {} blocks", model.requests(), tree.len());
    }

    #[test]
    fn walks_end_whatever_the_peers_do(
        tree in tree(80),
        known in 0usize..20,
        peers in vec((behaviour(), any::<Index>(), 0usize..60), 1..6),
        seed in any::<u64>(),
    ) {
        let mut model = Model::new(&tree, known, seed);
        let roots = tree.roots();
        for (number, (behaviour, head, _)) in peers.iter().enumerate() {
            model.connect(number, *behaviour);
            let root = roots[head.index(roots.len())];
            // The slot that comes with it is sometimes wrong.
            let slot = head.index(40) as Slot;
            model.status(number, Checkpoint { root, slot });
        }
        for step in 0..60 {
            for (number, (.., vanishes)) in peers.iter().enumerate() {
                if *vanishes == step {
                    model.disconnect(number);
                }
            }
            model.step();
        }
        model.run(PATIENCE);
        prop_assert!(model.is_quiet(), "sync never comes to rest");
        prop_assert!(model.sync.target(0).is_none());
    }
}

#[test]
fn a_gap_deeper_than_the_parking_is_closed() {
    let mut tree = Tree::new();
    for _ in 0..2_000 {
        tree.grow(tree.len() - 1, 1);
    }
    let mut model = Model::new(&tree, 0, 1);
    model.by_root_only = true;
    model.connect(0, Behaviour::Honest);
    model.connect(1, Behaviour::Honest);
    model.status(0, tree.tip());
    model.run(PATIENCE);
    assert!(model.in_chain(&tree.tip().root));
    // Back one by one; then forward, many a request, what no longer found room in the parking.
    assert!(
        model.requests() < 2_000 + 2_000 / 16 + WINDOW,
        "{} requests",
        model.requests()
    );
}

#[test]
fn an_invented_chain_is_walked_no_further_than_the_finalized_slot() {
    let invented = Tree::invented(299, 300);
    let mut model = Model::new(&Tree::new(), 0, 1);
    model.by_root_only = true;
    model.add(&invented);
    model.current_slot = 300;
    model.finalized_slot = 200;
    model.connect(0, Behaviour::Honest);
    model.status(0, invented.tip());
    model.run(PATIENCE);
    assert!(model.is_quiet());
    // A few ask for ranges first.
    assert!(model.requests() <= 110, "{} requests", model.requests());
}

#[test]
fn an_invented_chain_cannot_start_in_the_far_future() {
    let invented = Tree::invented(500, 1_000_000);
    let mut model = Model::new(&Tree::new(), 0, 1);
    model.add(&invented);
    model.current_slot = 20;
    model.connect(0, Behaviour::Honest);
    let root = invented.tip().root;
    model.status(0, Checkpoint { root, slot: 20 });
    model.run(PATIENCE);
    assert!(model.is_quiet());
    assert_eq!(model.requests(), 1);
}

/// A chain of so many slots.
fn chain(length: u64) -> Tree {
    let mut tree = Tree::new();
    for _ in 0..length {
        tree.grow(tree.len() - 1, 1);
    }
    tree
}

#[test]
fn a_long_gap_is_closed_by_ranges() {
    let tree = chain(2_000);
    let mut model = Model::new(&tree, 0, 1);
    for number in 0..3 {
        model.connect(number, Behaviour::Honest);
        model.status(number, tree.tip());
    }
    model.run(PATIENCE);
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
        model.run(PATIENCE);
        assert!(model.in_chain(&tree.tip().root) && model.is_quiet());
        assert_eq!(model.ranges > 0, is_long, "{length} slots");
    }
}

#[test]
fn a_claim_is_followed_no_further_than_one_block_without_its_proposers_signature() {
    let invented = Tree::invented(299, 300);
    let mut model = Model::new(&Tree::new(), 0, 1);
    model.add(&invented);
    model.current_slot = 300;
    model.is_authentic = Some(false);
    model.connect(0, Behaviour::Honest);
    model.status(0, invented.tip());
    for _ in 0..100 {
        model.step();
    }
    assert!(model.is_quiet() && !model.ever_targeted);
    assert_eq!(model.requests(), 1);
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
        model.run(PATIENCE);
        assert!(model.in_chain(&tree.tip().root), "{liars:?}");
        // Who serves three blocks of each range does serve.
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
        model.run(PATIENCE);
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
    model.run(PATIENCE);
    let before = model.handed_on.len();
    // A while later.
    for _ in 0..8 {
        model.step();
    }
    model.status(0, tree.tip());
    model.run(PATIENCE);
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
    model.run(PATIENCE);
    assert!(model.in_chain(&tree.tip().root) && model.is_quiet());
    assert!(
        model.ranges > 0 && model.requests() <= 60,
        "{} requests",
        model.requests()
    );
}

#[test]
fn a_peer_that_finalized_another_chain_is_dismissed() {
    let mut tree = Tree::new();
    tree.grow(0, 1);
    let mut model = Model::new(&tree, 2, 1);
    model.finalized_slot = 1;
    model.connect(0, Behaviour::Honest);
    let finalized = Checkpoint {
        root: Root::repeat_byte(9),
        slot: 1,
    };
    model.status_with(0, finalized, tree.tip());
    assert_eq!(model.dismissed, [peer(0)]);
    assert!(!model.sync.has_heard());
}

#[test]
fn a_claim_is_asked_of_who_makes_it_and_who_does_not_serve_it_pays() {
    let tree = chain(3);
    let mut model = Model::new(&tree, 1, 1);
    for number in 0..20 {
        model.connect(number, Behaviour::Empty);
    }
    let root = Root::repeat_byte(7);
    model.status(3, Checkpoint { root, slot: 3 });
    model.run(PATIENCE);
    assert!(model.is_quiet());
    assert!(model.requests() <= 3, "{} requests", model.requests());
    assert_eq!(model.penalized, [peer(3)]);
}

#[test]
fn heads_that_nobody_serves_fill_no_more_than_the_table() {
    let tree = Tree::new();
    let mut model = Model::new(&tree, 0, 1);
    model.current_slot = 1_000;
    model.connect(0, Behaviour::Silent);
    for number in 0..1_000u64 {
        let root = Root::left_padding_from(&(number + 1).to_be_bytes());
        model.status(0, Checkpoint { root, slot: 900 });
    }
    model.run(PATIENCE);
    assert!(model.is_quiet());
    // What is merely claimed never keeps a node from its duties.
    assert!(model.most_walks <= 1 && !model.ever_targeted);
}

#[test]
fn duties_wait_from_three_slots_behind_a_served_block_on() {
    let mut tree = Tree::new();
    for _ in 0..6 {
        tree.grow(tree.len() - 1, 1);
    }
    let mut model = Model::new(&tree, 0, 1);
    model.connect(0, Behaviour::Honest);
    model.status(0, tree.tip());
    model.step();
    let slot = tree.tip().slot;
    assert_eq!(model.sync.target(slot - 3), Some(slot));
    assert_eq!(model.sync.target(slot - 2), None);
}

#[test]
fn a_claim_is_no_need_until_its_proposer_has_signed_and_then_for_what_lies_below_it() {
    let mut tree = Tree::new();
    for _ in 0..6 {
        tree.grow(tree.len() - 1, 1);
    }
    let [tip, below] = [0, 1].map(|back| tree.roots()[tree.len() - 1 - back]);
    let mut model = Model::new(&tree, 0, 1);
    model.is_authentic = None;
    model.connect(0, Behaviour::Honest);
    model.status(0, tree.tip());
    model.step();
    let needs = |model: &Model| [tip, below].map(|root| model.sync.need(&root));
    assert_eq!(needs(&model), [None, None]);
    model.sync.on_authentic(&below);
    assert_eq!(needs(&model), [None, None]);
    model.sync.on_authentic(&tip);
    assert_eq!(needs(&model), [None, Some(Need::Ancestor)]);
    model.sync.on_unwanted(&below);
    assert_eq!(needs(&model), [None, Some(Need::Ancestor)]);
    model.sync.on_unwanted(&tip);
    assert_eq!(needs(&model), [None, None]);
    model.want(Root::repeat_byte(7), Some(Need::Name));
    let wanted = model.sync.need(&Root::repeat_byte(7));
    assert_eq!(wanted, Some(Need::Name));
}

#[test]
fn a_walk_ends_although_a_block_that_is_left_alone_is_served_again_and_again() {
    let tree = chain(6);
    let mut model = Model::new(&tree, 1, 1);
    model.by_root_only = true;
    model.ignored.insert(tree.roots()[1]);
    model.connect(0, Behaviour::Honest);
    model.status(0, tree.tip());
    for _ in 0..60 {
        for _ in 0..4 {
            model.step();
        }
        model.sync.on_tick();
    }
    assert!(!model.sync.is_walking());
    assert!(model.requests() <= 120, "{} requests", model.requests());
}

#[test]
fn what_is_in_the_chain_is_not_looked_for() {
    let tree = chain(3);
    let mut model = Model::new(&tree, tree.len(), 1);
    model.want(tree.tip().root, Some(Need::Ancestor));
    assert!(!model.sync.is_walking());
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

/// A chain of nothing but genesis, and one block that waits for a later one, which its attestations name.
struct Waiting {
    block: Root,
    named: Root,
}

impl crate::View for Waiting {
    fn in_chain(&self, _: &Root) -> bool {
        false
    }
    fn pending(&self, root: &Root) -> bool {
        *root == self.block
    }
    fn missing_ancestor(&self, root: Root) -> Root {
        match root == self.block {
            true => self.named,
            false => root,
        }
    }
    fn head_slot(&self) -> Slot {
        0
    }
    fn canonical_root(&self, _: Slot) -> Option<Root> {
        None
    }
    fn finalized(&self) -> Checkpoint {
        Checkpoint::default()
    }
    fn current_slot(&self) -> Slot {
        30
    }
}

#[test]
fn who_serves_what_an_ancestor_names_breaks_no_chain_whatever_slot_that_is_of() {
    use quartet_types::{Block, BlockWithAttestation, SignedBlockWithAttestation};
    let block = |slot, parent_root| {
        let block = Block {
            slot,
            parent_root,
            ..Block::default()
        };
        let message = BlockWithAttestation {
            block,
            ..Default::default()
        };
        std::sync::Arc::new(SignedBlockWithAttestation {
            message,
            ..Default::default()
        })
    };
    // The first waits here for the last, which its late proposer has named in it.
    let first = block(19, Root::repeat_byte(1));
    let second = block(20, crate::block_root(&first));
    let last = block(21, Root::repeat_byte(1));
    let view = Waiting {
        block: crate::block_root(&first),
        named: crate::block_root(&last),
    };
    let mut sync = crate::Sync::default();
    sync.on_status(peer(0), quartet_types::Status::default(), &view);
    let need = Some(Need::Ancestor);
    sync.want(crate::block_root(&second), 20, Some(peer(0)), need, &view);
    for served in [second, last] {
        let actions = sync.poll(&view);
        let Some(crate::Action::RequestBlocks { request, roots, .. }) = actions.first() else {
            panic!("{actions:?}");
        };
        assert_eq!(*roots, [crate::block_root(&served)]);
        let noted = sync.on_response(*request, &Ok(vec![served]), &view);
        assert_eq!(noted.map(|noted| noted.actions), Some(Vec::new()));
    }
}

#[test]
fn nobody_pays_for_requests_that_never_left() {
    let nothing = Root::ZERO;
    let view = Waiting {
        block: nothing,
        named: nothing,
    };
    let mut sync = crate::Sync::default();
    let head = Checkpoint {
        root: Root::repeat_byte(7),
        slot: 20,
    };
    let finalized = Checkpoint::default();
    let status = quartet_types::Status { finalized, head };
    let mut actions = sync.on_status(peer(0), status, &view);
    for _ in 0..10 {
        let [crate::Action::RequestBlocks { request, .. }] = &actions[..] else {
            panic!("{actions:?}");
        };
        sync.on_response(*request, &Err(crate::RequestError::NotSent), &view);
        actions = sync.poll(&view);
    }
}
