//! A disk that loses what was not synced, fills up, and fails.

use std::{
    io::{Error, ErrorKind},
    sync::{Arc, Mutex, MutexGuard},
};

use quartet_storage::{Database, DatabaseError, StorageBackend};

use crate::support::network;

/// What a machine would lose at once: a disk survives that.
const SECTOR: usize = 512;

#[derive(Clone, Debug)]
enum Change {
    Write(usize, Vec<u8>),
    Length(usize),
}

#[derive(Clone, Debug, Default)]
struct Image {
    /// What is on the disk for sure.
    synced: Vec<u8>,
    /// What a reader sees.
    current: Vec<u8>,
    /// What happened since the last sync.
    changes: Vec<Change>,
    /// Operations that still succeed, and how the others fail.
    failure: Option<(usize, ErrorKind)>,
}

/// Clones are the same disk.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk(Arc<Mutex<Image>>);

impl Disk {
    pub(crate) fn holding(bytes: Vec<u8>) -> Self {
        let disk = Self::default();
        disk.image().synced.clone_from(&bytes);
        disk.image().current = bytes;
        disk
    }

    pub(crate) fn open(&self) -> Result<Database, DatabaseError> {
        Database::with_backend("(disk)", self.clone(), network())
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.image().current.clone()
    }

    /// From now on so many operations that change the disk succeed.
    pub(crate) fn fail_after(&self, operations: usize, kind: ErrorKind) {
        self.image().failure = Some((operations, kind));
    }

    pub(crate) fn mend(&self) {
        self.image().failure = None;
    }

    /// The disk after the power went: of what was not synced, only some has arrived, and one write in part. `luck`
    /// decides which.
    pub(crate) fn after_power_loss(&self, mut luck: u64) -> Self {
        let image = self.image();
        let mut bytes = image.synced.clone();
        let mut next = || {
            luck = luck.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (luck >> 33) as usize
        };
        let torn = next() % image.changes.len().max(1);
        for (index, change) in image.changes.iter().enumerate() {
            match change {
                Change::Length(length) => bytes.resize(*length, 0),
                Change::Write(..) if next() % 2 == 0 => {}
                Change::Write(offset, data) => {
                    let length = if index == torn {
                        next() % (data.len() / SECTOR + 1) * SECTOR
                    } else {
                        data.len()
                    };
                    let end = offset + length;
                    bytes.resize(bytes.len().max(end), 0);
                    bytes[*offset..end].copy_from_slice(&data[..length]);
                }
            }
        }
        Self::holding(bytes)
    }

    fn image(&self) -> MutexGuard<'_, Image> {
        self.0.lock().unwrap()
    }

    fn change(&self) -> Result<MutexGuard<'_, Image>, Error> {
        let mut image = self.image();
        match &mut image.failure {
            Some((0, kind)) => return Err((*kind).into()),
            Some((left, _)) => *left -= 1,
            None => {}
        }
        Ok(image)
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> Result<u64, Error> {
        Ok(self.image().current.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), Error> {
        let image = self.image();
        let start = offset as usize;
        let bytes = image.current.get(start..start.saturating_add(out.len()));
        out.copy_from_slice(bytes.ok_or(Error::from(ErrorKind::UnexpectedEof))?);
        Ok(())
    }

    fn set_len(&self, length: u64) -> Result<(), Error> {
        let mut image = self.change()?;
        image.current.resize(length as usize, 0);
        image.changes.push(Change::Length(length as usize));
        Ok(())
    }

    fn sync_data(&self) -> Result<(), Error> {
        let mut image = self.change()?;
        image.synced = image.current.clone();
        image.changes.clear();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), Error> {
        let mut image = self.change()?;
        let start = offset as usize;
        image.current[start..start + data.len()].copy_from_slice(data);
        image.changes.push(Change::Write(start, data.to_vec()));
        Ok(())
    }
}
