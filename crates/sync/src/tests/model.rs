//! A model of everything around sync: a tree of blocks, peers that serve it badly, and a chain that
//! imports what arrives.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use quartet_types::{Checkpoint, Root, SignedBlockWithAttestation, Slot, Status};

use super::{
    room::Room,
    tree::{Tree, peer, root},
};
use crate::{
    Action, Batch, BatchOutcome, ChainView, Need, PeerName, RequestError, ResponseOutcome,
    SyncMachine,
    machine::{MAX_REQUESTS_PER_PEER, MAX_WALKS},
    walk::BATCH,
};

/// How a peer answers requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Behaviour {
    /// Serves every block of the tree.
    Honest,
    /// Serves at most so many blocks of each request.
    Sparing(usize),
    /// Has lost each n-th block.
    Forgetful(usize),
    Silent,
    Unsupported,
    Malformed,
    Empty,
}

/// What a peer is asked for.
#[derive(Clone, Debug)]
enum Asked {
    Roots(Vec<Root>),
    Range(std::ops::Range<Slot>),
}

pub(super) struct Model {
    pub(super) sync: SyncMachine,
    pub(super) current_slot: Slot,
    pub(super) finalized_slot: Slot,
    /// Peers that sync wanted to be rid of.
    pub(super) dismissed: Vec<PeerName>,
    pub(super) penalized: Vec<PeerName>,
    pub(super) most_walks: usize,
    /// Whether sync ever wanted duties to wait.
    pub(super) ever_targeted: bool,
    tree: BTreeMap<Root, (usize, Arc<SignedBlockWithAttestation>)>,
    chain: BTreeMap<Root, Slot>,
    room: Room,
    peers: BTreeMap<PeerName, Behaviour>,
    open: Vec<(u64, PeerName, Asked)>,
    claims: BTreeMap<PeerName, Root>,
    /// Whether proposers have signed the blocks, once that has been looked at.
    pub(super) is_authentic: Option<bool>,
    /// Whether peers serve no ranges.
    pub(super) by_root_only: bool,
    /// Peers that serve ranges of blocks on a chain of their own, whose signatures are bad.
    pub(super) forgers: BTreeSet<PeerName>,
    /// Peers whose ranges come to nothing, and how.
    pub(super) useless: BTreeMap<PeerName, BatchOutcome>,
    pub(super) ranges: usize,
    /// Blocks that the service leaves alone when they come.
    pub(super) ignored: BTreeSet<Root>,
    /// Blocks that need something else first, and for how many ticks more.
    pub(super) held: BTreeMap<Root, u32>,
    /// The numbers of all batches.
    pub(super) handed_on: Vec<u64>,
    requests: usize,
    random: u64,
}

struct ModelView<'a> {
    chain: &'a BTreeMap<Root, Slot>,
    room: &'a Room,
    finalized_slot: Slot,
    current_slot: Slot,
}

impl ChainView for ModelView<'_> {
    fn in_chain(&self, root: &Root) -> bool {
        self.chain.contains_key(root)
    }

    fn pending(&self, root: &Root) -> bool {
        self.room.contains(root)
    }

    fn missing_ancestor(&self, root: Root) -> Root {
        self.room.missing_ancestor(root)
    }

    fn head_slot(&self) -> Slot {
        self.chain.values().max().copied().unwrap_or(0)
    }

    fn canonical_root(&self, slot: Slot) -> Option<Root> {
        let at_slot = self.chain.iter().find(|(_, other)| **other == slot);
        at_slot.map(|(root, _)| *root)
    }

    fn finalized(&self) -> Checkpoint {
        Checkpoint {
            root: Root::ZERO,
            slot: self.finalized_slot,
        }
    }

    fn current_slot(&self) -> Slot {
        self.current_slot
    }
}

impl Model {
    /// A node that has the first `known` blocks of the tree, and the genesis block.
    pub(super) fn new(tree: &Tree, known: usize, seed: u64) -> Self {
        let blocks = tree.0.iter().enumerate();
        let chain = tree.0.iter().take(known.max(1));
        Self {
            sync: SyncMachine::default(),
            current_slot: tree.0.iter().map(|b| b.block().slot).max().unwrap_or(0),
            finalized_slot: 0,
            dismissed: Vec::new(),
            penalized: Vec::new(),
            most_walks: 0,
            ever_targeted: false,
            tree: blocks
                .map(|(number, block)| (root(block), (number, block.clone())))
                .collect(),
            chain: chain
                .map(|block| (root(block), block.block().slot))
                .collect(),
            room: Room::default(),
            peers: BTreeMap::new(),
            open: Vec::new(),
            claims: BTreeMap::new(),
            is_authentic: Some(true),
            by_root_only: false,
            forgers: BTreeSet::new(),
            useless: BTreeMap::new(),
            ranges: 0,
            handed_on: Vec::new(),
            ignored: BTreeSet::new(),
            held: BTreeMap::new(),
            requests: 0,
            random: seed,
        }
    }

