//! Whom ranges are asked of, and when: what peers have brought before decides.

use std::{collections::BTreeMap, sync::Arc};

use quartet_types::{Checkpoint, Root, SignedBlockWithAttestation, Slot, Status};

use super::{
    chain,
    plain_view::PlainView,
    tree::{Tree, peer},
};
use crate::{Action, Batch, BatchOutcome, Need, PeerName, RequestError, SyncMachine, walk::Walk};

type Answer = Result<Vec<Arc<SignedBlockWithAttestation>>, RequestError>;

/// A node in slot 0 that knows of a gap which grows with the clock.
struct World {
    sync: SyncMachine,
    view: PlainView,
    /// The requests for ranges.
    asked: BTreeMap<(Slot, PeerName), u64>,
    /// The requests by root that were made last.
    by_root: Vec<(u64, Vec<Root>)>,
}

/// The first block of the gap, after one that nobody has.
fn gap() -> Tree {
    Tree::invented(0, 1)
}

impl World {
    /// Peers without merit, so many, that have the whole gap.
    fn new(peers: usize) -> Self {
        Self::with_heads(&vec![Slot::MAX; peers])
    }

    /// Peers without merit whose heads are in these slots.
    fn with_heads(heads: &[Slot]) -> Self {
        let mut world = Self {
            sync: SyncMachine::default(),
            view: PlainView::at(0),
            asked: BTreeMap::new(),
            by_root: Vec::new(),
        };
        for (number, slot) in heads.iter().enumerate() {
            world.connect(number, *slot);
        }
        // A peer has served a block of the gap, and is gone again.
        world.connect(99, Slot::MAX);
        let hint = Some(peer(99));
        let need = Some(Need::Ancestor);
        let World { sync, view, .. } = &mut world;
        sync.want(gap().tip().root, Slot::MAX, hint, need, view);
        let actions = sync.poll(view);
        let [Action::RequestBlocks { request, .. }] = &actions[..] else {
            panic!("{actions:?}");
        };
        sync.on_response(*request, &Ok(gap().blocks().split_off(1)), view);
        sync.on_disconnected(&peer(99));
        world
    }

    fn connect(&mut self, number: usize, slot: Slot) {
        let root = Root::repeat_byte(9);
        let status = Status {
            finalized: Checkpoint::default(),
            head: Checkpoint { root, slot },
        };
        let actions = self.sync.on_status(peer(number), status, &self.view);
        assert_eq!(actions, []);
    }

    /// Ranges that are asked for now, and of whom.
    fn poll(&mut self) -> Vec<(Slot, PeerName)> {
        let mut asked = Vec::new();
        self.by_root.clear();
        for action in self.sync.poll(&self.view) {
            match action {
                Action::RequestRange {
                    request,
                    peer,
                    start_slot,
                    ..
                } => {
                    asked.push((start_slot, peer.clone()));
                    self.asked.insert((start_slot, peer), request);
                }
                Action::RequestBlocks { request, roots, .. } => self.by_root.push((request, roots)),
                other => panic!("{other:?}"),
            }
        }
        asked
    }

    /// So many ranges more are due.
    fn grow(&mut self, ranges: u64) -> Vec<(Slot, PeerName)> {
        self.view.current_slot += 64 * ranges;
        self.poll()
    }

    fn tick(&mut self) {
        // The walk that waits meanwhile has nothing to do with it.
        self.sync
            .walks
            .values_mut()
            .for_each(Walk::reset_idle_ticks);
        self.sync.on_tick();
    }

    fn answer(&mut self, start: Slot, number: usize, answer: &Answer) {
        let request = self.asked.remove(&(start, peer(number)));
        let request = request.expect("it was asked");
        self.sync.on_response(request, answer, &self.view);
    }

    /// A batch of a range sync that has ended.
    fn old_batch(&mut self, number: usize, outcome: BatchOutcome) {
        self.sync.on_batch(0, &peer(number), outcome, &self.view);
    }

