//! Stored states: stored without their history and registry, which are added again when a state is read.

use quartet_types::{Checkpoint, CompactState, HistoricalBlockHashes, Root, Slot, State};
use redb::{ReadTransaction, TableHandle as _};
use ssz::{Decode as _, Encode as _};

use crate::{
    Database, DatabaseError,
    anchor::{move_anchor, newest_state},
    blocks::{after, stored_slot},
    error::Failure,
    pending::Pending,
    seal::Place,
    start::Registry,
    tables::{CANONICAL, ENTRIES, Links, META, STATES, get_meta, keyed, meta, numbered},
    write::sweep_from,
};

impl Database {
    /// Stores the post-state of a block that was put before, and moves the anchor there where it may. Durable when it
    /// returns, with all that waited.
    ///
    /// # Errors
    /// [`DatabaseError::Refused`] when the block is not there, and when the file cannot be written.
    pub fn put_state(&self, root: Root, state: &State) -> Result<(), DatabaseError> {
        let payload = state.compact().as_ssz_bytes();
        self.write(|transaction| {
            let slot = state.latest_block_header.slot;
            let entries = transaction.open_table(ENTRIES)?;
            if keyed::<Links>(&entries, ENTRIES.name(), slot, root)?.is_none() {
                let reason = format!("a state of {root}@{slot}, whose block is not there");
                return Err(Failure::Refused(reason));
            }
            let record = Place::block(STATES.name(), slot, root).seal(&payload);
            let mut states = transaction.open_table(STATES)?;
            states.insert((slot, &root.0), &record[..])?;
            drop(states);
            sweep_from(&mut transaction.open_table(META)?, slot)?;
            move_anchor(transaction)
        })
    }

    /// The stored post-state of a block; `None` when none is stored, even where it could be computed from others, and
    /// on a branch whose older blocks have been deleted. Where the chain of `similar`, any state of this network, has
    /// the same blocks, the roots of the history are shared with it, as is the registry; all else is read from the
    /// finalized chain and the entries.
    ///
    /// Costs what the two chains differ in, or what the history is long without `similar`.
    ///
    /// # Errors
    /// When the file cannot be read, or what is needed for the state is damaged.
    pub fn state(
        &self,
        root: Root,
        similar: Option<&State>,
    ) -> Result<Option<State>, DatabaseError> {
        let pending = self.pending.read().clone();
        self.read(|transaction| rebuild(transaction, &pending, root, similar))
    }

    /// The stored post-state of a block as `transaction` sees it.
    pub(crate) fn state_in(
        &self,
        transaction: &ReadTransaction,
        root: Root,
    ) -> Result<Option<State>, DatabaseError> {
        self.file
            .attempt(|| rebuild(transaction, &Pending::default(), root, None))
    }

    /// Up to `limit` blocks after `last` that have a stored state, ordered by slot, then root.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn states_after(
        &self,
        last: (Slot, Root),
        limit: usize,
    ) -> Result<Vec<Checkpoint>, DatabaseError> {
        let mut states: Vec<_> = {
            let pending = self.pending.read();
            let with_state = pending
                .after(last)
                .filter(|(_, waiting)| waiting.state.is_some());
            with_state.take(limit).map(|(key, _)| *key).collect()
        };
        self.read(|transaction| {
            let table = transaction.open_table(STATES)?;
            for row in table.range::<(Slot, &[u8; 32])>(after(&last))?.take(limit) {
                let key = row?.0;
                let (slot, root) = key.value();
                states.push((slot, Root::from(root)));
            }
            Ok(())
        })?;
        states.sort_unstable();
        states.dedup();
        states.truncate(limit);
        let states = states.into_iter();
        Ok(states
            .map(|(slot, root)| Checkpoint { root, slot })
            .collect())
    }

    /// The newest block of the finalized chain at or before `slot` that has a stored state: where replaying begins to
    /// rebuild another.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn state_at_or_before(&self, slot: Slot) -> Result<Option<Checkpoint>, DatabaseError> {
        self.read(|transaction| {
            let states = transaction.open_table(STATES)?;
            let canonical = transaction.open_table(CANONICAL)?;
            newest_state(&states, &canonical, 0, slot)
        })
    }
}

fn rebuild(
    transaction: &ReadTransaction,
    pending: &Pending,
    root: Root,
    similar: Option<&State>,
) -> Result<Option<State>, Failure> {
    let Some((slot, record)) = stored_record(transaction, pending, root)? else {
        return Ok(None);
    };
    let registry = match similar {
        Some(similar) => Registry {
            config: similar.config,
            validators: similar.validators.clone(),
        },
        None => get_meta(&transaction.open_table(META)?, meta::REGISTRY)?
            .ok_or_else(|| Failure::Damaged("it has states and no registry".into()))?,
    };
    let builder = HistoryBuilder {
        transaction,
        pending,
        similar,
    };
    let parent_root = record.latest_block_header.parent_root;
    let Some(history) = builder.history(slot, root, parent_root)? else {
        return Ok(None);
    };
    let damaged = |error| Failure::Damaged(format!("a stored state: {error}"));
    let state = record.expand(history, registry.validators);
    state.map(Some).map_err(damaged)
}

