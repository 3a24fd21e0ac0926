//! A range of slots that a client asks for.

use quartet_types::Slot;

use crate::error::ApiError;

/// A range of slots, checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SlotRange {
    pub(crate) start: Slot,
    pub(crate) count: u64,
}

impl SlotRange {
    /// # Errors
    /// 400 when there are no slots in it or more than `most`.
    pub(crate) fn new(start: Slot, count: u64, most: u64) -> Result<Self, ApiError> {
        if !(1..=most).contains(&count) {
            let message = format!("expected `count` to be 1 to {most}, found {count}");
            return Err(ApiError::bad_request(message));
        }
        Ok(Self { start, count })
    }
}
