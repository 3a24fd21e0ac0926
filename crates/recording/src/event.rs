//! What the service's loop took, in order.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use quartet_sync::{PeerName, RequestError};
use quartet_types::{
    Checkpoint, Root, SignedAttestation, SignedBlockWithAttestation, Slot, Status, ValidatorIndex,
};

use crate::{
    codec::{Decoder, Encoder},
    error::Malformed,
};

/// Something that the loop took, and when.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// What the network's clock showed, since the Unix epoch: the only time that the service sees until it takes the
    /// next.
    pub at: Duration,
    /// Time since the recorder began, which no clock that is set changes.
    pub monotonic: Duration,
    /// What it took.
    pub taken: Taken,
}

/// What the loop took.
#[derive(Clone, Debug, PartialEq)]
pub enum Taken {
    /// The start of an interval.
    Tick {
        /// The slot.
        slot: Slot,
        /// The interval in it.
        interval: u64,
        /// Ticks passed over before.
        missed: u64,
    },
    /// Attestations from gossip, to wait for the next batch.
    Attestations(Vec<(SignedAttestation, PeerName)>),
    /// The next batch was due.
    BatchDue,
    /// A block from gossip.
    Block {
        /// The block.
        block: Arc<SignedBlockWithAttestation>,
        /// The peer that sent it.
        peer: PeerName,
    },
    /// A block of the node's own.
    OwnBlock(Arc<SignedBlockWithAttestation>),
    /// Attestations of the node's own.
    OwnAttestations(Vec<SignedAttestation>),
    /// The node was about to propose in this slot.
    PrepareProposal(Slot),
    /// A peer's status.
    Status {
        /// The peer.
        peer: PeerName,
        /// What it said.
        status: Status,
    },
    /// A peer was gone.
    Disconnected(PeerName),
    /// An answer to a request.
    Requested {
        /// The request's number.
        request: u64,
        /// What came.
        result: Result<Vec<Arc<SignedBlockWithAttestation>>, RequestError>,
    },
    /// A job had finished.
    Done {
        /// The job.
        job: Job,
        /// What it returned that does not follow from the rest.
        answer: Answer,
    },
    /// The service was told to stop.
    Stop,
}

/// A job of the processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Job {
    /// A block was checked.
    Block(Root),
    /// The proposer's signature of a block was verified.
    Authentic(Root),
    /// As [`Self::Authentic`], of a second block of its slot.
    Witnessed(Root),
    /// The signatures of a range of blocks were verified.
    RangeChecked(u64),
    /// A range of blocks was applied, up to this slot.
    RangeApplied(Option<Slot>),
    /// The signatures of votes for a block that waits were verified.
    Vouched(Root),
    /// A block was looked up in the database.
    Recalled(Root),
    /// The signatures of a batch of attestations were verified; the first one's validator and slot, and how many there
    /// were.
    Attestations(ValidatorIndex, Slot, u64),
    /// Something was written.
    Stored,
    /// Something was written or looked up of the past.
    Past,
    /// The head's state was rebuilt.
    HeadState(Root),
}

/// What a job returned that does not follow from what the service knew.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// Nothing: it can be computed again.
    Computed,
    /// The work did not finish, or the database failed.
    Failed(String),
    /// In which slot the database has a block.
    Slot(Option<Slot>),
    /// What was written, and whether there is more to delete.
    Written {
        /// The blocks.
        roots: Vec<Root>,
        /// Whether there is more to delete.
        more_to_prune: bool,
    },
    /// What is missing of the past.
    Missing {
        /// The blocks.
        blocks: Vec<Checkpoint>,
        /// Where to go on.
        next: Option<Slot>,
        /// From where on blocks are kept.
        kept_from: Slot,
    },
    /// What was kept of the past.
    Kept {
        /// The request that brought it.
        request: u64,
        /// The blocks.
        roots: BTreeSet<Root>,
        /// What they take.
        bytes: u64,
        /// From where on blocks are kept.
        kept_from: Slot,
    },
}

impl Event {
    pub(crate) fn encode(&self, to: &mut Encoder) {
        to.duration(self.at);
        to.duration(self.monotonic);
        self.taken.encode(to);
    }

    pub(crate) fn decode(from: &mut Decoder<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            at: from.duration()?,
            monotonic: from.duration()?,
            taken: Taken::decode(from)?,
        })
    }
}

impl Taken {
    fn encode(&self, to: &mut Encoder) {
        match self {
            Self::Tick {
                slot,
                interval,
                missed,
            } => {
                to.byte(0);
                for number in [slot, interval, missed] {
                    to.number(*number);
                }
            }
            Self::Attestations(items) => {
                to.byte(1);
                to.list(items, |to, (signed, peer)| {
                    to.signed_attestation(signed);
                    to.peer(peer);
                });
            }
            Self::BatchDue => to.byte(2),
            Self::Block { block, peer } => {
                to.byte(3);
                to.block(block);
                to.peer(peer);
            }
            Self::OwnBlock(block) => {
                to.byte(4);
                to.block(block);
            }
            Self::OwnAttestations(votes) => {
                to.byte(5);
                to.list(votes, Encoder::signed_attestation);
            }
            Self::PrepareProposal(slot) => {
                to.byte(6);
                to.number(*slot);
            }
            Self::Status { peer, status } => {
                to.byte(7);
                to.peer(peer);
                to.checkpoint(&status.finalized);
                to.checkpoint(&status.head);
            }
            Self::Disconnected(peer) => {
                to.byte(8);
                to.peer(peer);
            }
            Self::Requested { request, result } => {
                to.byte(9);
                to.number(*request);
                match result {
                    Ok(blocks) => {
                        to.byte(0);
                        to.list(blocks, |to, block| to.block(block));
                    }
                    Err(error) => to.byte(number_of(*error)),
                }
            }
            Self::Done { job, answer } => {
                to.byte(10);
                job.encode(to);
                answer.encode(to);
            }
            Self::Stop => to.byte(11),
        }
    }

