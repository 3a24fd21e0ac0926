//! What the service came to.

use quartet_sync::{PeerName, SyncState};
use quartet_types::{Checkpoint, Root, Slot, ValidatorIndex};

use crate::{
    codec::{Decoder, Encoder},
    error::Malformed,
    event::Job,
};

/// What is said of an item from gossip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordedVerdict {
    /// It is valid.
    Accept,
    /// It is of no use.
    Ignore,
    /// It is invalid.
    Reject,
}

/// What a peer was asked for, or what was done about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Blocks by root, with the request's number.
    Roots(u64, Vec<Root>),
    /// Blocks by slots, with the request's number: the first slot and how many.
    Range(u64, Slot, u64),
    /// Disconnected, and why.
    Leave(String),
    /// Penalized, and why.
    Penalty(String),
}

/// Something that the service decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The verdict on an attestation.
    Vote {
        /// The validator.
        validator: ValidatorIndex,
        /// The slot.
        slot: Slot,
        /// The verdict.
        verdict: RecordedVerdict,
    },
    /// The verdict on a block.
    Block {
        /// The block.
        block: Checkpoint,
        /// The verdict.
        verdict: RecordedVerdict,
    },
    /// An attestation waits for a block.
    ParkedVote {
        /// The validator.
        validator: ValidatorIndex,
        /// The slot.
        slot: Slot,
        /// For which block.
        waits_for: Root,
    },
    /// A block waits for another.
    Parked {
        /// The block.
        block: Checkpoint,
        /// For which.
        waits_for: Root,
        /// Whether an attestation of it names that one; otherwise it builds on it.
        by_name: bool,
    },
    /// A check was finished: nothing was wrong, or this was.
    Checked {
        /// The job.
        job: Job,
        /// What was wrong.
        error: Option<String>,
    },
    /// Of the signatures of a batch, those of these validators are invalid.
    Invalid(Vec<ValidatorIndex>),
    /// A block was imported.
    Imported(Checkpoint),
    /// A block that had been checked was not imported.
    NotImported {
        /// The block.
        block: Checkpoint,
        /// Why.
        error: String,
    },
    /// The node's own attestations were counted, or refused.
    OwnVotes {
        /// So many counted.
        counted: u64,
        /// So many refused.
        refused: u64,
    },
    /// The head.
    Head {
        /// The new one.
        head: Checkpoint,
        /// How many blocks of the old chain were left.
        reorg_depth: u64,
    },
    /// A checkpoint was justified.
    Justified(Checkpoint),
    /// A checkpoint was finalized.
    Finalized(Checkpoint),
    /// The safe target changed.
    SafeTarget(Checkpoint),
    /// The state of catching up changed.
    Sync(SyncState),
    /// A validator was found to have signed twice.
    Equivocation {
        /// The validator.
        validator: ValidatorIndex,
        /// The slot.
        slot: Slot,
    },
    /// Something was to be done with a peer.
    Asked {
        /// The peer.
        peer: PeerName,
        /// The request.
        request: Request,
        /// Whether the network service had room for it.
        is_sent: bool,
    },
}

