//! How much of the finalized chain's past is kept.

use std::str::FromStr;

use quartet_types::{Checkpoint, Slot};

/// How much of the finalized chain's past is kept below the anchor. What is at or above the anchor is always kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Retention {
    /// All of it.
    #[default]
    All,
    /// The blocks of so many slots.
    Slots(u64),
    /// No blocks.
    None,
}

/// A retention was neither `all` nor `none` nor a number of slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected all, none, or a number of slots")]
pub struct UnknownRetention;

impl FromStr for Retention {
    type Err = UnknownRetention;

    fn from_str(text: &str) -> Result<Self, UnknownRetention> {
        match text {
            "all" => Ok(Self::All),
            "none" => Ok(Self::None),
            slots => slots.parse().map(Self::Slots).map_err(|_| UnknownRetention),
        }
    }
}

/// From this slot on, the finalized chain's blocks are kept; `None` for all.
pub(crate) fn oldest_kept(retention: Retention, anchor: Option<Checkpoint>) -> Option<Slot> {
    let anchor = anchor?.slot;
    match retention {
        Retention::All => None,
        Retention::Slots(slots) => Some(anchor.saturating_sub(slots)),
        Retention::None => Some(anchor),
    }
}
