//! What peers say of their chains.

use super::*;

#[test]
fn a_peer_stays_unless_it_has_finalized_what_is_not_on_our_chain() {
    let tree = chain(9);
    let other = Root::repeat_byte(9);
    for (slot, root, stays) in [
        (0, tree.roots()[0], true),
        // Nothing beyond genesis.
        (0, Root::ZERO, true),
        (0, other, false),
        (3, tree.roots()[3], true),
        (3, Root::ZERO, false),
        (3, other, false),
        (5, other, false),
        // We have not finalized that slot.
        (6, other, true),
    ] {
        let mut model = Model::new(&tree, tree.len(), 1);
        model.finalized_slot = 5;
        model.status_with(0, Checkpoint { root, slot }, tree.tip());
        assert_eq!(model.sync.has_peer_status(), stays, "{root} in slot {slot}");
        assert_eq!(model.dismissed.is_empty(), stays);
    }
}

#[test]
fn a_head_is_requested_if_its_slot_comes_after_the_finalized_one_and_is_the_next_one_at_the_latest()
{
    let tree = chain(9);
    let root = Root::repeat_byte(9);
    for (slot, is_requested) in [(5, false), (6, true), (10, true), (11, false)] {
        let mut model = Model::new(&tree, tree.len(), 1);
        model.finalized_slot = 5;
        model.status(0, Checkpoint { root, slot });
        assert_eq!(model.requests() > 0, is_requested, "slot {slot}");
    }
}

/// A node that has just started from a checkpoint has no signatures of its first block, and cannot serve it.
#[test]
fn a_peer_that_has_nothing_but_its_first_block_is_not_asked_for_it_and_stays_unblamed() {
    let tree = chain(9);
    let mut model = Model::new(&tree, 3, 1);
    model.connect(0, Behaviour::Empty);
    for _ in 0..3 {
        model.status_with(0, tree.tip(), tree.tip());
        model.run(MAX_STEPS);
    }
    assert_eq!((model.requests(), &model.penalized[..]), (0, &[][..]));
    assert!(model.sync.has_peer_status());
}

#[test]
fn a_peer_is_shown_by_its_name() {
    let name = PeerName::new("16Uiu2");
    assert_eq!(format!("{name} {name:?}"), "16Uiu2 16Uiu2");
}
