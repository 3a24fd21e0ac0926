//! Which votes are accepted, what they count, and what we attest.

use super::*;

#[test]
fn an_attestation_that_names_an_unknown_block_says_which() {
    let store = store(0);
    let known = store.head();
    let unknown = Checkpoint {
        root: root(9),
        slot: 3,
    };
    let cases = [
        (
            CheckpointRole::Source,
            attestation(0, 1, known, known, unknown),
        ),
        (
            CheckpointRole::Target,
            attestation(0, 1, known, unknown, known),
        ),
        (
            CheckpointRole::Head,
            attestation(0, 1, unknown, known, known),
        ),
    ];
    for (role, attestation) in cases {
        let error = store
            .validate_attestation(&attestation, AttestationOrigin::Gossip)
            .unwrap_err();
        let checkpoint = unknown;
        assert_eq!(error, AttestationError::UnknownBlock { role, checkpoint });
    }
}

#[test]
fn a_vote_of_a_validator_that_is_not_in_the_registry_is_refused() {
    let store = store(0);
    let known = store.head();
    for validator in [VALIDATORS, u64::MAX] {
        let vote = attestation(validator, 1, known, known, known);
        let error = AttestationError::ValidatorNotInRegistry {
            validator,
            validators: VALIDATORS,
        };
        let found = store.validate_attestation(&vote, AttestationOrigin::Gossip);
        assert_eq!(found, Err(error));
    }
}

#[test]
fn a_block_may_carry_votes_one_slot_ahead_but_gossip_may_not() {
    let mut store = store(0);
    let (known, current) = (store.head(), store.current_slot());
    let ahead = attestation(0, current + 1, known, known, known);
    let error = AttestationError::FutureSlot {
        slot: current + 1,
        latest: current,
    };
    let outcome = store.on_attestation(&ahead, AttestationOrigin::Gossip);
    assert_eq!(outcome, Err(error));
    let further = attestation(0, current + 2, known, known, known);
    let outcome = store.on_attestation(&further, AttestationOrigin::Block);
    let error = AttestationError::FutureSlot {
        slot: current + 2,
        latest: current + 1,
    };
    assert_eq!(outcome, Err(error));
    let outcome = store.on_attestation(&ahead, AttestationOrigin::Block);
    assert_eq!(outcome, Ok(AttestationOutcome::Recorded));
    let outcome = store.on_attestation(&ahead, AttestationOrigin::Block);
    assert_eq!(outcome, Ok(AttestationOutcome::Superseded));
}

#[test]
fn a_replayed_vote_takes_nothing_away() {
    let mut store = store(0);
    let anchor = store.head();
    import(&mut store, block(2, 1, 1), anchor).unwrap();
    let head = block(2, 1, 1).checkpoint();
    let newer = attestation(1, 9, head, head, anchor);
    store
        .on_attestation(&newer, AttestationOrigin::Gossip)
        .unwrap();
    store.accept_new_attestations();
    for slot in [2, 9] {
        let replayed = attestation(1, slot, anchor, anchor, anchor);
        assert!(store.is_superseded(&replayed));
        let outcome = store.on_attestation(&replayed, AttestationOrigin::Gossip);
        assert_eq!(outcome, Ok(AttestationOutcome::Superseded));
    }
    store.accept_new_attestations();
    let known: Vec<_> = store.known_attestations().collect();
    assert!(known.contains(&newer), "{known:?}");
}

#[test]
fn gossip_must_name_blocks_of_one_chain_but_a_block_may_carry_what_it_likes() {
    let mut store = store(0);
    let anchor = store.head();
    for incoming in [block(2, 1, 1), block(3, 1, 2), block(4, 3, 3)] {
        import(&mut store, incoming, anchor).unwrap();
    }
    let [side, low, high] =
        [block(2, 1, 1), block(3, 1, 2), block(4, 3, 3)].map(|block| block.checkpoint());
    let cases = [
        (attestation(1, 4, high, low, anchor), true),
        (attestation(1, 4, high, high, low), true),
        (attestation(1, 4, high, low, side), false),
        (attestation(1, 4, side, low, anchor), false),
        (
            attestation(1, 4, Checkpoint { slot: 9, ..high }, low, anchor),
            false,
        ),
    ];
    for (vote, is_one_chain) in cases {
        let gossip = store.validate_attestation(&vote, AttestationOrigin::Gossip);
        assert_eq!(gossip.is_ok(), is_one_chain, "{gossip:?}");
        let body = store.validate_attestation(&vote, AttestationOrigin::Block);
        assert_eq!(body, Ok(()));
    }
}

#[test]
fn votes_build_on_the_checkpoints_of_the_heads_own_state() {
    let mut store = store(0);
    let anchor = store.head();
    for incoming in [block(2, 1, 1), block(3, 2, 2)] {
        import(&mut store, incoming, anchor).unwrap();
    }
    let justified = block(2, 1, 1).checkpoint();
    // A block beside the head has justified more than the head's chain knows of.
    let beside = attestation(0, 0, anchor, anchor, anchor);
    let checkpoints = Checkpoints {
        justified,
        finalized: anchor,
    };
    store
        .on_block(
            block(4, 2, 3),
            checkpoints,
            &[],
            &beside,
            NamedBlocks::Known,
        )
        .unwrap();
    let head = block(3, 2, 2).checkpoint();
    for validator in 1..VALIDATORS {
        let vote = attestation(validator, 3, head, anchor, anchor);
        store
            .on_attestation(&vote, AttestationOrigin::Gossip)
            .unwrap();
    }
    store.accept_new_attestations();
    assert_eq!(store.head(), head);
    assert_eq!(store.latest_justified(), justified);
    assert_eq!(store.attestation_data(4).source, anchor);
}

