//! Making the file smaller after rows were deleted.

use std::fs;

use crate::{Database, DatabaseError, file::guarded};

/// Sizes of the file in bytes; zero for a database in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compacted {
    /// Before.
    pub before: u64,
    /// After.
    pub after: u64,
}

impl Database {
    /// Moves rows into free pages and shortens the file. Takes time and writes in proportion to the file, needs the
    /// database for itself, and may be interrupted at any instant: the next start then reads the file from end to end
    /// once.
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

    /// Size of the file in bytes; zero for a database in memory.
    #[must_use]
    pub fn file_bytes(&self) -> u64 {
        fs::metadata(self.file.path()).map_or(0, |file| file.len())
    }
}
