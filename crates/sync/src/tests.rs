//! The sync machine against random trees and unreliable peers: walks end, what is reachable is fetched, and what is
//! asked for stays within its bounds.

mod backfill;
mod gaps;
mod merit;
mod model;
mod plain_view;
mod range_sync;
mod ranges;
mod room;
mod status;
mod tree;
mod walk;

use proptest::{collection::vec, prelude::*, sample::Index};
use quartet_types::{Checkpoint, Root, Slot};

use self::{
    model::{Behaviour, Model},
    tree::{Tree, peer},
};
use crate::{Need, PeerName, walk::WINDOW};

/// More than any walk here may take; a run that is not quiet by then never would be.
const MAX_STEPS: usize = 200_000;

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
                model.run(MAX_STEPS);
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
        model.run(MAX_STEPS);
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
    model.run(MAX_STEPS);
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
    model.run(MAX_STEPS);
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
    model.run(MAX_STEPS);
    assert!(model.is_quiet());
    assert_eq!(model.requests(), 1);
    assert_eq!(model.penalized, [peer(0)]);
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
    assert!(!model.sync.has_peer_status());
}

#[test]
fn a_claimed_head_is_requested_from_its_claimant_that_is_penalized_when_it_does_not_serve_it() {
    let tree = chain(3);
    let mut model = Model::new(&tree, 1, 1);
    for number in 0..20 {
        model.connect(number, Behaviour::Empty);
    }
    let root = Root::repeat_byte(7);
    model.status(3, Checkpoint { root, slot: 3 });
    model.run(MAX_STEPS);
    assert!(model.is_quiet());
    assert!(model.requests() <= 3, "{} requests", model.requests());
    assert_eq!(model.penalized, [peer(3)]);
}

#[test]
fn heads_that_no_peer_serves_make_no_more_walks_than_there_are_places() {
    let tree = Tree::new();
    let mut model = Model::new(&tree, 0, 1);
    model.current_slot = 1_000;
    model.connect(0, Behaviour::Silent);
    for number in 0..1_000u64 {
        let root = Root::left_padding_from(&(number + 1).to_be_bytes());
        model.status(0, Checkpoint { root, slot: 900 });
    }
    model.run(MAX_STEPS);
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
    model.sync.on_useless(&below);
    assert_eq!(needs(&model), [None, Some(Need::Ancestor)]);
    model.sync.on_useless(&tip);
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
    assert!(!model.sync.has_gaps());
    assert!(model.requests() <= 120, "{} requests", model.requests());
}

#[test]
fn blocks_in_the_chain_are_not_requested() {
    let tree = chain(3);
    let mut model = Model::new(&tree, tree.len(), 1);
    model.want(tree.tip().root, Some(Need::Ancestor));
    assert!(!model.sync.has_gaps());
}

/// A chain of nothing but genesis, and one block that waits for a later one, which its attestations name.
struct Waiting {
    block: Root,
    named: Root,
}

impl crate::ChainView for Waiting {
    fn in_chain(&self, _: &Root) -> bool {
        false
    }
    fn pending(&self, root: &Root) -> bool {
        *root == self.block
    }
    fn missing_ancestor(&self, root: Root) -> Root {
        if root == self.block { self.named } else { root }
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
fn a_served_block_that_an_ancestor_names_breaks_no_chain_whatever_its_slot() {
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
    let mut sync = crate::SyncMachine::default();
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
fn peers_are_not_penalized_for_requests_that_were_never_sent() {
    let nothing = Root::ZERO;
    let view = Waiting {
        block: nothing,
        named: nothing,
    };
    let mut sync = crate::SyncMachine::default();
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
