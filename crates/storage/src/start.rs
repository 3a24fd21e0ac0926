//! The first start: from genesis or from a checkpoint.

use quartet_types::{
    BlockHeader, Checkpoint, Config, Root, SignedBlockWithAttestation, Slot, State, Validators,
};
use redb::{TableHandle as _, WriteTransaction};
use ssz::Encode as _;
use ssz_derive::{Decode, Encode};

use crate::{
    Database, DatabaseError, StoredBlock,
    error::Failure,
    pending::{Votes, keep_newest},
    seal::Place,
    tables::{
        BLOCKS, CANONICAL, ENTRIES, META, SIGNATURES, SLOTS, STATES, VOTES, meta, put_keyed,
        put_meta, put_numbered, put_signatures,
    },
};

/// What a state says of its network, stored once.
#[derive(Clone, Debug, Encode, Decode)]
pub(crate) struct Registry {
    pub(crate) config: Config,
    pub(crate) validators: Validators,
}

/// The outcome of [`Database::start_from`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Started {
    /// The database was empty and starts from the block.
    Here,
    /// The database has started before, and the block is on its finalized chain. Nothing was changed.
    Behind,
    /// The database has started before, and its newest finalized block is an ancestor of the block. Nothing was
    /// changed: the blocks between are still to be fetched.
    Ahead,
}

impl Database {
    /// Starts an empty database from a block that counts as final and its post-state: genesis, or a checkpoint. Stores
    /// block, entry, state and registry, and the roots of the state's whole history as the finalized chain, in one
    /// durable transaction. `stored.state` is required; the caller has checked, by their roots, that root, block and
    /// state belong together.
    ///
    /// On a database that has started before, nothing changes: it only says where the block lies.
    ///
    /// # Errors
    /// [`DatabaseError::CheckpointConflicts`] when the block is neither on the finalized chain of the database nor
    /// builds on it; [`DatabaseError::Refused`] when the state is missing or not that of the block; and when the file
    /// cannot be written.
    pub fn start_from(&self, stored: &StoredBlock) -> Result<Started, DatabaseError> {
        let refused = |reason: &str| DatabaseError::Refused {
            path: self.file.path().to_owned(),
            reason: reason.to_owned(),
        };
        let state = stored.state.as_deref();
        let state = state.ok_or_else(|| refused("a start needs a state"))?;
        if !belongs(&stored.block, state) {
            return Err(refused("the state to start from is not that of the block"));
        }
        let checkpoint = Checkpoint {
            root: stored.root,
            slot: stored.block.block().slot,
        };
        if let Some(own) = self.finalized()? {
            return self.relation(own, checkpoint, state);
        }
        self.write(|transaction| {
            write_block(transaction, stored, checkpoint)?;
            write_votes(transaction, &stored.block)?;
            write_state(transaction, state, checkpoint)?;
            write_meta(transaction, state, checkpoint)?;
            Ok(Started::Here)
        })
    }

    /// Where a checkpoint is in relation to the finalized chain.
    fn relation(
        &self,
        own: Checkpoint,
        checkpoint: Checkpoint,
        state: &State,
    ) -> Result<Started, DatabaseError> {
        let started = if checkpoint.slot <= own.slot {
            let same = self.canonical_root(checkpoint.slot)? == Some(checkpoint.root);
            same.then_some(Started::Behind)
        } else {
            let index = usize::try_from(own.slot).unwrap_or(usize::MAX);
            let same = state.historical_block_hashes.get(index) == Some(&own.root);
            same.then_some(Started::Ahead)
        };
        started.ok_or_else(|| DatabaseError::CheckpointConflicts {
            path: self.file.path().to_owned(),
            checkpoint,
            own,
        })
    }
}

/// Whether the state is the one after the block, as far as can be told without hashing the state.
fn belongs(block: &SignedBlockWithAttestation, state: &State) -> bool {
    let header = BlockHeader {
        state_root: Root::ZERO,
        ..block.block().header()
    };
    let length = state.historical_block_hashes.len() as Slot;
    state.latest_block_header == header && state.slot == header.slot && length == header.slot
}

fn write_block(
    transaction: &WriteTransaction,
    stored: &StoredBlock,
    Checkpoint { root, slot }: Checkpoint,
) -> Result<(), Failure> {
    transaction.open_table(SLOTS)?.insert(&root.0, slot)?;
    let mut blocks = transaction.open_table(BLOCKS)?;
    put_keyed(&mut blocks, slot, root, &stored.block.message)?;
    let mut signatures = transaction.open_table(SIGNATURES)?;
    put_signatures(&mut signatures, slot, root, &stored.block.signature)?;
    let entry = crate::Entry {
        root,
        slot,
        parent_root: stored.block.block().parent_root,
        justified: stored.justified,
        finalized: stored.finalized,
    };
    let mut entries = transaction.open_table(ENTRIES)?;
    put_keyed(&mut entries, slot, root, &entry.links())
}

fn write_votes(
    transaction: &WriteTransaction,
    block: &SignedBlockWithAttestation,
) -> Result<(), Failure> {
    let mut votes = Votes::new();
    // Nobody voted in genesis, whatever stands in its envelope.
    for vote in block.attestations().filter(|vote| vote.data.slot > 0) {
        keep_newest(&mut votes, vote.validator_id, vote.data, false);
    }
    let mut table = transaction.open_table(VOTES)?;
    for (validator, data) in votes {
        put_numbered(&mut table, validator, &data)?;
    }
    Ok(())
}

fn write_state(
    transaction: &WriteTransaction,
    state: &State,
    Checkpoint { root, slot }: Checkpoint,
) -> Result<(), Failure> {
    let mut states = transaction.open_table(STATES)?;
    let record = Place::block(STATES.name(), slot, root).seal(&state.compact().as_ssz_bytes());
    states.insert((slot, &root.0), &record[..])?;
    let mut canonical = transaction.open_table(CANONICAL)?;
    for (slot, root) in (0..).zip(state.historical_block_hashes.iter()) {
        if !root.is_zero() {
            put_numbered(&mut canonical, slot, root)?;
        }
    }
    put_numbered(&mut canonical, slot, &root)
}

fn write_meta(
    transaction: &WriteTransaction,
    state: &State,
    checkpoint: Checkpoint,
) -> Result<(), Failure> {
    let mut table = transaction.open_table(META)?;
    let registry = Registry {
        config: state.config,
        validators: state.validators.clone(),
    };
    put_meta(&mut table, meta::REGISTRY, &registry)?;
    put_meta(&mut table, meta::ANCHOR, &checkpoint)?;
    put_meta(&mut table, meta::FINALIZED, &checkpoint)?;
    for name in [meta::KEPT, meta::SWEPT, meta::THINNED] {
        put_meta(&mut table, name, &checkpoint.slot)?;
    }
    Ok(())
}
