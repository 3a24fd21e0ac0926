//! Which gaps are closed, when one is given up, and what is forgotten with a claim.

use super::*;

/// A root that no peer has.
fn absent(number: u8) -> Root {
    Root::repeat_byte(100 + number)
}

/// A model in slot 10, with peers that behave alike and have this chain.
fn model(tree: &Tree, peers: usize, behaviour: Behaviour) -> Model {
    let mut model = Model::new(tree, 1, 1);
    model.current_slot = 10;
    for number in 0..peers {
        model.connect(number, behaviour);
    }
    model
}

/// Whether a gap that begins with this block is being closed.
fn is_sought(model: &Model, root: &Root) -> bool {
    let mut walks = model.sync.walks.values();
    walks.any(|walk| walk.begins_with(root))
}

#[test]
fn when_all_places_are_taken_an_ancestor_takes_the_oldest_of_a_named_block_that_nobody_has_served()
{
    let tree = chain(3);
    let mut model = model(&tree, 1, Behaviour::Honest);
    let served = tree.tip().root;
    model.want(served, Some(Need::Name));
    // It is asked for, and then it comes.
    model.step();
    model.step();
    let names: Vec<Root> = (1..=16).map(absent).collect();
    for root in &names {
        model.want(*root, Some(Need::Name));
    }
    let sought = |model: &Model| {
        let roots = names.iter();
        roots.map(|root| is_sought(model, root)).collect::<Vec<_>>()
    };
    // The last one finds no place.
    let mut expected = [[true; 15].as_slice(), &[false]].concat();
    assert_eq!(sought(&model), expected);
    for (number, place) in (20..).zip(0..15) {
        model.want(absent(number), Some(Need::Ancestor));
        expected[place] = false;
        assert_eq!(sought(&model), expected);
        assert!(is_sought(&model, &absent(number)) && is_sought(&model, &served));
    }
    model.want(absent(50), Some(Need::Ancestor));
    assert!(!is_sought(&model, &absent(50)) && is_sought(&model, &served));
}

#[test]
fn an_invalid_block_ends_the_gaps_above_it_and_no_others() {
    let tree = chain(3);
    let mut model = model(&tree, 1, Behaviour::Honest);
    model.want(tree.tip().root, Some(Need::Ancestor));
    model.step();
    model.step();
    model.want(absent(1), Some(Need::Ancestor));
    model.sync.on_invalid(&tree.roots()[2]);
    assert!(!is_sought(&model, &tree.tip().root));
    assert!(is_sought(&model, &absent(1)));
    model.sync.on_invalid(&absent(1));
    assert!(!model.sync.has_gaps());
}

#[test]
fn a_bad_envelope_ends_only_the_claim_of_its_block() {
    // Two branches of one block each.
    let mut tree = chain(1);
    tree.grow(1, 1);
    tree.grow(1, 2);
    let [first, second] = [2, 3].map(|number| tree.roots()[number]);
    let mut model = model(&tree, 2, Behaviour::Honest);
    model.is_authentic = None;
    for (number, root) in [first, second].into_iter().enumerate() {
        let slot = number as Slot + 2;
        model.status(number, Checkpoint { root, slot });
    }
    model.step();
    model.step();
    model.want(absent(1), Some(Need::Ancestor));
    let sought = |model: &Model| [first, second, absent(1)].map(|root| is_sought(model, &root));
    assert_eq!(sought(&model), [true, true, true]);
    model.sync.on_bad_envelope(&absent(1), peer(0));
    assert_eq!(sought(&model), [true, true, true]);
    model.sync.on_bad_envelope(&first, peer(0));
    assert_eq!(sought(&model), [false, true, true]);
    // What a signed block builds on is needed, whatever this envelope holds.
    model.sync.on_authentic(&second);
    model.sync.on_bad_envelope(&second, peer(1));
    assert_eq!(sought(&model), [false, true, true]);
}

#[test]
fn what_lies_below_a_claim_is_fetched_when_something_else_needs_it() {
    let tree = chain(6);
    let [tip, below] = [6, 5].map(|number| tree.roots()[number]);
    for is_bad in [false, true] {
        let mut model = model(&tree, 1, Behaviour::Honest);
        model.is_authentic = None;
        model.status(0, tree.tip());
        model.step();
        model.want(below, Some(Need::Name));
        assert_eq!(model.sync.need(&below), Some(Need::Ancestor));
        if is_bad {
            model.sync.on_bad_envelope(&tip, peer(0));
        }
        model.run(100);
        assert!(model.in_chain(&below), "{is_bad}");
    }
}

