//! A database with a short chain, as an image of its file, and a snapshot of it.

use std::{
    io,
    sync::{Arc, Mutex, OnceLock},
};

use quartet_storage::{Database, StorageBackend, StoredBlock, snapshot};
use quartet_types::{Root, State};
use quartet_world::World;

use crate::{input::Input, world::Guided as _};

const SLOTS: u64 = 12;

/// A file in memory, which can be looked at and changed from outside.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk(Arc<Mutex<Vec<u8>>>);

impl Disk {
    pub(crate) fn of(image: Vec<u8>) -> Self {
        Self(Arc::new(Mutex::new(image)))
    }

    pub(crate) fn image(&self) -> Vec<u8> {
        self.0.lock().unwrap().clone()
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> Result<u64, io::Error> {
        Ok(self.0.lock().unwrap().len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), io::Error> {
        let image = self.0.lock().unwrap();
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        let found = image.get(from..).and_then(|image| image.get(..out.len()));
        out.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, length: u64) -> Result<(), io::Error> {
        // Of a damaged file that asks for more than any disk has.
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > 64 << 20 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.0.lock().unwrap().resize(length, 0);
        Ok(())
    }

    fn sync_data(&self) -> Result<(), io::Error> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), io::Error> {
        let mut image = self.0.lock().unwrap();
        let to = image
            .get_mut(offset as usize..)
            .and_then(|image| image.get_mut(..data.len()));
        to.ok_or(io::ErrorKind::UnexpectedEof)?
            .copy_from_slice(data);
        Ok(())
    }
}

/// A database that the targets start from.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) genesis: State,
    pub(crate) network: Root,
    pub(crate) roots: Vec<Root>,
    pub(crate) image: Vec<u8>,
    pub(crate) snapshot: Vec<u8>,
}

pub(crate) fn stored() -> &'static Stored {
    static STORED: OnceLock<Stored> = OnceLock::new();
    STORED.get_or_init(make)
}

fn make() -> Stored {
    let mut world = World::new(3);
    let all_vote = [0x7f; 8];
    for slot in 1..=SLOTS {
        world.make(slot as usize - 1, slot, &mut Input::new(&all_vote));
    }
    // One beside the chain.
    world.make(2, SLOTS + 1, &mut Input::new(&[0; 8]));
    let network = world.genesis().root;
    let disk = Disk::default();
    let database = Database::with_backend("(fuzz)", disk.clone(), network).unwrap();
    let row = |index: usize| {
        let made = &world.made[index];
        StoredBlock {
            root: made.root,
            block: made.block.clone(),
            justified: world.justified(index),
            finalized: made.state.latest_finalized,
            state: Some(made.state.clone()),
        }
    };
    let mut first = row(0);
    first.finalized = world.genesis().checkpoint();
    database.start_from(&first).unwrap();
    for index in 1..world.made.len() {
        database.put(row(index)).unwrap();
    }
    database.flush().unwrap();
    let chain: Vec<_> = (1..SLOTS as usize - 2)
        .map(|index| world.made[index].checkpoint())
        .collect();
    database
        .finalize(*chain.last().unwrap(), &chain, SLOTS)
        .unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("snapshot");
    snapshot::write(&database, &path).unwrap();
    drop(database);
    Stored {
        genesis: State::clone(&world.genesis().state),
        network,
        roots: world.made.iter().map(|made| made.root).collect(),
        image: disk.image(),
        snapshot: std::fs::read(&path).unwrap(),
    }
}
