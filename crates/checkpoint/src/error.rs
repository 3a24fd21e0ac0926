//! Why a server, or all of them, gave no checkpoint.

use std::{fmt, io, time::Duration};

use hyper::StatusCode;
use quartet_types::{Checkpoint, Root, Slot};

/// What an exchange with a server was at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Looking up the name, connecting, and agreeing on TLS.
    Connect,
    /// Waiting for the answer's head.
    Head,
    /// Waiting for more of the body.
    Body,
    /// Anything, for too long altogether.
    Total,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "no connection",
            Self::Head => "no answer",
            Self::Body => "nothing more of the answer",
            Self::Total => "not all of the answers",
        })
    }
}

/// Why what a server gave is not used.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// It took too long.
    #[error("{stage} within {} s", limit.as_secs_f32())]
    TimedOut {
        /// What it was at.
        stage: Stage,
        /// How long that may take.
        limit: Duration,
    },
    /// There is no connection, or no trusted one.
    #[error("cannot connect: {0}")]
    Connect(io::Error),
    /// What came is not HTTP, or it ended in the middle.
    #[error("{path}: the exchange failed: {error}")]
    Exchange {
        /// What was asked for.
        path: &'static str,
        /// What went wrong, with its causes.
        error: String,
    },
    /// It redirects to another place. Redirects are not followed: an operator should know which servers the node
    /// trusts.
    #[error("{path}: it redirects to {to}; if that is right, give that URL")]
    Redirect {
        /// What was asked for.
        path: &'static str,
        /// Where it points to, shortened.
        to: String,
    },
    /// It does not serve this, or not now.
    #[error("{path}: status {status}")]
    Status {
        /// What was asked for.
        path: &'static str,
        /// The answer's status.
        status: StatusCode,
    },
    /// The answer is not in the form that was asked for.
    #[error("{path}: expected {expected} without compression, found {found}")]
    Form {
        /// What was asked for.
        path: &'static str,
        /// The form that was asked for.
        expected: &'static str,
        /// What it is, shortened.
        found: String,
    },
    /// The answer is larger than what was asked for can be.
    #[error("{path}: the answer has more than {limit} bytes, which is the most that it can have")]
    TooLarge {
        /// What was asked for.
        path: &'static str,
        /// The limit.
        limit: usize,
    },
    /// It serves the state, but not its block, without which a node cannot start.
    #[error("it serves a state but not the state's block ({0})")]
    NoBlock(Box<Refusal>),
    /// What it serves does not hold.
    #[error(transparent)]
    Mismatch(#[from] Mismatch),
    /// Checking it failed.
    #[error("checking what it serves failed: {0}")]
    Failed(String),
}

/// Why a block and a state are not a checkpoint of this network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// The bytes are no state.
    #[error("the state cannot be read: {0}")]
    State(String),
    /// The bytes are no block.
    #[error("the block cannot be read: {0}")]
    Block(String),
    /// The network has another genesis time.
    #[error("another network: genesis at {found}, here at {expected}")]
    GenesisTime {
        /// Our value.
        expected: u64,
        /// The server's value.
        found: u64,
    },
    /// The network has other validators.
    #[error("another network: its registry differs from ours at validator {validator}")]
    Registry {
        /// The first that differs.
        validator: u64,
    },
    /// The network has another genesis.
    #[error("another network: its genesis block is {found}, ours is {expected}")]
    Genesis {
        /// Our value.
        expected: Root,
        /// The server's value.
        found: Root,
    },
    /// The state is newer than the clock allows.
    #[error("the state is of slot {slot}, but it is slot {current} by the clock here")]
    Future {
        /// The state's slot.
        slot: Slot,
        /// The slot by the clock.
        current: Slot,
    },
    /// A part of the state contradicts the others.
    #[error("the state contradicts itself: {0}")]
    Inconsistent(&'static str),
    /// The block is another one than the state's.
    #[error(
        "block and state do not belong together: the state follows {expected}, the block is {found}"
    )]
    Pair {
        /// The block that the state names.
        expected: Root,
        /// The block that came.
        found: Root,
    },
    /// The block is not what a proposer of this network sends.
    #[error("the block is not valid: {0}")]
    Envelope(&'static str),
    /// A signature of the block is not its validator's.
    #[error("the block is not valid: the signature of validator {validator} is wrong")]
    Signature {
        /// The validator.
        validator: u64,
    },
}

/// There is no checkpoint to start from.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// Nobody was named.
    #[error("no checkpoint server was given")]
    NoServers,
    /// Too many were named.
    #[error(
        "expected at most {} checkpoint servers, found {found}",
        crate::MOST_SERVERS
    )]
    TooManyServers {
        /// How many.
        found: usize,
    },
    /// None of them gave one that can be used.
    #[error("no checkpoint server can be used:{}", list(.0))]
    NoneUsable(Vec<(String, Refusal)>),
    /// Two of them are on different chains.
    #[error(
        "checkpoint servers disagree: {newer}, {older}, and these are not of one chain; find out which is right, and ask only that server"
    )]
    Disagree {
        /// One of them.
        newer: Box<Claim>,
        /// The other one, whose block is of the same slot or an earlier one.
        older: Box<Claim>,
    },
}

/// What a server says is final.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The server's URL.
    pub server: String,
    /// What it says.
    pub checkpoint: Checkpoint,
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Checkpoint { root, slot } = self.checkpoint;
        write!(f, "{} has block {root} at slot {slot}", self.server)
    }
}

fn list(refusals: &[(String, Refusal)]) -> String {
    let lines = refusals
        .iter()
        .map(|(url, why)| format!("\n  {url}: {why}"));
    lines.collect()
}
