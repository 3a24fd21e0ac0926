//! Backfilling against peers that have pruned, stall, leave gaps, lie, come and go: it ends, keeps its bounds, and does
//! not ask in vain again and again.

use std::collections::{BTreeMap, BTreeSet};

use proptest::{collection::vec, prelude::*};
use quartet_types::{Checkpoint, Root, Slot};

use crate::{Action, Backfill, BackfillAction, PeerName, RequestError};

/// Ticks for which a peer is not asked for what it did not have, or for anything if it does not serve blocks: 64 slots.
const PAUSE: u64 = 256;
/// Ticks for which a peer that brought nothing is paused at first.
const SHORT_PAUSE: u64 = 16;
const WINDOW: usize = 128;

#[derive(Clone, Copy, Debug)]
enum Behaviour {
    Honest,
    /// Has nothing older.
    Pruned(Slot),
    /// Lacks each n-th block.
    Gaps(u64),
    /// Serves at most so many blocks of each request.
    Sparing(usize),
    /// Serves them in the wrong order, and the first of them not at all.
    Backwards,
    /// Serves what was not asked for.
    OtherChain,
    Silent,
    Malformed,
    Unsupported,
    /// Is gone as soon as it is asked, and comes back.
    Fickle,
}

fn behaviour() -> impl Strategy<Value = Behaviour> {
    prop_oneof![
        (0u64..900).prop_map(Behaviour::Pruned),
        (2u64..9).prop_map(Behaviour::Gaps),
        (1usize..20).prop_map(Behaviour::Sparing),
        Just(Behaviour::Backwards),
        Just(Behaviour::OtherChain),
        Just(Behaviour::Silent),
        Just(Behaviour::Malformed),
        Just(Behaviour::Unsupported),
        Just(Behaviour::Fickle),
    ]
}

struct Asked {
    peer: usize,
    roots: Vec<Root>,
    answered_at: u64,
}

/// A database with a past to fill in, and peers.
struct Model {
    backfill: Backfill,
    peers: Vec<Behaviour>,
    missing: BTreeMap<Slot, Root>,
    /// Below this slot nothing is to be kept.
    oldest: Slot,
    asked: BTreeMap<u64, Asked>,
    now: u64,
    requests: usize,
    penalties: usize,
    block_bytes: usize,
    /// Until when a peer must not be asked for a root, or for any.
    barred: BTreeMap<(usize, Root), u64>,
    aside: BTreeMap<usize, u64>,
    delay: u64,
}

fn root(slot: Slot) -> Root {
    let mut root = Root::repeat_byte(7);
    root.0[..8].copy_from_slice(&slot.to_be_bytes());
    root
}

fn slot(root: &Root) -> Slot {
    let bytes = root.0.iter().take(8);
    bytes.fold(0, |slot, byte| slot << 8 | u64::from(*byte))
}

fn name(peer: usize) -> PeerName {
    PeerName::new(format!("{peer:02}"))
}

impl Model {
    /// Blocks in the slots from 1 to `length` but for each seventh, which is empty.
    fn new(length: Slot, peers: Vec<Behaviour>, delay: u64) -> Self {
        let mut backfill = Backfill::default();
        for peer in 0..peers.len() {
            backfill.on_peer(&name(peer));
        }
        let slots = (1..=length).filter(|slot| slot % 7 != 0);
        Self {
            backfill,
            peers,
            missing: slots.map(|slot| (slot, root(slot))).collect(),
            oldest: 0,
            asked: BTreeMap::new(),
            now: 0,
            requests: 0,
            penalties: 0,
            block_bytes: 10_000,
            barred: BTreeMap::new(),
            aside: BTreeMap::new(),
            delay,
        }
    }

    fn tick(&mut self, may_ask: bool) {
        self.now += 1;
        self.backfill.on_tick();
        let due = self.asked.iter();
        let due = due.filter(|(_, asked)| asked.answered_at <= self.now);
        let due: Vec<u64> = due.map(|(number, _)| *number).collect();
        for number in due {
            self.answer(number);
        }
        self.poll(may_ask);
    }

