//! How a block of others came to us.

use crate::PeerName;

/// Where a block came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A peer published it.
    Gossip(PeerName),
    /// A peer answered a request with it.
    Sync(PeerName),
}

impl Origin {
    /// The peer behind it.
    pub(crate) fn peer(&self) -> &PeerName {
        match self {
            Self::Gossip(peer) | Self::Sync(peer) => peer,
        }
    }
}
