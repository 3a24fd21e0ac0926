//! What the states of a chain cost that is kept in memory block by block.
// A test that unwraps fails as it should.
#![allow(clippy::unwrap_used, unsafe_code)]

#[path = "../benches/common/mod.rs"]
mod common;

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicUsize, Ordering},
};

use common::{long_state, next_block, targets, vote};
use quartet_types::{HistoricalBlockHashes, State};

/// Bytes that are allocated and not freed.
static LIVE: AtomicUsize = AtomicUsize::new(0);

struct Counting;

// SAFETY: all is handed on to the system's allocator as it comes.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise is handed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise is handed on.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn live() -> usize {
    LIVE.load(Ordering::Relaxed)
}

const VALIDATORS: usize = 64;
const HISTORY: u64 = 100_000;
const BLOCKS: usize = 10_000;

// One test: another one in parallel would be counted too.
#[test]
fn a_state_costs_what_its_block_changed() {
    let before = live();
    let roots = (0..HISTORY).map(common::root_at);
    let history = HistoricalBlockHashes::try_from_iter(roots).unwrap();
    let per_slot = (live() - before) as f64 / HISTORY as f64;
    drop(history);

    let tallied = targets(HISTORY);
    let start = long_state(VALIDATORS, HISTORY, &tallied[..600], |index| index % 2 == 0);
    let mut kept: Vec<State> = Vec::with_capacity(BLOCKS + 1);
    kept.push(start);
    let before = live();
    for number in 0..BLOCKS {
        let pre = &kept[number];
        // Half of the validators vote for the newest target that there was, one of them for the first time in each
        // block.
        let target = tallied[number / VALIDATORS % 600];
        let voters = (0..32).map(|offset| (number as u64 + offset) % 32);
        let votes = voters.map(|validator| vote(validator, pre.slot, target));
        kept.push(next_block(pre, votes.collect()).1);
    }
    let per_block = (live() - before) / BLOCKS;
    let per_block = per_block + size_of::<State>();
    println!("{per_slot:.1} bytes a slot of history, {per_block} bytes a state");
    assert!(per_slot < 40.0, "{per_slot} bytes a slot");
    assert!(per_block < 3_000, "{per_block} bytes a state");
}
