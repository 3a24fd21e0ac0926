//! What a node makes of a database that has lost rows, of a clock that was set back, and of blocks that build on old ones.

// Helpers outside of test functions may fail, too.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::{path::Path, sync::Arc};

use quartet_chain::{MemoryLimits, Verdict};
use quartet_clock::Stopwatch;
use quartet_storage::FILE_NAME;
use quartet_types::{Root, Slot, State, ValidatorIndex, proposer_index};
use tempfile::tempdir;

use super::{
    network::Network,
    node::{StalledNode, open},
    scheme,
};
use crate::validators::GENESIS_TIME;

fn play<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(test)
}

fn genesis(validators: u64) -> State {
    let keys: Vec<_> = (0..validators as ValidatorIndex)
        .map(scheme::public_key)
        .collect();
    State::genesis(GENESIS_TIME, &keys).unwrap()
}

/// A node, and half a network, so that nothing is finalized.
async fn start(directory: &Path, validators: u64, first: Slot) -> (StalledNode, Network) {
    let genesis = genesis(validators);
    let store = open(directory, &genesis).unwrap();
    let node = StalledNode::start(store, &genesis, first).unwrap();
    let network = around(&node, validators);
    node.sleep_until_slot(first).await;
    (node, network)
}

fn around(node: &StalledNode, validators: u64) -> Network {
    Network {
        keys: (0..validators as ValidatorIndex)
            .map(scheme::public_key)
            .collect(),
        reader: node.reader.clone(),
        chain: node.chain.clone(),
        half_is_silent: true,
        lateness: 0,
        blocks: 0,
    }
}

/// A chain of this many slots in `directory`; the root and post-state of the block at each of `wanted`.
async fn make(
    directory: &Path,
    validators: u64,
    slots: Slot,
    wanted: &[Slot],
) -> Vec<(Root, Arc<State>)> {
    let (node, mut network) = start(directory, validators, 1).await;
    for slot in 1..=slots {
        network.slot(slot).await.unwrap();
    }
    let block = |slot: &Slot| {
        let root = node.reader.chain().read().canonical_root(*slot).unwrap();
        (root, node.reader.state(root).unwrap().unwrap())
    };
    let blocks = wanted.iter().map(block).collect();
    drop(network);
    node.stop().await.unwrap();
    blocks
}

/// Deletes a block's body, and nothing else, as no crash does.
fn lose_body(directory: &Path, slot: Slot, root: Root) {
    const BLOCKS: redb::TableDefinition<'_, (Slot, &[u8; 32]), &[u8]> =
        redb::TableDefinition::new("blocks");
    let database = redb::Database::open(directory.join(FILE_NAME)).unwrap();
    let transaction = database.begin_write().unwrap();
    let mut table = transaction.open_table(BLOCKS).unwrap();
    assert!(table.remove((slot, &root.0)).unwrap().is_some());
    drop(table);
    transaction.commit().unwrap();
}

/// Offers a block of `slot` on a post-state that the network has.
async fn offer_on(network: &Network, slot: Slot, state: &Arc<State>) -> Verdict {
    let basis = network.reader.chain().read().proposal_basis();
    let mut basis = basis.unwrap();
    basis.state = state.clone();
    let produced = basis.build(slot).unwrap();
    let proposer = proposer_index(slot, network.keys.len() as u64).unwrap();
    network.offer(slot, proposer, produced).await.unwrap()
}

#[test]
fn a_head_whose_state_cannot_be_rebuilt_stops_the_start_and_says_what_to_do() {
    play(async {
        let directory = tempdir().unwrap();
        let blocks = make(directory.path(), 8, 200, &[150]).await;
        lose_body(directory.path(), 150, blocks[0].0);
        let genesis = genesis(8);
        let store = open(directory.path(), &genesis).unwrap();
        let error = StalledNode::start(store, &genesis, 201).unwrap_err();
        let error = error.to_string();
        assert!(error.contains("quartet db verify"), "{error}");
        assert!(error.contains("start over"), "{error}");
    });
}

#[test]
fn a_block_whose_parents_state_cannot_be_rebuilt_is_neither_condemned_nor_imported() {
    play(async {
        let directory = tempdir().unwrap();
        let blocks = make(directory.path(), 8, 280, &[100, 104]).await;
        lose_body(directory.path(), 100, blocks[0].0);
        let (node, mut network) = start(directory.path(), 8, 282).await;
        for slot in [282, 284] {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            let verdict = offer_on(&network, slot, &blocks[1].1).await;
            assert!(matches!(verdict, Verdict::Ignore), "{verdict:?}");
            node.sleep_until_slot(slot + 2).await;
        }
        // It goes on.
        for slot in 286..296 {
            network.slot(slot).await.unwrap();
        }
        assert!(node.reader.chain().read().head().slot >= 290);
        drop(network);
        node.stop().await.unwrap();
    });
}

/// A proposer that builds on an old block each time costs the transitions from the nearest stored state: at most those of
/// 128 slots on a chain, here of 64 validators, half of whom vote.
#[test]
fn a_block_on_an_old_one_costs_a_bounded_rebuild() {
    play(async {
        let directory = tempdir().unwrap();
        make(directory.path(), 64, 520, &[]).await;
        let (node, network) = start(directory.path(), 64, 522).await;
        let root = node.reader.chain().read().canonical_root(220).unwrap();
        let watch = Stopwatch::start();
        let state = node.reader.state(root).unwrap().unwrap();
        let rebuilt = watch.elapsed();
        let watch = Stopwatch::start();
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        let verdict = offer_on(&network, 522, &state).await;
        println!(
            "rebuilt in {rebuilt:?}, with a block on it checked in {:?}",
            watch.elapsed()
        );
        assert!(matches!(verdict, Verdict::Accept), "{verdict:?}");
        // Some 20 times what it takes on a free machine.
        assert!(rebuilt.as_secs() < 2, "{rebuilt:?}");
        drop(network);
        node.stop().await.unwrap();
    });
}

#[test]
fn a_node_whose_clock_was_set_back_comes_up_with_what_it_has() {
    play(async {
        let directory = tempdir().unwrap();
        make(directory.path(), 8, 60, &[]).await;
        let (node, network) = start(directory.path(), 8, 5).await;
        assert_eq!(node.reader.chain().read().head().slot, 60);
        drop(network);
        node.sleep_until_slot(9).await;
        node.stop().await.unwrap();
        let (node, mut network) = start(directory.path(), 8, 62).await;
        for slot in 62..72 {
            network.slot(slot).await.unwrap();
        }
        assert!(node.reader.chain().read().head().slot > 66);
        drop(network);
        node.stop().await.unwrap();
    });
}

#[test]
fn blocks_larger_than_the_whole_budget_are_imported_one_by_one() {
    play(async {
        let directory = tempdir().unwrap();
        let genesis = genesis(64);
        let store = open(directory.path(), &genesis).unwrap();
        // A block has 32 signatures, of 3,112 bytes.
        let limits = MemoryLimits::of(32 << 10);
        let node = StalledNode::start_within(store, &genesis, 1, limits).unwrap();
        let mut network = around(&node, 64);
        network.lateness = 3;
        node.sleep_until_slot(1).await;
        for slot in 1..=64 {
            network.slot(slot).await.unwrap();
        }
        assert!(network.blocks >= 31, "{}", network.blocks);
        assert_eq!(node.reader.chain().read().memory().unwritten, 0);
        drop(network);
        node.stop().await.unwrap();
    });
}
