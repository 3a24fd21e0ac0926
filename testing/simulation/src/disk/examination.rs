//! What is left in a database when the power has gone: all that was promised, and nothing that never was.

use std::collections::BTreeSet;

use quartet_chain::StoreError;
use quartet_storage::{Database, DatabaseError, FILE_NAME, verify};
use quartet_types::{Checkpoint, Root, Slot, State};
use rand::rngs::StdRng;

use super::{Disk, platter::Platter};
use crate::SimulationError;

/// Entries that are read at a time.
const PAGE: usize = 4096;

/// What a database holds.
#[derive(Debug, Default)]
struct Contents {
    anchor: Option<Checkpoint>,
    finalized: Option<Checkpoint>,
    /// The finalized chain.
    canonical: Vec<Checkpoint>,
    /// All blocks, with and without their bodies.
    blocks: BTreeSet<(Slot, Root, bool)>,
    /// The newest vote of each validator, by its slot.
    votes: Vec<(u64, Slot)>,
}

impl Disk {
    /// Takes the power away, and says what is wrong with what is left. Nothing may be on a disk that does what it says.
    pub(crate) fn lose_power_and_look(
        &self,
        genesis: &State,
        luck: &mut StdRng,
    ) -> Result<(), String> {
        let promised = self.promised();
        if promised.0.lock().platter.current.is_empty() {
            // It was being made, in a file without its name.
            self.0.lock().platter = Platter::default();
            return Ok(());
        }
        let promised = Contents::of(&promised, genesis);
        let promised =
            promised.map_err(|error| format!("what was settled cannot be opened: {error}"))?;
        self.lose_power(luck);
        self.look(genesis, &promised)
    }

    fn look(&self, genesis: &State, promised: &Contents) -> Result<(), String> {
        let found = Contents::of(&self.copy(), genesis);
        let found = found.map_err(|error| format!("it does not open: {error}"))?;
        found.keeps(promised)?;
        self.verify().map_err(|error| error.to_string())
    }

    /// Has `quartet db verify` look at a copy in a file.
    fn verify(&self) -> Result<(), SimulationError> {
        let directory = crate::simulation::directory()?;
        let bytes = self.0.lock().platter.current.clone();
        std::fs::write(directory.path().join(FILE_NAME), bytes)?;
        let mut problems = Vec::new();
        let verified = verify(directory.path(), &mut |what| problems.push(what.to_owned()));
        verified.map_err(StoreError::from)?;
        if problems.is_empty() {
            Ok(())
        } else {
            Err(SimulationError::Block(problems.join("; ")))
        }
    }
}

impl Contents {
    /// What is on a copy of a disk.
    fn of(copy: &Disk, genesis: &State) -> Result<Self, SimulationError> {
        let (database, _) = copy.open(genesis)?;
        Ok(Self::read(&database).map_err(StoreError::from)?)
    }

    fn read(database: &Database) -> Result<Self, DatabaseError> {
        let mut blocks = BTreeSet::new();
        let mut last = (0, Root::ZERO);
        loop {
            let page = database.entries_after(last, PAGE)?;
            let Some(end) = page.last() else { break };
            last = (end.slot, end.root);
            for entry in &page {
                blocks.insert((entry.slot, entry.root, database.contains(entry.root)?));
            }
        }
        let votes = database.votes()?.into_iter();
        Ok(Self {
            anchor: database.anchor()?,
            finalized: database.finalized()?,
            canonical: database.canonical(0, PAGE)?,
            blocks,
            votes: votes
                .map(|vote| (vote.validator_id, vote.data.slot))
                .collect(),
        })
    }

    /// Whether all is there that was promised. A run is too short for anything to be deleted by age.
    fn keeps(&self, promised: &Self) -> Result<(), String> {
        let slot = |checkpoint: Option<Checkpoint>| checkpoint.map(|checkpoint| checkpoint.slot);
        for (what, ours, theirs) in [
            ("anchor", self.anchor, promised.anchor),
            ("finalized block", self.finalized, promised.finalized),
        ] {
            if slot(ours) < slot(theirs) {
                return Err(format!("the {what} was {theirs:?} and is {ours:?}"));
            }
        }
        if !self.canonical.starts_with(&promised.canonical) {
            let (ours, theirs) = (&self.canonical, &promised.canonical);
            return Err(format!(
                "the finalized chain was {theirs:?} and is {ours:?}"
            ));
        }
        if let Some(lost) = promised.blocks.difference(&self.blocks).next() {
            return Err(format!("the block {lost:?} is lost"));
        }
        for (validator, slot) in &promised.votes {
            let is_known = |vote: &&(u64, Slot)| vote.0 == *validator && vote.1 >= *slot;
            if self.votes.iter().find(is_known).is_none() {
                return Err(format!("the vote of {validator} in slot {slot} is lost"));
            }
        }
        Ok(())
    }
}
