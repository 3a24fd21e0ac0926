//! Jobs of the processor: how they finish, and how a recording knows them.

use std::sync::Arc;

use futures::FutureExt as _;
use quartet_clock::Stopwatch;
use quartet_processor::Priority;
use quartet_recording::{Answer, Decision, Job, Taken};
use quartet_storage::Missing;
use quartet_types::{Attestation, Root, Slot, State};
use tokio::sync::oneshot;

use super::{ChainService, vouching::Vouched};
use crate::{
    ChainMessage, GossipAttestation, ImportError, ImportableBlock, StoreError,
    batch::{AppliedBatch, CheckedBatch},
    past::Worked,
};

/// A job of the processor has finished.
#[derive(Debug)]
pub(super) enum Done {
    /// A block was checked; the check was decided on when `begun` started.
    Block {
        root: Root,
        begun: Stopwatch,
        result: Result<ImportableBlock, ImportError>,
    },
    /// The proposer's signature of a block that has to wait was verified.
    Authentic {
        root: Root,
        result: Result<(), ImportError>,
    },
    /// The proposer's signature of a second block of its slot was verified.
    EvidenceChecked {
        root: Root,
        result: Result<(), ImportError>,
    },
    /// The signatures of a batch were verified.
    BatchChecked {
        number: u64,
        checked: Result<CheckedBatch, ImportError>,
    },
    /// A batch was applied, up to the slot `end`.
    BatchApplied {
        end: Option<Slot>,
        applied: Result<AppliedBatch, ImportError>,
    },
    /// The votes for a waiting block were verified.
    Vouched {
        root: Root,
        vouched: Result<Vouched, ImportError>,
    },
    /// A block was looked up in the store.
    Recalled { root: Root, slot: Option<Slot> },
    Attestations {
        items: Vec<GossipAttestation>,
        valid: Result<Vec<bool>, ImportError>,
    },
    /// What was written, or why it could not be.
    Stored(Result<Written, StoreError>),
    /// What was written or looked up of the past, and the first slot from which on blocks are kept now.
    Past(Result<(Worked, Slot), StoreError>),
    /// The head's post-state was rebuilt for a proposal.
    HeadState {
        root: Root,
        state: Result<Option<Arc<State>>, StoreError>,
        ready: oneshot::Sender<()>,
    },
}

/// What has been written.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) roots: Vec<Root>,
    pub(super) more_to_prune: bool,
}

impl Done {
    /// What identifies the job.
    pub(super) fn job(&self) -> Job {
        match self {
            Self::Block { root, .. } => Job::Block(*root),
            Self::Authentic { root, .. } => Job::Authentic(*root),
            Self::EvidenceChecked { root, .. } => Job::Witnessed(*root),
            Self::BatchChecked { number, .. } => Job::RangeChecked(*number),
            Self::BatchApplied { end, .. } => Job::RangeApplied(*end),
            Self::Vouched { root, .. } => Job::Vouched(*root),
            Self::Recalled { root, .. } => Job::Recalled(*root),
            Self::Attestations { items, .. } => {
                let first = items.first().map(|item| item.attestation.message);
                let Attestation { validator_id, data } = first.unwrap_or_default();
                Job::Attestations(validator_id, data.slot, items.len() as u64)
            }
            Self::Stored(_) => Job::Stored,
            Self::Past(_) => Job::Past,
            Self::HeadState { root, .. } => Job::HeadState(*root),
        }
    }

    /// The part of its result that does not follow from what the service knows: what the database said, and failures of the machine.
    pub(super) fn answer(&self) -> Answer {
        let failed = |error: Option<&ImportError>| match error {
            Some(error @ (ImportError::Processor(_) | ImportError::Store(_))) => {
                Answer::Failed(error.to_string())
            }
            _ => Answer::Computed,
        };
        match self {
            Self::Block { result, .. } => failed(result.as_ref().err()),
            Self::Authentic { result, .. } | Self::EvidenceChecked { result, .. } => {
                failed(result.as_ref().err())
            }
            Self::BatchChecked { checked, .. } => failed(checked.as_ref().err()),
            Self::BatchApplied { applied, .. } => failed(applied.as_ref().err()),
            Self::Attestations { valid, .. } => failed(valid.as_ref().err()),
            Self::Vouched { vouched, .. } => failed(vouched.as_ref().err()),
            Self::Recalled { slot, .. } => Answer::Slot(*slot),
            Self::Stored(Ok(Written {
                roots,
                more_to_prune,
            })) => Answer::Written {
                roots: roots.clone(),
                more_to_prune: *more_to_prune,
            },
            Self::Past(Ok((worked, kept_from))) => past_answer(worked, *kept_from),
            Self::HeadState { state: Ok(_), .. } => Answer::Computed,
            Self::Stored(Err(StoreError(why)))
            | Self::Past(Err(StoreError(why)))
            | Self::HeadState {
                state: Err(StoreError(why)),
                ..
            } => Answer::Failed(why.clone()),
        }
    }

