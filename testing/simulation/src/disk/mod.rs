//! The disk of a simulated node, in memory: what was not synced is lost when the power goes, a process that is killed writes
//! nothing more, and a disk may be full, fail, or lie.

mod examination;
mod platter;

use std::{
    io::{Error, ErrorKind},
    sync::Arc,
};

use parking_lot::Mutex;
use quartet_chain::StoreError;
use quartet_storage::{Database, StorageBackend};
use quartet_types::{Block, State};
use rand::rngs::StdRng;
use tree_hash::TreeHash as _;

use crate::SimulationError;
use platter::Platter;

/// The disk of a database. Clones are the same disk. It outlives the processes that write to it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk(Arc<Mutex<Device>>);

#[derive(Clone, Debug, Default)]
struct Device {
    platter: Platter,
    trouble: Option<Trouble>,
    /// Whether it says that it has synced without doing so.
    lies: bool,
}

/// What is wrong with a disk, once it has done this many more writes and syncs.
#[derive(Clone, Copy, Debug)]
struct Trouble {
    after: u32,
    error: DiskError,
}

/// How a disk fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskError {
    /// It takes no more writes.
    Full,
    /// It neither reads nor writes, and a sync that fails loses what it had to write.
    Broken,
}

impl Disk {
    /// Opens the database of the network of `genesis`, or makes it. One at a time writes to a disk: the one before has been
    /// closed, or cut off.
    pub(crate) fn open(
        &self,
        genesis: &State,
    ) -> Result<(Arc<Database>, DiskCable), SimulationError> {
        let network = Block::genesis(genesis).tree_hash_root();
        let cable = DiskCable::default();
        let end = End {
            disk: self.clone(),
            cable: cable.clone(),
        };
        let is_new = self.0.lock().platter.current.is_empty();
        match Database::with_backend("(simulated)", end, network) {
            Ok(database) => Ok((Arc::new(database), cable)),
            Err(error) => {
                if is_new {
                    // A file gets its name when it is a whole database.
                    self.0.lock().platter = Platter::default();
                }
                Err(StoreError::from(error).into())
            }
        }
    }

    /// Another disk with what can be read from this one, all of it settled.
    pub(crate) fn copy(&self) -> Self {
        Self::holding(self.0.lock().platter.current.clone())
    }

    /// Another disk with what must be on this one after a power loss, if every sync has done what it said.
    fn promised(&self) -> Self {
        Self::holding(self.0.lock().platter.promise())
    }

    fn holding(bytes: Vec<u8>) -> Self {
        let mut platter = Platter::default();
        platter.set_len(bytes.len());
        platter.write(0, &bytes);
        platter.sync();
        Self(Arc::new(Mutex::new(Device {
            platter,
            ..Device::default()
        })))
    }

    /// Takes the power away: which of the unsynced writes have arrived is random. No process writes to it now.
    pub(crate) fn lose_power(&self, luck: &mut StdRng) {
        self.0.lock().platter.lose_power(luck);
    }

    /// From now on, after this many more writes and syncs, it fails.
    pub(crate) fn fail_after(&self, operations: u32, error: DiskError) {
        self.0.lock().trouble = Some(Trouble {
            after: operations,
            error,
        });
    }

    /// It works again.
    pub(crate) fn mend(&self) {
        self.0.lock().trouble = None;
    }

    /// Whether it is full or broken, or will be.
    pub(crate) fn is_in_trouble(&self) -> bool {
        self.0.lock().trouble.is_some()
    }

    /// From now on it says that it has synced, and does not.
    pub(crate) fn lie(&self) {
        self.0.lock().lies = true;
    }
}

impl Device {
    /// Counts a write or a sync, and says how it fails.
    fn change(&mut self) -> Option<DiskError> {
        let trouble = self.trouble.as_mut()?;
        if trouble.after > 0 {
            trouble.after -= 1;
            return None;
        }
        Some(trouble.error)
    }

    fn is_broken(&self) -> bool {
        let trouble = self.trouble.as_ref();
        trouble.is_some_and(|trouble| trouble.after == 0 && trouble.error == DiskError::Broken)
    }
}

impl From<DiskError> for Error {
    fn from(error: DiskError) -> Self {
        match error {
            DiskError::Full => Self::new(
                ErrorKind::StorageFull,
                "no space left on the simulated disk",
            ),
            DiskError::Broken => Self::other("the simulated disk is broken"),
        }
    }
}

/// The connection of a process to its disk, which can be cut.
#[derive(Clone, Debug, Default)]
pub(crate) struct DiskCable(Arc<Mutex<DiskCableState>>);

#[derive(Debug, Default)]
struct DiskCableState {
    /// Writes and syncs that still go through; `None` for all.
    left: Option<u32>,
    has_failed: bool,
}

impl DiskCable {
    /// From now on nothing is written, not even when the database is closed in order.
    pub(crate) fn cut(&self) {
        self.cut_after(0);
    }

    /// The process ends after this many more writes and syncs, which may be in the middle of a transaction.
    pub(crate) fn cut_after(&self, operations: u32) {
        self.0.lock().left = Some(operations);
    }

    /// Whether the process has been told that something failed.
    pub(crate) fn has_failed(&self) -> bool {
        self.0.lock().has_failed
    }

    fn change(&self) -> Result<(), Error> {
        let mut state = self.0.lock();
        match &mut state.left {
            None => Ok(()),
            Some(0) => {
                state.has_failed = true;
                Err(Error::new(ErrorKind::BrokenPipe, "the process was killed"))
            }
            Some(left) => {
                *left -= 1;
                Ok(())
            }
        }
    }

    fn fail(&self, error: impl Into<Error>) -> Error {
        self.0.lock().has_failed = true;
        error.into()
    }
}

#[derive(Debug)]
struct End {
    disk: Disk,
    cable: DiskCable,
}

impl StorageBackend for End {
    fn len(&self) -> Result<u64, Error> {
        Ok(self.disk.0.lock().platter.current.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), Error> {
        let device = self.disk.0.lock();
        if device.is_broken() {
            return Err(self.cable.fail(DiskError::Broken));
        }
        let start = offset as usize;
        let bytes = device.platter.current.get(start..start + out.len());
        out.copy_from_slice(bytes.ok_or(ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, length: u64) -> Result<(), Error> {
        self.cable.change()?;
        let mut device = self.disk.0.lock();
        if let Some(error) = device.change() {
            return Err(self.cable.fail(error));
        }
        device.platter.set_len(length as usize);
        Ok(())
    }

    fn sync_data(&self) -> Result<(), Error> {
        self.cable.change()?;
        let mut device = self.disk.0.lock();
        match device.change() {
            // The write fitted on the disk.
            Some(DiskError::Full) | None if device.lies => device.platter.pretend_to_sync(),
            Some(DiskError::Full) | None => device.platter.sync(),
            Some(error) => {
                device.platter.fail_to_sync();
                return Err(self.cable.fail(error));
            }
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), Error> {
        self.cable.change()?;
        let mut device = self.disk.0.lock();
        if let Some(error) = device.change() {
            return Err(self.cable.fail(error));
        }
        if device.platter.write(offset as usize, data) {
            Ok(())
        } else {
            Err(ErrorKind::UnexpectedEof.into())
        }
    }
}