    fn poll(&mut self, may_ask: bool) {
        loop {
            let actions = self.backfill.poll(may_ask);
            let mut looked = false;
            assert!(may_ask || actions.is_empty());
            for action in actions {
                match action {
                    BackfillAction::FindMissing { below, limit } => {
                        looked = true;
                        self.find_missing(below, limit);
                    }
                    BackfillAction::Peer(action) => self.carry_out(action),
                }
            }
            if !looked {
                return;
            }
        }
    }

    fn find_missing(&mut self, below: Option<Slot>, limit: usize) {
        assert!((1..=WINDOW).contains(&limit));
        let below = below.unwrap_or(Slot::MAX).max(self.oldest);
        // As many rows at a time as make several looks of it.
        let rows = self.missing.range(self.oldest..below).rev().take(limit);
        let found: Vec<Checkpoint> = rows
            .map(|(slot, root)| Checkpoint {
                root: *root,
                slot: *slot,
            })
            .collect();
        let next = found.last().map(|block| block.slot);
        let is_more = |slot: &Slot| self.missing.range(self.oldest..*slot).next().is_some();
        self.backfill.on_missing_found(&found, next.filter(is_more));
    }

    fn carry_out(&mut self, action: Action) {
        match action {
            Action::RequestBlocks {
                request,
                peer,
                roots,
            } => {
                let peer: usize = peer.as_str().parse().unwrap();
                self.check(peer, request, &roots);
                self.requests += 1;
                let patience = match self.peers[peer] {
                    Behaviour::Silent => 10,
                    _ => self.delay,
                };
                let answered_at = self.now + patience;
                let asked = Asked {
                    peer,
                    roots,
                    answered_at,
                };
                self.asked.insert(request, asked);
                if matches!(self.peers[peer], Behaviour::Fickle) {
                    self.asked.remove(&request);
                    self.aside.insert(peer, self.now + SHORT_PAUSE);
                    self.backfill.on_disconnected(&name(peer));
                    self.backfill.on_peer(&name(peer));
                }
            }
            Action::Penalize { .. } => self.penalties += 1,
            other => panic!("{other:?}"),
        }
    }

    fn check(&self, peer: usize, request: u64, roots: &[Root]) {
        assert!(Backfill::is_request(request) && !self.asked.contains_key(&request));
        assert!((1..=32).contains(&roots.len()));
        assert!(self.asked.len() < 2, "more than two requests under way");
        for asked in self.asked.values() {
            assert_ne!(asked.peer, peer, "two requests to one peer");
            let again = roots.iter().find(|root| asked.roots.contains(root));
            assert_eq!(again, None, "asked for twice at a time");
        }
        let aside = self.aside.get(&peer);
        assert!(aside.is_none_or(|until| *until <= self.now), "too soon");
        for root in roots {
            let barred = self.barred.get(&(peer, *root));
            assert!(barred.is_none_or(|until| *until <= self.now), "too soon");
            assert!(self.missing.contains_key(&slot(root)), "is not missing");
        }
        assert!(roots.is_sorted_by(|one, next| slot(one) > slot(next)));
    }

