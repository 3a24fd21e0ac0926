// A test that unwraps fails as it should.
#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicUsize, Ordering};

use quartet_types::{PUBLIC_KEY_BYTES, SIGNATURE_BYTES, Slot};
use quartet_world::World;

use super::*;
use crate::{ChainWriter, StoreError};

/// Verifies what a [`World`] signs, and counts how many signatures it has looked at.
#[derive(Debug, Default)]
pub(crate) struct Counting(AtomicUsize);

impl Counting {
    pub(crate) fn verifier() -> &'static Self {
        Box::leak(Box::default())
    }

    /// How many signatures have been looked at since this was last asked.
    pub(crate) fn looked_at(&self) -> usize {
        self.0.swap(0, Ordering::Relaxed)
    }
}

impl VerifySignatures for Counting {
    fn verify_many(&self, items: &[Verification<'_>]) -> Vec<bool> {
        self.0.fetch_add(items.len(), Ordering::Relaxed);
        let is_valid = |item: &Verification<'_>| {
            let epoch = item.epoch.to_le_bytes();
            let signed = [&item.public_key[..44], &epoch, item.message].concat();
            item.signature.starts_with(&signed)
        };
        items.iter().map(is_valid).collect()
    }
}

/// The chain of a node that has imported these blocks, and nothing else.
pub(crate) fn chain_of(world: &World, blocks: &[usize]) -> LeanChain {
    let genesis = world.genesis();
    let mut chain = LeanChain::from_genesis(State::clone(&genesis.state));
    for block in blocks {
        let made = &world.made[*block];
        chain.advance(made.slot() * quartet_types::INTERVALS_PER_SLOT);
        chain.import_block(importable(world, *block)).unwrap();
    }
    chain
}

pub(crate) fn importable(world: &World, block: usize) -> ImportableBlock {
    let made = &world.made[block];
    ImportableBlock {
        root: made.root,
        block: made.block.clone(),
        post_state: made.state.clone(),
    }
}

/// The chain with an empty database.
pub(crate) fn reader_of(chain: LeanChain) -> ChainReader {
    let store = quartet_storage::Database::in_memory(Root::ZERO).unwrap();
    ChainReader::new(ChainWriter::new(chain).reader(), Arc::new(store))
}

/// The block with another signature at a place.
pub(crate) fn forged(
    block: &SignedBlockWithAttestation,
    index: usize,
) -> Arc<SignedBlockWithAttestation> {
    let mut block = block.clone();
    block.signature[index] = Signature::default();
    Arc::new(block)
}

/// A world of five, its first block, and one on it with the votes of three that propose neither.
fn two_blocks() -> (World, usize, usize) {
    let mut world = World::new(5);
    let first = world.grow(0, 1..=1);
    let votes = [0, 3, 4].map(|validator| world.vote(validator, first, 1));
    let second = world.propose(first, 2, &votes).unwrap();
    (world, first, second)
}

#[test]
fn large_batches_are_shared_out_and_come_back_in_order() {
    let (key, message) = ([0; PUBLIC_KEY_BYTES], [0; 32]);
    for length in [0, 1, 15, 16, 63, 64, 65, 81, 128, 1000] {
        let item = |epoch: Slot| Verification {
            public_key: &key,
            epoch,
            message: &message,
            signature: &[],
        };
        let items: Vec<_> = (0..length).map(item).collect();
        let (shares, partial) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let is_valid = |item: &Verification<'_>| item.epoch % 7 == 3;
        let valid = spread(&items, |share| {
            shares.fetch_add(1, Ordering::Relaxed);
            let is_full = share.len().is_multiple_of(FULL_LANES);
            partial.fetch_add(usize::from(!is_full), Ordering::Relaxed);
            share.iter().map(is_valid).collect()
        });
        assert_eq!(valid, items.iter().map(is_valid).collect::<Vec<_>>());
        let shares = shares.into_inner();
        assert!(shares <= threads(), "{shares} shares of {length}");
        assert!(partial.into_inner() <= 1);
        assert_eq!(shares > 1, length >= 64 && threads() > 1, "{length}");
    }
}

