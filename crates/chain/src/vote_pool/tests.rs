use proptest::{collection::vec, prelude::*};
use quartet_types::{Checkpoint, Root, Slot};

use super::*;

fn vote(slot: Slot, target: u8) -> Attestation {
    let target = Checkpoint {
        root: Root::repeat_byte(target),
        slot: target.into(),
    };
    Attestation {
        validator_id: 0,
        data: AttestationData {
            slot,
            target,
            ..AttestationData::default()
        },
    }
}

/// All votes, validator by validator, the oldest first.
fn all(pool: &VotePool) -> Vec<(Attestation, Signature)> {
    let votes = pool.votes.iter().zip(0..);
    let votes = votes.flat_map(|(votes, validator_id)| {
        let signed = move |vote: &Vote| {
            let data = vote.data;
            (Attestation { validator_id, data }, vote.signature.clone())
        };
        votes.iter().map(signed)
    });
    votes.collect()
}

fn slots(pool: &VotePool) -> Vec<Slot> {
    all(pool).iter().map(|(vote, _)| vote.data.slot).collect()
}

#[test]
fn the_newest_votes_for_different_targets_stay() {
    let mut pool = VotePool::new(1);
    let signature = Signature::default();
    for (slot, target) in [
        (3, 1),
        (5, 1),
        (4, 1),
        (6, 2),
        (9, 4),
        (8, 3),
        (10, 5),
        (2, 6),
    ] {
        assert_eq!(pool.insert(&vote(slot, target), &signature), None);
    }
    assert_eq!(slots(&pool), [6, 8, 9, 10]);
    assert_eq!(pool.insert(&vote(7, 6), &signature), None);
    assert_eq!(slots(&pool), [7, 8, 9, 10]);
    assert_eq!(pool.insert(&vote(6, 7), &signature), None);
    assert_eq!(slots(&pool), [7, 8, 9, 10]);
    assert!(pool.signature(&vote(9, 4)).is_some());
    assert!(pool.signature(&vote(9, 5)).is_none());
}

#[test]
fn a_second_vote_of_a_slot_is_told_and_left_out() {
    let mut pool = VotePool::new(1);
    let signature = Signature::default();
    assert_eq!(pool.insert(&vote(3, 1), &signature), None);
    assert_eq!(pool.insert(&vote(3, 1), &signature), None);
    let first = pool.insert(&vote(3, 2), &signature);
    assert_eq!(first.map(|first| first.message), Some(vote(3, 1)));
    assert_eq!(slots(&pool), [3]);
}

#[test]
fn only_another_vote_of_the_slot_conflicts() {
    let mut pool = VotePool::new(1);
    let [first, later] = [1, 2].map(|byte| Signature::from([byte; quartet_types::SIGNATURE_BYTES]));
    pool.insert(&vote(3, 1), &first);
    pool.insert(&vote(4, 2), &later);
    assert_eq!(pool.count(), 2);
    assert_eq!(pool.conflicting(&vote(3, 1)), None);
    assert_eq!(pool.conflicting(&vote(5, 1)), None);
    let held = pool
        .conflicting(&vote(4, 1))
        .map(|held| (held.message, held.signature));
    assert_eq!(held, Some((vote(4, 2), later)));
    let nobody = Attestation {
        validator_id: 1,
        ..vote(4, 1)
    };
    assert_eq!(pool.conflicting(&nobody), None);
    let data = [vote(3, 1).data, vote(4, 2).data];
    assert!(pool.of_validator(0).eq(data));
    let mut candidates = pool.candidates(Vec::new(), data.into(), true);
    assert_eq!(candidates.votes(), [vote(3, 1), vote(4, 2)]);
    candidates.clear();
    assert_eq!(candidates.votes(), []);
}

#[test]
fn of_two_votes_for_one_target_the_newer_one_stays_whichever_comes_first() {
    let mut pool = VotePool::new(1);
    for (slot, target, expected) in [
        (5, 7, vec![5]),
        (4, 7, vec![5]),
        (6, 7, vec![6]),
        (2, 8, vec![2, 6]),
    ] {
        pool.insert(&vote(slot, target), &Signature::default());
        assert_eq!(slots(&pool), expected);
    }
}

#[test]
fn a_vote_by_nobody_is_left_out() {
    let mut pool = VotePool::new(0);
    assert_eq!(pool.insert(&vote(3, 1), &Signature::default()), None);
    assert_eq!(all(&pool).len(), 0);
}

/// What a proposal carries, looked at vote by vote.
fn one_by_one(
    pool: &VotePool,
    known: &[Attestation],
    may_be_carried: impl Fn(&Attestation) -> bool,
    with_others: bool,
) -> Vec<(Attestation, Signature)> {
    let signed = |vote: &Attestation| Some((*vote, pool.signature(vote)?.clone()));
    let carried = known.iter().filter(|vote| may_be_carried(vote));
    let mut votes: Vec<_> = carried.filter_map(signed).collect();
    if with_others {
        let others = all(pool).into_iter();
        votes.extend(others.filter(|(vote, _)| !known.contains(vote) && may_be_carried(vote)));
    }
    votes
}

proptest! {
    #[test]
    fn candidates_are_those_that_may_be_carried_as_they_were(
        before in vec((0u64..5, 0u64..12, 0u8..6), 0..60),
        after in vec((0u64..5, 0u64..12, 0u8..6), 0..20),
        known in vec((0u64..12, 0u8..6), 0..5),
        refused in vec(any::<bool>(), 12),
        with_others: bool,
    ) {
        let of = |validator_id, slot, target| Attestation { validator_id, ..vote(slot, target) };
        let signature = |number: u64| Signature::from([number as u8; quartet_types::SIGNATURE_BYTES]);
        let mut pool = VotePool::new(4);
        for ((validator, slot, target), number) in before.iter().zip(0..) {
            pool.insert(&of(*validator, *slot, *target), &signature(number));
        }
        let data: HashSet<AttestationData> = all(&pool).iter().map(|(vote, _)| vote.data).collect();
        prop_assert_eq!(&pool.data().copied().collect::<HashSet<_>>(), &data);
        let may_be_carried = |data: &AttestationData| !refused[data.slot as usize];
        let known = known.into_iter().enumerate().rev();
        let known = known.map(|(by, (slot, target))| of(by as u64, slot, target));
        let known: Vec<Attestation> = known.collect();
        let expected = one_by_one(&pool, &known, |vote| may_be_carried(&vote.data), with_others);
        let carried = pool.data().copied().filter(may_be_carried).collect();
        let candidates = pool.candidates(known, carried, with_others);
        for (validator, slot, target) in after {
            pool.insert(&of(validator, slot, target), &Signature::default());
        }
        let votes = candidates.votes();
        let signed = votes.iter().map(|vote| (*vote, candidates.signature(vote).unwrap().clone()));
        prop_assert_eq!(signed.collect::<Vec<_>>(), expected);
    }
}
