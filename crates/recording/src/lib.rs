//! The flight recorder: what entered the chain service and what it decided, in a bounded set of files.
//!
//! A recording is a directory of segments, each of which can be read by itself: it says what node it is of, has a
//! [`Keyframe`] from which the service can begin, and then the [`Event`]s that the service took, one after another, each with
//! the [`Decision`]s that it came to. [`Recorder`] writes it from a thread of its own and never makes anybody wait;
//! [`Recording`] reads it, as far as it is whole. Nothing here knows what the items mean. No secret comes here: what the
//! service is told of the node's own validators are the messages that it publishes.

mod chunk;
mod codec;
mod decision;
mod error;
mod event;
mod frame;
mod keyframe;
mod messages;
mod reader;
mod recorder;
mod ring;
mod segment;
mod start;
mod words;
mod writer;

#[cfg(test)]
mod tests;

pub use decision::{Decision, Request, Verdict};
pub use error::{Damage, RecordingError};
pub use event::{Answer, Event, Job, Taken};
pub use frame::Frame;
pub use keyframe::{KeyBlock, Keyframe};
pub use reader::{Recording, SegmentFile, SegmentReader, Session};
pub use recorder::{Limits, MIN_LIMIT, Note, Recorder};
pub use start::{Scheme, Start};