#[test]
fn a_block_is_checked_with_those_signatures_that_have_not_been_verified() {
    let (world, first, second) = two_blocks();
    let made = &world.made[second];
    let verifier = Counting::verifier();
    let mut chain = chain_of(&world, &[first]);
    chain.advance(2 * quartet_types::INTERVALS_PER_SLOT);
    let check = |chain: &LeanChain, is_authentic| {
        let reader = reader_of(chain_of(&world, &[first]));
        let block = made.block.clone();
        let check = BlockCheck::new(chain, made.root, block, is_authentic).unwrap();
        let checked = check.run(verifier, &reader).unwrap();
        assert_eq!((checked.root, &checked.block), (made.root, &made.block));
        assert_eq!(checked.post_state, made.state);
        (verifier.looked_at(), checked.block)
    };
    assert_eq!(check(&chain, false).0, 4);
    assert_eq!(check(&chain, true).0, 3);
    let heard = world.sign(world.vote(3, first, 1));
    chain.import_attestation(&heard).unwrap();
    let (looked_at, block) = check(&chain, false);
    assert_eq!(looked_at, 3);
    // The signature at hand, and not the one that came with the block.
    let is_at_hand = |index: usize| {
        std::ptr::eq(
            block.signature[index].as_bytes(),
            heard.signature.as_bytes(),
        )
    };
    assert_eq!([0, 1, 2, 3].map(is_at_hand), [false, true, false, false]);
    let own = world.sign(made.block.message.proposer_attestation);
    chain.import_block(importable(&world, second)).unwrap();
    assert!(chain.has_verified(&own.message, &own.signature));
    assert_eq!(check(&chain, false).0, 0);
}

#[test]
fn a_signature_that_stands_where_another_has_been_verified_is_looked_at() {
    let (world, first, second) = two_blocks();
    let made = &world.made[second];
    let mut chain = chain_of(&world, &[first]);
    chain.advance(2 * quartet_types::INTERVALS_PER_SLOT);
    for validator in [0, 3, 4] {
        let heard = world.sign(world.vote(validator, first, 1));
        chain.import_attestation(&heard).unwrap();
    }
    let verifier = Counting::verifier();
    for (index, validator) in [0, 3, 4, 2].into_iter().enumerate() {
        let block = forged(&made.block, index);
        let check = BlockCheck::new(&chain, made.root, block, false).unwrap();
        let error = check.run(verifier, &reader_of(chain_of(&world, &[first])));
        let slot = if index < 3 { 1 } else { 2 };
        let expected = ImportError::InvalidSignature { validator, slot };
        assert_eq!(error.map(|checked| checked.root), Err(expected));
    }
}

#[test]
fn a_vote_that_a_body_repeats_is_verified_once_with_each_of_its_signatures() {
    let (mut world, first, _) = two_blocks();
    let vote = world.vote(0, first, 1);
    let repeating = world.propose(first, 2, &[vote, vote, vote]).unwrap();
    let made = &world.made[repeating];
    let chain = chain_of(&world, &[first]);
    let verifier = Counting::verifier();
    let check = |block| {
        let check = BlockCheck::new(&chain, made.root, block, true).unwrap();
        let checked = check.run(verifier, &reader_of(chain_of(&world, &[first])));
        (checked.is_ok(), verifier.looked_at())
    };
    assert_eq!(check(made.block.clone()), (true, 1));
    for index in 0..3 {
        let (is_valid, looked_at) = check(forged(&made.block, index));
        assert!(!is_valid && looked_at > 1, "{index}");
    }
}