    /// The peer has served so many batches that were imported.
    fn earn(&mut self, number: usize, batches: usize) {
        for _ in 0..batches {
            let (end, is_new) = (0, true);
            self.old_batch(number, BatchOutcome::Imported { end, is_new });
        }
    }
}

#[test]
fn a_peer_that_brings_nothing_is_asked_after_others_even_if_they_are_busy() {
    let answers = [
        Ok(Vec::new()),
        Err(RequestError::NoAnswer),
        Err(RequestError::Malformed),
    ];
    for answer in answers {
        let mut world = World::new(2);
        assert_eq!(world.grow(1), [(1, peer(0))]);
        world.answer(1, 0, &answer);
        let asked = world.grow(1);
        assert_eq!(asked.last(), Some(&(65, peer(1))), "{answer:?}");
    }
    // No answer for two ticks is as bad, and an answer may come yet.
    for (ticks, number) in [(1, 0), (2, 1)] {
        let mut world = World::new(2);
        assert_eq!(world.grow(1), [(1, peer(0))]);
        (0..ticks).for_each(|_| world.tick());
        assert_eq!(world.grow(1), [(1, peer(1)), (65, peer(number))]);
    }
}

#[test]
fn a_peer_whose_blocks_do_not_help_is_asked_after_others() {
    for (outcome, first) in [
        (BatchOutcome::Adrift, 0),
        (BatchOutcome::Unattached, 0),
        (BatchOutcome::Foreign, 1),
    ] {
        let mut world = World::new(2);
        world.old_batch(0, outcome);
        assert_eq!(world.grow(1), [(1, peer(first))], "{outcome:?}");
    }
    let mut world = World::new(2);
    world.sync.on_unconnected_blocks(peer(0));
    assert_eq!(world.grow(1), [(1, peer(1))]);
}

#[test]
fn a_peer_whose_batch_is_invalid_is_asked_for_ranges_no_more() {
    let mut world = World::new(2);
    world.earn(0, 9);
    world.old_batch(0, BatchOutcome::Invalid);
    world.earn(0, 9);
    // Nor does it keep others from being asked.
    assert_eq!(world.grow(1), [(1, peer(1))]);
    world.tick();
    assert_eq!(world.poll(), []);
}

#[test]
fn while_some_peer_has_merit_others_are_asked_only_for_what_is_urgent() {
    let mut world = World::new(3);
    world.earn(1, 2);
    world.old_batch(2, BatchOutcome::Foreign);
    // Four at a time, however many are due.
    let four = [1, 65, 129, 193].map(|start| (start, peer(1)));
    assert_eq!(world.grow(6), four);
    world.tick();
    assert_eq!(world.poll(), [(1, peer(0))]);
    world.answer(65, 1, &Err(RequestError::NotSent));
    assert_eq!(world.poll(), [(65, peer(1))]);
    world.answer(65, 1, &Err(RequestError::NoAnswer));
    assert_eq!(world.poll(), [(65, peer(0)), (257, peer(1))]);
}

#[test]
fn what_a_peer_with_merit_leaves_behind_when_it_goes_is_not_urgent() {
    let mut world = World::new(3);
    world.earn(1, 1);
    world.earn(2, 1);
    assert_eq!(world.grow(6).len(), 6);
    world.sync.on_disconnected(&peer(1));
    // The other one has three to serve already.
    assert_eq!(world.poll(), [(1, peer(2))]);
}

#[test]
fn a_peer_that_serves_by_root_what_signatures_confirm_is_asked_first() {
    for (need, first) in [(Some(Need::Ancestor), 1), (None, 0)] {
        let mut world = World::new(2);
        let tree = chain(1);
        let World { sync, view, .. } = &mut world;
        sync.want(tree.tip().root, 1, Some(peer(1)), need, view);
        assert_eq!(world.poll(), []);
        for (request, roots) in &world.by_root {
            let answer = if *roots == [tree.tip().root] {
                Ok(tree.blocks().split_off(1))
            } else {
                Err(RequestError::NotSent)
            };
            world.sync.on_response(*request, &answer, &world.view);
        }
        assert_eq!(world.grow(1), [(1, peer(first))]);
    }
}

