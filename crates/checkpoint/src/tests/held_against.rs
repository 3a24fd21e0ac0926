//! What a checkpoint is checked against: the genesis, the clock, itself, the signatures.

use quartet_types::{Block, BlockBody, Config, HistoricalBlockHashes, PublicKey, Root, State};
use ssz::Encode as _;
use tree_hash::TreeHash as _;

use super::{
    chain::{GENESIS_TIME, Served, VALIDATORS, chain, genesis, network, public_keys},
    liar::{Liar, honest, ssz},
};
use crate::{
    CheckpointError, Limits, Mismatch, Refusal, fetch,
    url::{BLOCK_PATH, STATE_PATH},
};

const NOW: u64 = 12;

async fn refusal_of(served: &Served) -> Refusal {
    refusal_at(served, NOW).await
}

async fn refusal_at(served: &Served, slot: u64) -> Refusal {
    let server = Liar::honest(served).await;
    refusal(&server, slot).await
}

async fn refusal(server: &Liar, slot: u64) -> Refusal {
    let outcome = fetch(
        std::slice::from_ref(&server.url),
        network(slot),
        Limits::default(),
    )
    .await;
    match outcome {
        Err(CheckpointError::NoneUsable(mut refusals)) => refusals.remove(0).1,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it is taken"),
    }
}

async fn mismatch_of(served: &Served) -> Mismatch {
    match refusal_of(served).await {
        Refusal::Mismatch(mismatch) => mismatch,
        other => panic!("{other}"),
    }
}

type Change<'a> = &'a dyn Fn(&mut Block, &mut State);

/// The block and state after `change`, made to fit each other again and signed, as validators could.
fn changed(change: impl Fn(&mut Block, &mut State)) -> Served {
    let served = chain(8, &[]).pop().unwrap();
    let (mut block, mut state) = (served.block.block().clone(), served.state);
    change(&mut block, &mut state);
    state.latest_block_header = block.header();
    state.latest_block_header.state_root = Root::ZERO;
    block.state_root = state.tree_hash_root();
    Served::sealed(block, state)
}

#[tokio::test]
async fn another_network_is_told_by_what_differs() {
    let other_time = changed(|_, state| {
        state.config = Config {
            genesis_time: GENESIS_TIME + 1,
        };
    });
    assert_eq!(
        mismatch_of(&other_time).await,
        Mismatch::GenesisTime {
            expected: GENESIS_TIME,
            found: GENESIS_TIME + 1
        }
    );

    let mut keys = public_keys();
    keys[2] = PublicKey([7; 52]);
    let [others, fewer, more] = [
        keys.clone(),
        keys[..2].to_vec(),
        [public_keys(), keys[2..3].to_vec()].concat(),
    ];
    for (keys, validator) in [(others, 2), (fewer, 2), (more, 4)] {
        let other = State::genesis(GENESIS_TIME, &keys).unwrap();
        let served = changed(|_, state| state.validators = other.validators.clone());
        assert_eq!(mismatch_of(&served).await, Mismatch::Registry { validator });
    }

    let mut swapped = genesis().validators;
    swapped.get_mut(1).unwrap().index = 3;
    swapped.apply_updates().unwrap();
    let served = changed(|_, state| state.validators = swapped.clone());
    assert_eq!(
        mismatch_of(&served).await,
        Mismatch::Registry { validator: 1 }
    );

    let other = Root::repeat_byte(9);
    let served = changed(|_, state| set_history(state, 0, other));
    let expected = Block::genesis(&genesis()).tree_hash_root();
    assert_eq!(
        mismatch_of(&served).await,
        Mismatch::Genesis {
            expected,
            found: other
        }
    );
}

fn set_history(state: &mut State, slot: usize, root: Root) {
    let mut history: Vec<Root> = state.historical_block_hashes.iter().copied().collect();
    history[slot] = root;
    state.historical_block_hashes = HistoricalBlockHashes::try_from_iter(history).unwrap();
}

