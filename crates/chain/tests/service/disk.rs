//! A disk that loses what was not synced, and fails.

use std::{
    io::{Error, ErrorKind},
    sync::{Arc, Mutex, MutexGuard},
};

use quartet_storage::{Database, StorageBackend};
use quartet_world::World;

#[derive(Debug, Default)]
struct Image {
    /// What is on the disk for sure.
    synced: Vec<u8>,
    /// What a reader sees.
    current: Vec<u8>,
    fails: bool,
}

/// Clones are the same disk.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk(Arc<Mutex<Image>>);

impl Disk {
    /// The database on it.
    pub(crate) fn database(&self, world: &World) -> Arc<Database> {
        let database = Database::with_backend("(disk)", self.clone(), world.genesis().root);
        Arc::new(database.unwrap())
    }

    /// From now on nothing is written.
    pub(crate) fn fail(&self) {
        self.image().fails = true;
    }

    /// The disk after the power went.
    pub(crate) fn after_power_loss(&self) -> Self {
        let synced = self.image().synced.clone();
        let image = Image {
            current: synced.clone(),
            synced,
            fails: false,
        };
        Self(Arc::new(Mutex::new(image)))
    }

    fn image(&self) -> MutexGuard<'_, Image> {
        self.0.lock().unwrap()
    }

    fn change(&self) -> Result<MutexGuard<'_, Image>, Error> {
        let image = self.image();
        if image.fails {
            return Err(ErrorKind::Other.into());
        }
        Ok(image)
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> Result<u64, Error> {
        Ok(self.image().current.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), Error> {
        let (image, start) = (self.image(), offset as usize);
        let bytes = image.current.get(start..start + out.len());
        out.copy_from_slice(bytes.ok_or(Error::from(ErrorKind::UnexpectedEof))?);
        Ok(())
    }

    fn set_len(&self, length: u64) -> Result<(), Error> {
        self.change()?.current.resize(length as usize, 0);
        Ok(())
    }

    fn sync_data(&self) -> Result<(), Error> {
        let mut image = self.change()?;
        image.synced = image.current.clone();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), Error> {
        let start = offset as usize;
        self.change()?.current[start..start + data.len()].copy_from_slice(data);
        Ok(())
    }
}