    fn decode(from: &mut Decoder<'_>) -> Result<Self, Malformed> {
        Ok(match from.byte()? {
            0 => Self::Tick {
                slot: from.number()?,
                interval: from.number()?,
                missed: from.number()?,
            },
            1 => Self::Attestations(
                from.list(|from| Ok((from.signed_attestation()?, from.peer()?)))?,
            ),
            2 => Self::BatchDue,
            3 => Self::Block {
                block: Arc::new(from.block()?),
                peer: from.peer()?,
            },
            4 => Self::OwnBlock(Arc::new(from.block()?)),
            5 => Self::OwnAttestations(from.list(Decoder::signed_attestation)?),
            6 => Self::PrepareProposal(from.number()?),
            7 => Self::Status {
                peer: from.peer()?,
                status: Status {
                    finalized: from.checkpoint()?,
                    head: from.checkpoint()?,
                },
            },
            8 => Self::Disconnected(from.peer()?),
            9 => Self::Requested {
                request: from.number()?,
                result: match from.byte()? {
                    0 => Ok(from.list(|from| from.block().map(Arc::new))?),
                    1 => Err(RequestError::NotSent),
                    2 => Err(RequestError::NoAnswer),
                    3 => Err(RequestError::Unsupported),
                    4 => Err(RequestError::Malformed),
                    _ => return Err(Malformed),
                },
            },
            10 => Self::Done {
                job: Job::decode(from)?,
                answer: Answer::decode(from)?,
            },
            11 => Self::Stop,
            _ => return Err(Malformed),
        })
    }
}

fn number_of(error: RequestError) -> u8 {
    match error {
        RequestError::NotSent => 1,
        RequestError::NoAnswer => 2,
        RequestError::Unsupported => 3,
        RequestError::Malformed => 4,
    }
}

impl Job {
    pub(crate) fn encode(&self, to: &mut Encoder) {
        let (tag, root) = match self {
            Self::Block(root) => (0, root),
            Self::Authentic(root) => (1, root),
            Self::Witnessed(root) => (2, root),
            Self::Vouched(root) => (3, root),
            Self::Recalled(root) => (4, root),
            Self::HeadState(root) => (5, root),
            Self::RangeChecked(number) => {
                to.byte(6);
                return to.number(*number);
            }
            Self::RangeApplied(end) => {
                to.byte(7);
                return to.option(*end, Encoder::number);
            }
            Self::Attestations(validator, slot, count) => {
                to.byte(8);
                to.number(*validator);
                to.number(*slot);
                return to.number(*count);
            }
            Self::Stored => return to.byte(9),
            Self::Past => return to.byte(10),
        };
        to.byte(tag);
        to.root(root);
    }

    pub(crate) fn decode(from: &mut Decoder<'_>) -> Result<Self, Malformed> {
        Ok(match from.byte()? {
            0 => Self::Block(from.root()?),
            1 => Self::Authentic(from.root()?),
            2 => Self::Witnessed(from.root()?),
            3 => Self::Vouched(from.root()?),
            4 => Self::Recalled(from.root()?),
            5 => Self::HeadState(from.root()?),
            6 => Self::RangeChecked(from.number()?),
            7 => Self::RangeApplied(from.option(Decoder::number)?),
            8 => Self::Attestations(from.number()?, from.number()?, from.number()?),
            9 => Self::Stored,
            10 => Self::Past,
            _ => return Err(Malformed),
        })
    }
}

impl Answer {
    fn encode(&self, to: &mut Encoder) {
        match self {
            Self::Computed => to.byte(0),
            Self::Failed(why) => {
                to.byte(1);
                to.text(why);
            }
            Self::Slot(slot) => {
                to.byte(2);
                to.option(*slot, Encoder::number);
            }
            Self::Written {
                roots,
                more_to_prune,
            } => {
                to.byte(3);
                to.list(roots, Encoder::root);
                to.flag(*more_to_prune);
            }
            Self::Missing {
                blocks,
                next,
                kept_from,
            } => {
                to.byte(4);
                to.list(blocks, Encoder::checkpoint);
                to.option(*next, Encoder::number);
                to.number(*kept_from);
            }
            Self::Kept {
                request,
                roots,
                bytes,
                kept_from,
            } => {
                to.byte(5);
                to.number(*request);
                to.list(&Vec::from_iter(roots), |to, root| to.root(root));
                to.number(*bytes);
                to.number(*kept_from);
            }
        }
    }

    fn decode(from: &mut Decoder<'_>) -> Result<Self, Malformed> {
        Ok(match from.byte()? {
            0 => Self::Computed,
            1 => Self::Failed(from.text()?),
            2 => Self::Slot(from.option(Decoder::number)?),
            3 => Self::Written {
                roots: from.list(Decoder::root)?,
                more_to_prune: from.flag()?,
            },
            4 => Self::Missing {
                blocks: from.list(Decoder::checkpoint)?,
                next: from.option(Decoder::number)?,
                kept_from: from.number()?,
            },
            5 => Self::Kept {
                request: from.number()?,
                roots: from.list(Decoder::root)?.into_iter().collect(),
                bytes: from.number()?,
                kept_from: from.number()?,
            },
            _ => return Err(Malformed),
        })
    }
}
