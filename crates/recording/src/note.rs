//! What the recorder's handle passes to its thread.

use std::{
    fmt,
    sync::atomic::{AtomicBool, AtomicUsize},
};

use crate::{Decision, Event, Frame, Keyframe, Taken};

/// How a keyframe is made, by the writer: `None` when it cannot be.
type MakeKeyframe = Box<dyn FnOnce() -> Option<Keyframe> + Send>;

/// Something to write down.
pub enum Note {
    /// What the service took.
    Event(Event),
    /// What it came to.
    Decided(Vec<Decision>),
    /// From what it could begin at this moment.
    Keyframe(MakeKeyframe),
    /// What came was lost.
    Gap,
    /// It has ended.
    End,
}

impl Note {
    /// Memory that a note takes, near enough.
    pub(crate) fn memory(&self) -> usize {
        const VOTE: usize = 3 << 10;
        let votes = |count: usize| count * VOTE;
        let block =
            |block: &quartet_types::SignedBlockWithAttestation| votes(block.signature.len());
        let held = match self {
            Note::Event(event) => match &event.taken {
                Taken::Attestations(items) => votes(items.len()),
                Taken::OwnAttestations(items) => votes(items.len()),
                Taken::Block { block: it, .. } | Taken::OwnBlock(it) => block(it),
                Taken::Requested {
                    result: Ok(blocks), ..
                } => blocks.iter().map(|it| block(it)).sum(),
                _ => 0,
            },
            Note::Decided(decisions) => decisions.len() * size_of::<Decision>(),
            Note::Keyframe(_) | Note::Gap | Note::End => 0,
        };
        held + size_of::<Frame>()
    }
}

impl fmt::Debug for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Event(event) => event.fmt(f),
            Self::Decided(decisions) => decisions.fmt(f),
            Self::Keyframe(_) => f.write_str("Keyframe"),
            Self::Gap => f.write_str("Gap"),
            Self::End => f.write_str("End"),
        }
    }
}

/// State that handle and writer share.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    /// A segment is long enough, or something was lost.
    pub(crate) wants_keyframe: AtomicBool,
    /// The writer has given up.
    pub(crate) has_stopped: AtomicBool,
    /// Memory of the notes that wait.
    pub(crate) noted_bytes: AtomicUsize,
}
