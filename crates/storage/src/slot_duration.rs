//! How long the slots of a database's network last.
//!
//! The genesis block does not contain it, and with another duration the same slots are at other times.

use quartet_types::SlotDuration;

use crate::{
    Database, DatabaseError,
    tables::{META, get_meta, meta, put_meta},
};

impl Database {
    /// The slot duration of the network whose blocks it holds: four seconds where none is stored.
    ///
    /// # Errors
    /// When the file cannot be read, or what it says cannot be.
    pub fn slot_duration(&self) -> Result<SlotDuration, DatabaseError> {
        let stated: Option<u64> =
            self.read(|transaction| get_meta(&transaction.open_table(META)?, meta::SLOT_MS))?;
        let Some(stated) = stated else {
            return Ok(SlotDuration::default());
        };
        SlotDuration::from_millis(stated).map_err(|error| DatabaseError::Damaged {
            path: self.file.path().to_owned(),
            reason: error.to_string(),
        })
    }

    /// Stores the slot duration of its network. For a database that was just made; see
    /// [`Database::check_slot_duration`].
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn set_slot_duration(&self, duration: SlotDuration) -> Result<(), DatabaseError> {
        if self.slot_duration()? == duration {
            return Ok(());
        }
        self.write(|transaction| {
            let mut table = transaction.open_table(META)?;
            put_meta(&mut table, meta::SLOT_MS, &duration.as_millis())
        })
    }

    /// Checks that the database is of a network with this slot duration. A database that has not started takes it.
    ///
    /// # Errors
    /// [`DatabaseError::OtherSlotDuration`] when it is not; and when the file cannot be read or written.
    pub fn check_slot_duration(&self, expected: SlotDuration) -> Result<(), DatabaseError> {
        let found = self.slot_duration()?;
        if found == expected {
            return Ok(());
        }
        if self.finalized()?.is_none() {
            return self.set_slot_duration(expected);
        }
        Err(DatabaseError::OtherSlotDuration {
            path: self.file.path().to_owned(),
            expected,
            found,
        })
    }
}
