//! What the network and the Byzantine validators decide, one phase of a slot at a time.

use crate::{
    block::{Envelope, Vote},
    names::{Root, Validators},
};

/// What becomes of a message at those that it does not reach in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It arrives at the start of the next slot.
    Late,
    /// A vote never arrives, a block when it is asked for.
    Lost,
}

/// Whom a message reaches when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    /// Those that it reaches in time. Byzantine nodes always are among them.
    pub in_time: Validators,
    /// What becomes of it at the others.
    pub others: Fate,
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
    /// Each honest attester's vote reaches the nodes at its index.
    Attest(Vec<Validators>, Fate),
    /// These are sent, and the slot ends.
    Misbehave(Vec<Sent>),
}