#[test]
fn a_target_is_found_when_finality_has_overtaken_the_safe_target() {
    let mut store = store(0);
    let anchor = store.head();
    import(&mut store, block(2, 1, 1), anchor).unwrap();
    let finalized = block(2, 1, 1).checkpoint();
    import(&mut store, block(3, 2, 2), finalized).unwrap();
    assert_eq!(store.safe_target(), anchor);
    assert_eq!(store.attestation_target(), Some(finalized));
    store.prune();
    assert_eq!(store.attestation_target(), Some(finalized));
}

#[test]
fn two_votes_for_one_slot_have_no_weight_and_the_next_one_has() {
    let mut store = store(0);
    let anchor = store.head();
    for incoming in [block(2, 1, 1), block(3, 1, 2)] {
        import(&mut store, incoming, anchor).unwrap();
    }
    let [left, right] = [block(2, 1, 1), block(3, 1, 2)].map(|block| block.checkpoint());
    // Of the two branches: proposers have voted for the anchor.
    let weights = |store: &ForkChoice| -> Vec<u64> {
        let branches = store.blocks().skip(1);
        branches.map(|node| node.weight).collect()
    };
    let gossip = AttestationOrigin::Gossip;
    let first = attestation(1, 5, left, anchor, anchor);
    store.on_attestation(&first, gossip).unwrap();
    store.accept_new_attestations();
    assert_eq!((weights(&store), store.head()), (vec![1, 0], left));
    assert!(store.on_equivocation(1, 5));
    assert!(!store.on_equivocation(1, 5) && !store.on_equivocation(1, 4));
    assert!(store.has_equivocated(1, 5) && !store.has_equivocated(1, 6));
    assert_eq!((weights(&store), store.head()), (vec![0, 0], right));
    // Nor has either of them when a block brings it, or when it was not there yet.
    assert!(store.on_equivocation(2, 6));
    for origin in [AttestationOrigin::Block, gossip] {
        let vote = attestation(2, 6, left, anchor, anchor);
        store.on_attestation(&vote, origin).unwrap();
    }
    store.accept_new_attestations();
    assert_eq!(weights(&store), [0, 0]);
    let next = attestation(1, 6, left, anchor, anchor);
    store.on_attestation(&next, gossip).unwrap();
    store.accept_new_attestations();
    assert_eq!(weights(&store), [1, 0]);
    // A waiting vote is not counted for the safe target either.
    for validator in 1..VALIDATORS {
        let vote = attestation(validator, 7, left, anchor, anchor);
        store.on_attestation(&vote, gossip).unwrap();
    }
    store.on_equivocation(1, 7);
    store.update_safe_target();
    assert_eq!(store.safe_target(), anchor);
}

#[test]
fn a_vote_is_superseded_by_one_of_its_slot_or_a_later_one() {
    let mut store = store(0);
    let known = store.head();
    let vote = |slot| attestation(2, slot, known, known, known);
    assert!(!store.is_superseded(&vote(5)));
    store
        .on_attestation(&vote(5), AttestationOrigin::Gossip)
        .unwrap();
    for (slot, expected) in [(4, true), (5, true), (6, false)] {
        assert_eq!(store.is_superseded(&vote(slot)), expected, "slot {slot}");
    }
    // Another validator's is not.
    assert!(!store.is_superseded(&attestation(1, 5, known, known, known)));
}

#[test]
fn a_validators_votes_are_found_by_their_slots() {
    let mut store = store(0);
    let known = store.head();
    let vote = |slot| attestation(2, slot, known, known, known);
    assert_eq!(store.validators(), VALIDATORS);
    assert_eq!(store.newest_vote_slot(2), None);
    store
        .on_attestation(&vote(5), AttestationOrigin::Gossip)
        .unwrap();
    assert_eq!(store.known_attestation(2), None, "it waits");
    assert_eq!(store.vote_in_slot(2, 5), Some(vote(5).data));
    store.accept_new_attestations();
    store
        .on_attestation(&vote(7), AttestationOrigin::Gossip)
        .unwrap();
    assert_eq!(store.known_attestation(2), Some(vote(5).data));
    assert_eq!(store.newest_vote_slot(2), Some(7));
    for (validator, slot, expected) in [
        (2, 5, Some(vote(5).data)),
        (2, 6, None),
        (2, 7, Some(vote(7).data)),
        (1, 5, None),
        (u64::MAX, 5, None),
    ] {
        assert_eq!(store.vote_in_slot(validator, slot), expected);
    }
    assert_eq!(store.newest_vote_slot(1), None);
}

#[test]
fn a_vote_has_the_safe_target_as_its_target_where_that_is_after_its_source() {
    let mut store = store(0);
    let anchor = store.head();
    import(&mut store, block(2, 1, 1), anchor).unwrap();
    let safe = block(2, 1, 1).checkpoint();
    for validator in 0..VALIDATORS {
        let vote = attestation(validator, 20, safe, safe, anchor);
        store
            .on_attestation(&vote, AttestationOrigin::Gossip)
            .unwrap();
    }
    store.advance_to(4 * 21);
    let data = store.attestation_data(21);
    assert_eq!((data.source, data.target), (anchor, safe));
}
