//! How long the slots of a database's network last.
//!
//! The genesis block does not say it, and with another duration the same slots are other times.

use quartet_types::SlotDuration;

use crate::{
    Database, DatabaseError,
    tables::{META, get_meta, meta, put_meta},
};

impl Database {
    /// How long the slots last of the network whose blocks it holds: four seconds where it does not say.
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

    /// Says how long the slots last of the network that it holds blocks of. For who has just made it; see
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

    /// Sees to it that it is one of a network with such slots. A database that has not begun becomes one.
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
