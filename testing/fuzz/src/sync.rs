//! SyncMachine as a value: any events, any view of a chain, in any order.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, OnceLock},
};

use quartet_sync::{
    Action, Backfill, BackfillAction, BatchOutcome, ChainView, Need, PeerName, RequestError,
    SyncMachine,
};
use quartet_types::{
    Checkpoint, MAX_REQUEST_BLOCKS, Root, SignedBlockWithAttestation, Slot, Status,
};
use tree_hash::TreeHash as _;

use crate::input::Input;

const PEERS: usize = 5;
const BLOCKS: usize = 96;
const MAX_STEPS: usize = 256;
/// Most requests to a peer at a time.
const MAX_REQUESTS: usize = 4;
/// A walk that nothing moves any more is given up long before.
const TICKS_TO_REST: usize = 400;

struct Tree {
    blocks: Vec<Arc<SignedBlockWithAttestation>>,
    roots: Vec<Root>,
    places: BTreeMap<Root, usize>,
}

/// A chain with branches: each block builds on the one before it, or on one some places back.
fn tree() -> &'static Tree {
    static TREE: OnceLock<Tree> = OnceLock::new();
    TREE.get_or_init(|| {
        let (mut blocks, mut roots): (Vec<Arc<SignedBlockWithAttestation>>, Vec<Root>) =
            Default::default();
        for number in 0..BLOCKS {
            let back = if number % 7 == 6 { 4 } else { 1 };
            let parent = number.saturating_sub(back);
            let mut block = SignedBlockWithAttestation::default();
            if number > 0 {
                block.message.block.slot = blocks[parent].block().slot + 1 + (number % 3) as u64;
                block.message.block.parent_root = roots[parent];
                block.message.block.proposer_index = number as u64;
            }
            roots.push(block.block().tree_hash_root());
            blocks.push(block.into());
        }
        let places = roots.iter().copied().zip(0..).collect();
        Tree {
            blocks,
            roots,
            places,
        }
    })
}

/// What sync sees: sets that the input changes as it likes, consistent or not.
#[derive(Default)]
struct Shown {
    chain: BTreeSet<Root>,
    pending: BTreeSet<Root>,
    finalized: usize,
    head: usize,
    current: Slot,
}

impl ChainView for Shown {
    fn in_chain(&self, root: &Root) -> bool {
        self.chain.contains(root)
    }

    fn pending(&self, root: &Root) -> bool {
        self.pending.contains(root)
    }

    fn missing_ancestor(&self, root: Root) -> Root {
        let mut at = root;
        while self.pending.contains(&at)
            && let Some(place) = tree().places.get(&at)
            && *place > 0
        {
            at = tree().blocks[*place].block().parent_root;
        }
        at
    }

    fn head_slot(&self) -> Slot {
        tree().blocks[self.head].block().slot
    }

    fn canonical_root(&self, slot: Slot) -> Option<Root> {
        let mut blocks = tree().blocks.iter().zip(&tree().roots);
        let at =
            blocks.find(|(block, root)| block.block().slot == slot && self.chain.contains(*root));
        at.map(|(_, root)| *root)
    }

    fn finalized(&self) -> Checkpoint {
        checkpoint(self.finalized)
    }

    fn current_slot(&self) -> Slot {
        self.current
    }
}

fn checkpoint(place: usize) -> Checkpoint {
    Checkpoint {
        root: tree().roots[place],
        slot: tree().blocks[place].block().slot,
    }
}

fn peer(input: &mut Input<'_>) -> PeerName {
    PeerName::new(format!("peer {}", input.below(PEERS)))
}

/// No panic, no number twice, no more than four requests to a peer, nothing asked of who has left, requests within the
/// protocol's limits, and rest when nobody is there any more.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    if input.flag() {
        backfill(&mut input)
    } else {
        machine(&mut input)
    }
}

#[derive(Default)]
struct Requests {
    open: BTreeMap<u64, PeerName>,
    last: u64,
    asked: BTreeMap<u64, Action>,
}

