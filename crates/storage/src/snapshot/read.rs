//! Reading a snapshot: everything in it is checked before anything is used.

use std::{
    fs::{self, File},
    io::{BufReader, ErrorKind},
    path::{Path, PathBuf},
    sync::Arc,
};

use quartet_types::{
    Block, BlockHeader, Checkpoint, Root, SignedBlockWithAttestation, Slot, State,
};
use ssz::Decode as _;
use tree_hash::TreeHash as _;

use super::{
    SnapshotError, Summary,
    files::sync_directory,
    format::{HashReader, MAGIC, MAX_BLOCK_BYTES, MAX_STATE_BYTES, VERSION},
};
use crate::{Database, FILE_NAME, StoredBlock};

/// A snapshot that is being read: its beginning has been checked, the blocks are checked as they are read, and the
/// file's hash at the end. Until [`Reader::next_block`] has returned `None`, trust nothing of it.
pub struct Reader {
    path: PathBuf,
    file: Option<HashReader<BufReader<File>>>,
    state: Arc<State>,
    block: Arc<SignedBlockWithAttestation>,
    summary: Summary,
    /// Slot of the last block that was returned.
    last: Option<Slot>,
}

impl Reader {
    /// Opens a snapshot and checks what it starts from: that the block is the one the state is of, and the state the
    /// one the block says; with `network`, that it is of that network.
    ///
    /// # Errors
    /// When the file cannot be read, is no snapshot, or its beginning does not fit together.
    pub fn open(path: &Path, network: Option<Root>) -> Result<Self, SnapshotError> {
        let opened = File::open(path).map_err(SnapshotError::io(path))?;
        let mut file = HashReader::new(BufReader::new(opened));
        let invalid = |reason: &str| SnapshotError::invalid(path, reason);
        let broken = |error| broken(path, error);
        if file.array().map_err(broken)? != MAGIC {
            return Err(invalid("it is no snapshot of Quartet's"));
        }
        let version = u32::from_le_bytes(file.array().map_err(broken)?);
        if version != VERSION {
            return Err(SnapshotError::invalid(
                path,
                format!("it has version {version}, this program reads {VERSION}"),
            ));
        }
        let own = Root::from(file.array::<32>().map_err(broken)?);
        if let Some(network) = network.filter(|network| *network != own) {
            return Err(SnapshotError::invalid(
                path,
                format!("it is of the network with genesis root {own}, expected {network}"),
            ));
        }
        let state = file.frame(MAX_STATE_BYTES).map_err(broken)?;
        let state = State::from_ssz_bytes(&state).map_err(|_| invalid("it has no state"))?;
        let block = file.frame(MAX_BLOCK_BYTES).map_err(broken)?;
        let block = SignedBlockWithAttestation::from_ssz_bytes(&block)
            .map_err(|_| invalid("it has no block to start from"))?;
        if !fits(&state, block.block()) {
            return Err(invalid("its state is not the one after its block"));
        }
        let anchor = block.block().checkpoint();
        let genesis = match anchor.slot {
            0 => Some(anchor.root),
            _ => state.historical_block_hashes.get(0).copied(),
        };
        if genesis != Some(own) {
            return Err(invalid(
                "its history does not begin with its network's genesis",
            ));
        }
        Ok(Self {
            path: path.to_owned(),
            file: Some(file),
            state: state.into(),
            block: block.into(),
            summary: Summary {
                network: own,
                anchor,
                blocks: 1,
                oldest: anchor.slot,
                bytes: 0,
            },
            last: None,
        })
    }

    /// The state of the block to start from.
    #[must_use]
    pub fn state(&self) -> &Arc<State> {
        &self.state
    }

    /// The block to start from.
    #[must_use]
    pub fn block(&self) -> &Arc<SignedBlockWithAttestation> {
        &self.block
    }

    /// What has been read so far; all of it once [`Reader::next_block`] has returned `None`.
    #[must_use]
    pub fn summary(&self) -> Summary {
        self.summary
    }

    /// The next older block, ascending; `None` when all have been read and the file's hash is right.
    ///
    /// # Errors
    /// When the file cannot be read, a block is not of the state's chain or out of order, or the hash is wrong.
    pub fn next_block(&mut self) -> Result<Option<SignedBlockWithAttestation>, SnapshotError> {
        let Some(file) = self.file.as_mut() else {
            return Ok(None);
        };
        let frame = file.frame(MAX_BLOCK_BYTES);
        let frame = frame.map_err(|error| broken(&self.path, error))?;
        if frame.is_empty() {
            return self.finish().map(|()| None);
        }
        let invalid = |reason: String| SnapshotError::invalid(&self.path, reason);
        let block = SignedBlockWithAttestation::from_ssz_bytes(&frame)
            .map_err(|_| invalid("something in it is no block".to_owned()))?;
        let Checkpoint { root, slot } = block.block().checkpoint();
        let index = usize::try_from(slot).unwrap_or(usize::MAX);
        if self.state.historical_block_hashes.get(index) != Some(&root) {
            return Err(invalid(format!("block {root}@{slot} is not of its chain")));
        }
        let signatures = [0, block.block().body.attestations.len() + 1];
        if !signatures.contains(&block.signature.len()) {
            let found = block.signature.len();
            return Err(invalid(format!(
                "block {root}@{slot} has {found} signatures"
            )));
        }
        if self.last.is_some_and(|last| slot <= last) {
            return Err(invalid(format!("block {root}@{slot} is out of order")));
        }
        self.last = Some(slot);
        self.summary.oldest = self.summary.oldest.min(slot);
        self.summary.blocks += 1;
        Ok(Some(block))
    }

