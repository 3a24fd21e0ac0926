//! How much memory the checkpoint of a long chain takes while it is checked.

// A test that unwraps fails as it should.
#![allow(clippy::unwrap_used, unsafe_code)]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use quartet_checkpoint::{Anchor, Mismatch, Network};
use quartet_clock::Clock;
use quartet_types::{
    Block, HistoricalBlockHashes, PublicKey, Root, SignedBlockWithAttestation, State,
};
use quartet_xmss::Scheme;
use ssz::{Decode as _, Encode as _};
use tree_hash::TreeHash as _;

/// Counts what is allocated.
struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is the system allocator's.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(now, Ordering::Relaxed);
        // SAFETY: as our caller has promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as our caller has promised.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const SLOTS: u64 = 100_000;

/// The state after a block of slot 100,000, with a block in each slot before, and that block.
fn long(genesis: &State) -> (SignedBlockWithAttestation, State) {
    let mut state = genesis.clone();
    let root = |slot: u64| match slot {
        0 => Block::genesis(genesis).tree_hash_root(),
        slot => quartet_types::Config { genesis_time: slot }.tree_hash_root(),
    };
    let history: Vec<Root> = (0..SLOTS).map(root).collect();
    let mut block = SignedBlockWithAttestation::default();
    block.message.block = Block {
        slot: SLOTS,
        proposer_index: SLOTS % genesis.validator_count(),
        parent_root: root(SLOTS - 1),
        ..Block::default()
    };
    state.slot = SLOTS;
    state.historical_block_hashes = HistoricalBlockHashes::try_from_iter(history).unwrap();
    state.justified_slots.extend_zeros(SLOTS as usize).unwrap();
    for (slot, checkpoint) in [
        (SLOTS - 5, &mut state.latest_finalized),
        (SLOTS - 2, &mut state.latest_justified),
    ] {
        state.justified_slots.set(slot as usize, true).unwrap();
        checkpoint.slot = slot;
        checkpoint.root = root(slot);
    }
    state.latest_block_header = block.block().header();
    block.message.block.state_root = state.tree_hash_root();
    let head = block.block().checkpoint();
    let message = &mut block.message.proposer_attestation;
    message.validator_id = SLOTS % genesis.validator_count();
    (message.data.slot, message.data.head) = (SLOTS, head);
    block.signature.push(Default::default()).unwrap();
    (block, state)
}

#[test]
fn checking_a_state_of_a_hundred_thousand_slots_takes_a_stated_peak() {
    let keys: Vec<_> = (0..64).map(|index| PublicKey([index; 52])).collect();
    let genesis = State::genesis(0, &keys).unwrap();
    let (block, state) = long(&genesis);
    let bytes = state.as_ssz_bytes();
    assert_eq!(bytes.len(), 3_216_570);
    drop(state);
    let network = Network {
        genesis,
        clock: Clock::manual(0, Duration::from_secs(4 * SLOTS)),
        scheme: Scheme::Production,
    };

    let before = NOW.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    let state = State::from_ssz_bytes(&bytes).unwrap();
    let decoded = NOW.load(Ordering::Relaxed) - before;
    // There is nobody here who could sign; everything else holds.
    let outcome = Anchor::check(&network, block, state);
    assert_eq!(outcome.err(), Some(Mismatch::Signature { validator: 32 }));
    let peak = PEAK.load(Ordering::Relaxed) - before;
    println!(
        "decoded {decoded} bytes, peak {peak} bytes beside the {} downloaded",
        bytes.len()
    );
    // With the downloaded bytes, a third of what a node that starts from a checkpoint may have.
    assert!(peak + bytes.len() < 24 << 20, "{peak}");
}