impl Requests {
    fn take(&mut self, actions: Vec<Action>, connected: &BTreeSet<PeerName>) {
        for action in actions {
            let (Action::RequestBlocks { request, peer, .. }
            | Action::RequestRange { request, peer, .. }) = &action
            else {
                continue;
            };
            let (request, peer) = (*request, peer.clone());
            match &action {
                Action::RequestBlocks { roots, .. } => {
                    assert!((1..=32).contains(&roots.len()), "{} roots", roots.len());
                }
                Action::RequestRange {
                    count, start_slot, ..
                } => {
                    assert!((1..=MAX_REQUEST_BLOCKS as u64).contains(count));
                    assert!(start_slot.checked_add(*count).is_some());
                }
                _ => {}
            }
            assert!(connected.contains(&peer), "{peer} has left and is asked");
            assert!(request > self.last, "numbers go up");
            self.last = request;
            self.open.insert(request, peer.clone());
            self.asked.insert(request, action);
            let load = self.open.values().filter(|other| **other == peer).count();
            assert!(load <= MAX_REQUESTS, "{load} requests to {peer}");
        }
    }
}

fn machine(input: &mut Input<'_>) {
    let mut sync = SyncMachine::default();
    let mut view = Shown::default();
    view.chain.insert(tree().roots[0]);
    let mut requests = Requests::default();
    let mut connected = BTreeSet::new();
    let mut batches = Vec::new();
    for _ in 0..MAX_STEPS {
        if input.is_empty() {
            break;
        }
        let place = input.below(BLOCKS);
        let root = match input.below(16) {
            0 => Root::repeat_byte(input.byte()),
            _ => tree().roots[place],
        };
        match input.below(18) {
            0 | 1 => {
                let peer = peer(input);
                let mut head = checkpoint(place);
                if input.below(8) == 0 {
                    head.slot = input.any_size();
                }
                let finalized = checkpoint(input.below(place + 1));
                let finalized = if input.flag() {
                    checkpoint(0)
                } else {
                    finalized
                };
                connected.insert(peer.clone());
                let actions = sync.on_status(peer.clone(), Status { finalized, head }, &view);
                let leaves = actions
                    .iter()
                    .any(|action| matches!(action, Action::Disconnect { .. }));
                if leaves {
                    connected.remove(&peer);
                    requests.open.retain(|_, asked| *asked != peer);
                }
                requests.take(actions, &connected);
            }
            2 => {
                let peer = peer(input);
                sync.on_disconnected(&peer);
                connected.remove(&peer);
                requests.open.retain(|_, asked| *asked != peer);
            }
            3..7 => answer(&mut sync, &mut requests, &view, input),
            7 => sync.on_tick(),
            8 => {
                let hint = input.flag().then(|| peer(input));
                let need = [None, Some(Need::Name), Some(Need::Ancestor)][input.below(3)];
                sync.want(root, input.any_size(), hint, need, &view);
            }
            9 => sync.on_authentic(&root),
            10 => sync.on_useless(&root),
            11 => sync.on_invalid(&root),
            12 => sync.on_bad_envelope(&root, peer(input)),
            13 => {
                if input.below(4) == 0 {
                    sync.on_unconnected_blocks(peer(input));
                }
                batches.extend(sync.next_batch());
            }
            14 => {
                if let Some(batch) = batches.pop() {
                    let batch: quartet_sync::Batch = batch;
                    let outcome = match input.below(7) {
                        0 => BatchOutcome::Unattached,
                        1 => BatchOutcome::Blocked { root },
                        2 => BatchOutcome::Adrift,
                        3 => BatchOutcome::Foreign,
                        4 => BatchOutcome::Invalid,
                        5 => BatchOutcome::Unfinished,
                        _ => {
                            view.chain.extend(
                                batch
                                    .blocks
                                    .iter()
                                    .map(|block| block.block().tree_hash_root()),
                            );
                            let end = batch.blocks[batch.blocks.len() - 1].block().slot;
                            let is_new = input.flag();
                            BatchOutcome::Imported { end, is_new }
                        }
                    };
                    sync.on_batch(batch.number, &batch.peer, outcome, &view);
                }
            }
            15 => {
                view.chain.insert(root);
                view.pending.remove(&root);
            }
            16 => {
                view.pending.insert(root);
            }
            _ => {
                view.head = place;
                view.finalized = input.below(place + 1);
                // The clock's: it counts intervals, of which a slot has four.
                view.current = input.any_size() / 4;
            }
        }
        requests.take(sync.poll(&view), &connected);
        let _ = (
            sync.target(view.head_slot()),
            sync.has_peer_status(),
            sync.need(&root),
        );
    }
    for peer in connected {
        sync.on_disconnected(&peer);
    }
    for batch in batches {
        sync.on_batch(batch.number, &batch.peer, BatchOutcome::Unattached, &view);
    }
    for _ in 0..TICKS_TO_REST {
        sync.on_tick();
        while let Some(batch) = sync.next_batch() {
            sync.on_batch(batch.number, &batch.peer, BatchOutcome::Unattached, &view);
        }
        let left = sync.poll(&view);
        assert!(
            left.iter().all(|action| action.request().is_none()),
            "nobody is there to be asked"
        );
    }
    assert!(!sync.has_gaps(), "a walk never ends");
}

