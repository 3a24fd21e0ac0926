//! How a block by another node arrived.

use crate::{PeerName, Source};

/// Where a block came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A peer published it.
    Gossip(PeerName),
    /// A peer answered a request with it.
    Sync(PeerName),
}

impl Origin {
    /// Whether it came by gossip, so that the sender's verdict decides on forwarding it.
    pub(crate) fn is_gossip(&self) -> bool {
        matches!(self, Self::Gossip(_))
    }

    /// What watchers are told of it.
    pub(crate) fn source(&self) -> Source {
        match self {
            Self::Gossip(_) => Source::Gossip,
            Self::Sync(_) => Source::Sync,
        }
    }

    /// The peer behind it.
    pub(crate) fn peer(&self) -> &PeerName {
        match self {
            Self::Gossip(peer) | Self::Sync(peer) => peer,
        }
    }
}
