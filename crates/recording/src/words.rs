//! Decisions, in words.

use std::fmt;

use quartet_sync::SyncState;

use crate::{Decision, Job, RecordedVerdict, Request};

impl fmt::Display for RecordedVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Accept => "accepted",
            Self::Ignore => "ignored",
            Self::Reject => "rejected",
        })
    }
}

impl fmt::Display for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Block(root) => write!(f, "check of block {root}"),
            Self::Authentic(root) => write!(f, "proposer's signature of block {root}"),
            Self::Witnessed(root) => write!(f, "proposer's signature of second block {root}"),
            Self::RangeChecked(number) => write!(f, "signatures of range {number}"),
            Self::RangeApplied(Some(end)) => write!(f, "application of a range up to slot {end}"),
            Self::RangeApplied(None) => f.write_str("application of a range"),
            Self::Vouched(root) => write!(f, "votes for block {root}"),
            Self::Recalled(root) => write!(f, "look-up of block {root}"),
            Self::Attestations(validator, slot, count) => write!(
                f,
                "signatures of {count} votes from validator {validator}'s of slot {slot} on"
            ),
            Self::Stored => f.write_str("write to the database"),
            Self::Past => f.write_str("work on the past"),
            Self::HeadState(root) => write!(f, "state of the head {root}"),
        }
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vote {
                validator,
                slot,
                verdict,
            } => {
                write!(f, "vote of validator {validator} in slot {slot} {verdict}")
            }
            Self::Block { block, verdict } => write!(f, "block {block} {verdict}"),
            Self::ParkedVote {
                validator,
                slot,
                waits_for,
            } => write!(
                f,
                "vote of validator {validator} in slot {slot} waits for block {waits_for}"
            ),
            Self::Parked {
                block,
                waits_for,
                by_name,
            } => {
                let why = if *by_name {
                    "which one of its votes names"
                } else {
                    "its parent"
                };
                write!(f, "block {block} waits for block {waits_for}, {why}")
            }
            Self::Checked { job, error: None } => write!(f, "{job}: nothing wrong"),
            Self::Checked {
                job,
                error: Some(error),
            } => write!(f, "{job}: {error}"),
            Self::Invalid(validators) => {
                write!(f, "invalid signatures of validators {validators:?}")
            }
            Self::Imported(block) => write!(f, "block {block} imported"),
            Self::NotImported { block, error } => write!(f, "block {block} not imported: {error}"),
            Self::OwnVotes { counted, refused } => {
                write!(f, "{counted} votes of its own counted, {refused} refused")
            }
            Self::Head {
                head,
                reorg_depth: 0,
            } => write!(f, "head {head}"),
            Self::Head { head, reorg_depth } => {
                write!(f, "head {head}, which leaves {reorg_depth} blocks")
            }
            Self::Justified(checkpoint) => write!(f, "justified {checkpoint}"),
            Self::Finalized(checkpoint) => write!(f, "finalized {checkpoint}"),
            Self::SafeTarget(checkpoint) => write!(f, "safe target {checkpoint}"),
            Self::Sync(SyncState::Starting) => f.write_str("starting"),
            Self::Sync(SyncState::Syncing { target }) => write!(f, "syncing up to slot {target}"),
            Self::Sync(SyncState::Synced) => f.write_str("synced"),
            Self::Equivocation { validator, slot } => {
                write!(f, "validator {validator} has signed twice for slot {slot}")
            }
            Self::Asked {
                peer,
                request,
                is_sent,
            } => {
                let peer = peer.as_str();
                match request {
                    Request::Roots(number, roots) => {
                        let first = roots.first().copied().unwrap_or_default();
                        let count = roots.len();
                        write!(
                            f,
                            "request {number}: {count} blocks of {peer}, first {first}"
                        )?;
                    }
                    Request::Range(number, start, count) => write!(
                        f,
                        "request {number}: {count} slots of {peer}, from slot {start} on"
                    )?,
                    Request::Leave(why) => write!(f, "leaves {peer}: {why}")?,
                    Request::Penalty(why) => write!(f, "held against {peer}: {why}")?,
                }
                if *is_sent {
                    Ok(())
                } else {
                    f.write_str(" (the network was busy)")
                }
            }
        }
    }
}
