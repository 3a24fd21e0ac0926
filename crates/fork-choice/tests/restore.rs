//! A store that is restored from what another one was told is that other one.
#![allow(clippy::unwrap_used)]

mod common;

use common::{
    FAR,
    shapes::{SHAPES, Shape, mix},
    unjustified, vote,
};
use quartet_fork_choice::{
    AttestationError, AttestationOrigin, BlockError, BlockInfo, Checkpoints, ForkChoice,
    NamedBlocks, RestoreError, Rules, VolatileState,
};
use quartet_types::{Attestation, Checkpoint, Root};

const VALIDATORS: u64 = 12;

/// A store that has been given blocks one by one, and what it has been given.
struct Given {
    store: ForkChoice,
    anchor: BlockInfo,
    blocks: Vec<(BlockInfo, Checkpoints)>,
}

/// Blocks of a shape with votes for any blocks in their bodies; some justify one ancestor and finalize another.
fn given(shape: Shape, count: u64) -> Given {
    let anchor = shape.block(0);
    let oldest = anchor.checkpoint();
    let mut store = ForkChoice::new(anchor, unjustified(oldest), VALIDATORS, Rules::QUARTET);
    store.advance_to(FAR);
    let mut blocks = Vec::new();
    for number in 1..count {
        let block = shape.block(number);
        let mut checkpoints = unjustified(oldest);
        if mix(number).is_multiple_of(50) {
            let ancestors = std::iter::successors(store.block(&block.parent_root), |block| {
                store.block(&block.parent_root)
            });
            let chain: Vec<Checkpoint> = ancestors.map(|block| block.checkpoint()).collect();
            let length = chain.len() as u64;
            let [one, other] = [2, 3].map(|salt| (mix(salt * number) % length) as usize);
            checkpoints.justified = chain[one.min(other)];
            checkpoints.finalized = chain[one.max(other)];
        }
        let body: Vec<_> = (0..number % 4)
            .map(|place| {
                let validator = mix(number + place) % VALIDATORS;
                let head = shape.block(mix(2 * number + place) % number);
                vote(validator, number, head.checkpoint(), oldest)
            })
            .collect();
        let own = vote(0, 0, oldest, oldest);
        store
            .on_block(block, checkpoints, &body, &own, NamedBlocks::Known)
            .unwrap();
        blocks.push((block, checkpoints));
    }
    Given {
        store,
        anchor,
        blocks,
    }
}

impl Given {
    fn restored(&self) -> ForkChoice {
        ForkChoice::restore(
            self.anchor,
            unjustified(self.anchor.checkpoint()),
            self.blocks.iter().copied(),
            self.store.known_attestations(),
            VALIDATORS,
            Rules::QUARTET,
        )
        .unwrap()
    }
}

fn assert_same(restored: &ForkChoice, store: &ForkChoice) {
    assert_eq!(restored.head(), store.head());
    assert_eq!(restored.head_checkpoints(), store.head_checkpoints());
    assert_eq!(restored.latest_justified(), store.latest_justified());
    assert_eq!(restored.latest_finalized(), store.latest_finalized());
    assert_eq!(restored.safe_target(), store.safe_target());
    assert!(restored.blocks().eq(store.blocks()));
    for node in store.blocks() {
        let root = node.block.root;
        assert_eq!(restored.weight_of(&root), Some(node.weight));
        assert!(restored.children_of(&root).eq(store.children_of(&root)));
    }
    let known: Vec<_> = store.known_attestations().collect();
    assert_eq!(restored.known_attestations().collect::<Vec<_>>(), known);
}

#[test]
fn a_restored_store_equals_the_one_that_was_given_the_blocks_one_by_one() {
    let mut dropped = 0;
    for shape in SHAPES {
        let mut given = given(shape, 700);
        let mut restored = given.restored();
        let pruned = given.store.prune();
        dropped += pruned.len();
        assert_same(&restored, &given.store);
        assert!(pruned.iter().all(|root| restored.is_known(root)));
        assert_eq!(restored.current_slot(), 699, "the newest block's");
        assert_eq!(restored.time() % 4, 0);
        assert_eq!(restored.prune(), [] as [Root; 0]);

        // And goes on as that one does.
        for store in [&mut given.store, &mut restored] {
            store.advance_to(FAR);
            for number in 700..900 {
                let block = shape.block(number);
                let oldest = store.oldest_block().checkpoint();
                let head = store.blocks().nth((number % 7) as usize).unwrap();
                let body = [vote(3, number, head.block.checkpoint(), oldest)];
                let own = vote(0, 0, oldest, oldest);
                let checkpoints = unjustified(oldest);
                // What finality has ruled out is refused by both.
                let _ = store.on_block(block, checkpoints, &body, &own, NamedBlocks::Known);
            }
            store.accept_new_attestations();
            store.update_safe_target();
        }
        assert_same(&restored, &given.store);
    }
    assert!(dropped > 300, "{dropped}");
}

