// A test that unwraps fails as it should.
#![allow(clippy::unwrap_used)]

use quartet_types::{BlockSignatures, Slot};
use quartet_world::World;

use super::*;
use crate::{
    StoreError,
    verification::{
        invalid_signature,
        tests::{Counting, chain_of, forged, reader_of},
    },
};

type Blocks = Vec<Arc<SignedBlockWithAttestation>>;

/// A world of four, and the five blocks of its slots, each with all votes for the one before.
fn five_blocks() -> (World, Blocks) {
    let mut world = World::new(4);
    world.grow(0, 1..=5);
    let blocks = world.made[1..].iter().map(|made| made.block.clone());
    let blocks = blocks.collect();
    (world, blocks)
}

fn slots(blocks: &[Rooted]) -> Vec<Slot> {
    blocks.iter().map(|(_, block)| block.block().slot).collect()
}

fn without_signatures(block: &SignedBlockWithAttestation) -> Arc<SignedBlockWithAttestation> {
    let mut block = block.clone();
    block.signature = BlockSignatures::default();
    Arc::new(block)
}

#[test]
fn a_run_is_checked_up_to_its_first_fault() {
    let (world, good) = five_blocks();
    let chain = chain_of(&world, &[]);
    let unsigned = |index: usize| ImportError::SignatureCount {
        expected: good[index].block().body.attestations.len() + 1,
        found: 0,
    };
    let own = |index: usize| &good[index].message.proposer_attestation;
    let cases: Vec<(Blocks, Option<(usize, ImportError)>)> = vec![
        (Vec::new(), None),
        (good.clone(), None),
        // The third is left out: the fourth builds on nothing that is here.
        (
            [&good[..2], &good[3..]].concat(),
            Some((3, ImportError::UnknownParent(world.made[3].root))),
        ),
        (
            [&good[..1], &[without_signatures(&good[1])], &good[2..]].concat(),
            Some((1, unsigned(1))),
        ),
        (
            [&good[..2], &[forged(&good[2], 4)], &good[3..]].concat(),
            Some((2, invalid_signature(own(2)))),
        ),
        // Of several faults the first counts.
        (
            [&good[..2], &[forged(&good[2], 4), forged(&good[3], 4)]].concat(),
            Some((2, invalid_signature(own(2)))),
        ),
        (
            [
                &good[..3],
                &[forged(&good[3], 1), without_signatures(&good[4])],
            ]
            .concat(),
            Some((3, invalid_signature(&good[3].block().body.attestations[1]))),
        ),
        (
            vec![forged(&good[0], 4)],
            Some((0, invalid_signature(own(0)))),
        ),
    ];
    for (blocks, fault) in cases {
        let first = fault.as_ref().map_or(blocks.len(), |(index, _)| *index);
        let first = first.min(blocks.len());
        let checked = check_batch(Counting::verifier(), chain.validators(), blocks.clone());
        let passed = blocks.iter().take_while(|block| {
            let slot = fault.as_ref().map(|(index, _)| good[*index].block().slot);
            slot != Some(block.block().slot)
        });
        let passed: Vec<Rooted> = passed
            .map(|block| (block_root(block), block.clone()))
            .collect();
        assert!(passed.len() <= first);
        assert_eq!(checked.blocks, passed);
        let found = checked.error.map(|(root, block, error)| {
            assert_eq!(block_root(&block), root);
            (block.block().slot, error)
        });
        let expected = fault.map(|(index, error)| (good[index].block().slot, error));
        assert_eq!(found, expected);
    }
}

#[test]
fn a_signature_that_comes_again_in_a_run_is_verified_once() {
    let mut world = World::new(4);
    let first = world.grow(0, 1..=1);
    let votes = [0, 2, 3].map(|validator| world.vote(validator, first, 1));
    let second = world.propose(first, 2, &votes).unwrap();
    world.propose(second, 3, &[votes[2], votes[0]]).unwrap();
    let blocks: Blocks = world.made[1..]
        .iter()
        .map(|made| made.block.clone())
        .collect();
    let chain = chain_of(&world, &[]);
    let verifier = Counting::verifier();
    let of_first = blocks[0].signature.len();
    let checked = check_batch(verifier, chain.validators(), blocks.clone());
    assert_eq!((checked.blocks.len(), checked.error), (3, None));
    assert_eq!(verifier.looked_at(), of_first + 3 + 2);
    // Another signature of the same vote is another one to look at.
    let blocks = vec![blocks[0].clone(), blocks[1].clone(), forged(&blocks[2], 1)];
    let checked = check_batch(verifier, chain.validators(), blocks);
    assert_eq!(slots(&checked.blocks), [1, 2]);
    let (_, _, error) = checked.error.unwrap();
    assert_eq!(error, invalid_signature(&votes[0]));
    assert_eq!(verifier.looked_at(), of_first + 3 + 3);
}

#[test]
fn a_run_is_applied_up_to_the_first_invalid_block() {
    let (world, good) = five_blocks();
    let rooted: Vec<Rooted> = good
        .iter()
        .map(|block| (block_root(block), block.clone()))
        .collect();
    let reader = reader_of(chain_of(&world, &[1]));
    let parent = world.made[1].root;
    let later = (
        rooted[4].0,
        good[4].clone(),
        ImportError::UnknownParent(parent),
    );
    let applied = apply_batch(&reader, parent, rooted[1..4].to_vec(), Some(later.clone()));
    let AppliedBatch { importable, error } = applied.unwrap();
    assert_eq!(error, Some(later.clone()));
    let found = importable
        .iter()
        .map(|it| (it.root, &it.block, &it.post_state));
    let made = world.made[2..5].iter();
    assert!(found.eq(made.map(|made| (made.root, &made.block, &made.state))));

    let mut wrong = good[2].as_ref().clone();
    wrong.message.block.state_root = Root::repeat_byte(1);
    let wrong = (block_root(&wrong), Arc::new(wrong));
    let run = vec![rooted[1].clone(), wrong.clone(), rooted[3].clone()];
    let AppliedBatch { importable, error } =
        apply_batch(&reader, parent, run, Some(later)).unwrap();
    assert_eq!(importable.len(), 1);
    let (root, block, error) = error.unwrap();
    assert_eq!((root, block), wrong);
    assert!(matches!(error, ImportError::StateTransition(_)), "{error}");

    let nowhere = apply_batch(&reader, world.made[3].root, rooted, None).map(drop);
    assert!(matches!(nowhere, Err(ImportError::Store(StoreError(_)))));
}