    pub(super) fn in_chain(&self, root: &Root) -> bool {
        self.chain.contains_key(root)
    }

    pub(super) fn requests(&self) -> usize {
        self.requests
    }

    /// Whether sync has nothing left to do.
    pub(super) fn is_quiet(&self) -> bool {
        self.open.is_empty() && !self.sync.has_gaps()
    }

    pub(super) fn connect(&mut self, number: usize, behaviour: Behaviour) {
        self.peers.insert(peer(number), behaviour);
        self.status(number, Checkpoint::default());
    }

    pub(super) fn disconnect(&mut self, number: usize) {
        let peer = peer(number);
        self.peers.remove(&peer);
        self.open.retain(|(_, other, _)| *other != peer);
        self.sync.on_disconnected(&peer);
        self.poll();
    }

    pub(super) fn status(&mut self, number: usize, head: Checkpoint) {
        self.status_with(number, Checkpoint::default(), head);
    }

    pub(super) fn status_with(&mut self, number: usize, finalized: Checkpoint, head: Checkpoint) {
        let status = Status { finalized, head };
        self.claims.insert(peer(number), head.root);
        let actions =
            self.with_view(|sync, view| sync.on_status(super::model::peer(number), status, view));
        self.act(actions);
    }

    /// One answer, or a tick when none is due.
    pub(super) fn step(&mut self) {
        if self.open.is_empty() {
            return self.tick();
        }
        let index = self.below(self.open.len());
        let (request, peer, asked) = self.open.swap_remove(index);
        let result = self.answer(&peer, &asked);
        let noted = self.with_view(|sync, view| sync.on_response(request, &result, view));
        let Some(ResponseOutcome {
            actions, is_range, ..
        }) = noted
        else {
            return;
        };
        self.act(actions);
        if is_range {
            self.take_batches()
        } else {
            for block in result.unwrap_or_default() {
                self.dispatch(block, &peer);
            }
        }
        self.poll();
    }

    /// A tick has passed.
    pub(super) fn tick(&mut self) {
        let held = std::mem::take(&mut self.held);
        for (root, ticks) in held {
            if ticks > 1 {
                self.held.insert(root, ticks - 1);
            } else if let Some(block) = self.room.take(&root) {
                self.dispatch(block, &peer(0));
            }
        }
        self.sync.on_tick();
        self.poll();
    }

    /// What the chain service does with batches.
    fn take_batches(&mut self) {
        while let Some(Batch {
            number,
            peer,
            blocks,
        }) = self.sync.next_batch()
        {
            self.handed_on.push(number);
            let outcome = match (self.useless.get(&peer), self.forgers.contains(&peer)) {
                (Some(outcome), _) => *outcome,
                (None, true) => BatchOutcome::Invalid,
                (None, false) => self.import(blocks, &peer),
            };
            if outcome == BatchOutcome::Adrift {
                self.sync.on_unconnected_blocks(peer.clone());
            }
            self.with_view(|sync, view| sync.on_batch(number, &peer, outcome, view));
        }
    }

    fn import(
        &mut self,
        blocks: Vec<Arc<SignedBlockWithAttestation>>,
        from: &PeerName,
    ) -> BatchOutcome {
        let end = blocks.last().map_or(0, |block| block.block().slot);
        let known = self.chain.len();
        let mut blocks = blocks.into_iter();
        while let Some(block) = blocks.next() {
            let held = root(&block);
            if self.held.contains_key(&held) {
                for block in std::iter::once(block).chain(blocks) {
                    self.dispatch(block, from);
                }
                return BatchOutcome::Blocked { root: held };
            }
            let is_known = self.chain.contains_key(&root(&block));
            if !is_known && !self.chain.contains_key(&block.block().parent_root) {
                return BatchOutcome::Unattached;
            }
            self.dispatch(block, from);
        }
        BatchOutcome::Imported {
            end,
            is_new: self.chain.len() > known,
        }
    }

    /// Something needs a block.
    pub(super) fn want(&mut self, root: Root, need: Option<Need>) {
        let slot = self.current_slot;
        self.with_view(|sync, view| sync.want(root, slot, None, need, view));
    }

    /// Steps until sync is quiet, at most `patience` times.
    pub(super) fn run(&mut self, patience: usize) {
        for _ in 0..patience {
            if self.is_quiet() {
                return;
            }
            self.step();
        }
    }

    /// Lets the peers serve another tree as well.
    pub(super) fn add(&mut self, tree: &Tree) {
        let blocks = tree.0.iter().enumerate();
        let blocks = blocks.map(|(number, block)| (root(block), (number, block.clone())));
        self.tree.extend(blocks);
    }

