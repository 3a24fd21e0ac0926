//! Giving back to the file system what was deleted.

use std::fs;

use crate::{Database, DatabaseError, file::guarded};

/// Sizes of the file in bytes; zero for a database that is in none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compacted {
    /// Before.
    pub before: u64,
    /// After.
    pub after: u64,
}

impl Database {
    /// Moves what is stored together and shortens the file. Takes time and writes in proportion to the file, needs
    /// nobody else to use the database, and may be interrupted at any instant: the next start then reads the file from
    /// end to end once.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn compact(&mut self) -> Result<Compacted, DatabaseError> {
        self.flush()?;
        let before = self.file_bytes();
        let path = self.file.path().to_owned();
        guarded(&path, || {
            while self.file.exclusive()?.compact()? {}
            Ok(())
        })?;
        let after = self.file_bytes();
        Ok(Compacted { before, after })
    }

    /// Size of the file in bytes; zero for a database that is in none.
    #[must_use]
    pub fn file_bytes(&self) -> u64 {
        fs::metadata(self.file.path()).map_or(0, |file| file.len())
    }
}
