//! What the network and the Byzantine validators decide, one phase of a slot at a time.

use crate::{
    block::{Envelope, Vote},
    names::{Root, Validators},
};

/// Whom a message reaches when. Votes never reach anybody else; blocks do when they are asked for by root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    /// Those that it reaches in time. Byzantine nodes always are among them, and so is the sender.
    pub in_time: Validators,
    /// Those that it reaches at the start of the next slot.
    pub late: Validators,
}

impl Reach {
    /// In time for `everybody`.
    #[must_use]
    pub const fn all(everybody: Validators) -> Self {
        Self {
            in_time: everybody,
            late: Validators::NONE,
        }
    }
}

/// A body that a Byzantine proposer or a stranger chooses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// What an honest proposer would carry.
    Honest,
    /// Nothing.
    Empty,
    /// What an honest proposer would carry, and a vote of its own that names an invented root.
    Inventing,
    /// These votes in this order.
    Votes(Vec<Vote>),
}

/// A block of a Byzantine proposer, or of a stranger if it is unbound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forgery {
    /// What it builds on.
    pub parent: Root,
    /// What it carries.
    pub body: Body,
    /// How the envelope fits.
    pub envelope: Envelope,
    /// Source and target of the proposer's attestation; those of an honest one, unless given.
    pub link: Option<(Root, Root)>,
    /// Whom it reaches; `None` if it is withheld.
    pub reach: Option<Reach>,
}

/// What a Byzantine validator or a stranger sends after the honest validators have attested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sent {
    /// A vote, new or replayed.
    Vote(Vote, Reach),
    /// A block that was withheld.
    Release(Root, Reach),
    /// A block without its proposer's word.
    Forged(Forgery),
}

/// A decision; honest validators have none to take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// The honest proposer's block reaches these.
    Propose(Reach),
    /// The Byzantine proposer makes these blocks.
    ProposeByzantine(Vec<Forgery>),
    /// How far each honest attester's vote reaches, at its index.
    Attest(Vec<Reach>),
    /// These are sent, and the slot ends.
    Misbehave(Vec<Sent>),
}
