//! What a segment is a sequence of.

use crate::{
    Decision, Event, Keyframe, Start,
    codec::{Decoder, Encoder},
    error::Malformed,
};

/// A piece of a segment.
#[derive(Clone, Debug, PartialEq)]
pub enum Frame {
    /// What node it is of: the first of every segment.
    Start(Start),
    /// From what the service can begin: the second.
    Keyframe(Box<Keyframe>),
    /// What the service took.
    Event(Event),
    /// What it came to then: comes after its event.
    Decided(Vec<Decision>),
    /// What came next was not kept: the disk, or the processor, was too slow.
    Gap,
    /// The service has ended in order.
    End,
}

impl Frame {
    pub(crate) fn encode(&self, to: &mut Encoder) {
        match self {
            Self::Start(start) => {
                to.byte(0);
                start.encode(to);
            }
            Self::Keyframe(keyframe) => {
                to.byte(1);
                keyframe.encode(to);
            }
            Self::Event(event) => {
                to.byte(2);
                event.encode(to);
            }
            Self::Decided(decisions) => {
                to.byte(3);
                to.list(decisions, |to, decision| decision.encode(to));
            }
            Self::Gap => to.byte(4),
            Self::End => to.byte(5),
        }
    }

    pub(crate) fn decode(from: &mut Decoder<'_>) -> Result<Self, Malformed> {
        Ok(match from.byte()? {
            0 => Self::Start(Start::decode(from)?),
            1 => Self::Keyframe(Box::new(Keyframe::decode(from)?)),
            2 => Self::Event(Event::decode(from)?),
            3 => Self::Decided(from.list(Decision::decode)?),
            4 => Self::Gap,
            5 => Self::End,
            _ => return Err(Malformed),
        })
    }
}
