//! Random operations, restarts and crashes, against a naive model in memory.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::ErrorKind,
};

use proptest::prelude::*;
use quartet_storage::{Database, DatabaseError};
use quartet_types::{Attestation, AttestationData, Checkpoint, Root, Slot};

use crate::{
    disk::Disk,
    support::{Made, START},
};

const ABANDONED_SLOTS: Slot = 1024;
const STATE_SLOTS: Slot = 256;

#[derive(Clone, Debug)]
enum Step {
    /// A block on one that is known, so many slots later, with so many votes.
    Put(prop::sample::Index, Slot, u64, bool),
    PutState(prop::sample::Index),
    Flush,
    /// Everything up to an ancestor of a known block becomes final, if it may.
    Finalize(prop::sample::Index),
    Prune,
    Restart,
    PowerLoss(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (any::<prop::sample::Index>(), 1..400_u64, 0..4_u64, any::<bool>())
            .prop_map(|(parent, gap, voters, state)| Step::Put(parent, gap, voters, state)),
        2 => any::<prop::sample::Index>().prop_map(Step::PutState),
        2 => Just(Step::Flush),
        4 => any::<prop::sample::Index>().prop_map(Step::Finalize),
        3 => Just(Step::Prune),
        1 => Just(Step::Restart),
        2 => any::<u64>().prop_map(Step::PowerLoss),
    ]
}

/// What the database should hold, as plain maps.
#[derive(Clone, Debug)]
struct Model {
    blocks: BTreeMap<(Slot, Root), Made>,
    states: BTreeSet<(Slot, Root)>,
    votes: BTreeMap<u64, AttestationData>,
    chain: Vec<Checkpoint>,
    finality: BTreeMap<Slot, Root>,
    anchor: Checkpoint,
}

impl Model {
    fn new() -> Self {
        let genesis = Made::genesis();
        Self {
            states: BTreeSet::from([genesis.key()]),
            votes: BTreeMap::new(),
            chain: vec![genesis.checkpoint()],
            finality: BTreeMap::new(),
            anchor: genesis.checkpoint(),
            blocks: BTreeMap::from([(genesis.key(), genesis)]),
        }
    }

    fn put(&mut self, made: &Made, with_state: bool) {
        self.blocks.insert(made.key(), made.clone());
        if with_state {
            self.states.insert(made.key());
        }
        for vote in made.block.attestations() {
            let counts = self.votes.get(&vote.validator_id);
            if counts.is_none_or(|counts| counts.slot < vote.data.slot) {
                self.votes.insert(vote.validator_id, vote.data);
            }
        }
    }

    fn is_final(&self, key: &(Slot, Root)) -> bool {
        self.chain
            .iter()
            .any(|block| (block.slot, block.root) == *key)
    }

    fn move_anchor(&mut self) {
        let stored = |block: &&Checkpoint| self.states.contains(&(block.slot, block.root));
        self.anchor = *self.chain.iter().rfind(stored).unwrap();
    }

    /// The blocks from the finalized one to `end`, or `None` when it does not build on it.
    fn way_to(&self, end: &Made) -> Option<Vec<Checkpoint>> {
        let last = *self.chain.last().unwrap();
        let (mut way, mut at) = (Vec::new(), end);
        while at.slot() > last.slot {
            way.insert(0, at.checkpoint());
            let parent = at.block.block().parent_root;
            at = self.blocks.values().find(|made| made.root == parent)?;
        }
        (at.checkpoint() == last && !way.is_empty()).then_some(way)
    }

    fn finalize(&mut self, way: &[Checkpoint]) {
        self.chain.extend(way);
        let last = way.last().unwrap();
        self.finality.insert(last.slot, last.root);
        self.move_anchor();
    }

    fn prune(&mut self) {
        let anchor = self.anchor.slot;
        let old = |key: &(Slot, Root)| key.0 + ABANDONED_SLOTS < anchor;
        let is_gone = |key: &&(Slot, Root)| old(key) && !self.is_final(key);
        let gone: Vec<_> = self.blocks.keys().filter(is_gone).copied().collect();
        for key in gone {
            self.blocks.remove(&key);
            self.states.remove(&key);
        }
        let mut kept = BTreeSet::new();
        for key in self.states.clone() {
            let is_kept =
                key.0 >= anchor || (self.is_final(&key) && kept.insert(key.0 / STATE_SLOTS));
            if !is_kept {
                self.states.remove(&key);
            }
        }
    }

    fn agrees(&self, database: &Database) -> Result<bool, DatabaseError> {
        let checkpoint = |&(slot, root): &(Slot, Root)| Checkpoint { root, slot };
        let entries: Vec<_> = self.blocks.values().map(Made::entry).collect();
        let states: Vec<_> = self.states.iter().map(checkpoint).collect();
        let votes = self.votes.iter();
        let votes: Vec<_> = votes
            .map(|(&validator_id, &data)| Attestation { validator_id, data })
            .collect();
        let finality = database.finality(0, 999)?;
        let moves = finality
            .iter()
            .map(|step| (step.checkpoint.slot, step.checkpoint.root));
        Ok(database.entries_after(START, 999)? == entries
            && database.states_after(START, 999)? == states
            && database.canonical(0, 999)? == self.chain
            && database.finalized()? == self.chain.last().copied()
            && database.anchor()? == Some(self.anchor)
            && database.votes()? == votes
            && moves.eq(self.finality.iter().map(|(slot, root)| (*slot, *root))))
    }

