//! Ranges by themselves: what is requested, and when they end.

use std::collections::BTreeSet;

use quartet_types::{Checkpoint, Root, Slot};

use super::{
    chain,
    tree::{Tree, peer},
};
use crate::{
    BatchOutcome, ChainView, PeerName,
    ranges::{RangeRequest, Ranges},
};

fn only_one(_: u64, _: bool, _: &BTreeSet<PeerName>) -> Vec<PeerName> {
    vec![peer(0)]
}

#[test]
fn ranges_go_on_while_answers_are_awaited_and_end_when_all_peers_have_been_asked_twice() {
    let mut ranges = Ranges::new(1, 100);
    let ask = |start, count| {
        let peer = peer(0);
        Some(RangeRequest { start, count, peer })
    };
    assert_eq!(ranges.next_request(only_one), ask(1, 64));
    assert_eq!(ranges.next_request(only_one), ask(65, 36));
    assert_eq!(ranges.next_request(only_one), None);
    // A second is not long, two are.
    assert_eq!(ranges.tick(), (BTreeSet::new(), true));
    assert_eq!(ranges.tick(), (BTreeSet::from([peer(0)]), true));
    // The same peer is asked no more, until nobody else is left.
    ranges.failed(1, &peer(0));
    assert_eq!(ranges.next_request(only_one), None);
    assert_eq!(ranges.tick(), (BTreeSet::new(), true));
    assert_eq!(ranges.next_request(only_one), ask(1, 64));
    ranges.failed(1, &peer(0));
    assert_eq!(ranges.tick(), (BTreeSet::new(), false));
}

#[test]
fn a_last_range_of_one_slot_is_asked_for_again_when_it_does_not_fit() {
    let blocks = chain(65).blocks();
    let mut ranges = Ranges::new(1, 65);
    let ask = |start, count| {
        let peer = peer(0);
        Some(RangeRequest { start, count, peer })
    };
    assert_eq!(ranges.next_request(only_one), ask(1, 64));
    assert_eq!(ranges.next_request(only_one), ask(65, 1));
    ranges.served(1, peer(0), blocks[1..=64].to_vec());
    ranges.served(65, peer(0), blocks[65..].to_vec());
    let (end, is_new) = (64, true);
    for (number, outcome) in [
        (1, BatchOutcome::Imported { end, is_new }),
        (2, BatchOutcome::Unattached),
    ] {
        assert!(ranges.next_batch(number).is_some());
        assert!(ranges.on_outcome(number, outcome, 0));
        assert!(!ranges.is_done());
    }
    assert_eq!(ranges.next_request(only_one), ask(65, 1));
}

#[test]
fn what_an_answer_lacks_at_its_end_is_asked_for_before_what_comes_after_it() {
    let blocks = chain(128).blocks();
    let mut ranges = Ranges::new(1, 128);
    let ask = |start, count| {
        let peer = peer(0);
        Some(RangeRequest { start, count, peer })
    };
    assert_eq!(ranges.next_request(only_one), ask(1, 64));
    assert_eq!(ranges.next_request(only_one), ask(65, 64));
    ranges.served(1, peer(0), blocks[1..=50].to_vec());
    ranges.served(65, peer(0), blocks[65..].to_vec());
    assert_eq!(
        ranges.next_batch(1).map(|batch| batch.blocks.len()),
        Some(50)
    );
    assert!(ranges.next_batch(2).is_none());
    assert_eq!(ranges.next_request(only_one), ask(51, 14));
    // Nobody has more: what comes after it is tried as it is.
    ranges.served(51, peer(0), Vec::new());
    assert_eq!(
        ranges.next_batch(3).map(|batch| batch.blocks.len()),
        Some(64)
    );
}

#[test]
fn an_answer_that_ends_where_its_range_does_lacks_nothing_whatever_comes_after_it() {
    let mut ranges = Ranges::new(1, 65);
    assert!(ranges.next_request(only_one).is_some());
    assert!(ranges.next_request(only_one).is_some());
    ranges.served(1, peer(0), chain(64).blocks().split_off(1));
    let other = Tree::invented(0, 65).blocks().split_off(1);
    ranges.served(65, peer(0), other);
    assert!(ranges.next_batch(1).is_some());
    assert!(ranges.next_batch(2).is_some());
}

