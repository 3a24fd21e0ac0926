//! The flight recorder: what entered the chain service and what it decided, in a bounded set of files.
//!
//! A recording is a directory of segments, each of which can be read by itself: it says what node it is of, has a
//! [`Keyframe`] from which the service can begin, and then the [`Event`]s that the service took, one after another,
//! each with the [`Decision`]s that it came to. [`Recorder`] writes it on a thread of its own and never blocks its
//! caller; [`Recording`] reads it, as far as it is whole. Nothing here knows what the items mean. No secret is
//! recorded: of the node's own validators, the service only gets the messages that it publishes.
//!
//! # Example
//!
//! ```
//! use std::time::Duration;
//!
//! use quartet_recording::{
//!     Decision, Event, Frame, KeyBlock, Keyframe, Limits, MIN_LIMIT, Note, Recorder, Recording,
//!     RecordedScheme, SegmentReader, Start, Taken,
//! };
//! # use quartet_types::{Block, BlockWithAttestation, PublicKey, State};
//! # let state = State::genesis(0, &[PublicKey::default()])?;
//! # let message = BlockWithAttestation { block: Block::genesis(&state), ..Default::default() };
//! # let genesis = message.block.checkpoint();
//! # let anchor = KeyBlock { root: genesis.root, message, justified: genesis, finalized: genesis };
//!
//! let directory = tempfile::tempdir()?;
//! let start = Start {
//!     // …
//! #     software: String::new(),
//! #     session: 1,
//! #     part: 0,
//! #     network: genesis.root,
//! #     genesis_time: 0,
//! #     slot_milliseconds: 4_000,
//! #     scheme: RecordedScheme::Test,
//! #     expects_peers: false,
//! #     backfill: false,
//! #     memory: [0; 3],
//!     node: "quartet_0".to_owned(),
//! };
//! let keyframe = Keyframe {
//!     // …
//! #     at: Duration::ZERO,
//! #     is_beginning: true,
//! #     is_synced: true,
//! #     time: 0,
//! #     safe_target: genesis,
//! #     justified: genesis,
//! #     finalized: genesis,
//! #     anchor,
//! #     state: state.into(),
//! #     blocks: Vec::new(),
//! #     votes: Vec::new(),
//! #     new_votes: Vec::new(),
//! #     equivocated: Vec::new(),
//! #     remembered: Vec::new(),
//!     head: genesis,
//! };
//! let mut recorder = Recorder::start(directory.path(), Limits::of(MIN_LIMIT), start)?;
//! recorder.note(Note::Keyframe(Box::new(move || Some(keyframe))));
//! let tick = Event {
//!     at: Duration::from_secs(28),
//!     monotonic: recorder.elapsed(),
//!     taken: Taken::Tick { slot: 7, interval: 0, missed: 0 },
//! };
//! let decided = vec![Decision::SafeTarget(genesis)];
//! recorder.note(Note::Event(tick.clone()));
//! recorder.note(Note::Decided(decided.clone()));
//! // What was noted is written down now.
//! drop(recorder);
//!
//! let recording = Recording::open(directory.path())?;
//! let session = &recording.sessions[0];
//! assert_eq!(session.start.node, "quartet_0");
//! let frames = SegmentReader::open(&session.segments[0].path)?;
//! let frames = frames.collect::<Result<Vec<_>, _>>()?;
//! assert_eq!(frames[2..4], [Frame::Event(tick), Frame::Decided(decided)]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

mod chunk;
mod codec;
mod decision;
mod error;
mod event;
mod frame;
mod keyframe;
mod limits;
mod messages;
mod note;
mod reader;
mod recorder;
mod ring;
mod segment;
mod start;
mod words;
mod writer;

#[cfg(test)]
mod tests;

pub use decision::{Decision, RecordedVerdict, Request};
pub use error::{Damage, RecordingError};
pub use event::{Answer, Event, Job, Taken};
pub use frame::Frame;
pub use keyframe::{KeyBlock, Keyframe};
pub use limits::{Limits, MIN_LIMIT};
pub use note::Note;
pub use reader::{Recording, SegmentFile, SegmentReader, Session};
pub use recorder::Recorder;
pub use start::{RecordedScheme, Start};
