//! The disk of a simulated node: a database that has not written something loses it when its process is killed.

use std::{
    io::{Error, ErrorKind},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use parking_lot::RwLock;
use quartet_chain::StoreError;
use quartet_storage::{Database, StorageBackend};
use quartet_types::{Block, State};
use tree_hash::TreeHash as _;

use crate::SimulationError;

/// What a database is on, in memory. Clones are the same disk. It outlives whoever writes to it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk(Arc<RwLock<Vec<u8>>>);

impl Disk {
    /// Opens the database of the network of `genesis`, or makes it. One at a time writes to a disk: the one before has been
    /// closed, or cut off.
    pub(crate) fn open(&self, genesis: &State) -> Result<(Arc<Database>, Cable), SimulationError> {
        let network = Block::genesis(genesis).tree_hash_root();
        let cable = Cable::default();
        let end = End {
            disk: self.clone(),
            cable: cable.clone(),
        };
        let database = Database::with_backend("(simulated)", end, network);
        Ok((Arc::new(database.map_err(StoreError::from)?), cable))
    }

    /// Another disk with what is on this one.
    pub(crate) fn copy(&self) -> Self {
        Self(Arc::new(RwLock::new(self.0.read().clone())))
    }
}

/// What a process writes through.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cable(Arc<AtomicBool>);

impl Cable {
    /// From now on nothing is written: whoever closes the database in order closes nothing.
    pub(crate) fn cut(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn check(&self) -> Result<(), Error> {
        match self.0.load(Ordering::Relaxed) {
            true => Err(Error::new(ErrorKind::BrokenPipe, "the process was killed")),
            false => Ok(()),
        }
    }
}

#[derive(Debug)]
struct End {
    disk: Disk,
    cable: Cable,
}

fn range(offset: u64, length: usize) -> std::ops::Range<usize> {
    let start = offset as usize;
    start..start + length
}

impl StorageBackend for End {
    fn len(&self) -> Result<u64, Error> {
        Ok(self.disk.0.read().len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), Error> {
        let disk = self.disk.0.read();
        let bytes = disk.get(range(offset, out.len()));
        out.copy_from_slice(bytes.ok_or(ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, length: u64) -> Result<(), Error> {
        self.cable.check()?;
        self.disk.0.write().resize(length as usize, 0);
        Ok(())
    }

    fn sync_data(&self) -> Result<(), Error> {
        self.cable.check()
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), Error> {
        self.cable.check()?;
        let mut disk = self.disk.0.write();
        let bytes = disk.get_mut(range(offset, data.len()));
        bytes.ok_or(ErrorKind::UnexpectedEof)?.copy_from_slice(data);
        Ok(())
    }
}