#[tokio::test]
async fn a_genesis_state_that_is_not_ours_is_refused() {
    let mut other = genesis();
    other.latest_justified.slot = 1;
    let server = Liar::start(move |path| match path {
        STATE_PATH => ssz(&other.as_ssz_bytes()),
        _ => super::liar::status("404 Not Found"),
    })
    .await;
    let refusal = refusal(&server, NOW).await;
    assert!(
        matches!(refusal, Refusal::Mismatch(Mismatch::Genesis { .. })),
        "{refusal}"
    );
}

#[tokio::test]
async fn a_state_of_the_future_is_refused() {
    let served = chain(8, &[]).pop().unwrap();
    let refusal = refusal_at(&served, 7).await;
    assert!(
        matches!(
            refusal,
            Refusal::Mismatch(Mismatch::Future {
                slot: 8,
                current: 7
            })
        ),
        "{refusal}"
    );
}

#[tokio::test]
async fn a_state_that_contradicts_itself_is_refused() {
    let changes: [Change; 9] = [
        // The history is too short, and the bits are.
        &|_, state| {
            let history = state.historical_block_hashes.iter().take(7).copied();
            state.historical_block_hashes =
                HistoricalBlockHashes::try_from_iter(history.collect::<Vec<_>>()).unwrap();
        },
        &|_, state| state.justified_slots.push(true).unwrap(),
        &|block, _| block.proposer_index = (block.proposer_index + 1) % VALIDATORS,
        &|block, _| block.parent_root = Root::repeat_byte(1),
        &|block, state| {
            // Slots have passed since the block.
            block.slot -= 4;
            let history = state.historical_block_hashes.iter().copied();
            let longer: Vec<Root> = history.chain([Root::ZERO]).collect();
            state.historical_block_hashes = HistoricalBlockHashes::try_from_iter(longer).unwrap();
            state.justified_slots.push(false).unwrap();
            state.slot += 1;
        },
        &|_, state| state.latest_justified.root = Root::repeat_byte(2),
        &|_, state| state.latest_finalized.slot = state.slot + 1,
        &|_, state| state.latest_justified.slot = 6,
        &|_, state| {
            let slot = state.latest_finalized.slot as usize;
            state.justified_slots.set(slot, false).unwrap();
        },
    ];
    for (index, change) in changes.iter().enumerate() {
        let found = mismatch_of(&changed(change)).await;
        assert!(
            matches!(found, Mismatch::Inconsistent(_)),
            "{index}: {found}"
        );
    }
}

#[tokio::test]
async fn tallies_must_be_those_of_the_registry_and_in_order() {
    let with = |roots: &[Root], votes: usize| {
        changed(|_, state| {
            state.justifications_roots =
                quartet_types::JustificationRoots::try_from_iter(roots.to_vec()).unwrap();
            state.justifications_validators = Default::default();
            let bits = &mut state.justifications_validators;
            bits.extend_zeros(votes).unwrap();
        })
    };
    let [a, b] = [1, 2].map(Root::repeat_byte);
    let votes = VALIDATORS as usize;
    for (roots, votes) in [(vec![a], votes + 1), (vec![a, b], votes), (vec![], 1)] {
        let found = mismatch_of(&with(&roots, votes)).await;
        assert!(matches!(found, Mismatch::Inconsistent(_)), "{found}");
    }
    for roots in [[b, a], [a, a]] {
        let found = mismatch_of(&with(&roots, 2 * votes)).await;
        assert!(matches!(found, Mismatch::Inconsistent(_)), "{found}");
    }
    let server = Liar::honest(&with(&[a, b], 2 * votes)).await;
    let outcome = fetch(
        std::slice::from_ref(&server.url),
        network(NOW),
        Limits::default(),
    )
    .await;
    assert!(outcome.is_ok());
}

#[tokio::test]
async fn a_block_that_its_validators_have_not_signed_is_refused() {
    let served = chain(8, &[]).pop().unwrap();
    for index in 0..served.block.signature.len() {
        let mut forged = served.clone();
        forged.block.signature[index] = served.block.signature[(index + 1) % 5].clone();
        let validator = forged.block.attestations().nth(index).unwrap().validator_id;
        assert_eq!(
            mismatch_of(&forged).await,
            Mismatch::Signature { validator }
        );
    }

    let mut short = served.clone();
    short.block.signature = served.block.signature[..4].to_vec().try_into().unwrap();
    let mut strange = served.clone();
    strange.block.message.proposer_attestation.validator_id = 1;
    let mut late = served.clone();
    late.block.message.proposer_attestation.data.slot = 9;
    let nobody = Block {
        body: BlockBody {
            attestations: vec![Default::default(); 5].try_into().unwrap(),
        },
        ..served.block.block().clone()
    };
    for served in [short, strange, late] {
        let found = mismatch_of(&served).await;
        assert!(matches!(found, Mismatch::Envelope(_)), "{found}");
    }
    let mut other = served;
    other.block.message.block = nobody;
    assert!(matches!(mismatch_of(&other).await, Mismatch::Pair { .. }));
}