    fn answer(&mut self, request: u64) {
        let Some(Asked { peer, roots, .. }) = self.asked.remove(&request) else {
            return;
        };
        let served: Result<Vec<Root>, RequestError> = match self.peers[peer] {
            Behaviour::Honest => Ok(roots.clone()),
            Behaviour::Pruned(oldest) => {
                let served = roots.iter().filter(|root| slot(root) >= oldest);
                Ok(served.copied().collect())
            }
            Behaviour::Gaps(each) => {
                let served = roots.iter().filter(|root| !slot(root).is_multiple_of(each));
                Ok(served.copied().collect())
            }
            Behaviour::Sparing(most) => Ok(roots.iter().take(most).copied().collect()),
            Behaviour::Backwards => Ok(roots.iter().skip(1).rev().copied().collect()),
            Behaviour::OtherChain => Ok(Vec::new()),
            Behaviour::Silent => Err(RequestError::NoAnswer),
            Behaviour::Malformed => Err(RequestError::Malformed),
            Behaviour::Unsupported => Err(RequestError::Unsupported),
            Behaviour::Fickle => return,
        };
        let kept: BTreeSet<Root> = match served {
            Ok(served) => served.into_iter().collect(),
            Err(error) => {
                let pause = match error {
                    RequestError::NoAnswer => SHORT_PAUSE,
                    _ => PAUSE,
                };
                self.aside.insert(peer, self.now + pause);
                for action in self.backfill.on_failed(request, &error) {
                    let BackfillAction::Peer(action) = action else {
                        panic!("{action:?}");
                    };
                    self.carry_out(action);
                }
                return;
            }
        };
        let last = roots.iter().rposition(|root| kept.contains(root));
        if last.is_none() {
            self.aside.insert(peer, self.now + SHORT_PAUSE);
        }
        let passed_over = roots.iter().take(last.unwrap_or(roots.len()));
        for root in passed_over.filter(|root| !kept.contains(*root)) {
            self.barred.insert((peer, *root), self.now + PAUSE);
        }
        for root in &kept {
            self.missing.remove(&slot(root));
        }
        assert_eq!(self.backfill.on_answer(request).unwrap().len(), roots.len());
        assert_eq!(self.backfill.on_answer(request), None);
        let bytes = kept.len() * self.block_bytes;
        self.backfill.on_stored(request, &kept, bytes);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn blocks_that_one_peer_has_are_fetched_whatever_the_others_do(
        length in 1u64..900,
        others in vec(behaviour(), 0..6),
        delay in 1u64..4,
        block_bytes in 1usize..2_000_000,
    ) {
        let mut peers = others;
        peers.push(Behaviour::Honest);
        let count = peers.len() as u64;
        let mut model = Model::new(length, peers, delay);
        model.block_bytes = block_bytes;
        // The honest one is asked again and again, and brings at least a block each time.
        let enough = (length + 1) * (delay + 1) + 20 * count * PAUSE;
        while !model.backfill.is_done() && model.now < enough {
            model.tick(true);
        }
        prop_assert!(model.missing.is_empty(), "{} left", model.missing.len());
        prop_assert!(model.backfill.is_done());
        let requests = model.requests;
        for _ in 0..3 * PAUSE {
            model.tick(true);
        }
        prop_assert_eq!(requests, model.requests, "it asks although nothing is missing");
    }

    #[test]
    fn blocks_that_no_peer_has_are_requested_rarely(
        peers in vec(prop_oneof![
            (901u64..999).prop_map(Behaviour::Pruned),
            Just(Behaviour::OtherChain),
            Just(Behaviour::Silent),
            Just(Behaviour::Malformed),
            Just(Behaviour::Unsupported),
            Just(Behaviour::Fickle),
        ], 0..6),
        pauses in 1u64..8,
    ) {
        let mut model = Model::new(900, peers, 1);
        for _ in 0..pauses * PAUSE {
            model.tick(true);
        }
        prop_assert!(!model.backfill.is_done());
        // Peers that bring nothing get some more chances at first.
        let most = model.peers.len() * (pauses as usize + 6);
        prop_assert!(model.requests <= most, "{} of {most}", model.requests);
        let malformed = |peer: &&Behaviour| matches!(peer, Behaviour::Malformed);
        prop_assert_eq!(model.penalties == 0, model.peers.iter().find(malformed).is_none());
    }
}

#[test]
fn two_peers_with_gaps_make_one_without() {
    let mut model = Model::new(900, vec![Behaviour::Gaps(2), Behaviour::Gaps(9)], 1);
    while !model.backfill.is_done() && model.now < 900 {
        model.tick(true);
    }
    // What neither has are the blocks of each eighteenth slot.
    let left = model.missing.len();
    assert!(!model.backfill.is_done(), "{left}");
    assert!(model.missing.keys().all(|slot| slot % 18 == 0));
    // One that has them comes.
    model.peers.push(Behaviour::Honest);
    model.backfill.on_peer(&name(2));
    for _ in 0..PAUSE {
        model.tick(true);
    }
    assert!(model.backfill.is_done() && model.missing.is_empty());
}

#[test]
fn requests_are_spread_over_the_peers_and_get_small_when_blocks_are_large() {
    let mut model = Model::new(2_000, vec![Behaviour::Honest; 5], 1);
    model.block_bytes = 300_000;
    let mut asked = BTreeMap::new();
    for _ in 0..60 {
        model.tick(true);
        for (number, request) in &model.asked {
            asked.insert(*number, (request.peer, request.roots.len()));
        }
    }
    let of = |peer: usize| asked.values().filter(|(other, _)| *other == peer).count();
    let counts: Vec<usize> = (0..5).map(of).collect();
    let [least, most] = [counts.iter().min(), counts.iter().max()].map(|count| *count.unwrap());
    assert!(least > 15 && most <= least + 1, "{counts:?}");
    let (_, roots) = asked.last_key_value().unwrap().1;
    assert_eq!(*roots, 3);
}

#[test]
fn backfill_requests_nothing_while_the_node_may_not_ask() {
    let mut model = Model::new(200, vec![Behaviour::Honest; 3], 1);
    for _ in 0..50 {
        model.tick(false);
    }
    assert_eq!(model.requests, 0);
    for _ in 0..50 {
        model.tick(true);
    }
    assert!(model.backfill.is_done());
}

#[test]
fn backfill_ends_when_retention_passes_what_no_peer_has() {
    let mut model = Model::new(600, vec![Behaviour::Pruned(300)], 1);
    for _ in 0..2 * PAUSE {
        model.tick(true);
    }
    assert!(!model.backfill.is_done());
    model.oldest = 300;
    for _ in 0..2 * PAUSE {
        model.tick(true);
    }
    assert!(model.backfill.is_done());
}

#[test]
fn it_waits_when_blocks_are_missing_and_no_peer_has_brought_any_for_a_while() {
    let mut model = Model::new(20, vec![Behaviour::Honest, Behaviour::Pruned(12)], 1);
    assert!(
        !model.backfill.is_waiting(),
        "nothing is known to be missing"
    );
    // The peer that has all is gone; the other one has the newest blocks.
    model.backfill.on_disconnected(&name(0));
    model.peers[0] = Behaviour::Silent;
    while model
        .missing
        .last_key_value()
        .is_some_and(|(slot, _)| *slot >= 12)
    {
        model.tick(true);
        assert!(!model.backfill.is_waiting(), "they have just come");
    }
    let moved = model.now;
    while !model.backfill.is_waiting() {
        model.tick(true);
        assert!(model.now <= moved + 3 * SHORT_PAUSE, "nobody is asked");
    }
    assert!(model.now > moved + SHORT_PAUSE, "not at once");
    model.backfill.on_peer(&name(0));
    model.peers[0] = Behaviour::Honest;
    model.tick(true);
    assert!(!model.backfill.is_waiting(), "a peer is asked");
    while !model.backfill.is_done() {
        model.tick(true);
    }
    for _ in 0..3 * SHORT_PAUSE {
        model.tick(true);
        assert!(!model.backfill.is_waiting(), "nothing is missing");
    }
    let others = [0, 1, (1 << 63) - 1];
    assert!(others.iter().all(|number| !Backfill::is_request(*number)));
}

#[test]
fn a_peer_is_asked_again_after_a_pause_for_what_it_did_not_have() {
    let mut model = Model::new(20, vec![Behaviour::Pruned(12)], 1);
    for _ in 0..SHORT_PAUSE {
        model.tick(true);
    }
    assert!(!model.backfill.is_done());
    model.peers[0] = Behaviour::Honest;
    for _ in 0..2 * PAUSE {
        model.tick(true);
    }
    assert!(model.backfill.is_done() && model.missing.is_empty());
}

#[test]
fn a_peer_that_leaves_blocks_out_is_asked_after_those_that_do_not() {
    let peers = vec![Behaviour::Gaps(3), Behaviour::Honest, Behaviour::Honest];
    let mut model = Model::new(2_000, peers, 1);
    let mut asked = BTreeMap::new();
    for _ in 0..40 {
        model.tick(true);
        asked.extend(
            model
                .asked
                .iter()
                .map(|(number, request)| (*number, request.peer)),
        );
    }
    let of = |peer: usize| asked.values().filter(|other| **other == peer).count();
    assert!(of(0) <= 2 && of(1) > 15 && of(2) > 15, "{asked:?}");
}

#[test]
fn no_more_than_four_requests_are_made_in_a_tick_however_soon_they_are_answered() {
    let mut model = Model::new(2_000, vec![Behaviour::Honest; 5], 1);
    model.block_bytes = 300_000;
    for _ in 0..20 {
        model.tick(true);
    }
    let before = model.requests;
    model.backfill.on_tick();
    for _ in 0..5 {
        let numbers: Vec<u64> = model.asked.keys().copied().collect();
        for number in numbers {
            model.answer(number);
        }
        model.poll(true);
    }
    assert_eq!(model.requests - before, 4);
}
