//! Blocks, time and pruning.

use super::*;

#[test]
fn one_bad_attestation_makes_a_block_change_nothing() {
    let mut store = store(0);
    let anchor = store.head();
    let good = attestation(1, 1, anchor, anchor, anchor);
    let mut bad = good;
    bad.data.head.root = root(9);
    let refused = AttestationError::UnknownBlock {
        role: CheckpointRole::Head,
        checkpoint: bad.data.head,
    };
    let incoming = block(2, 1, 1);

    let found = store.on_block(
        incoming,
        both(anchor),
        &[good, bad],
        &good,
        NamedBlocks::Known,
    );
    let error = BlockError::BodyAttestation {
        index: 1,
        error: refused,
    };
    assert_eq!(found, Err(error));
    let found = store.on_block(incoming, both(anchor), &[good], &bad, NamedBlocks::Known);
    assert_eq!(found, Err(BlockError::ProposerAttestation(refused)));

    assert!(!store.contains(&root(2)));
    assert_eq!(store.known_attestations().count(), 0);
    assert_eq!(store.head(), anchor);
}

#[test]
fn what_came_before_the_anchor_has_to_be_remembered_or_vouched_for() {
    let mut store = store(20);
    let anchor = store.head();
    let older = Checkpoint {
        root: root(9),
        slot: 17,
    };
    let unknown = Checkpoint {
        root: root(8),
        slot: 16,
    };
    let body = [
        attestation(1, 21, anchor, anchor, older),
        attestation(2, 21, older, older, older),
        attestation(3, 21, unknown, older, unknown),
    ];
    let incoming = block(2, 1, 21);
    let own = attestation(0, 21, incoming.checkpoint(), anchor, older);

    // An invented root at an old slot is as unknown as any other.
    let import = |store: &mut ForkChoice, body: &[Attestation], names| {
        store.on_block(incoming, both(older), body, &own, names)
    };
    let unknown_block = |role, checkpoint| AttestationError::UnknownBlock { role, checkpoint };
    let refused = import(&mut store, &body, NamedBlocks::Known);
    let error = unknown_block(CheckpointRole::Source, older);
    assert_eq!(
        refused,
        Err(BlockError::BodyAttestation { index: 0, error })
    );
    store.remember(older);
    let refused = import(&mut store, &body, NamedBlocks::Known);
    let error = unknown_block(CheckpointRole::Source, unknown);
    assert_eq!(
        refused,
        Err(BlockError::BodyAttestation { index: 2, error })
    );

    let mut vouched = store.clone();
    let imported = import(&mut vouched, &body, NamedBlocks::Vouched);
    assert_eq!(imported, Ok(BlockOutcome::Imported));
    assert_eq!(vouched.known_attestations().count(), 3);
    let weights: Vec<_> = vouched.blocks().map(|node| node.weight).collect();
    assert_eq!(weights, [1, 0], "only the vote for the anchor can weigh");

    // What is at hand is checked even so.
    let mut wrong = body;
    wrong[0].data.source.slot = 18;
    let refused = import(&mut store, &wrong, NamedBlocks::Vouched);
    assert!(matches!(
        refused,
        Err(BlockError::BodyAttestation { index: 0, .. })
    ));
    assert_eq!(
        import(&mut store, &body[..2], NamedBlocks::Known),
        Ok(BlockOutcome::Imported)
    );
}

#[test]
fn pruning_rules_out_what_does_not_descend_from_the_finalized_block() {
    let mut store = store(0);
    let anchor = store.head();
    for incoming in [
        block(2, 1, 1),
        block(3, 1, 2),
        block(4, 2, 3),
        block(5, 3, 4),
    ] {
        import(&mut store, incoming, anchor).unwrap();
    }
    let finalized = block(2, 1, 1).checkpoint();
    import(&mut store, block(6, 4, 5), finalized).unwrap();
    let vote = attestation(3, 5, block(5, 3, 4).checkpoint(), anchor, anchor);
    store
        .on_attestation(&vote, AttestationOrigin::Gossip)
        .unwrap();

    assert_eq!(store.prune(), [root(1), root(3), root(5)]);
    assert_eq!(store.prune(), [] as [Root; 0]);
    assert_eq!(store.oldest_block(), block(2, 1, 1));
    assert_eq!(store.head().root, root(6));
    assert!(store.is_ancestor(&root(4), &root(6)));
    assert!(!store.is_ancestor(&root(1), &root(6)));

    // The branch of 5 is gone, yet a block may still carry votes for it.
    let later = attestation(2, 6, block(5, 3, 4).checkpoint(), finalized, finalized);
    let outcome = store.on_attestation(&later, AttestationOrigin::Block);
    assert_eq!(outcome, Ok(AttestationOutcome::Recorded));
    let ruled_out = BlockError::RuledOut {
        root: root(7),
        slot: 6,
        oldest: finalized,
    };
    assert_eq!(
        import(&mut store, block(7, 5, 6), finalized),
        Err(ruled_out)
    );
    let unknown = BlockError::UnknownParent {
        root: root(7),
        parent_root: root(8),
    };
    assert_eq!(import(&mut store, block(7, 8, 6), finalized), Err(unknown));
}

#[test]
fn a_tree_whose_justified_block_is_on_another_branch_is_not_pruned() {
    let mut store = store(0);
    let anchor = store.head();
    let (finalized, justified) = (block(2, 1, 1), block(3, 1, 2));
    import(&mut store, finalized, anchor).unwrap();
    import(&mut store, justified, anchor).unwrap();
    let own = attestation(0, 0, anchor, anchor, anchor);
    let child = block(4, 3, 3);
    let (justified, finalized) = (justified.checkpoint(), finalized.checkpoint());
    let checkpoints = Checkpoints {
        justified,
        finalized,
    };
    store
        .on_block(child, checkpoints, &[], &own, NamedBlocks::Known)
        .unwrap();
    assert_eq!(store.prune(), [] as [Root; 0]);
    assert_eq!(store.head(), child.checkpoint());
}

#[test]
fn a_store_whose_clock_jumps_far_ahead_advances_at_once() {
    let mut store = store(0);
    let anchor = store.head();
    import(&mut store, block(2, 1, 1), anchor).unwrap();
    let head = block(2, 1, 1).checkpoint();
    for validator in 0..VALIDATORS {
        let vote = attestation(validator, 1, head, anchor, anchor);
        store
            .on_attestation(&vote, AttestationOrigin::Gossip)
            .unwrap();
    }
    store.advance_to_proposal(u64::MAX);
    assert_eq!(store.time(), u64::MAX);
    assert_eq!(store.head(), head);
    assert_eq!(
        store.safe_target(),
        anchor,
        "votes have become known long ago"
    );
    assert_eq!(store.known_attestations().count() as u64, VALIDATORS);
    store.advance_to_proposal(0);
    assert_eq!(store.time(), u64::MAX, "time does not run backwards");
}

#[test]
fn a_block_is_known_that_is_in_the_tree_or_remembered() {
    let mut store = store(0);
    let anchor = store.head();
    import(&mut store, block(2, 1, 1), anchor).unwrap();
    let past = Checkpoint {
        root: root(8),
        slot: 0,
    };
    assert!(!store.is_known(&past.root));
    store.remember(past);
    for (byte, is_known, parent) in [(1, true, Some(0)), (2, true, Some(1)), (8, true, None)] {
        assert_eq!(store.is_known(&root(byte)), is_known, "block {byte}");
        assert_eq!(store.parent_of(&root(byte)), parent.map(root));
    }
    assert!(!store.is_known(&root(9)));
    assert!(!store.contains(&past.root));
}
