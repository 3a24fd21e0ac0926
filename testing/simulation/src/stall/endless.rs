//! A node that works at full speed until its process is killed: with forks, with and without finality, while another thread
//! prunes and takes snapshots.

use std::{convert::Infallible, path::PathBuf, sync::Arc, thread};

use quartet_chain::StoreError;
use quartet_storage::{
    Database, DatabaseError, Retention,
    snapshot::{self, SnapshotError},
};
use quartet_types::{Checkpoint, Root, Slot, State, ValidatorIndex};

use super::{
    network::Network,
    node::{StalledNode, open},
    scheme,
};
use crate::{SimulationError, validators::GENESIS_TIME};

/// Half of the validators are silent in the second part of this many slots.
const SEASON: Slot = 96;
const SILENCE: Slot = 40;
/// The deepest fork.
const MAX_LATENESS: Slot = 7;
/// Snapshots that are kept.
const SNAPSHOTS: usize = 2;

/// The network, and where the node works.
#[derive(Clone, Debug)]
pub struct Endless {
    /// Has the database in `blocks`, and snapshots.
    pub directory: PathBuf,
    /// How many validators the network has.
    pub validators: u64,
    /// How much of its past the node keeps.
    pub retention: Retention,
}

/// How far a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Its head.
    pub head: Checkpoint,
    /// What it has finalized; of a node that runs, what it has on the disk as final.
    pub finalized: Checkpoint,
}

impl Endless {
    /// The directory of the database.
    #[must_use]
    pub fn blocks(&self) -> PathBuf {
        self.directory.join("blocks")
    }

    /// Starts a node on the chain so far and goes on from there, for ever. `tell` is called at its start and for every slot.
    ///
    /// # Errors
    /// When the node cannot be started, does not take an honest block, or its database fails.
    pub fn play(&self, tell: impl FnMut(Progress)) -> Result<Infallible, SimulationError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()?;
        runtime.block_on(self.run(tell))
    }

    /// Starts a node on what there is, and returns where it would go on.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn look(&self) -> Result<Progress, SimulationError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()?;
        runtime.block_on(async {
            let (node, _) = self.start()?;
            let finalized = node.finalized();
            let head = node.reader.chain().read().head();
            node.stop().await?;
            Ok(Progress { head, finalized })
        })
    }

    fn genesis(&self) -> Result<State, SimulationError> {
        let validators = 0..self.validators as ValidatorIndex;
        let keys: Vec<_> = validators.map(scheme::public_key).collect();
        Ok(State::genesis(GENESIS_TIME, &keys)?)
    }

    /// Starts a node, after all that it has stored, and returns its first slot.
    fn start(&self) -> Result<(StalledNode, Slot), SimulationError> {
        let genesis = self.genesis()?;
        let store = open(&self.blocks(), &genesis)?.with_retention(self.retention);
        let slot = newest(&store).map_err(StoreError::from)? + 1;
        Ok((StalledNode::start(store, &genesis, slot)?, slot))
    }

    async fn run(&self, mut tell: impl FnMut(Progress)) -> Result<Infallible, SimulationError> {
        let (node, first) = self.start()?;
        let keys = 0..self.validators as ValidatorIndex;
        let mut network = Network {
            keys: keys.map(scheme::public_key).collect(),
            reader: node.reader.clone(),
            chain: node.chain.clone(),
            half_is_silent: false,
            lateness: 0,
            blocks: 0,
        };
        let store = node.reader.store().clone();
        let tidier = {
            let (store, directory) = (store.clone(), self.directory.clone());
            thread::spawn(move || tidy(&store, &directory))
        };
        let mut slot = first;
        node.sleep_until_slot(slot).await;
        loop {
            tell(Progress {
                head: node.reader.chain().read().head(),
                finalized: store
                    .finalized()
                    .map_err(StoreError::from)?
                    .unwrap_or_default(),
            });
            if tidier.is_finished() {
                let ended = tidier.join();
                let what = format!("the tidier has ended: {ended:?}");
                return Err(SimulationError::Block(what));
            }
            network.half_is_silent = slot % SEASON >= SEASON - SILENCE;
            network.lateness = (slot % MAX_LATENESS) as usize;
            network.slot(slot).await?;
            slot += 1;
        }
    }
}

/// The slot of the newest stored block; 0 in a new database.
fn newest(store: &Database) -> Result<Slot, DatabaseError> {
    const PAGE: usize = 1024;
    let mut last = (store.finalized()?.unwrap_or_default().slot, Root::ZERO);
    loop {
        let page = store.entries_after(last, PAGE)?;
        match page.last() {
            Some(entry) => last = (entry.slot, entry.root),
            None => return Ok(last.0),
        }
    }
}

/// What the node does now and then, all the time.
fn tidy(store: &Arc<Database>, directory: &std::path::Path) -> Result<Infallible, SnapshotError> {
    loop {
        store.prune()?;
        let anchor = store.anchor()?.unwrap_or_default();
        let path = directory.join(snapshot::file_name(anchor));
        if path.exists() {
            thread::yield_now();
            continue;
        }
        snapshot::write(store, &path)?;
        snapshot::keep_newest(directory, SNAPSHOTS).map_err(|source| SnapshotError::Io {
            path: directory.to_owned(),
            source,
        })?;
    }
}
