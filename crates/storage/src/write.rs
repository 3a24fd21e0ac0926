//! The write transaction: what waits, and what a caller adds to it.

use quartet_types::Slot;
use redb::{Table, TableHandle as _, WriteTransaction};

use crate::{
    Database, DatabaseError,
    error::Failure,
    pending::Pending,
    seal::Place,
    tables::{
        BLOCKS, ENTRIES, META, SIGNATURES, SLOTS, STATES, VOTES, get_meta, meta, put_keyed,
        put_meta, put_numbered, put_signatures, vote,
    },
};

pub(crate) type MetaTable<'t> = Table<'t, &'static str, &'static [u8]>;

impl Database {
    /// Writes what waits, then what `change` does, in one durable transaction. When any part fails, nothing is written,
    /// and what waited goes on waiting.
    pub(crate) fn write<T>(
        &self,
        change: impl FnOnce(&WriteTransaction) -> Result<T, Failure>,
    ) -> Result<T, DatabaseError> {
        self.write_if(|transaction| Ok((change(transaction)?, true)))
    }

    /// As [`Database::write`]; writes nothing, and what waits goes on waiting, when `change` says `false`.
    pub(crate) fn write_if<T>(
        &self,
        change: impl FnOnce(&WriteTransaction) -> Result<(T, bool), Failure>,
    ) -> Result<T, DatabaseError> {
        self.file.attempt(|| {
            // Begins before it looks at what waits, so that no other writer can come between.
            let transaction = self.file.begin_write()?;
            let batch = self.pending.read().clone();
            store(&transaction, &batch)?;
            let (result, is_wanted) = change(&transaction)?;
            if is_wanted {
                transaction.commit()?;
                self.pending.write().forget(&batch);
            } else {
                transaction.abort()?;
            }
            Ok(result)
        })
    }
}

/// Writes the rows of blocks.
fn store(transaction: &WriteTransaction, batch: &Pending) -> Result<(), Failure> {
    if batch.is_empty() {
        return Ok(());
    }
    let mut slots = transaction.open_table(SLOTS)?;
    let mut blocks = transaction.open_table(BLOCKS)?;
    let mut signatures = transaction.open_table(SIGNATURES)?;
    let mut entries = transaction.open_table(ENTRIES)?;
    let mut states = transaction.open_table(STATES)?;
    let mut lowest = Slot::MAX;
    for ((slot, root), waiting) in batch.iter() {
        let (slot, root) = (*slot, *root);
        slots.insert(&root.0, slot)?;
        put_keyed(&mut blocks, slot, root, &waiting.block.message)?;
        put_signatures(&mut signatures, slot, root, &waiting.block.signature)?;
        if let Some(entry) = &waiting.entry {
            put_keyed(&mut entries, slot, root, &entry.links())?;
            lowest = lowest.min(slot);
        }
        if let Some(state) = &waiting.state {
            let record = Place::block(STATES.name(), slot, root).seal(state);
            states.insert((slot, &root.0), &record[..])?;
        }
    }
    count_votes(transaction, batch)?;
    sweep_from(&mut transaction.open_table(META)?, lowest)
}

fn count_votes(transaction: &WriteTransaction, batch: &Pending) -> Result<(), Failure> {
    let mut table = transaction.open_table(VOTES)?;
    for (validator, data) in batch.votes() {
        if vote(&table, validator)?.is_none_or(|stored| stored.slot < data.slot) {
            put_numbered(&mut table, validator, &data)?;
        }
    }
    Ok(())
}

/// A block or state that is stored below where the last sweep ended must be visited by the next sweep.
pub(crate) fn sweep_from(table: &mut MetaTable<'_>, lowest: Slot) -> Result<(), Failure> {
    for name in [meta::SWEPT, meta::THINNED] {
        if get_meta::<Slot>(table, name)?.is_some_and(|swept| lowest < swept) {
            put_meta(table, name, &lowest)?;
        }
    }
    Ok(())
}