#[tokio::test]
async fn a_chain_that_a_server_has_made_up_around_what_a_proposer_has_signed_is_refused() {
    let own = chain(8, &[]).pop().unwrap().block;
    let mut made_up = changed(|block, state| {
        let parent = Root::repeat_byte(3);
        set_history(state, 7, parent);
        state.latest_justified.root = parent;
        (block.parent_root, block.body) = (parent, BlockBody::default());
    });
    made_up.block.message.proposer_attestation = own.message.proposer_attestation;
    made_up.block.signature = own.signature[4..].to_vec().try_into().unwrap();
    let found = mismatch_of(&made_up).await;
    assert!(matches!(found, Mismatch::Envelope(_)), "{found}");
}

#[tokio::test]
async fn a_block_whose_proposer_attests_to_its_parent_is_taken() {
    let [.., parent, served] = &chain(8, &[])[..] else {
        panic!("two blocks");
    };
    let mut served = served.clone();
    served.attest(parent.checkpoint());
    let server = Liar::honest(&served).await;
    let servers = std::slice::from_ref(&server.url);
    let outcome = fetch(servers, network(NOW), Limits::default()).await;
    assert!(outcome.is_ok());
}

#[tokio::test]
async fn no_changed_byte_goes_unnoticed() {
    let served = chain(3, &[]).pop().unwrap();
    let (block, state) = (served.block_bytes(), served.state_bytes());
    // Without a server for each: the same checks as of a download.
    let network = network(NOW);
    let check = |block: &[u8], state: &[u8]| {
        use ssz::Decode as _;
        network.expected().check(state).ok()?;
        let state = State::from_ssz_bytes(state).ok()?;
        let block = quartet_types::SignedBlockWithAttestation::from_ssz_bytes(block).ok()?;
        crate::Anchor::check(&network, block, state).ok()?
    };
    assert!(check(&block, &state).is_some());
    for index in 0..state.len() {
        let mut state = state.clone();
        state[index] ^= 1 << (index % 8);
        assert!(check(&block, &state).is_none(), "state, byte {index}");
    }
    // Not the proposer's attestation: the test scheme has so few codewords that a signature fits one message in dozens.
    let signatures = block.len() - 5 * 3112;
    for index in (0..12).chain(148..signatures) {
        let mut block = block.clone();
        block[index] ^= 1 << (index % 8);
        assert!(check(&block, &state).is_none(), "block, byte {index}");
    }
    for length in (0..state.len()).step_by(7) {
        assert!(check(&block, &state[..length]).is_none(), "{length} bytes");
    }
}

#[tokio::test]
async fn bytes_that_are_no_state_or_no_block_are_refused() {
    let served = chain(5, &[]).pop().unwrap();
    for (body, name) in [(vec![], "no bytes"), (vec![0xff; 500], "others")] {
        let (bytes, good) = (body.clone(), served.clone());
        let server = Liar::start(move |path| match path {
            STATE_PATH => ssz(&bytes),
            path => honest(&good, path),
        })
        .await;
        let found = refusal(&server, NOW).await;
        assert!(
            matches!(found, Refusal::Mismatch(Mismatch::State(_))),
            "{name}: {found}"
        );
        let (bytes, good) = (body, served.clone());
        let server = Liar::start(move |path| match path {
            BLOCK_PATH => ssz(&bytes),
            path => honest(&good, path),
        })
        .await;
        let found = refusal(&server, NOW).await;
        assert!(
            matches!(found, Refusal::Mismatch(Mismatch::Block(_))),
            "{name}: {found}"
        );
    }
}