#[test]
fn what_a_restart_forgets_is_restored_too() {
    let given = given(Shape::Bush, 60);
    let mut store = given.store.clone();
    let oldest = store.oldest_block().checkpoint();
    let blocks: Vec<_> = store.blocks().map(|node| node.block.checkpoint()).collect();
    let dropped = [3, 1, 2].map(|slot| Checkpoint {
        root: Root::repeat_byte(0xd0 + slot as u8),
        slot,
    });
    dropped.iter().for_each(|block| store.remember(*block));
    store.on_equivocation(5, 40);
    for validator in 0..VALIDATORS {
        let vote = vote(
            validator,
            70 + validator % 2,
            blocks[blocks.len() - 1],
            oldest,
        );
        let origin = AttestationOrigin::Gossip;
        store.on_attestation(&vote, origin).unwrap();
    }
    store.update_safe_target();
    let volatile = store.volatile_state();
    assert!(volatile.remembered.ends_with(&dropped));
    assert_eq!(volatile.equivocated, [(5, 40)]);
    assert_eq!(volatile.new_votes.len(), VALIDATORS as usize);
    assert_ne!(volatile.safe_target, oldest);

    let mut restored = given.restored();
    restored.restore_volatile(&volatile);
    assert_eq!(restored.volatile_state(), volatile);
    assert!(dropped.iter().all(|block| restored.is_known(&block.root)));
    for store in [&mut store, &mut restored] {
        store.accept_new_attestations();
    }
    assert_same(&restored, &store);
}

#[test]
fn restored_votes_of_validators_that_are_not_there_are_left_out() {
    let mut store = given(Shape::Chain, 5).store;
    let oldest = store.oldest_block().checkpoint();
    let new_votes =
        [0, VALIDATORS - 1, VALIDATORS].map(|validator| vote(validator, 9, oldest, oldest));
    let volatile = VolatileState {
        new_votes: new_votes.to_vec(),
        ..store.volatile_state()
    };
    store.restore_volatile(&volatile);
    assert_eq!(store.new_attestations().collect::<Vec<_>>(), new_votes[..2]);
}

#[test]
fn of_restored_votes_the_newest_counts_and_of_one_slot_the_first() {
    let blocks = Shape::Chain.blocks(4);
    let [anchor, first, second, third] = [0, 1, 2, 3].map(|number: usize| blocks[number]);
    let plain = unjustified(anchor.checkpoint());
    let by = |slot, head: BlockInfo| vote(2, slot, head.checkpoint(), anchor.checkpoint());
    let votes = [by(3, first), by(5, second), by(5, third), by(4, third)];
    let above = [first, second, third].map(|block| (block, plain));
    let store = ForkChoice::restore(anchor, plain, above, votes, 4, Rules::QUARTET).unwrap();
    assert_eq!(store.known_attestations().collect::<Vec<_>>(), votes[1..2]);
}

#[test]
fn what_cannot_have_been_accepted_is_refused() {
    let anchor = Shape::Chain.block(0);
    let oldest = anchor.checkpoint();
    let restore = |blocks: &[(BlockInfo, Checkpoints)], votes: &[Attestation]| {
        let (blocks, votes) = (blocks.iter().copied(), votes.iter().copied());
        let checkpoints = unjustified(oldest);
        ForkChoice::restore(anchor, checkpoints, blocks, votes, 4, Rules::QUARTET).map(drop)
    };
    let [first, second] = [1, 2].map(|number| Shape::Chain.block(number));
    let plain = unjustified(oldest);
    // The same block again is no error.
    assert_eq!(restore(&[(first, plain), (first, plain)], &[]), Ok(()));

    let (root, parent_root) = (second.root, second.parent_root);
    let error = RestoreError::Block(BlockError::UnknownParent { root, parent_root });
    assert_eq!(restore(&[(second, plain), (first, plain)], &[]), Err(error));

    let justified = second.checkpoint();
    let ahead = Checkpoints { justified, ..plain };
    let root = first.root;
    let error = RestoreError::Block(BlockError::UnknownJustified { root, justified });
    assert_eq!(restore(&[(first, ahead)], &[]), Err(error));

    let nobody = vote(4, 1, oldest, oldest);
    let error = AttestationError::ValidatorNotInRegistry {
        validator: 4,
        validators: 4,
    };
    assert_eq!(restore(&[], &[nobody]), Err(RestoreError::Vote(error)));
}

#[test]
fn the_newest_of_a_validators_votes_counts() {
    let anchor = Shape::Chain.block(0);
    let oldest = anchor.checkpoint();
    let [left, right] = [1, 2].map(|number| Shape::Star.block(number));
    let blocks = [left, right].map(|block| (block, unjustified(oldest)));
    let votes = [(0, 5, left), (1, 7, left), (0, 6, right), (1, 6, right)]
        .map(|(validator, slot, head)| vote(validator, slot, head.checkpoint(), oldest));
    let checkpoints = unjustified(oldest);
    let store = ForkChoice::restore(anchor, checkpoints, blocks, votes, 2, Rules::QUARTET).unwrap();
    let weights = [left, right].map(|block| store.weight_of(&block.root));
    assert_eq!(weights, [Some(1), Some(1)]);
    assert_eq!(store.known_attestation(0), Some(votes[2].data));
    assert_eq!(store.known_attestation(1), Some(votes[1].data));
}