    /// The same job with the result that it had then.
    pub(super) fn with(self, answer: Answer) -> Self {
        let failure = |why| ImportError::Store(StoreError(why));
        match (self, answer) {
            (Self::Recalled { root, .. }, Answer::Slot(slot)) => Self::Recalled { root, slot },
            (
                Self::Stored(_),
                Answer::Written {
                    roots,
                    more_to_prune,
                },
            ) => Self::Stored(Ok(Written {
                roots,
                more_to_prune,
            })),
            (Self::Stored(_), Answer::Failed(why)) => Self::Stored(Err(StoreError(why))),
            (Self::Past(_), Answer::Failed(why)) => Self::Past(Err(StoreError(why))),
            (Self::Past(own), answer) => Self::Past(past_result(answer).unwrap_or(own)),
            (Self::Block { root, begun, .. }, Answer::Failed(why)) => Self::Block {
                root,
                begun,
                result: Err(failure(why)),
            },
            (Self::Authentic { root, .. }, Answer::Failed(why)) => Self::Authentic {
                root,
                result: Err(failure(why)),
            },
            (Self::EvidenceChecked { root, .. }, Answer::Failed(why)) => Self::EvidenceChecked {
                root,
                result: Err(failure(why)),
            },
            (Self::Vouched { root, .. }, Answer::Failed(why)) => Self::Vouched {
                root,
                vouched: Err(failure(why)),
            },
            (Self::BatchChecked { number, .. }, Answer::Failed(why)) => Self::BatchChecked {
                number,
                checked: Err(failure(why)),
            },
            (Self::BatchApplied { end, .. }, Answer::Failed(why)) => Self::BatchApplied {
                end,
                applied: Err(failure(why)),
            },
            (Self::Attestations { items, .. }, Answer::Failed(why)) => Self::Attestations {
                items,
                valid: Err(failure(why)),
            },
            (Self::HeadState { root, ready, .. }, Answer::Failed(why)) => Self::HeadState {
                root,
                state: Err(StoreError(why)),
                ready,
            },
            (done, _) => done,
        }
    }

    /// What a recording notes of its result: whether anything was wrong.
    pub(super) fn decision(&self) -> Option<Decision> {
        let text = |error: &ImportError| error.to_string();
        let error = match self {
            Self::Block { result, .. } => result.as_ref().err().map(text),
            Self::Authentic { result, .. } | Self::EvidenceChecked { result, .. } => {
                result.as_ref().err().map(text)
            }
            Self::BatchChecked { checked, .. } => match checked {
                Ok(checked) => checked.error.as_ref().map(|(_, _, error)| text(error)),
                Err(error) => Some(text(error)),
            },
            Self::BatchApplied { applied, .. } => match applied {
                Ok(applied) => applied.error.as_ref().map(|(_, _, error)| text(error)),
                Err(error) => Some(text(error)),
            },
            Self::Vouched { vouched, .. } => match vouched {
                Ok(vouched) => (!vouched.is_vouched).then(|| "too few votes for it".to_owned()),
                Err(error) => Some(text(error)),
            },
            Self::HeadState { state, .. } => match state {
                Ok(state) => state.is_none().then(|| "it cannot be rebuilt".to_owned()),
                Err(StoreError(why)) => Some(why.clone()),
            },
            Self::Recalled { .. } | Self::Attestations { .. } | Self::Stored(_) | Self::Past(_) => {
                return None;
            }
        };
        let job = self.job();
        Some(Decision::Checked { job, error })
    }
}

fn past_answer(worked: &Worked, kept_from: Slot) -> Answer {
    match worked {
        Worked::Looked(Missing { blocks, next }) => Answer::Missing {
            blocks: blocks.clone(),
            next: *next,
            kept_from,
        },
        Worked::Kept {
            request,
            roots,
            bytes,
        } => Answer::Kept {
            request: *request,
            roots: roots.clone(),
            bytes: *bytes as u64,
            kept_from,
        },
    }
}

fn past_result(answer: Answer) -> Option<Result<(Worked, Slot), StoreError>> {
    match answer {
        Answer::Missing {
            blocks,
            next,
            kept_from,
        } => Some(Ok((Worked::Looked(Missing { blocks, next }), kept_from))),
        Answer::Kept {
            request,
            roots,
            bytes,
            kept_from,
        } => {
            let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
            let kept = Worked::Kept {
                request,
                roots,
                bytes,
            };
            Some(Ok((kept, kept_from)))
        }
        _ => None,
    }
}

/// A message as a recording notes it.
pub(super) fn taken(message: &ChainMessage) -> Taken {
    match message {
        ChainMessage::Block { block, peer, .. } => Taken::Block {
            block: block.clone(),
            peer: peer.clone(),
        },
        ChainMessage::OwnBlock { block, .. } => Taken::OwnBlock(block.clone()),
        ChainMessage::OwnAttestations { attestations, .. } => {
            Taken::OwnAttestations(attestations.clone())
        }
        ChainMessage::PrepareProposal { slot, .. } => Taken::PrepareProposal(*slot),
        ChainMessage::Status { peer, status } => Taken::Status {
            peer: peer.clone(),
            status: *status,
        },
        ChainMessage::Disconnected { peer } => Taken::Disconnected(peer.clone()),
        ChainMessage::RequestedBlocks { request, result } => Taken::Requested {
            request: *request,
            result: result.clone(),
        },
    }
}

impl ChainService {
    /// Runs `work` on the processor and hands its outcome to [`Self::on_done`]. In a replay it runs now, and its outcome is held
    /// until the recording says that it was taken.
    pub(super) fn spawn<T: Send + 'static>(
        &mut self,
        priority: Priority,
        work: impl FnOnce() -> T + Send + 'static,
        done: impl FnOnce(Result<T, ImportError>) -> Done + Send + 'static,
    ) {
        let processor = self.processor.clone();
        let job = async move {
            let outcome = processor.run(priority, work).await;
            done(outcome.map_err(ImportError::from))
        };
        match &mut self.held {
            Some(held) => held.extend(job.now_or_never()),
            None => self.jobs.push(job.boxed()),
        }
    }
}