fn stored_record(
    transaction: &ReadTransaction,
    pending: &Pending,
    root: Root,
) -> Result<Option<(Slot, CompactState)>, Failure> {
    if let Some((slot, waiting)) = pending.get(root)
        && let Some(state) = &waiting.state
    {
        let record = CompactState::from_ssz_bytes(state)
            .map_err(|error| Failure::Damaged(format!("a state that waits: {error:?}")))?;
        return Ok(Some((slot, record)));
    }
    let Some(slot) = stored_slot(transaction, root)? else {
        return Ok(None);
    };
    let states = transaction.open_table(STATES)?;
    let record = keyed(&states, STATES.name(), slot, root)?;
    Ok(record.map(|record| (slot, record)))
}

/// Finds the roots of a block's ancestors.
struct HistoryBuilder<'a> {
    transaction: &'a ReadTransaction,
    pending: &'a Pending,
    similar: Option<&'a State>,
}

/// Where a walk back ends.
enum WalkEnd {
    /// On the finalized chain, in this slot.
    FinalizedChain(Slot),
    /// On the chain of `similar`.
    SimilarChain,
    /// At a block that was deleted: finality has abandoned the branch, whose older blocks go first.
    Nothing,
}

/// Ancestors from the newest on, as far as they had to be looked up.
#[derive(Default)]
struct Ancestors {
    blocks: Vec<(Slot, Root)>,
    /// Below this slot the history is that of `similar`.
    shared: usize,
}

impl HistoryBuilder<'_> {
    /// The history of the block's post-state: a root for every slot before the block's.
    fn history(
        &self,
        slot: Slot,
        root: Root,
        parent_root: Root,
    ) -> Result<Option<HistoricalBlockHashes>, Failure> {
        let canonical = self.transaction.open_table(CANONICAL)?;
        let mut ancestors = Ancestors::default();
        let is_canonical = numbered(&canonical, CANONICAL.name(), slot)? == Some(root);
        // Blocks of the finalized chain may have no entries any more.
        let end = if is_canonical || slot == 0 {
            WalkEnd::FinalizedChain(slot)
        } else {
            self.walk_entries(slot, parent_root, &mut ancestors)?
        };
        if let WalkEnd::Nothing = end {
            return Ok(None);
        }
        if let WalkEnd::FinalizedChain(below) = end {
            for row in canonical.range(..below)?.rev() {
                let (slot, record) = row?;
                let slot = slot.value();
                let root = Place::number(CANONICAL.name(), slot).decode(record.value())?;
                if self.is_shared_with_similar(slot, root, &mut ancestors) {
                    break;
                }
                ancestors.blocks.push((slot, root));
            }
        }
        self.list(slot, ancestors).map(Some)
    }

    /// Walks back from parent to parent until it meets something whose history is known.
    ///
    /// An ancestor has a lower slot, so one pass backwards over the entries meets all of them.
    fn walk_entries(
        &self,
        slot: Slot,
        parent_root: Root,
        ancestors: &mut Ancestors,
    ) -> Result<WalkEnd, Failure> {
        let canonical = self.transaction.open_table(CANONICAL)?;
        let entries = self.transaction.open_table(ENTRIES)?;
        let mut rows = entries
            .range::<(Slot, &[u8; 32])>(..(slot, &[0; 32]))?
            .rev();
        let mut wanted = parent_root;
        loop {
            let waiting = self.pending.get(wanted);
            let waiting = waiting.and_then(|(_, waiting)| waiting.entry);
            let (slot, parent_root) = match waiting {
                Some(entry) => (entry.slot, entry.parent_root),
                None => loop {
                    let Some(row) = rows.next().transpose()? else {
                        return Ok(WalkEnd::Nothing);
                    };
                    let (slot, root) = row.0.value();
                    if *root == wanted.0 {
                        let place = Place::block(ENTRIES.name(), slot, wanted);
                        let links: Links = place.decode(row.1.value())?;
                        break (slot, links.parent_root);
                    }
                },
            };
            if self.is_shared_with_similar(slot, wanted, ancestors) {
                return Ok(WalkEnd::SimilarChain);
            }
            ancestors.blocks.push((slot, wanted));
            if numbered(&canonical, CANONICAL.name(), slot)? == Some(wanted) {
                return Ok(WalkEnd::FinalizedChain(slot));
            }
            wanted = parent_root;
        }
    }

    /// Whether this ancestor is one of `similar`'s too: then all before it are.
    fn is_shared_with_similar(&self, slot: Slot, root: Root, ancestors: &mut Ancestors) -> bool {
        let Some((similar, index)) = self.similar.zip(usize::try_from(slot).ok()) else {
            return false;
        };
        let meets = similar.historical_block_hashes.get(index) == Some(&root);
        if meets {
            ancestors.shared = index + 1;
        }
        meets
    }

    /// The list of `length` roots, sharing structure with that of `similar`.
    fn list(&self, length: Slot, ancestors: Ancestors) -> Result<HistoricalBlockHashes, Failure> {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let too_long = |_| Failure::Damaged("a history is longer than any can be".to_owned());
        let shared = ancestors.shared.min(length);
        let mut blocks = ancestors.blocks.iter().rev().peekable();
        // Empty slots have a root of zero.
        let rest = (shared..length).map(|index| {
            let block = blocks.next_if(|(slot, _)| *slot == index as Slot);
            block.map_or(Root::ZERO, |(_, root)| *root)
        });
        let Some(similar) = self.similar else {
            return HistoricalBlockHashes::try_from_iter(rest).map_err(too_long);
        };
        let mut list = similar.historical_block_hashes.truncated(shared);
        for root in rest {
            list.push(root).map_err(too_long)?;
        }
        Ok(list)
    }
}