#[test]
fn two_batches_are_imported_at_a_time() {
    let blocks = chain(192).blocks();
    let mut ranges = Ranges::new(1, 192);
    for start in [1, 65, 129] {
        assert!(ranges.next_request(only_one).is_some());
        let served = blocks[start..start + 64].to_vec();
        ranges.served(start as Slot, peer(0), served);
    }
    assert!(ranges.next_batch(1).is_some());
    assert!(ranges.next_batch(2).is_some());
    assert!(ranges.next_batch(3).is_none());
    let (end, is_new) = (64, true);
    assert!(ranges.on_outcome(1, BatchOutcome::Imported { end, is_new }, 0));
    assert!(ranges.next_batch(4).is_some());
}

/// The next range is served, and that is what becomes of it: whether ranges go on.
fn end_the_next(ranges: &mut Ranges, number: u64, outcome: BatchOutcome) -> bool {
    let ask = ranges.next_request(only_one);
    let RangeRequest { start, count, peer } = ask.expect("there is more to ask for");
    let last = Tree::invented(0, start + count - 1);
    ranges.served(start, peer, last.blocks().split_off(1));
    assert!(ranges.next_batch(number).is_some());
    ranges.on_outcome(number, outcome, 0)
}

#[test]
fn ranges_end_when_they_begin_anew_for_the_sixth_time_without_progress() {
    let mut ranges = Ranges::new(1, 1_000);
    let (end, is_new) = (64, true);
    let progress = BatchOutcome::Imported { end, is_new };
    let outcomes = [
        [BatchOutcome::Adrift; 5].as_slice(),
        &[progress],
        &[BatchOutcome::Adrift; 5],
    ];
    for (number, outcome) in (1..).zip(outcomes.concat()) {
        assert!(end_the_next(&mut ranges, number, outcome), "{number}");
    }
    assert!(!end_the_next(&mut ranges, 12, BatchOutcome::Adrift));
}

/// A chain in which a block waits, or has been imported, or neither.
struct Waits {
    is_pending: bool,
    is_imported: bool,
}

impl ChainView for Waits {
    fn in_chain(&self, _: &Root) -> bool {
        self.is_imported
    }

    fn pending(&self, _: &Root) -> bool {
        self.is_pending
    }

    fn missing_ancestor(&self, root: Root) -> Root {
        root
    }

    fn head_slot(&self) -> Slot {
        0
    }

    fn canonical_root(&self, _: Slot) -> Option<Root> {
        None
    }

    fn finalized(&self) -> Checkpoint {
        Checkpoint::default()
    }

    fn current_slot(&self) -> Slot {
        100
    }
}

const PENDING: Waits = Waits {
    is_pending: true,
    is_imported: false,
};

/// Two peers, without those that are of no use.
fn two(_: Slot, _: bool, useless: &BTreeSet<PeerName>) -> Vec<PeerName> {
    let peers = [peer(0), peer(1)].into_iter();
    peers.filter(|peer| !useless.contains(peer)).collect()
}

/// The next range is served, and a block of it needs something else first.
fn block_the_next(ranges: &mut Ranges, number: u64) -> Option<PeerName> {
    let RangeRequest { start, peer, .. } = ranges.next_request(two)?;
    let mut tree = Tree::new();
    tree.grow(0, start);
    ranges.served(start, peer.clone(), tree.blocks().split_off(1));
    assert!(ranges.next_batch(number).is_some());
    let root = tree.tip().root;
    assert!(ranges.on_outcome(number, BatchOutcome::Blocked { root }, 0));
    Some(peer)
}

#[test]
fn ranges_that_wait_for_a_block_go_on_with_it_or_at_last_without_the_peer_that_served_it() {
    let mut ranges = Ranges::new(1, 64);
    assert_eq!(block_the_next(&mut ranges, 1), Some(peer(0)));
    // Three slots are not too long, and then it has come.
    for _ in 0..12 {
        ranges.check_awaited(&PENDING);
        assert!(ranges.is_waiting() && ranges.next_request(two).is_none());
        assert_eq!(ranges.tick(), (BTreeSet::new(), true));
    }
    ranges.check_awaited(&Waits {
        is_pending: false,
        is_imported: true,
    });
    assert!(!ranges.is_waiting() && ranges.has_imported());
    // For the next one there are four slots again, but no more.
    assert_eq!(block_the_next(&mut ranges, 2), Some(peer(0)));
    for _ in 0..16 {
        ranges.check_awaited(&PENDING);
        assert!(ranges.is_waiting());
        assert_eq!(ranges.tick(), (BTreeSet::new(), true));
    }
    assert!(!ranges.is_waiting());
    // Then each peer has its turn, and is waited for no more.
    assert_eq!(block_the_next(&mut ranges, 3), Some(peer(1)));
    assert!(!ranges.is_waiting());
    assert_eq!(ranges.next_request(two), None);
}
