//! The record as JSON, for moving validators between machines.
//!
//! ```json
//! {
//!   "format": "quartet-signing-record",
//!   "version": 1,
//!   "validators": [
//!     {
//!       "public_key": "0x…",
//!       "source_slot": 39,
//!       "signed": [ { "epoch": 41, "message_root": "0x…" }, { "epoch": 42 } ]
//!     }
//!   ]
//! }
//! ```
//!
//! Without a message root, nothing may be signed in the epoch. Nothing may be signed in an epoch below
//! the highest, but for the messages that are listed. The source slot is the highest that the validator
//! has voted from; it lies before the highest epoch, and is left out where it is unknown.

use quartet_types::{PublicKey, Root};
use serde::{Deserialize, Serialize};

use super::{
    RecordError,
    history::{History, SignedMessage},
};

const FORMAT: &str = "quartet-signing-record";
const VERSION: u64 = 1;

/// What an import changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImportSummary {
    /// Keys that the imported record knows.
    pub validators: usize,
    /// Keys among them for which this record became stricter.
    pub raised: usize,
}

/// An exported record cannot be taken in.
#[derive(Debug, thiserror::Error)]
pub enum InterchangeError {
    /// Not JSON, or not of the shape; the message names line and column.
    #[error("not an exported signing record: {0}")]
    Malformed(#[from] serde_json::Error),
    /// JSON of another kind or version.
    #[error(
        "not an exported signing record: expected format {FORMAT:?} version {VERSION}, found {format:?} version {version}"
    )]
    AnotherFormat {
        /// The format found.
        format: String,
        /// The version found.
        version: u64,
    },
    /// A source that no vote can have.
    #[error(
        "not an exported signing record: the source in slot {source_slot} of {public_key} does not lie before an epoch that it has signed in"
    )]
    SourceTooNew {
        /// The validator.
        public_key: PublicKey,
        /// Its source.
        source_slot: u64,
    },
    /// This record cannot be written.
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// One key of an imported record, oldest message first.
#[derive(Debug)]
pub(super) struct Imported {
    pub(super) public_key: PublicKey,
    pub(super) messages: Vec<SignedMessage>,
    /// The highest source that it has voted from; it lies before the last message's epoch.
    pub(super) source: Option<u64>,
}

#[derive(Serialize, Deserialize)]
struct Document {
    format: String,
    version: u64,
    validators: Vec<Validator>,
}

#[derive(Serialize, Deserialize)]
struct Validator {
    public_key: PublicKey,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source_slot: Option<u64>,
    signed: Vec<Message>,
}

#[derive(Serialize, Deserialize)]
struct Message {
    epoch: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    message_root: Option<Root>,
}

pub(super) fn export(history: &History) -> String {
    let validators = history.by_key().into_iter().map(|(public_key, recent)| {
        let signed = recent.iter().map(|message| Message {
            epoch: message.epoch,
            message_root: message.message_root,
        });
        Validator {
            public_key,
            source_slot: history.highest_source(&public_key),
            signed: signed.collect(),
        }
    });
    let document = Document {
        format: FORMAT.to_owned(),
        version: VERSION,
        validators: validators.collect(),
    };
    // Strings, numbers and lists always serialise.
    serde_json::to_string_pretty(&document).unwrap_or_default()
}

pub(super) fn parse(json: &str) -> Result<Vec<Imported>, InterchangeError> {
    let document: Document = serde_json::from_str(json)?;
    if document.format != FORMAT || document.version != VERSION {
        return Err(InterchangeError::AnotherFormat {
            format: document.format,
            version: document.version,
        });
    }
    let validators = document.validators.into_iter().map(|validator| {
        let signed = validator.signed.into_iter().map(|message| SignedMessage {
            epoch: message.epoch,
            message_root: message.message_root,
        });
        let mut messages: Vec<_> = signed.collect();
        messages.sort_by_key(|message| message.epoch);
        let (public_key, source) = (validator.public_key, validator.source_slot);
        if let Some(source_slot) = source
            && (messages.last()).is_none_or(|newest| newest.epoch <= source_slot)
        {
            return Err(InterchangeError::SourceTooNew {
                public_key,
                source_slot,
            });
        }
        Ok(Imported {
            public_key,
            messages,
            source,
        })
    });
    validators.collect()
}
