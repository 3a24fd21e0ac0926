// A test that unwraps fails as it should.
#![allow(clippy::unwrap_used)]

use proptest::{collection::vec, prelude::*};
use quartet_types::{BlockSignatures, PublicKey};

use super::*;

fn root(number: u8) -> Root {
    Root::repeat_byte(number + 1)
}

/// A state whose tallies take so many KiB.
fn state(kibibytes: usize) -> Arc<State> {
    let mut state = State::genesis(0, &[PublicKey::default()]).unwrap();
    let tallies = &mut state.justifications_validators;
    tallies.extend_zeros(kibibytes << 13).unwrap();
    Arc::new(state)
}

fn block(signatures: usize) -> Arc<SignedBlockWithAttestation> {
    let signature = vec![Signature::default(); signatures];
    Arc::new(SignedBlockWithAttestation {
        signature: BlockSignatures::try_from(signature).unwrap(),
        ..SignedBlockWithAttestation::default()
    })
}

#[derive(Clone, Debug)]
enum StateStep {
    /// A state of so many KiB is kept, while this one is the head's.
    Insert(u8, usize, u8),
    /// Finality leaves it behind.
    Remove(u8),
    SetLimit(usize),
}

fn state_step() -> impl Strategy<Value = StateStep> {
    prop_oneof![
        12 => (0u8..24, 0usize..5, 0u8..24)
            .prop_map(|(number, size, head)| StateStep::Insert(number, size, head)),
        2 => (0u8..24).prop_map(StateStep::Remove),
        1 => (0usize..24).prop_map(StateStep::SetLimit),
    ]
}

/// A state that should be there.
struct Kept {
    number: u8,
    state: Arc<State>,
    /// The head's is passed over when others make way, and then counts as new.
    was_head: bool,
}

fn all(kept: &[Kept]) -> usize {
    kept.iter().map(|kept| cost(&kept.state)).sum()
}

/// Inserts a state, and looks at what is there then.
fn insert(
    states: &mut RecentStates,
    kept: &mut Vec<Kept>,
    limit: usize,
    (number, size, head): (u8, usize, u8),
) {
    let state = state(size);
    let evicted = states.insert(root(number), state.clone(), &root(head));
    let is_gone = |kept: &Kept| states.get(&root(kept.number)).is_none();
    if let Some(earlier) = kept.iter_mut().find(|kept| kept.number == number) {
        let earlier = std::mem::replace(&mut earlier.state, state);
        assert!(evicted.len() == 1 && Arc::ptr_eq(&evicted[0], &earlier));
        assert!(!kept.iter().any(is_gone));
        return;
    }
    let was_head = false;
    kept.push(Kept {
        number,
        state,
        was_head,
    });
    let before = all(kept);
    let gone: Vec<Kept> = kept.extract_if(.., |kept| is_gone(kept)).collect();
    for kept in kept.iter_mut().filter(|kept| kept.number == head) {
        kept.was_head = true;
    }
    assert!(
        gone.iter()
            .all(|gone| gone.number != head && gone.number != number)
    );
    let sum = |states: &[Arc<State>]| states.iter().map(|state| cost(state)).sum::<usize>();
    assert_eq!((gone.len(), all(&gone)), (evicted.len(), sum(&evicted)));
    // The oldest make way, no more of them than need to, and eight stay.
    assert!(evicted.is_empty() || kept.len() >= MIN_STATES);
    if let Some((last, others)) = evicted.split_last() {
        assert!(before - sum(others) > limit, "{} was needless", cost(last));
    }
    let may_go = |kept: &&Kept| kept.number != head && kept.number != number;
    assert!(
        all(kept) <= limit || kept.len() <= MIN_STATES || !kept.iter().any(|kept| may_go(&kept))
    );
    let place = |gone: &Kept| {
        evicted
            .iter()
            .position(|state| Arc::ptr_eq(state, &gone.state))
    };
    assert!(gone.iter().all(|gone| place(gone).is_some()));
}

proptest! {
    #[test]
    fn the_newest_states_and_the_heads_stay_within_their_memory(
        steps in vec(state_step(), 0..120),
    ) {
        let mut limit = 300 << 10;
        let (mut states, mut kept) = (RecentStates::new(limit), Vec::new());
        for step in steps {
            match step {
                StateStep::Insert(number, size, head) => {
                    insert(&mut states, &mut kept, limit, (number, size, head));
                }
                StateStep::Remove(number) => {
                    let removed = states.remove(&root(number)).is_some();
                    states.tidy();
                    prop_assert_eq!(removed, kept.extract_if(.., |kept| kept.number == number).count() == 1);
                }
                StateStep::SetLimit(in_states) => {
                    limit = in_states * (18 << 10);
                    states.set_limit(limit);
                }
            }
            prop_assert_eq!(states.bytes(), all(&kept));
            prop_assert_eq!(states.places(), kept.len());
            for number in 0..24 {
                let found = states.get(&root(number));
                let expected = kept.iter().find(|kept| kept.number == number);
                prop_assert_eq!(found.map(Arc::as_ptr), expected.map(|kept| Arc::as_ptr(&kept.state)));
            }
        }
    }
}

