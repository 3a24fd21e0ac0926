//! Verifying everything: is each row what was written, and does everything fit together?

mod blocks;
mod chain;

use std::path::Path;

use redb::ReadTransaction;

use crate::{
    Database, DatabaseError, FILE_NAME,
    error::Failure,
    file::{File, guarded},
    pending::Votes,
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
    /// Blocks above the anchor that build on one which is not there: on a branch that was abandoned below it. A start
    /// leaves them out.
    pub unattached: u64,
    /// Things that are wrong.
    pub problems: u64,
}

/// Looks at every row of the database in `directory`: checksums, that blocks have their roots, that parents, entries,
/// the finalized chain, states, votes and finality fit together, then at the file's own structure. Reports each problem
/// to `report` and goes on with the next row, or with the next table where one cannot be read. Changes nothing but what
/// redb repairs when it opens a file. Takes the memory of a state, and time in proportion to the file.
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

    /// Checks one table; an unreadable one is one problem.
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

    /// A problem of a row; the others are checked all the same.
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
}