    fn answer(
        &self,
        peer: &PeerName,
        asked: &Asked,
    ) -> Result<Vec<Arc<SignedBlockWithAttestation>>, RequestError> {
        let roots = match asked {
            Asked::Roots(roots) => roots.clone(),
            Asked::Range(_) if self.by_root_only => return Err(RequestError::Unsupported),
            Asked::Range(slots) => self.claimed(peer, slots),
        };
        let held = |keep: &dyn Fn(usize) -> bool| {
            let blocks = roots.iter().filter_map(|root| self.tree.get(root));
            let kept = blocks.filter(|(number, _)| keep(*number));
            kept.map(|(_, block)| block.clone()).collect::<Vec<_>>()
        };
        match self.peers.get(peer).copied() {
            Some(Behaviour::Honest) => Ok(held(&|_| true)),
            Some(Behaviour::Sparing(most)) => {
                let mut blocks = held(&|_| true);
                blocks.truncate(most);
                Ok(blocks)
            }
            Some(Behaviour::Forgetful(each)) => Ok(held(&|number| number % each != 0)),
            Some(Behaviour::Empty) => Ok(Vec::new()),
            Some(Behaviour::Malformed) => Err(RequestError::Malformed),
            Some(Behaviour::Unsupported) => Err(RequestError::Unsupported),
            Some(Behaviour::Silent) | None => Err(RequestError::NoAnswer),
        }
    }

    /// Roots of the blocks in these slots, on the chain whose head a peer claims.
    fn claimed(&self, peer: &PeerName, slots: &std::ops::Range<Slot>) -> Vec<Root> {
        let block = |root: &Root| self.tree.get(root).map(|(_, block)| block.block());
        let head = self.claims.get(peer).copied();
        let chain = std::iter::successors(head, |root| Some(block(root)?.parent_root));
        let chain = chain.map_while(|root| Some((root, block(&root)?.slot)));
        let within = chain.filter(|(_, slot)| slots.contains(slot));
        let mut roots: Vec<Root> = within.map(|(root, _)| root).collect();
        roots.reverse();
        roots
    }

    /// What the chain service does with a block.
    fn dispatch(&mut self, block: Arc<SignedBlockWithAttestation>, from: &PeerName) {
        let (root, slot) = (root(&block), block.block().slot);
        let parent_root = block.block().parent_root;
        if self.chain.contains_key(&root)
            || self.ignored.contains(&root)
            || slot <= self.finalized_slot
            || slot > self.current_slot + 1
        {
            return;
        }
        if !self.chain.contains_key(&parent_root) || self.held.contains_key(&root) {
            match self.is_authentic {
                Some(true) => self.sync.on_authentic(&root),
                Some(false) => return self.sync.on_bad_envelope(&root, from.clone()),
                None => {}
            }
            return self.room.park(root, block);
        }
        self.chain.insert(root, slot);
        for child in self.room.release(&root) {
            self.dispatch(child, from);
        }
    }

    fn poll(&mut self) {
        let actions = self.with_view(|sync, view| sync.poll(view));
        self.act(actions);
    }

    fn act(&mut self, actions: Vec<Action>) {
        for action in actions {
            let number = action.request();
            match action {
                Action::RequestBlocks {
                    request,
                    peer,
                    roots,
                } => {
                    assert!(!roots.is_empty() && roots.len() <= BATCH);
                    assert_eq!(number, Some(request));
                    self.requests += 1;
                    self.open.push((request, peer, Asked::Roots(roots)));
                }
                Action::RequestRange {
                    request,
                    peer,
                    start_slot,
                    count,
                } => {
                    assert!(count > 0);
                    assert_eq!(number, Some(request));
                    self.requests += 1;
                    self.ranges += 1;
                    let asked = Asked::Range(start_slot..start_slot + count);
                    self.open.push((request, peer, asked));
                }
                Action::Disconnect { peer, .. } => self.dismissed.push(peer),
                Action::Penalize { peer, .. } => self.penalized.push(peer),
            }
        }
        let mut load: HashMap<&PeerName, usize> = HashMap::new();
        for (_, peer, _) in &self.open {
            *load.entry(peer).or_default() += 1;
        }
        assert!(load.values().all(|load| *load <= MAX_REQUESTS_PER_PEER));
        self.most_walks = self.most_walks.max(self.sync.walks.len());
        assert!(self.sync.walks.len() <= MAX_WALKS + self.peers.len());
        self.ever_targeted |= self.sync.target(0).is_some();
    }

    fn with_view<T>(&mut self, run: impl FnOnce(&mut SyncMachine, &ModelView<'_>) -> T) -> T {
        let view = ModelView {
            chain: &self.chain,
            room: &self.room,
            finalized_slot: self.finalized_slot,
            current_slot: self.current_slot,
        };
        run(&mut self.sync, &view)
    }

    /// A number below `limit`, from a linear congruential generator: the order of answers.
    fn below(&mut self, limit: usize) -> usize {
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) as usize % limit
    }
}