impl Decision {
    /// Whether another run decided the same. The wording of errors does not matter.
    pub fn agrees_with(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Checked { job, error },
                Self::Checked {
                    job: other,
                    error: why,
                },
            ) => job == other && error.is_some() == why.is_some(),
            (Self::NotImported { block, .. }, Self::NotImported { block: other, .. }) => {
                block == other
            }
            _ => self == other,
        }
    }

    /// Whether it is about the chain itself, which does not depend on which peers the node asks.
    pub fn is_of_the_chain(&self) -> bool {
        matches!(
            self,
            Self::Head { .. } | Self::Justified(_) | Self::Finalized(_) | Self::Imported(_)
        )
    }

    /// The block that it is about, if any.
    pub fn root(&self) -> Option<Root> {
        match self {
            Self::Block { block, .. }
            | Self::Parked { block, .. }
            | Self::NotImported { block, .. }
            | Self::Imported(block)
            | Self::Head { head: block, .. }
            | Self::Justified(block)
            | Self::Finalized(block)
            | Self::SafeTarget(block) => Some(block.root),
            Self::ParkedVote { waits_for, .. } => Some(*waits_for),
            Self::Checked {
                job:
                    Job::Block(root)
                    | Job::Authentic(root)
                    | Job::Witnessed(root)
                    | Job::Vouched(root)
                    | Job::Recalled(root)
                    | Job::HeadState(root),
                ..
            } => Some(*root),
            Self::Asked {
                request: Request::Roots(_, roots),
                ..
            } => roots.first().copied(),
            _ => None,
        }
    }

    pub(crate) fn encode(&self, to: &mut Encoder) {
        match self {
            Self::Vote {
                validator,
                slot,
                verdict,
            } => {
                to.byte(0);
                to.number(*validator);
                to.number(*slot);
                verdict.encode(to);
            }
            Self::Block { block, verdict } => {
                to.byte(1);
                to.checkpoint(block);
                verdict.encode(to);
            }
            Self::ParkedVote {
                validator,
                slot,
                waits_for,
            } => {
                to.byte(2);
                to.number(*validator);
                to.number(*slot);
                to.root(waits_for);
            }
            Self::Parked {
                block,
                waits_for,
                by_name,
            } => {
                to.byte(3);
                to.checkpoint(block);
                to.root(waits_for);
                to.flag(*by_name);
            }
            Self::Checked { job, error } => {
                to.byte(4);
                job.encode(to);
                to.option(error.as_deref(), Encoder::text);
            }
            Self::Invalid(validators) => {
                to.byte(5);
                to.list(validators, |to, validator| to.number(*validator));
            }
            Self::Imported(block) => tagged(to, 6, block),
            Self::NotImported { block, error } => {
                tagged(to, 7, block);
                to.text(error);
            }
            Self::OwnVotes { counted, refused } => {
                to.byte(8);
                to.number(*counted);
                to.number(*refused);
            }
            Self::Head { head, reorg_depth } => {
                tagged(to, 9, head);
                to.number(*reorg_depth);
            }
            Self::Justified(checkpoint) => tagged(to, 10, checkpoint),
            Self::Finalized(checkpoint) => tagged(to, 11, checkpoint),
            Self::SafeTarget(checkpoint) => tagged(to, 12, checkpoint),
            Self::Sync(state) => {
                to.byte(13);
                match state {
                    SyncState::Starting => to.byte(0),
                    SyncState::Syncing { target } => {
                        to.byte(1);
                        to.number(*target);
                    }
                    SyncState::Synced => to.byte(2),
                }
            }
            Self::Equivocation { validator, slot } => {
                to.byte(14);
                to.number(*validator);
                to.number(*slot);
            }
            Self::Asked {
                peer,
                request,
                is_sent,
            } => {
                to.byte(15);
                to.peer(peer);
                request.encode(to);
                to.flag(*is_sent);
            }
        }
    }

    pub(crate) fn decode(from: &mut Decoder<'_>) -> Result<Self, Malformed> {
        Ok(match from.byte()? {
            0 => Self::Vote {
                validator: from.number()?,
                slot: from.number()?,
                verdict: RecordedVerdict::decode(from)?,
            },
            1 => Self::Block {
                block: from.checkpoint()?,
                verdict: RecordedVerdict::decode(from)?,
            },
            2 => Self::ParkedVote {
                validator: from.number()?,
                slot: from.number()?,
                waits_for: from.root()?,
            },
            3 => Self::Parked {
                block: from.checkpoint()?,
                waits_for: from.root()?,
                by_name: from.flag()?,
            },
            4 => Self::Checked {
                job: Job::decode(from)?,
                error: from.option(Decoder::text)?,
            },
            5 => Self::Invalid(from.list(Decoder::number)?),
            6 => Self::Imported(from.checkpoint()?),
            7 => Self::NotImported {
                block: from.checkpoint()?,
                error: from.text()?,
            },
            8 => Self::OwnVotes {
                counted: from.number()?,
                refused: from.number()?,
            },
            9 => Self::Head {
                head: from.checkpoint()?,
                reorg_depth: from.number()?,
            },
            10 => Self::Justified(from.checkpoint()?),
            11 => Self::Finalized(from.checkpoint()?),
            12 => Self::SafeTarget(from.checkpoint()?),
            13 => Self::Sync(match from.byte()? {
                0 => SyncState::Starting,
                1 => SyncState::Syncing {
                    target: from.number()?,
                },
                2 => SyncState::Synced,
                _ => return Err(Malformed),
            }),
            14 => Self::Equivocation {
                validator: from.number()?,
                slot: from.number()?,
            },
            15 => Self::Asked {
                peer: from.peer()?,
                request: Request::decode(from)?,
                is_sent: from.flag()?,
            },
            _ => return Err(Malformed),
        })
    }
}

fn tagged(to: &mut Encoder, tag: u8, checkpoint: &Checkpoint) {
    to.byte(tag);
    to.checkpoint(checkpoint);
}

impl RecordedVerdict {
    fn encode(self, to: &mut Encoder) {
        to.byte(match self {
            Self::Accept => 0,
            Self::Ignore => 1,
            Self::Reject => 2,
        });
    }

    fn decode(from: &mut Decoder<'_>) -> Result<Self, Malformed> {
        match from.byte()? {
            0 => Ok(Self::Accept),
            1 => Ok(Self::Ignore),
            2 => Ok(Self::Reject),
            _ => Err(Malformed),
        }
    }
}

impl Request {
    fn encode(&self, to: &mut Encoder) {
        match self {
            Self::Roots(request, roots) => {
                to.byte(0);
                to.number(*request);
                to.list(roots, Encoder::root);
            }
            Self::Range(request, start, count) => {
                to.byte(1);
                for number in [request, start, count] {
                    to.number(*number);
                }
            }
            Self::Leave(why) => {
                to.byte(2);
                to.text(why);
            }
            Self::Penalty(why) => {
                to.byte(3);
                to.text(why);
            }
        }
    }

    fn decode(from: &mut Decoder<'_>) -> Result<Self, Malformed> {
        Ok(match from.byte()? {
            0 => Self::Roots(from.number()?, from.list(Decoder::root)?),
            1 => Self::Range(from.number()?, from.number()?, from.number()?),
            2 => Self::Leave(from.text()?),
            3 => Self::Penalty(from.text()?),
            _ => return Err(Malformed),
        })
    }
}
