//! A walk by itself: what it asks for, whom, and when it ends.

use super::{plain_view::PlainView, *};
use crate::walk::{BlockFit, NextStep, Walk};

const NOW: Slot = 100;

/// A walk that peer 1 has let us know of.
fn walk(tree: &Tree) -> Walk {
    let Checkpoint { root, slot } = tree.tip();
    Walk::new(root, slot, Some(peer(1)), Some(Need::Ancestor))
}

/// A walk that has gone all the way back to genesis.
fn back_at_genesis(tree: &Tree, view: &mut PlainView) -> Walk {
    let mut walk = walk(tree);
    let (roots, blocks) = (tree.roots(), tree.blocks());
    for (root, block) in roots.iter().zip(blocks).skip(1).rev() {
        let fit = walk.received(&peer(1), *root, block.block(), view);
        assert_eq!(fit, BlockFit::Fits);
    }
    view.roots.insert(roots[0]);
    walk
}

/// What is asked for while so many requests are under way.
fn next(walk: &mut Walk, view: &PlainView, open: usize, requested: &[Root]) -> Option<Vec<Root>> {
    match walk.next(view, open, |root| requested.contains(root)) {
        NextStep::Ask(roots) => Some(roots),
        NextStep::Wait => None,
        NextStep::Done => panic!("it is done"),
    }
}

#[test]
fn on_the_way_forward_what_is_not_here_is_asked_for_in_two_requests_at_a_time() {
    let tree = chain(70);
    let roots = tree.roots();
    let mut view = PlainView::at(NOW);
    let mut walk = back_at_genesis(&tree, &mut view);
    let first = &roots[1..33];
    assert_eq!(next(&mut walk, &view, 0, &[]).as_deref(), Some(first));
    let second = next(&mut walk, &view, 1, first);
    assert_eq!(second.as_deref(), Some(&roots[33..65]));
    assert_eq!(next(&mut walk, &view, 2, first), None);
    // Some wait here, and some are in the chain.
    view.roots.extend(&roots[1..3]);
    view.pending.extend(&roots[3..5]);
    let rest = next(&mut walk, &view, 0, &[]);
    assert_eq!(rest.as_deref(), Some(&roots[5..37]));
}

#[test]
fn a_walk_is_given_up_five_slots_after_it_has_fetched_something_new() {
    let tree = chain(3);
    let mut view = PlainView::at(NOW);
    let mut walk = back_at_genesis(&tree, &mut view);
    assert!(next(&mut walk, &view, 0, &[]).is_some());
    for (number, is_new) in [(1, true), (2, true), (2, false)] {
        walk.on_failure(peer(0));
        (0..19).for_each(|_| assert!(walk.tick()));
        let root = tree.roots()[number];
        walk.received(&peer(1), root, tree.blocks()[number].block(), &view);
        assert_eq!(walk.has_tried(&peer(0)), !is_new);
    }
    assert!(!walk.tick());
}

#[test]
fn on_the_way_back_the_peer_that_let_us_know_is_asked_first_and_then_the_least_busy_one() {
    let peers = [0, 1, 2].map(peer);
    let load = |name: &PeerName| match name {
        name if *name == peer(0) => 2,
        name if *name == peer(1) => 3,
        _ => 1,
    };
    let tree = chain(3);
    let mut view = PlainView::at(NOW);
    let mut back = walk(&tree);
    assert_eq!(back.choose(&peers, load), Some(peer(1)));
    back.on_failure(peer(1));
    assert_eq!(back.choose(&peers, load), Some(peer(2)));
    let mut forward = back_at_genesis(&tree, &mut view);
    assert!(next(&mut forward, &view, 0, &[]).is_some());
    assert_eq!(forward.choose(&peers, load), Some(peer(2)));
}