#[test]
fn of_peers_with_merit_the_least_busy_one_is_asked_and_of_these_the_one_with_the_most() {
    let mut world = World::new(3);
    for (number, batches) in [(0, 1), (1, 3), (2, 2)] {
        world.earn(number, batches);
    }
    let order = [(1, 1), (65, 2), (129, 0), (193, 1)];
    let order = order.map(|(start, number)| (start, peer(number)));
    assert_eq!(world.grow(4), order);
}

#[test]
fn peers_that_say_that_they_have_no_more_than_we_have_are_asked_for_no_ranges() {
    for (head, asked) in [(0, vec![]), (2, vec![(1, peer(0))])] {
        let mut world = World::with_heads(&[head]);
        assert_eq!(world.grow(1), asked);
        // The walk goes on without them.
        assert_eq!(world.by_root.is_empty(), !asked.is_empty());
    }
}

#[test]
fn ranges_that_have_brought_nothing_are_tried_again_ten_slots_later_and_then_after_ever_longer() {
    let mut world = World::new(1);
    assert_eq!(world.grow(1), [(1, peer(0))]);
    let pauses = [2, 2, 40, 80, 160, 320, 640, 1_280, 1_280, 2, 40];
    for pause in pauses {
        let blocks = gap().blocks().split_off(1);
        world.answer(1, 0, &Ok(blocks));
        let batch = world.sync.next_batch();
        let Some(Batch { number, peer, .. }) = batch else {
            panic!("{batch:?}");
        };
        let (end, is_new) = (1, pause == 2);
        let outcome = BatchOutcome::Imported { end, is_new };
        world.sync.on_batch(number, &peer, outcome, &world.view);
        assert_eq!(world.poll(), []);
        let ticks = (1..2_000).find(|_| {
            world.tick();
            !world.poll().is_empty()
        });
        assert_eq!(ticks, Some(pause));
    }
}

#[test]
fn duties_wait_for_ranges_although_nothing_else_says_that_there_is_a_gap() {
    let mut world = World::new(1);
    assert_eq!(world.grow(1), [(1, peer(0))]);
    world.sync.on_useless(&gap().tip().root);
    assert!(!world.sync.has_gaps());
    assert_eq!(world.sync.target(61), Some(64));
    assert_eq!(world.sync.target(62), None);
}

#[test]
fn a_gap_that_ranges_close_is_not_given_up_meanwhile() {
    let mut world = World::new(1);
    assert_eq!(world.grow(1), [(1, peer(0))]);
    (0..40).for_each(|_| world.sync.on_tick());
    assert!(world.sync.has_gaps());
}

#[test]
fn while_ranges_close_a_gap_claims_and_what_votes_name_are_fetched_by_root() {
    let mut world = World::new(1);
    assert_eq!(world.grow(1), [(1, peer(0))]);
    assert!(world.by_root.is_empty());
    // Once a claim is confirmed, ranges close that gap as well; what votes name may be on no peer's chain.
    for (slot, need, goes_on) in [(2, None, false), (3, Some(Need::Name), true)] {
        let tree = Tree::invented(0, slot);
        let root = tree.tip().root;
        let World { sync, view, .. } = &mut world;
        sync.want(root, slot, Some(peer(0)), need, view);
        assert_eq!(world.poll(), []);
        let World {
            sync,
            view,
            by_root,
            ..
        } = &mut world;
        let [(request, roots)] = &by_root[..] else {
            panic!("{by_root:?}");
        };
        assert_eq!(*roots, [root]);
        sync.on_response(*request, &Ok(tree.blocks().split_off(1)), view);
        sync.on_authentic(&root);
        assert_eq!(world.poll(), []);
        assert_eq!(!world.by_root.is_empty(), goes_on, "{need:?}");
    }
}
