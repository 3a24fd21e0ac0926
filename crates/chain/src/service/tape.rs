//! The service's inputs and decisions on their way to the recorder; in a replay, back from the recording.

use std::{cell::RefCell, collections::VecDeque, time::Duration};

use quartet_recording::{Decision, Event, Note, Recorder, Request, Taken};

use crate::{ChainEvent, NetworkMessage, Verdict};

/// Notes what the service does. When off, it costs nothing.
#[derive(Debug, Default)]
pub(super) enum Tape {
    #[default]
    Off,
    Recording(RefCell<Live>),
    Playing(RefCell<Script>),
}

/// What is being recorded.
#[derive(Debug)]
pub(super) struct Live {
    recorder: Recorder,
    /// The decisions of the event that is being dealt with.
    decisions: Vec<Decision>,
}

/// What is being replayed.
#[derive(Debug, Default)]
pub(super) struct Script {
    decisions: Vec<Decision>,
    /// Whether the network had room for each of the messages to it that come next.
    is_sent: VecDeque<bool>,
}

impl Tape {
    pub(super) fn recording(recorder: Recorder) -> Self {
        let decisions = Vec::new();
        Self::Recording(RefCell::new(Live {
            recorder,
            decisions,
        }))
    }

    pub(super) fn playing() -> Self {
        Self::Playing(RefCell::default())
    }

    /// Notes an input before it is dealt with: it may be the one that ends the process.
    pub(super) fn take(&self, at: Duration, taken: impl FnOnce() -> Taken) {
        if let Self::Recording(live) = self {
            let recorder = &mut live.borrow_mut().recorder;
            let monotonic = recorder.elapsed();
            recorder.note(Note::Event(Event {
                at,
                monotonic,
                taken: taken(),
            }));
        }
    }

    /// Whether anybody listens.
    pub(super) fn is_on(&self) -> bool {
        !matches!(self, Self::Off)
    }

    /// Notes a decision.
    pub(super) fn decide(&self, decision: impl FnOnce() -> Decision) {
        // Made before the tape is borrowed: the closure may look at the tape.
        match self {
            Self::Off => {}
            Self::Recording(live) => {
                let decision = decision();
                live.borrow_mut().decisions.push(decision);
            }
            Self::Playing(script) => {
                let decision = decision();
                script.borrow_mut().decisions.push(decision);
            }
        }
    }

    /// The input has been dealt with.
    pub(super) fn end(&mut self) {
        let Self::Recording(live) = self else {
            return;
        };
        let live = live.get_mut();
        let decisions = std::mem::take(&mut live.decisions);
        live.recorder.note(Note::Decided(decisions));
        if !live.recorder.is_live() {
            *self = Self::Off;
        }
    }

    /// Notes something that is neither.
    pub(super) fn note(&self, note: Note) {
        if let Self::Recording(live) = self {
            live.borrow_mut().recorder.note(note);
        }
    }

    /// Whether a keyframe is wanted.
    pub(super) fn wants_keyframe(&self) -> bool {
        match self {
            Self::Recording(live) => live.borrow().recorder.wants_keyframe(),
            Self::Off | Self::Playing(_) => false,
        }
    }

    /// In a replay, whether the network had room for this message; otherwise `None`.
    pub(super) fn was_sent(&self) -> Option<bool> {
        match self {
            Self::Playing(script) => Some(script.borrow_mut().is_sent.pop_front().unwrap_or(true)),
            Self::Off | Self::Recording(_) => None,
        }
    }

    /// Takes over the recording's answers of the network.
    pub(super) fn cue(&mut self, recorded: &[Decision]) {
        if let Self::Playing(script) = self {
            let asked = recorded.iter().filter_map(|decision| match decision {
                Decision::Asked { is_sent, .. } => Some(*is_sent),
                _ => None,
            });
            script.get_mut().is_sent = asked.collect();
        }
    }

    /// The decisions of a replay since the last call.
    pub(super) fn heard(&mut self) -> Vec<Decision> {
        match self {
            Self::Playing(script) => std::mem::take(&mut script.get_mut().decisions),
            Self::Off | Self::Recording(_) => Vec::new(),
        }
    }
}

impl From<Verdict> for quartet_recording::RecordedVerdict {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Accept => Self::Accept,
            Verdict::Ignore => Self::Ignore,
            Verdict::Reject => Self::Reject,
        }
    }
}

/// The decision that an event stands for. Votes that count are noted by their verdicts.
pub(super) fn decision_of(event: &ChainEvent) -> Option<Decision> {
    Some(match event {
        ChainEvent::Block(imported) => Decision::Imported(imported.block),
        ChainEvent::Head {
            head, reorg_depth, ..
        } => Decision::Head {
            head: *head,
            reorg_depth: *reorg_depth,
        },
        ChainEvent::Justified(checkpoint) => Decision::Justified(*checkpoint),
        ChainEvent::Finalized(checkpoint) => Decision::Finalized(*checkpoint),
        ChainEvent::SafeTarget(checkpoint) => Decision::SafeTarget(*checkpoint),
        ChainEvent::Equivocation { validator, slot } => Decision::Equivocation {
            validator: *validator,
            slot: *slot,
        },
        ChainEvent::Sync(state) => Decision::Sync(*state),
        ChainEvent::Attestations { .. } | ChainEvent::Duty(_) | ChainEvent::SlotEnd(_) => {
            return None;
        }
    })
}

/// The decision that a message to the network stands for, whether there was room for it or not.
pub(super) fn asked(message: &NetworkMessage, is_sent: bool) -> Option<Decision> {
    let (peer, request) = match message {
        NetworkMessage::RequestBlocks {
            request,
            peer,
            roots,
        } => (peer, Request::Roots(*request, roots.clone())),
        NetworkMessage::RequestRange {
            request,
            peer,
            start_slot,
            count,
        } => (peer, Request::Range(*request, *start_slot, *count)),
        NetworkMessage::Disconnect { peer, reason } => (peer, Request::Leave((*reason).to_owned())),
        NetworkMessage::Penalize { peer, reason } => (peer, Request::Penalty((*reason).to_owned())),
        NetworkMessage::PublishBlock(_) | NetworkMessage::PublishAttestations(_) => return None,
    };
    let peer = peer.clone();
    Some(Decision::Asked {
        peer,
        request,
        is_sent,
    })
}
