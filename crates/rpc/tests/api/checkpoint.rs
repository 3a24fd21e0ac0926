//! A node that starts asks this one for its finalized checkpoint.

use std::time::Duration;

use quartet_chain::LeanChain;
use quartet_checkpoint::{CheckpointError, Fetched, Mismatch, Network, Refusal, fetch};
use quartet_clock::Clock;
use quartet_rpc::Limits;
use quartet_types::{PublicKey, Signature, SignedBlockWithAttestation, State};
use quartet_xmss::{KeyMaterial, Scheme, SecretKey, Threads};
use rand::{SeedableRng as _, rngs::StdRng};
use tree_hash::TreeHash as _;

use crate::{
    node::{GENESIS_TIME, TestNode, VALIDATORS},
    running::Running,
};

async fn ask(node: &TestNode) -> Result<Fetched, CheckpointError> {
    let keys = [PublicKey::default(); VALIDATORS as usize];
    ask_in(State::genesis(GENESIS_TIME, &keys).unwrap(), node).await
}

async fn ask_in(genesis: State, node: &TestNode) -> Result<Fetched, CheckpointError> {
    let running = Running::with(node, Limits::default()).await;
    let network = Network {
        genesis,
        clock: Clock::manual(GENESIS_TIME, Duration::from_secs(GENESIS_TIME + 4_000)),
        scheme: Scheme::Test,
    };
    let url = format!("http://{}", running.http).parse().unwrap();
    let outcome = fetch(&[url], network, quartet_checkpoint::Limits::default()).await;
    running.stop().await;
    outcome
}

/// The block of slot 1 of a network of one validator, signed by it.
fn signed_block(genesis: &State, key: &mut SecretKey) -> (SignedBlockWithAttestation, State) {
    let chain = LeanChain::from_genesis(genesis.clone());
    let produced = chain.proposal_basis().unwrap().build(1).unwrap();
    let mut block = SignedBlockWithAttestation::default();
    block.message.proposer_attestation.data = produced.attestation_data(&chain);
    block.message.block = produced.block;
    let message = block.message.proposer_attestation.tree_hash_root();
    key.prepare(1).unwrap();
    let signature = Signature::from(*key.sign(1, &message.0).unwrap());
    block.signature.push(signature).unwrap();
    (block, produced.post_state)
}

#[tokio::test]
async fn another_node_starts_from_this_nodes_checkpoint() {
    let mut random = StdRng::seed_from_u64(3);
    let lifetime = Scheme::Test.lifetime();
    let material = KeyMaterial::generate(Scheme::Test, 0, lifetime, &mut random).unwrap();
    let mut key = SecretKey::build(material, Threads::One, &|_| {});
    let keys = [PublicKey(key.public_key().to_bytes())];
    let genesis = State::genesis(GENESIS_TIME, &keys).unwrap();
    let (block, state) = signed_block(&genesis, &mut key);
    let node = TestNode::anchored_at(block, state);

    let Ok(Fetched::Anchor(anchor)) = ask_in(genesis, &node).await else {
        panic!("there is no anchor");
    };
    let chain = LeanChain::from_anchor(anchor.block, anchor.state);
    assert_eq!(chain.view(), node.chain.read().view());
    assert_eq!(chain.head(), anchor.checkpoint);
}

#[tokio::test]
async fn another_node_is_told_that_nothing_is_final() {
    let outcome = ask(&TestNode::with_chain(2)).await;
    assert!(matches!(outcome, Ok(Fetched::Genesis)));
}

#[tokio::test]
async fn another_node_gets_a_checkpoint_block_without_signatures() {
    let Err(CheckpointError::NoneUsable(refusals)) = ask(&TestNode::with_chain(8)).await else {
        panic!("it is taken");
    };
    assert!(
        matches!(refusals[0].1, Refusal::Mismatch(Mismatch::Signature { .. })),
        "{refusals:?}"
    );
}
