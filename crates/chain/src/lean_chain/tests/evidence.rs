//! Validators that sign two messages for one slot.
// A test that unwraps fails as it should.
#![allow(clippy::unwrap_used)]

use quartet_fork_choice::VolatileState;

use super::*;
use crate::ImportError;

/// The votes at hand, of all validators.
fn held(chain: &LeanChain) -> usize {
    (0..chain.validator_count())
        .map(|validator| chain.votes_of(validator).len())
        .sum()
}

#[test]
fn two_messages_of_one_validator_for_a_slot_are_evidence_whichever_way_they_come() {
    let mut world = World::new(4);
    let first = world.propose(0, 1, &[]).unwrap();
    let first = world.propose(first, 2, &[]).unwrap();
    let vote = |validator, head, slot| world.sign(world.vote(validator, head, slot));
    let pairs = |chain: &LeanChain| {
        let found = chain.equivocations().iter();
        found
            .map(|found| (found.first.clone(), found.second.clone()))
            .collect::<Vec<_>>()
    };
    // By gossip, where the second does not count.
    let mut chain = genesis_chain(&world);
    import(&mut chain, &world, 1);
    import(&mut chain, &world, first);
    let [one, other] = [first, 1].map(|head| vote(3, head, 2));
    assert!(!chain.has_verified(&one.message, &one.signature));
    chain.import_attestation(&one).unwrap();
    assert!(chain.has_verified(&one.message, &one.signature));
    assert!(!chain.has_verified(&one.message, &other.signature));
    assert!(!chain.has_verified(&other.message, &other.signature));
    assert_eq!((pairs(&chain), chain.held_votes()), (vec![], held(&chain)));
    chain.note_evidence(&one);
    assert_eq!(pairs(&chain), []);
    chain.import_attestation(&other).unwrap();
    assert_eq!(pairs(&chain), [(one.clone(), other.clone())]);
    assert!(chain.fork_choice().has_equivocated(3, 2));
    assert_eq!(chain.votes_of(3).last(), Some(&one.message));
    // One that is refused is evidence as well.
    let mut nowhere = vote(2, first, 2);
    chain.import_attestation(&nowhere).unwrap();
    nowhere.message.data.head.root = Root::repeat_byte(9);
    let nowhere = world.sign(nowhere.message);
    let refused = chain.import_attestation(&nowhere);
    assert!(matches!(refused, Err(ImportError::Attestation(_))));
    assert_eq!(pairs(&chain).len(), 2);
    assert_eq!(chain.equivocations().newest(), Some((2, 2)));
    // And one that comes in a block.
    let third = world.vote(1, first, 2);
    chain.import_attestation(&world.sign(third)).unwrap();
    let other = world.vote(1, 1, 2);
    let naming = world.propose(first, 3, &[other]).unwrap();
    import(&mut chain, &world, naming);
    assert_eq!(chain.equivocations().newest(), Some((1, 2)));
    let signed = SignedAttestation {
        message: other,
        signature: world.sign(other).signature,
    };
    assert!(pairs(&chain).contains(&(world.sign(third), signed)));
}

#[test]
fn a_moment_that_is_taken_up_again_has_its_votes_and_what_contradicts_them() {
    let mut world = World::new(4);
    let first = world.propose(0, 1, &[]).unwrap();
    let head = world.propose(first, 2, &[]).unwrap();
    let mut chain = genesis_chain(&world);
    import(&mut chain, &world, 1);
    import(&mut chain, &world, head);
    let waiting = world.vote(3, head, 2);
    let volatile = VolatileState {
        new_votes: vec![waiting],
        equivocated: vec![(1, 7)],
        ..chain.fork_choice().volatile_state()
    };
    let mut restored = genesis_chain(&world);
    import(&mut restored, &world, 1);
    import(&mut restored, &world, head);
    restored.restore_volatile(&volatile);
    assert!(
        restored
            .fork_choice()
            .new_attestations()
            .any(|vote| vote == waiting)
    );
    assert_eq!(restored.votes_of(3).last(), Some(&waiting));
    assert!(restored.fork_choice().has_equivocated(1, 7));
    let other = world.sign(world.vote(3, 1, 2));
    restored.note_evidence(&other);
    assert_eq!(restored.equivocations().newest(), Some((3, 2)));
}
