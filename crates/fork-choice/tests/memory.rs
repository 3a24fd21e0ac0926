//! What a hundred thousand blocks without finality cost, by what has been allocated.
#![allow(clippy::unwrap_used, unsafe_code)]

mod common;

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicUsize, Ordering},
};

use common::{import, shapes::SHAPES, store_of, unjustified};
use quartet_fork_choice::BlockInfo;
use quartet_types::Root;

static ALLOCATED: AtomicUsize = AtomicUsize::new(0);

/// What an allocation costs at least, and what is it rounded up to, by the usual allocator.
const GRAIN: usize = 16;
/// What it costs beside that.
const HEADER: usize = 8;

struct Counting;

fn cost(layout: Layout) -> usize {
    (layout.size() + HEADER)
        .next_multiple_of(GRAIN)
        .max(2 * GRAIN)
}

// SAFETY: all is handed on to the system's allocator as it comes.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.fetch_add(cost(layout), Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        ALLOCATED.fetch_sub(cost(layout), Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// One test alone, so that nothing else allocates beside it.
#[test]
fn a_hundred_thousand_blocks_take_32_mib_at_most_and_next_to_nothing_when_they_are_final() {
    const BLOCKS: u64 = 100_000;
    const LIMIT: usize = 32 << 20;
    for shape in SHAPES {
        let blocks = shape.blocks(BLOCKS);
        let before = ALLOCATED.load(Ordering::Relaxed);
        let mut store = store_of(&blocks, 64);
        let bytes = ALLOCATED.load(Ordering::Relaxed) - before;
        println!("{shape:?}: {} bytes a block", bytes / BLOCKS as usize);
        assert!(bytes <= LIMIT, "{shape:?}: {bytes}");

        let tip = blocks[BLOCKS as usize - 1];
        let child = BlockInfo {
            root: Root::repeat_byte(0xee),
            parent_root: tip.root,
            slot: BLOCKS + 1,
        };
        import(&mut store, child, unjustified(tip.checkpoint()));
        drop(store.prune());
        let bytes = ALLOCATED.load(Ordering::Relaxed) - before;
        // The roots and slots of the 32,768 blocks that are remembered, and what votes there are.
        assert!(bytes <= 6 << 20, "{shape:?}: {bytes}");
    }
}