#[test]
fn the_oldest_state_makes_way_but_not_the_heads() {
    let mut states = RecentStates::new(10 * (16 << 10));
    for number in 0..30 {
        let evicted = states.insert(root(number), state(0), &root(3));
        assert_eq!(evicted.len(), usize::from(number >= 10), "{number}");
        assert!(number < 3 || states.get(&root(3)).is_some());
    }
    let kept: Vec<u8> = (0..30)
        .filter(|number| states.get(&root(*number)).is_some())
        .collect();
    assert_eq!(kept, [3, 21, 22, 23, 24, 25, 26, 27, 28, 29]);
    assert_eq!(states.bytes(), 10 * (16 << 10));
    // A state as large as all of them leaves eight, and the tallies are what makes it large.
    assert_eq!(states.insert(root(40), state(200), &root(3)).len(), 3);
    assert_eq!(states.bytes(), 8 * (16 << 10) + (200 << 10));
}

#[derive(Clone, Debug)]
enum BlockStep {
    Insert(u8),
    Write(u8),
    SetLimit(usize),
}

fn block_step() -> impl Strategy<Value = BlockStep> {
    prop_oneof![
        5 => (0u8..16).prop_map(BlockStep::Insert),
        5 => (0u8..16).prop_map(BlockStep::Write),
        1 => (0usize..12).prop_map(BlockStep::SetLimit),
    ]
}

proptest! {
    #[test]
    fn blocks_stay_until_they_are_written_and_then_while_there_is_room(
        steps in vec(block_step(), 0..80),
    ) {
        let made: Vec<_> = (0..16).map(|number| block(number % 4)).collect();
        let bytes = |number: &u8| block_bytes(&made[usize::from(*number)]);
        let mut limit = 5 * bytes(&3);
        let mut blocks = RecentBlocks::new(limit);
        let (mut unwritten, mut written): (Vec<u8>, Vec<u8>) = Default::default();
        for step in steps {
            match step {
                BlockStep::Insert(number) if written.contains(&number) => {}
                BlockStep::Insert(number) => {
                    blocks.insert(root(number), made[usize::from(number)].clone());
                    unwritten.retain(|other| *other != number);
                    unwritten.push(number);
                }
                BlockStep::Write(number) => {
                    let evicted = blocks.mark_written(root(number));
                    if let Some(place) = unwritten.iter().position(|other| *other == number) {
                        written.push(unwritten.remove(place));
                        let bytes: usize = written.iter().map(bytes).sum();
                        prop_assert_eq!(evicted.is_empty(), bytes <= limit);
                    } else {
                        prop_assert!(evicted.is_empty());
                    }
                    let mut expected = Vec::new();
                    while !evicted.is_empty() && written.iter().map(bytes).sum::<usize>() > limit {
                        expected.push(written.remove(0));
                    }
                    let expected = expected.iter().map(|number| Arc::as_ptr(&made[usize::from(*number)]));
                    prop_assert!(evicted.iter().map(Arc::as_ptr).eq(expected));
                }
                BlockStep::SetLimit(in_blocks) => {
                    limit = in_blocks * bytes(&2);
                    blocks.set_limit(limit);
                }
            }
            prop_assert_eq!(blocks.unwritten_bytes(), unwritten.iter().map(bytes).sum::<usize>());
            prop_assert_eq!(blocks.written_bytes(), written.iter().map(bytes).sum::<usize>());
            for number in 0..16 {
                let is_kept = unwritten.contains(&number) || written.contains(&number);
                prop_assert_eq!(blocks.get(&root(number)).is_some(), is_kept);
            }
        }
    }
}

#[test]
fn a_block_takes_what_its_votes_and_signatures_take() {
    let empty = block_bytes(&block(0));
    let mut large = block(5).as_ref().clone();
    let votes = vec![Attestation::default(); 4];
    large.message.block.body.attestations = votes.try_into().unwrap();
    let more = block_bytes(&large) - empty;
    let least = 5 * SIGNATURE_BYTES + 4 * size_of::<Attestation>();
    assert!((least..least + 100).contains(&more), "{more}");
    assert!((size_of::<SignedBlockWithAttestation>()..2_000).contains(&empty));
}

#[test]
fn a_budget_is_for_states_and_blocks_and_twice_as_much_for_what_is_unwritten() {
    let limits = MemoryLimits::of(400);
    assert_eq!(
        (limits.states, limits.blocks, limits.unwritten),
        (100, 100, 200)
    );
    assert_eq!(MemoryLimits::default(), MemoryLimits::of(128 << 20));
}