#[test]
fn a_block_without_its_parent_or_a_signature_for_each_vote_is_not_checked() {
    let (world, first, second) = two_blocks();
    let made = &world.made[second];
    let error =
        |chain: &LeanChain, block| BlockCheck::new(chain, made.root, block, false).map(drop);
    let alone = chain_of(&world, &[]);
    let parent = world.made[first].root;
    let unknown = Err(ImportError::UnknownParent(parent));
    assert_eq!(error(&alone, made.block.clone()), unknown);
    let chain = chain_of(&world, &[first]);
    assert_eq!(error(&chain, made.block.clone()), Ok(()));
    let validators = chain.validators();
    let verifier = Counting::verifier();
    assert_eq!(authenticate(verifier, &made.block, validators), Ok(()));
    assert!(is_signed(verifier, validators, &made.block));
    for found in [0, 3, 5] {
        let mut block = made.block.as_ref().clone();
        let mut signatures = block.signature.to_vec();
        signatures.resize(found, Signature::default());
        block.signature = signatures.try_into().unwrap();
        let expected = Err(ImportError::SignatureCount { expected: 4, found });
        assert_eq!(signature_count(&block), expected);
        assert_eq!(authenticate(verifier, &block, validators), expected);
        assert!(!is_signed(verifier, validators, &block));
        assert_eq!(error(&chain, Arc::new(block)), expected);
    }
    for index in 0..4 {
        let forged = forged(&made.block, index);
        assert!(!is_signed(verifier, validators, &forged));
        assert_eq!(
            authenticate(verifier, &forged, validators).is_ok(),
            index < 3
        );
    }
}

#[test]
fn a_state_that_cannot_be_rebuilt_says_nothing_of_a_block() {
    let (world, first, second) = two_blocks();
    let made = &world.made[second];
    let (chain, verifier) = (chain_of(&world, &[first]), Counting::verifier());
    let mut check = BlockCheck::new(&chain, made.root, made.block.clone(), false).unwrap();
    check.parent_state = None;
    let elsewhere = reader_of(chain_of(&world, &[]));
    let checked = check.run(verifier, &elsewhere).map(drop);
    assert!(
        matches!(checked, Err(ImportError::Store(StoreError(_)))),
        "{checked:?}"
    );
    let mut check = BlockCheck::new(&chain, made.root, made.block.clone(), false).unwrap();
    check.parent_state = None;
    let checked = check.run(verifier, &reader_of(chain_of(&world, &[first])));
    assert_eq!(
        checked.map(|checked| checked.post_state),
        Ok(made.state.clone())
    );
}

#[test]
fn votes_are_verified_each_with_the_key_of_its_validator() {
    let world = World::new(4);
    let chain = chain_of(&world, &[]);
    let signed: Vec<_> = [1, 4, 2, u64::MAX, 3]
        .map(|validator| world.sign(world.vote(validator, 0, 0)))
        .to_vec();
    let mut pairs: Vec<_> = signed
        .iter()
        .map(|vote| (&vote.message, &vote.signature))
        .collect();
    pairs[2].1 = &signed[0].signature;
    let verifier = Counting::verifier();
    let found = verify_each(verifier, chain.validators(), &pairs);
    let beyond = |validator| {
        let validators = 4;
        Some(ImportError::ValidatorNotInRegistry {
            validator,
            validators,
        })
    };
    let invalid = Some(invalid_signature(&signed[2].message));
    assert_eq!(found, [None, beyond(4), invalid, beyond(u64::MAX), None]);
    let keys = [1, 2, 2, 1, 3].map(|index: usize| world.keys[index]);
    let valid = verify_attestations(verifier, &keys, &signed);
    assert_eq!(valid, [true, false, true, false, true]);
    assert_eq!(signed[0].signature.as_bytes().len(), SIGNATURE_BYTES);
}

#[test]
fn a_block_with_another_state_root_than_its_transition_has_is_invalid() {
    let (world, first, second) = two_blocks();
    let (parent, made) = (&world.made[first], &world.made[second]);
    let post_state = state_transition(&parent.state, made.block.block());
    assert_eq!(post_state.as_ref(), Ok(&*made.state));
    let mut block = made.block.block().clone();
    let (expected, found) = (block.state_root, Root::repeat_byte(1));
    block.state_root = found;
    let error = TransitionError::StateRoot { expected, found };
    assert_eq!(state_transition(&parent.state, &block).err(), Some(error));
}

#[test]
fn the_scheme_has_a_verdict_for_each_signature_with_and_without_its_memory() {
    let world = World::new(4);
    let votes = [0, 1, 2].map(|validator| world.sign(world.vote(validator, 0, 0)));
    let remembering = quartet_xmss::Verifier::new(Scheme::Test, 4);
    for verifier in [&Scheme::Test as Verifier, Box::leak(Box::new(remembering))] {
        let valid = verify_attestations(verifier, &world.keys[..3], &votes);
        // A stand-in is no signature.
        assert_eq!(valid, [false; 3]);
    }
}
