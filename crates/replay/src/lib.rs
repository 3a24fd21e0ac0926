//! Runs the real chain service through a recording, and says where it decides otherwise than the recorded one did.
//!
//! A service that is told the same, in the same order and at the same times, decides the same: what differs is a rule that has
//! changed, or a bug. A recording whose beginning is gone begins with a keyframe; what was under way then is not known, so that
//! for some slots what differs is only counted.
//!
//! # Example
//!
//! The recording of a node that took one tick, at genesis, and is said to have come to something that no rule gives:
//!
//! ```
//! # use std::time::Duration;
//! # use quartet_recording::{Event, KeyBlock, Keyframe, Limits, MIN_LIMIT, Note, RecordedScheme, Recorder, Start, Taken};
//! # use quartet_types::{Block, BlockWithAttestation, Checkpoint, PublicKey, Root, State};
//! use quartet_recording::{Decision, Recording};
//! use quartet_replay::{ReplayOptions, play};
//!
//! # let state = State::genesis(0, &[PublicKey::default()])?;
//! # let message = BlockWithAttestation { block: Block::genesis(&state), ..Default::default() };
//! # let genesis = message.block.checkpoint();
//! # let anchor = KeyBlock { root: genesis.root, message, justified: genesis, finalized: genesis };
//! # let start = Start {
//! #     software: String::new(),
//! #     node: String::new(),
//! #     session: 1,
//! #     part: 0,
//! #     network: genesis.root,
//! #     genesis_time: 0,
//! #     slot_milliseconds: 4_000,
//! #     scheme: RecordedScheme::Test,
//! #     expects_peers: false,
//! #     backfill: false,
//! #     memory: [1 << 20; 3],
//! # };
//! # let keyframe = Keyframe {
//! #     at: Duration::ZERO,
//! #     is_beginning: true,
//! #     is_synced: true,
//! #     time: 0,
//! #     head: genesis,
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
//! # };
//! # let directory = tempfile::tempdir()?;
//! # let directory = directory.path();
//! # let elsewhere = Checkpoint { root: Root::repeat_byte(1), slot: 1 };
//! # let mut recorder = Recorder::start(directory, Limits::of(MIN_LIMIT), start)?;
//! # recorder.note(Note::Keyframe(Box::new(move || Some(keyframe))));
//! # let tick = Event {
//! #     at: Duration::from_secs(4),
//! #     monotonic: recorder.elapsed(),
//! #     taken: Taken::Tick { slot: 1, interval: 0, missed: 0 },
//! # };
//! # recorder.note(Note::Event(tick));
//! # recorder.note(Note::Decided(vec![Decision::Finalized(elsewhere)]));
//! # recorder.note(Note::End);
//! # drop(recorder);
//! let options = ReplayOptions::new(&quartet_xmss::Scheme::Test);
//! let outcome = play(&Recording::open(directory)?, options, |told| println!("{told:?}"));
//! assert_eq!((outcome.events, outcome.differences), (1, 1));
//! let difference = outcome.first.ok_or("a difference")?;
//! assert_eq!(difference.recorded, Some(Decision::Finalized(elsewhere)));
//! assert_eq!((difference.slot, difference.replayed), (1, None));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

mod compare;
mod explain;
mod journey;
mod options;
mod player;
mod requests;
mod root_pattern;
mod run;
mod slot_line;

pub use compare::Difference;
pub use explain::{Explanation, Fork, Tally, VotesFor};
pub use journey::Step;
pub use options::{Beginning, ExplainTarget, ReplayEvent, ReplayOptions, ReplayOutcome};
pub use player::play;
pub use quartet_fork_choice::Rules;
pub use root_pattern::{InvalidPattern, RootPattern};
pub use slot_line::{Counts, SlotLine};