    /// Whether the blocks between this one and the finalized chain are there: of an abandoned branch, the older ones go
    /// first.
    fn has_a_past(&self, made: &Made) -> bool {
        let mut entry = made.entry();
        while !self.chain.contains(&entry.checkpoint()) {
            let mut blocks = self.blocks.values();
            match blocks.find(|block| block.root == entry.parent_root) {
                Some(parent) => entry = parent.entry(),
                None => return false,
            }
        }
        true
    }

    /// Every block and state is what was put.
    fn check_contents(&self, database: &Database) {
        for (key, made) in &self.blocks {
            let block = database.get(made.root).unwrap();
            assert_eq!(block.as_ref(), Some(&*made.block));
            let state = database.state(made.root, None).unwrap();
            let is_there = self.states.contains(key) && self.has_a_past(made);
            let expected = is_there.then_some(&*made.state);
            assert_eq!(state.as_ref(), expected);
        }
    }
}

/// The database, what it holds, and what of that is on the disk for sure.
struct Run {
    disk: Disk,
    database: Database,
    now: Model,
    durable: Model,
    /// Blocks that have been put since.
    waiting: BTreeMap<(Slot, Root), (Made, bool)>,
}

impl Run {
    fn new() -> Self {
        let disk = Disk::default();
        let database = disk.open().unwrap();
        database.start_from(&Made::genesis().stored(true)).unwrap();
        Self {
            disk,
            database,
            now: Model::new(),
            durable: Model::new(),
            waiting: BTreeMap::new(),
        }
    }

    /// Writes what waits into the model in the order in which it is written.
    fn settle(&mut self) {
        self.now = self.durable.clone();
        for (made, with_state) in self.waiting.values() {
            self.now.put(made, *with_state);
        }
    }

    fn known(&self, index: &prop::sample::Index) -> Made {
        let blocks: Vec<_> = self.now.blocks.values().collect();
        (*index.get(&blocks)).clone()
    }

    /// An operation that writes; with `fault`, the disk fails after so many operations and the power goes.
    fn durably(
        &mut self,
        fault: Option<(usize, u64)>,
        operation: impl Fn(&Database) -> Result<(), DatabaseError>,
        model: impl Fn(&mut Model),
    ) {
        self.settle();
        let mut after = self.now.clone();
        model(&mut after);
        if let Some((operations, _)) = fault {
            self.disk.fail_after(operations, ErrorKind::Other);
        }
        let outcome = operation(&self.database);
        let Some((_, luck)) = fault else {
            outcome.unwrap();
            self.wrote(after);
            return;
        };
        self.power_loss(luck);
        // All of it or nothing of it; a success is never taken back.
        if self.now_agrees(&after) {
            self.wrote(after);
        } else {
            assert!(outcome.is_err(), "what had succeeded was lost");
            let before = self.durable.clone();
            assert!(self.now_agrees(&before), "neither before nor after");
            self.waiting.clear();
            self.now = before;
        }
    }

    fn now_agrees(&self, model: &Model) -> bool {
        model.agrees(&self.database).unwrap()
    }

    fn wrote(&mut self, model: Model) {
        self.waiting.clear();
        self.durable = model.clone();
        self.now = model;
    }

    fn power_loss(&mut self, luck: u64) {
        self.disk = self.disk.after_power_loss(luck);
        self.database = self.disk.open().unwrap();
    }

    fn take(&mut self, step: &Step, fault: Option<(usize, u64)>) {
        match step {
            Step::Put(parent, gap, voters, with_state) => {
                let parent = self.known(parent);
                let made = parent.child(parent.slot() + gap, *voters);
                self.database.put(made.stored(*with_state)).unwrap();
                let stored = self.now.states.contains(&made.key());
                self.waiting
                    .insert(made.key(), (made, *with_state || stored));
                self.settle();
            }
            Step::PutState(index) => {
                let made = self.known(index);
                let put = |database: &Database| database.put_state(made.root, &made.state);
                self.durably(fault, put, |model| {
                    model.states.insert(made.key());
                    model.move_anchor();
                });
            }
            Step::Flush => self.durably(fault, Database::flush, |_| {}),
            Step::Finalize(index) => {
                let end = self.known(index);
                let Some(way) = self.now.way_to(&end) else {
                    return;
                };
                let finalize =
                    |database: &Database| database.finalize(end.checkpoint(), &way, 7).map(drop);
                self.durably(fault, finalize, |model| model.finalize(&way));
            }
            Step::Prune => {
                // What waits may or may not be written by it.
                self.durably(None, Database::flush, |_| {});
                let prune = |database: &Database| database.prune().map(drop);
                self.durably(fault, prune, Model::prune);
            }
            Step::Restart => {
                self.durably(None, Database::flush, |_| {});
                let other = Disk::default().open().unwrap();
                drop(std::mem::replace(&mut self.database, other));
                self.database = self.disk.open().unwrap();
            }
            Step::PowerLoss(luck) => {
                self.power_loss(*luck);
                self.waiting.clear();
                self.now = self.durable.clone();
            }
        }
        assert!(self.now_agrees(&self.now), "after {step:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..Default::default() })]

    #[test]
    fn a_database_behaves_like_maps_through_restarts_and_power_losses(
        steps in prop::collection::vec(step(), 1..60)
    ) {
        let mut run = Run::new();
        for step in &steps {
            run.take(step, None);
        }
        run.now.check_contents(&run.database);
    }

    #[test]
    fn a_power_loss_within_a_transaction_leaves_all_of_it_or_nothing(
        steps in prop::collection::vec((step(), 0..40_usize, any::<u64>()), 1..40)
    ) {
        let mut run = Run::new();
        for (step, operations, luck) in &steps {
            run.take(step, Some((*operations, *luck)));
        }
        run.now.check_contents(&run.database);
    }
}
