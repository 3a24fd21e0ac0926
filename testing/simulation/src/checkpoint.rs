//! Nodes that start from another's finalized state, and what they have of the past.

use std::sync::Arc;

use quartet_chain::{ChainReader, LeanChain, StoreError};
use quartet_storage::Database;
use quartet_types::{Root, Slot};

use crate::{SimulationError, World, disk::Disk};

impl World {
    /// Starts a node that does not run, with nothing but the finalized block and state of one that does. `backfills` says
    /// whether it then fetches what is older.
    ///
    /// # Errors
    /// When it cannot start, or the other node does not run.
    pub fn start_from_checkpoint(
        &mut self,
        node: usize,
        of: usize,
        backfills: bool,
    ) -> Result<(), SimulationError> {
        let reader = ChainReader::new(self.chain(of)?.clone(), self.database(of)?);
        let finalized = self.view(of)?.finalized;
        let block = reader.block(finalized.root)?;
        let parts = block.zip(reader.state(finalized.root)?);
        let missing = || SimulationError::Block("the finalized block is not there".to_owned());
        let (block, state) = parts.ok_or_else(missing)?;
        let disk = Disk::default();
        let chain = LeanChain::from_anchor((*block).clone(), (*state).clone());
        chain.write_anchor(&disk.open(&self.environment.genesis)?.0)?;
        let node_of = &mut self.nodes[node];
        (node_of.disk, node_of.finalized) = (disk, finalized);
        node_of.backfills = backfills;
        self.start(node)
    }

    /// A node's database, also while it does not run.
    fn database(&self, node: usize) -> Result<Arc<Database>, SimulationError> {
        let node = &self.nodes[node];
        match &node.running {
            Some(running) => Ok(running.store.clone()),
            None => Ok(node.disk.open(&self.environment.genesis)?.0),
        }
    }

    /// From which slot on a node has all blocks of the finalized chain.
    ///
    /// # Errors
    /// When its database fails or has not started.
    pub fn kept_from(&self, node: usize) -> Result<Slot, SimulationError> {
        let kept = self.database(node)?.kept_from();
        let missing = || SimulationError::Block("the database has not started".to_owned());
        kept.map_err(StoreError::from)?.ok_or_else(missing)
    }

    /// Whether two nodes have the same block with this root in their databases, with the same signatures.
    ///
    /// # Errors
    /// When a database fails.
    pub fn have_same_block(
        &self,
        one: usize,
        other: usize,
        root: Root,
    ) -> Result<bool, SimulationError> {
        let block = |node: usize| -> Result<_, SimulationError> {
            Ok(self.database(node)?.get(root).map_err(StoreError::from)?)
        };
        let (one, other) = (block(one)?, block(other)?);
        Ok(one.is_some() && one == other)
    }
}