fn answer(sync: &mut SyncMachine, requests: &mut Requests, view: &Shown, input: &mut Input<'_>) {
    let nth = input.below(requests.open.len().max(1));
    let Some(request) = requests.open.keys().nth(nth).copied() else {
        assert!(
            sync.on_response(input.any_size() | 1 << 62, &Ok(Vec::new()), view)
                .is_none()
        );
        return;
    };
    requests.open.remove(&request);
    let mut blocks = match &requests.asked[&request] {
        Action::RequestBlocks { roots, .. } => {
            let places = roots.iter().filter_map(|root| tree().places.get(root));
            places
                .map(|place| tree().blocks[*place].clone())
                .collect::<Vec<_>>()
        }
        Action::RequestRange {
            start_slot, count, ..
        } => {
            let slots = *start_slot..start_slot + count;
            let mut last = None;
            let mut found = Vec::new();
            for block in &tree().blocks {
                let slot = block.block().slot;
                if slots.contains(&slot) && last < Some(slot) && input.below(8) != 0 {
                    last = Some(slot);
                    found.push(block.clone());
                }
            }
            found
        }
        _ => Vec::new(),
    };
    let result = match input.below(8) {
        0 => Err(RequestError::NotSent),
        1 => Err(RequestError::NoAnswer),
        2 => Err(RequestError::Unsupported),
        3 => Err(RequestError::Malformed),
        4 => {
            blocks.truncate(input.below(4));
            Ok(blocks)
        }
        _ => Ok(blocks),
    };
    sync.on_response(request, &result, view)
        .expect("it was asked for");
}

fn backfill(input: &mut Input<'_>) {
    let mut backfill = Backfill::default();
    let mut open: BTreeMap<u64, Vec<Root>> = BTreeMap::new();
    let mut looking = false;
    for _ in 0..MAX_STEPS {
        if input.is_empty() {
            return;
        }
        match input.below(9) {
            0 => backfill.on_peer(&peer(input)),
            1 => {
                let peer = peer(input);
                backfill.on_disconnected(&peer);
            }
            2 => backfill.on_tick(),
            3 | 4 => {
                if looking {
                    looking = false;
                    let end = input.below(BLOCKS);
                    let count = input.below(20).min(end);
                    let missing: Vec<_> = (end - count..end).rev().map(checkpoint).collect();
                    let next = input.flag().then(|| input.any_size());
                    backfill.on_missing_found(&missing, next);
                }
            }
            5 | 6 => {
                let nth = input.below(open.len().max(1));
                let Some(request) = open.keys().nth(nth).copied() else {
                    continue;
                };
                let roots = open.remove(&request).unwrap();
                if backfill.on_answer(request).is_some() {
                    let kept = roots.into_iter().filter(|_| input.below(4) != 0).collect();
                    backfill.on_stored(request, &kept, input.any_size() as usize);
                }
            }
            7 => {
                let nth = input.below(open.len().max(1));
                let Some(request) = open.keys().nth(nth).copied() else {
                    continue;
                };
                open.remove(&request);
                let error = [
                    RequestError::NotSent,
                    RequestError::NoAnswer,
                    RequestError::Unsupported,
                    RequestError::Malformed,
                ];
                let _ = backfill.on_failed(request, &error[input.below(4)]);
            }
            _ => {
                let _ = backfill.on_failed(input.any_size(), &RequestError::NoAnswer);
            }
        }
        for action in backfill.poll(input.below(4) != 0) {
            match action {
                BackfillAction::FindMissing { limit, .. } => {
                    assert!(limit > 0 && !looking);
                    looking = true;
                }
                BackfillAction::Peer(Action::RequestBlocks { request, roots, .. }) => {
                    assert!(Backfill::is_request(request));
                    assert!((1..=32).contains(&roots.len()));
                    assert!(open.insert(request, roots).is_none());
                }
                BackfillAction::Peer(_) => {}
            }
        }
        let _ = (backfill.is_done(), backfill.is_waiting());
    }
}
