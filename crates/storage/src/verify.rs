//! Looking at everything: is each row what was written, and does all fit together?

use std::{path::Path, sync::Arc};

use quartet_types::{AttestationData, BlockWithAttestation, Checkpoint, Root, Slot, State};
use redb::{ReadTransaction, ReadableTable as _, TableHandle as _};
use tree_hash::TreeHash as _;

use crate::{
    Database, DatabaseError, FILE_NAME,
    blocks::stored_slot,
    error::Failure,
    file::{File, guarded},
    pending::{Votes, keep_newest},
    seal::Place,
    start::Registry,
    tables::{
        BLOCKS, CANONICAL, ENTRIES, FINALITY, Finalization, Links, META, SIGNATURES, SLOTS, STATES,
        VOTES, get_meta, keyed, meta, numbered, signatures,
    },
};

/// What was looked at and what was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Blocks whose bodies are there.
    pub blocks: u64,
    /// Stored states.
    pub states: u64,
    /// Blocks of the finalized chain, with and without bodies.
    pub finalized: u64,
    /// Things that are wrong.
    pub problems: u64,
}

/// Looks at every row of the database in `directory`: checksums, that blocks have their roots, that parents, entries,
/// the finalized chain, states, votes and finality fit together, then at the file's own structure. Tells each problem
/// to `report` and goes on with the next row, or table where one cannot be read. Changes nothing but what redb mends
/// when it opens a file. Takes the memory of a state, and time in proportion to the file.
///
/// # Errors
/// When the database cannot be opened at all.
pub fn verify(directory: &Path, report: &mut dyn FnMut(&str)) -> Result<Verified, DatabaseError> {
    let path = directory.join(FILE_NAME);
    if !path.is_file() {
        return Err(DatabaseError::Missing { path });
    }
    // Not checked as it is opened: the rows are named one by one.
    let mut database = Database::from(File::open_unchecked(&path)?);
    database.network()?;
    let mut inspector = Inspector {
        database: &database,
        report,
        done: Verified::default(),
        votes: Votes::new(),
    };
    inspector.tables();
    let mut done = inspector.done;
    let structure = guarded(&path, || {
        Ok(database.file.exclusive()?.check_integrity()?)
    });
    let wrong = match structure {
        Ok(true) => return Ok(done),
        Ok(false) => "the file's own structure was damaged, and has been mended".to_owned(),
        Err(error) => format!("the file's own structure: {error}"),
    };
    done.problems += 1;
    report(&wrong);
    Ok(done)
}

struct Inspector<'a> {
    database: &'a Database,
    report: &'a mut dyn FnMut(&str),
    done: Verified,
    /// The newest votes, as stored.
    votes: Votes,
}

