//! Whom sync may ask.

use std::{
    collections::{BTreeMap, btree_map},
    fmt,
    sync::Arc,
};

use quartet_types::Status;

/// What a peer's merit may grow to.
const MAX_MERIT: i32 = 8;

/// A peer's name: the text form of its identity, unique on the network.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerName(Arc<str>);

impl PeerName {
    /// Names a peer.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PeerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for PeerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A connected peer.
#[derive(Debug)]
pub(crate) struct Peer {
    /// What it says of its chain.
    pub(crate) status: Status,
    /// Whether it answers requests by root, and by slots, until it has said that it does not.
    pub(crate) serves_blocks: bool,
    pub(crate) serves_ranges: bool,
    /// Grows when it serves what signatures confirm, shrinks when it does not answer in time.
    pub(crate) merit: i32,
}

/// The connected peers; the network service bounds how many.
#[derive(Debug, Default)]
pub(crate) struct Peers(BTreeMap<PeerName, Peer>);

impl Peers {
    /// Notes what a peer says of its chain.
    pub(crate) fn update_status(&mut self, name: &PeerName, status: Status) {
        match self.0.get_mut(name) {
            Some(known) => known.status = status,
            None => {
                let known = Peer {
                    status,
                    serves_blocks: true,
                    serves_ranges: true,
                    merit: 0,
                };
                self.0.insert(name.clone(), known);
            }
        }
    }

    /// A peer is gone.
    pub(crate) fn remove(&mut self, name: &PeerName) {
        self.0.remove(name);
    }

    pub(crate) fn get(&self, name: &PeerName) -> Option<&Peer> {
        self.0.get(name)
    }

    pub(crate) fn get_mut(&mut self, name: &PeerName) -> Option<&mut Peer> {
        self.0.get_mut(name)
    }

    /// All of them, by name.
    pub(crate) fn iter(&self) -> btree_map::Iter<'_, PeerName, Peer> {
        self.0.iter()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A peer has earned merit, or lost some.
    pub(crate) fn add_merit(&mut self, name: &PeerName, merit: i32) {
        if let Some(peer) = self.0.get_mut(name) {
            peer.merit = (peer.merit + merit).clamp(-MAX_MERIT, MAX_MERIT);
        }
    }
}
