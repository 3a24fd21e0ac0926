//! Writing a snapshot.

use std::{
    fs::{self, File},
    io::{BufWriter, Write as _},
    path::{Path, PathBuf},
};

use quartet_types::{Checkpoint, SignedBlockWithAttestation, State};
use redb::{ReadTransaction, TableHandle as _};
use ssz::Encode as _;

use super::{
    SnapshotError, Summary,
    files::{PARTIAL, sync_directory},
    format::{HashWriter, MAGIC, VERSION},
    read::verify,
};
use crate::{
    Database, DatabaseError,
    seal::Place,
    tables::{BLOCKS, CANONICAL, META, SIGNATURES, get_meta, keyed, meta, signatures},
};

/// Writes a snapshot of the database to `path`, which is replaced: the anchor, its state, and all blocks of the
/// finalized chain before it that are kept without a gap. It is written under another name, made durable, read again
/// and verified, and only then renamed. Takes the memory of a state and a block. The node may go on meanwhile: the
/// snapshot has the database as it was at the beginning.
///
/// # Errors
/// When the database has not started or fails, or the file cannot be written. A file at `path` is then as it was.
pub fn write(database: &Database, path: &Path) -> Result<Summary, SnapshotError> {
    let partial = partial(path);
    let outcome = write_partial(database, &partial).and_then(|summary| {
        let verified = verify(&partial, Some(summary.network))?;
        if verified != summary {
            return Err(SnapshotError::invalid(
                &partial,
                "it reads other than it was written",
            ));
        }
        fs::rename(&partial, path).map_err(SnapshotError::io(path))?;
        sync_directory(path).map_err(SnapshotError::io(path))?;
        Ok(summary)
    });
    if outcome.is_err() {
        // What is left would only take space; the error says more than that it cannot be deleted.
        let _ = fs::remove_file(&partial);
    }
    outcome
}

fn partial(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(PARTIAL);
    name.into()
}

fn write_partial(database: &Database, path: &Path) -> Result<Summary, SnapshotError> {
    let network = database.network()?;
    let transaction = database.read(|_| database.file.begin_read())?;
    let (anchor, kept) = database.file.attempt(|| {
        let table = transaction.open_table(META)?;
        let anchor: Option<Checkpoint> = get_meta(&table, meta::ANCHOR)?;
        Ok((anchor, get_meta(&table, meta::KEPT)?))
    })?;
    let anchor = anchor.ok_or(SnapshotError::Empty)?;
    let source = Source {
        database,
        transaction: &transaction,
    };
    let state = source.state(anchor)?;
    let first = source.block(anchor)?;

    let io = || SnapshotError::io(path);
    let file = File::create(path).map_err(io())?;
    let mut writer = HashWriter::new(BufWriter::new(file));
    writer.put(&MAGIC).map_err(io())?;
    writer.put(&VERSION.to_le_bytes()).map_err(io())?;
    writer.put(&network[..]).map_err(io())?;
    writer.frame(&state.as_ssz_bytes()).map_err(io())?;
    drop(state);
    writer.frame(&first.as_ssz_bytes()).map_err(io())?;
    let mut summary = Summary {
        network,
        anchor,
        blocks: 1,
        oldest: anchor.slot,
        bytes: 0,
    };
    let mut slot = kept.unwrap_or(anchor.slot);
    while let Some(block) = source.next(slot, anchor)? {
        let bytes = source.block(block)?.as_ssz_bytes();
        writer.frame(&bytes).map_err(io())?;
        summary.oldest = summary.oldest.min(block.slot);
        summary.blocks += 1;
        slot = block.slot + 1;
    }
    writer.frame(&[]).map_err(io())?;
    let (mut buffer, bytes) = writer.finish().map_err(io())?;
    buffer.flush().map_err(io())?;
    buffer.get_ref().sync_all().map_err(io())?;
    summary.bytes = bytes;
    Ok(summary)
}

/// The database as it was at one moment.
struct Source<'a> {
    database: &'a Database,
    transaction: &'a ReadTransaction,
}

impl Source<'_> {
    /// The state of the anchor, which stays stored while the anchor moves on.
    fn state(&self, anchor: Checkpoint) -> Result<State, DatabaseError> {
        let state = self.database.state_in(self.transaction, anchor.root);
        state?.ok_or_else(|| self.missing(anchor))
    }

    /// The finalized chain's first block from `slot` on and before the anchor.
    fn next(&self, slot: u64, anchor: Checkpoint) -> Result<Option<Checkpoint>, DatabaseError> {
        self.database.file.attempt(|| {
            let table = self.transaction.open_table(CANONICAL)?;
            if slot >= anchor.slot {
                return Ok(None);
            }
            let Some(row) = table.range(slot..anchor.slot)?.next() else {
                return Ok(None);
            };
            let (slot, record) = row?;
            let slot = slot.value();
            let root = Place::number(CANONICAL.name(), slot).decode(record.value())?;
            Ok(Some(Checkpoint { root, slot }))
        })
    }

    fn block(
        &self,
        Checkpoint { root, slot }: Checkpoint,
    ) -> Result<SignedBlockWithAttestation, DatabaseError> {
        let found = self.database.file.attempt(|| {
            let blocks = self.transaction.open_table(BLOCKS)?;
            let Some(message) = keyed(&blocks, BLOCKS.name(), slot, root)? else {
                return Ok(None);
            };
            let pieces = self.transaction.open_table(SIGNATURES)?;
            let signature = signatures(&pieces, slot, root)?;
            Ok(Some(SignedBlockWithAttestation { message, signature }))
        });
        found?.ok_or_else(|| self.missing(Checkpoint { root, slot }))
    }

    fn missing(&self, block: Checkpoint) -> DatabaseError {
        DatabaseError::Damaged {
            path: self.database.file.path().to_owned(),
            reason: format!("{block} is not there"),
        }
    }
}