impl Inspector<'_> {
    fn tables(&mut self) {
        // Votes before the blocks that have them.
        self.part("meta", Self::meta);
        self.part("votes", Self::stored_votes);
        self.part("blocks", Self::blocks);
        self.part("signatures", Self::pieces);
        self.part("entries", Self::entries);
        self.part("slots", Self::slots);
        self.part("canonical", Self::canonical);
        self.part("states", Self::states);
        self.part("finality", Self::finality);
    }

    /// One table; what makes it unreadable is one problem.
    fn part(&mut self, name: &str, check: fn(&mut Self, &ReadTransaction) -> Result<(), Failure>) {
        let database = self.database;
        let checked = database.file.attempt(|| {
            let transaction = database.file.begin_read()?;
            check(self, &transaction)
        });
        if let Err(error) = checked {
            self.problem(&format!("table {name}: {error}"));
        }
    }

    fn problem(&mut self, what: &str) {
        self.done.problems += 1;
        (self.report)(what);
    }

    /// A problem of a row, which does not keep the others from being looked at.
    fn note<T>(&mut self, result: Result<T, Failure>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(Failure::Damaged(reason) | Failure::Refused(reason)) => {
                self.problem(&reason);
                None
            }
            Err(Failure::Redb(error)) => {
                self.problem(&error.to_string());
                None
            }
        }
    }

    fn expect(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.problem(&what());
        }
    }

    fn meta(&mut self, transaction: &ReadTransaction) -> Result<(), Failure> {
        let table = transaction.open_table(META)?;
        let anchor: Option<Checkpoint> = get_meta(&table, meta::ANCHOR)?;
        let Some(anchor) = anchor else {
            // Nothing else needs to be there before a start.
            return Ok(());
        };
        for name in [meta::KEPT, meta::SWEPT, meta::THINNED] {
            let slot = get_meta::<Slot>(&table, name);
            let slot = self.note(slot).flatten();
            self.expect(slot.is_some(), || format!("meta: no slot {name}"));
        }
        let registry = self.note(get_meta::<Registry>(&table, meta::REGISTRY));
        self.expect(registry.flatten().is_some(), || "meta: no registry".into());
        let canonical = transaction.open_table(CANONICAL)?;
        let root = numbered(&canonical, CANONICAL.name(), anchor.slot)?;
        self.expect(root == Some(anchor.root), || {
            format!("the anchor {anchor} is not on the finalized chain")
        });
        let key = (anchor.slot, &anchor.root.0);
        let is_there = [ENTRIES, BLOCKS, STATES].map(|table| -> Result<bool, Failure> {
            Ok(transaction.open_table(table)?.get(key)?.is_some())
        });
        for (is_there, what) in is_there.into_iter().zip(["entry", "block", "state"]) {
            let is_there = is_there?;
            self.expect(is_there, || format!("the anchor {anchor} has no {what}"));
        }
        Ok(())
    }

    fn stored_votes(&mut self, transaction: &ReadTransaction) -> Result<(), Failure> {
        let table = transaction.open_table(VOTES)?;
        let registry: Option<Registry> =
            get_meta(&transaction.open_table(META)?, meta::REGISTRY).unwrap_or_default();
        let limit = registry.map_or(u64::MAX, |registry| registry.validators.len() as u64);
        for row in table.iter()? {
            let (key, record) = row?;
            let validator = key.value();
            let place = Place::number(VOTES.name(), validator);
            self.expect(validator < limit, || {
                format!("a vote of validator {validator}, who is nobody")
            });
            if let Some(vote) = self.note(place.decode::<AttestationData>(record.value())) {
                self.votes.insert(validator, vote);
            }
        }
        Ok(())
    }

    fn blocks(&mut self, transaction: &ReadTransaction) -> Result<(), Failure> {
        let blocks = transaction.open_table(BLOCKS)?;
        let pieces = transaction.open_table(SIGNATURES)?;
        let entries = transaction.open_table(ENTRIES)?;
        let canonical = transaction.open_table(CANONICAL)?;
        let mut newest = Votes::new();
        for row in blocks.iter()? {
            let (key, record) = row?;
            let (slot, root) = key.value();
            let root = Root::from(root);
            self.done.blocks += 1;
            let place = Place::block(BLOCKS.name(), slot, root);
            let Some(message) = self.note(place.decode::<BlockWithAttestation>(record.value()))
            else {
                continue;
            };
            let block = &message.block;
            self.expect(block.tree_hash_root() == root && block.slot == slot, || {
                format!("block {root}@{slot}: it hashes to another root, or is of another slot")
            });
            if let Some(signatures) = self.note(signatures(&pieces, slot, root)) {
                // The block of a start may have none: nobody signed genesis.
                let expected = [0, block.body.attestations.len() + 1];
                self.expect(expected.contains(&signatures.len()), || {
                    format!("block {root}@{slot}: {} signatures", signatures.len())
                });
            }
            let links = self.note(keyed::<Links>(&entries, ENTRIES.name(), slot, root));
            let Some(links) = links else { continue };
            let is_final = numbered(&canonical, CANONICAL.name(), slot);
            let is_final = self.note(is_final).flatten() == Some(root);
            self.expect(links.is_some() || is_final, || {
                format!("block {root}@{slot}: it has no entry and is not final")
            });
            let parent = links.map_or(block.parent_root, |links| links.parent_root);
            self.expect(parent == block.parent_root, || {
                format!("entry {root}@{slot}: its parent is not the block's")
            });
            if links.is_some() {
                let body = block.body.attestations.iter();
                for vote in body.chain([&message.proposer_attestation]) {
                    keep_newest(&mut newest, vote.validator_id, vote.data, false);
                }
            }
        }
        self.compare_votes(&newest);
        Ok(())
    }

    /// A stored vote is at least as new as those of stored blocks; newer ones are of blocks that were deleted.
    fn compare_votes(&mut self, newest: &Votes) {
        for (validator, vote) in newest {
            let stored = self.votes.get(validator).map(|vote| vote.slot);
            // Nobody voted in genesis, whatever stands in its envelope.
            let is_right = vote.slot == 0 || stored.is_some_and(|slot| slot >= vote.slot);
            self.expect(is_right, || {
                format!("the vote of validator {validator} is older than one in a stored block")
            });
        }
    }

    /// Signatures without a block.
    fn pieces(&mut self, transaction: &ReadTransaction) -> Result<(), Failure> {
        let blocks = transaction.open_table(BLOCKS)?;
        let mut last = None;
        for row in transaction.open_table(SIGNATURES)?.iter()? {
            let key = row?.0;
            let (slot, root, _) = key.value();
            if last == Some((slot, *root)) {
                continue;
            }
            last = Some((slot, *root));
            let has_block = blocks.get((slot, root))?.is_some();
            self.expect(has_block, || {
                format!(
                    "signatures of {}@{slot}, which is not there",
                    Root::from(root)
                )
            });
        }
        Ok(())
    }

    fn entries(&mut self, transaction: &ReadTransaction) -> Result<(), Failure> {
        let entries = transaction.open_table(ENTRIES)?;
        let blocks = transaction.open_table(BLOCKS)?;
        let anchor: Option<Checkpoint> = get_meta(&transaction.open_table(META)?, meta::ANCHOR)?;
        let anchor = anchor.map_or(0, |anchor| anchor.slot);
        for row in entries.iter()? {
            let (key, record) = row?;
            let (slot, root) = key.value();
            let root = Root::from(root);
            let place = Place::block(ENTRIES.name(), slot, root);
            let Some(links) = self.note(place.decode::<Links>(record.value())) else {
                continue;
            };
            let known = stored_slot(transaction, root)?;
            self.expect(known == Some(slot), || {
                format!("entry {root}@{slot}: it is not found by its root")
            });
            let body = blocks.get((slot, &root.0))?.is_some();
            self.expect(body || slot < anchor, || {
                format!("entry {root}@{slot}: its block is not there")
            });
            // A parent may have been deleted, but not be younger.
            let parent = stored_slot(transaction, links.parent_root)?;
            self.expect(parent.is_none_or(|parent| parent < slot), || {
                format!("entry {root}@{slot}: its parent is not older")
            });
        }
        Ok(())
    }

    fn slots(&mut self, transaction: &ReadTransaction) -> Result<(), Failure> {
        let entries = transaction.open_table(ENTRIES)?;
        let blocks = transaction.open_table(BLOCKS)?;
        for row in transaction.open_table(SLOTS)?.iter()? {
            let (root, slot) = row?;
            let (root, slot) = (root.value(), slot.value());
            let is_known =
                entries.get((slot, root))?.is_some() || blocks.get((slot, root))?.is_some();
            self.expect(is_known, || {
                format!("slot of {}@{slot}, which is not there", Root::from(root))
            });
        }
        Ok(())
    }

    /// The finalized chain ends where it should, and what is there of its blocks is in one line.
    fn canonical(&mut self, transaction: &ReadTransaction) -> Result<(), Failure> {
        let table = transaction.open_table(META)?;
        let finalized: Option<Checkpoint> = get_meta(&table, meta::FINALIZED)?;
        let kept: Option<Slot> = get_meta(&table, meta::KEPT)?;
        let blocks = transaction.open_table(BLOCKS)?;
        let entries = transaction.open_table(ENTRIES)?;
        let mut last: Option<Checkpoint> = None;
        for row in transaction.open_table(CANONICAL)?.iter()? {
            let (key, record) = row?;
            let slot = key.value();
            self.done.finalized += 1;
            let place = Place::number(CANONICAL.name(), slot);
            let Some(root) = self.note(place.decode::<Root>(record.value())) else {
                last = None;
                continue;
            };
            let body = blocks.get((slot, &root.0))?;
            let is_missing = body.is_none() && kept.is_some_and(|kept| slot >= kept);
            self.expect(!is_missing, || {
                format!("the finalized chain's block {root}@{slot} is not there")
            });
            let place = Place::block(BLOCKS.name(), slot, root);
            let parent = match body {
                // A damaged one has been named already.
                Some(record) => place
                    .decode::<BlockWithAttestation>(record.value())
                    .ok()
                    .map(|message| message.block.parent_root),
                None => keyed::<Links>(&entries, ENTRIES.name(), slot, root)
                    .ok()
                    .flatten()
                    .map(|links| links.parent_root),
            };
            let is_linked = parent
                .zip(last)
                .is_none_or(|(parent, last)| parent == last.root);
            self.expect(is_linked, || {
                format!("the finalized chain is broken before {root}@{slot}")
            });
            last = Some(Checkpoint { root, slot });
        }
        let end = last.or(finalized);
        self.expect(end == finalized, || {
            "the finalized chain does not end with the finalized block".to_owned()
        });
        self.expect(last.is_some() || finalized.is_none(), || {
            "the finalized chain is empty or its end is damaged".to_owned()
        });
        Ok(())
    }

    /// Every state has the root that its block says: with it, all of the history it was put together from.
    fn states(&mut self, transaction: &ReadTransaction) -> Result<(), Failure> {
        let blocks = transaction.open_table(BLOCKS)?;
        let mut like: Option<Arc<State>> = None;
        for row in transaction.open_table(STATES)?.iter()? {
            let key = row?.0;
            let (slot, root) = key.value();
            let root = Root::from(root);
            self.done.states += 1;
            let message = keyed::<BlockWithAttestation>(&blocks, BLOCKS.name(), slot, root);
            // A damaged one has been named already.
            let Ok(message) = message else { continue };
            let Some(message) = message else {
                self.problem(&format!("state of {root}@{slot}, whose block is not there"));
                continue;
            };
            // A state of the start takes the registry from its table; the others share it.
            match self.database.state(root, like.as_deref()) {
                Err(error) => self.problem(&format!("state of {root}@{slot}: {error}")),
                Ok(None) => self.problem(&format!("state of {root}@{slot}: not found by its root")),
                Ok(Some(state)) => {
                    let is_right = state.tree_hash_root() == message.block.state_root;
                    self.expect(is_right, || {
                        format!("state of {root}@{slot}: it has another root than its block says")
                    });
                    if is_right {
                        like = Some(state.into());
                    }
                }
            }
        }
        Ok(())
    }

    fn finality(&mut self, transaction: &ReadTransaction) -> Result<(), Failure> {
        let canonical = transaction.open_table(CANONICAL)?;
        for row in transaction.open_table(FINALITY)?.iter()? {
            let (key, record) = row?;
            let slot = key.value();
            let place = Place::number(FINALITY.name(), slot);
            let Some(step) = self.note(place.decode::<Finalization>(record.value())) else {
                continue;
            };
            let root = numbered(&canonical, CANONICAL.name(), slot).ok().flatten();
            self.expect(root == Some(step.root), || {
                format!("finality in slot {slot} is not on the finalized chain")
            });
        }
        Ok(())
    }
}
