//! A case.

use std::fmt;

use futures::future::BoxFuture;
use serde::Serialize;

use crate::{context::CaseContext, verdict::CaseResult};

/// Which part of the protocol a case is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Group {
    /// QUIC, identities, the names of protocols.
    Transport,
    /// The status.
    Status,
    /// The bytes of requests, one by one.
    Framing,
    /// Blocks by their roots.
    Blocks,
    /// Streams that are slow, not ended, or many.
    Streams,
    /// The node's gossip.
    Gossip,
    /// How it keeps its mesh.
    Mesh,
    /// Gossip that must not be passed on, made without any key.
    Invalid,
    /// Attestations made with a validator's key.
    Votes,
    /// Blocks made with a validator's key.
    Proposals,
    /// Peers that come again, and the node itself.
    Restarts,
}

impl Group {
    /// All of them, in the order in which they are played.
    pub const ALL: [Self; 11] = [
        Self::Transport,
        Self::Status,
        Self::Framing,
        Self::Blocks,
        Self::Streams,
        Self::Gossip,
        Self::Mesh,
        Self::Invalid,
        Self::Votes,
        Self::Proposals,
        Self::Restarts,
    ];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Transport => "transport",
            Self::Status => "status",
            Self::Framing => "framing",
            Self::Blocks => "blocks",
            Self::Streams => "streams",
            Self::Gossip => "gossip",
            Self::Mesh => "mesh",
            Self::Invalid => "invalid",
            Self::Votes => "votes",
            Self::Proposals => "proposals",
            Self::Restarts => "restarts",
        }
    }

    /// Groups of the same lane are played one after another, lanes side by side: votes and proposals have slots to wait for. The
    /// last lane begins when all others are over.
    pub(crate) fn lane(self) -> usize {
        match self {
            Self::Invalid => 1,
            Self::Votes => 2,
            Self::Proposals => 3,
            Self::Restarts => 4,
            _ => 0,
        }
    }

    /// The group of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|group| group.name() == name)
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A case. Its id stays the same for ever.
#[derive(Clone, Copy)]
pub struct Case {
    /// A letter for the group and a number.
    pub id: &'static str,
    /// Its group.
    pub group: Group,
    /// The rule, in one sentence.
    pub rule: &'static str,
    /// Where the rule stands.
    pub source: &'static str,
    pub(crate) play: for<'a> fn(&'a CaseContext) -> BoxFuture<'a, CaseResult>,
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Case")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