    fn finish(&mut self) -> Result<(), SnapshotError> {
        let Some(file) = self.file.take() else {
            return Ok(());
        };
        let (is_right, bytes) = file.finish().map_err(|error| broken(&self.path, error))?;
        if !is_right {
            return Err(SnapshotError::invalid(&self.path, "its hash is wrong"));
        }
        self.summary.bytes = bytes;
        Ok(())
    }
}

/// The error for a file that ends early or claims too much.
fn broken(path: &Path, error: std::io::Error) -> SnapshotError {
    match error.kind() {
        ErrorKind::UnexpectedEof => SnapshotError::invalid(path, "it ends early"),
        ErrorKind::InvalidData => SnapshotError::invalid(path, error.to_string()),
        _ => SnapshotError::io(path)(error),
    }
}

/// Whether the state is the one after the block.
fn fits(state: &State, block: &Block) -> bool {
    let header = BlockHeader {
        state_root: Root::ZERO,
        ..block.header()
    };
    let history = state.historical_block_hashes.len() as Slot;
    state.latest_block_header == header
        && state.slot == header.slot
        && history == header.slot
        && state.tree_hash_root() == block.state_root
}

/// Reads a whole snapshot and checks everything that can be checked without a network's files.
///
/// # Errors
/// When it cannot be read or is not to be used.
pub fn verify(path: &Path, network: Option<Root>) -> Result<Summary, SnapshotError> {
    let mut reader = Reader::open(path, network)?;
    while reader.next_block()?.is_some() {}
    Ok(reader.summary())
}

/// Makes a database in `directory` from a snapshot, all or nothing: it is made under another name and renamed when all
/// has been checked. `genesis` is the state that the network starts from, whose registry the snapshot must have.
///
/// # Errors
/// When there is a database already, the snapshot cannot be read or is not to be used, or the database cannot be
/// written. The directory is then as it was.
pub fn import(path: &Path, directory: &Path, genesis: &State) -> Result<Summary, SnapshotError> {
    let occupied = directory.join(FILE_NAME);
    if occupied.exists() {
        return Err(SnapshotError::Occupied { path: occupied });
    }
    let mut beside = directory.as_os_str().to_owned();
    beside.push(".importing");
    let beside = PathBuf::from(beside);
    // From an import that was interrupted.
    remove(&beside)?;
    let outcome = fill(path, &beside, genesis).and_then(|summary| {
        fs::create_dir_all(directory).map_err(SnapshotError::io(directory))?;
        fs::rename(beside.join(FILE_NAME), &occupied).map_err(SnapshotError::io(&occupied))?;
        sync_directory(&occupied).map_err(SnapshotError::io(&occupied))?;
        Ok(summary)
    });
    let removed = remove(&beside);
    let summary = outcome?;
    removed.map(|()| summary)
}

fn remove(directory: &Path) -> Result<(), SnapshotError> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(SnapshotError::io(directory)(error))
        }
        _ => Ok(()),
    }
}

/// Fills a new database; it is closed, and on the disk, when this returns.
fn fill(path: &Path, directory: &Path, genesis: &State) -> Result<Summary, SnapshotError> {
    let network = Block::genesis(genesis).tree_hash_root();
    let mut reader = Reader::open(path, Some(network))?;
    let state = reader.state().clone();
    if state.config != genesis.config || state.validators != genesis.validators {
        let reason = "its registry or genesis time is not that of the genesis file";
        return Err(SnapshotError::invalid(path, reason));
    }
    let database = Database::open(directory, network)?;
    let anchor = reader.summary().anchor;
    // A genesis state cannot name its own block.
    let (justified, finalized) = match anchor.slot {
        0 => (anchor, anchor),
        _ => (state.highest_justified(), state.latest_finalized),
    };
    database.start_from(&StoredBlock {
        root: anchor.root,
        block: reader.block().clone(),
        justified,
        finalized,
        state: Some(state),
    })?;
    while let Some(block) = reader.next_block()? {
        database.put_finalized_block(block.into())?;
    }
    database.flush()?;
    let oldest = reader.summary().oldest;
    let mut kept = database.kept_from()?;
    loop {
        let now = Some(database.extend_kept()?);
        if now == kept || now <= Some(oldest) {
            break;
        }
        kept = now;
    }
    Ok(reader.summary())
}