#[test]
fn a_claim_that_something_needs_is_a_gap_to_wait_for_if_a_block_builds_on_it() {
    let tree = chain(6);
    let [tip, below] = [6, 5].map(|number| tree.roots()[number]);
    for (need, target) in [(Need::Name, None), (Need::Ancestor, Some(6))] {
        let mut model = model(&tree, 1, Behaviour::Honest);
        model.is_authentic = None;
        model.status(0, tree.tip());
        model.want(tip, Some(need));
        model.step();
        assert_eq!(model.sync.need(&tip), Some(need));
        assert_eq!(model.sync.need(&below), Some(Need::Ancestor));
        assert_eq!(model.sync.need(&absent(1)), None);
        assert_eq!(model.sync.target(0), target);
    }
}

#[test]
fn a_peer_that_claims_something_else_leaves_what_others_claim_or_what_is_needed() {
    let mut model = model(&Tree::new(), 4, Behaviour::Silent);
    let [own, others, shared, needed, new] = [1, 2, 3, 4, 5].map(absent);
    let slot = 5;
    for (number, root) in [(0, own), (1, others), (2, shared), (3, shared)] {
        model.status(number, Checkpoint { root, slot });
    }
    model.want(needed, Some(Need::Name));
    let sought = |model: &Model| [own, others, shared, needed].map(|root| is_sought(model, &root));
    model.status(0, Checkpoint { root: own, slot });
    assert_eq!(sought(&model), [true; 4]);
    for number in [0, 2] {
        model.status(number, Checkpoint { root: new, slot });
    }
    assert_eq!(sought(&model), [false, true, true, true]);
}

#[test]
fn a_gap_is_given_up_when_all_peers_have_been_asked_three_times_in_vain() {
    for peers in [1, 2] {
        let mut model = model(&Tree::new(), peers, Behaviour::Silent);
        model.want(absent(1), Some(Need::Ancestor));
        model.run(100);
        assert!(model.is_quiet());
        assert_eq!(model.requests(), 3 * peers);
    }
}

#[test]
fn a_gap_that_no_peer_has_time_for_waits() {
    let mut model = model(&Tree::new(), 1, Behaviour::Silent);
    for number in 0..5 {
        model.want(absent(number), Some(Need::Ancestor));
    }
    for _ in 0..10 {
        model.tick();
    }
    assert_eq!(model.requests(), 4);
    assert!(is_sought(&model, &absent(4)));
}

#[test]
fn who_serves_a_parent_is_not_blamed_for_its_child() {
    // A proposer has signed a block in the slot of its parent.
    let mut tree = chain(3);
    tree.grow(3, 0);
    let mut model = model(&tree, 2, Behaviour::Honest);
    model.status(0, tree.tip());
    model.run(MAX_STEPS);
    assert!(model.is_quiet());
    assert_eq!(model.penalized, []);
}

#[test]
fn each_peer_has_one_gap_for_its_claim_whoever_claims_the_same() {
    let mut model = model(&chain(1), 2, Behaviour::Silent);
    for number in 0..30 {
        for peer in 0..2 {
            let root = absent(number);
            model.status(peer, Checkpoint { root, slot: 9 });
        }
    }
    assert!(is_sought(&model, &absent(29)));
    assert_eq!(model.sync.walks.len(), 1);
    // Who leaves takes it along, unless somebody else claims the same.
    model.disconnect(0);
    assert!(is_sought(&model, &absent(29)));
    model.disconnect(1);
    assert!(!model.sync.has_gaps());
}

#[test]
fn nobody_is_blamed_for_a_head_that_is_ahead_of_our_clock() {
    let tree = chain(3);
    let mut model = Model::new(&tree, 1, 1);
    model.current_slot = 1;
    model.connect(0, Behaviour::Empty);
    model.connect(1, Behaviour::Honest);
    // One is right, and the other one says that it is the head of now.
    model.status(1, tree.tip());
    let root = tree.tip().root;
    model.status(0, Checkpoint { root, slot: 1 });
    model.run(MAX_STEPS);
    assert!(!model.penalized.contains(&peer(1)));
}
