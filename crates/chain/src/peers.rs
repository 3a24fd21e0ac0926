//! Who we are connected to: written by the network service, read by whoever wants to know.

use std::{collections::BTreeMap, sync::Arc};

use parking_lot::RwLock;
use quartet_sync::PeerName;
use quartet_types::Status;

/// Who opened a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The peer dialled us.
    Inbound,
    /// We dialled the peer.
    Outbound,
}

/// What is known of a connected peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerInfo {
    /// The address at the other end.
    pub address: String,
    /// Who opened the connection.
    pub direction: Direction,
    /// The software it says it runs, once it has said so.
    pub agent: Option<String>,
    /// Its latest status, once it has sent one.
    pub status: Option<Status>,
}

/// The connected peers. Clones share the table. It is bounded by the network's connection limit.
#[derive(Clone, Debug, Default)]
pub struct Peers(Arc<RwLock<BTreeMap<PeerName, PeerInfo>>>);

impl Peers {
    /// Adds a peer, or replaces what is known of it.
    pub fn insert(&self, peer: PeerName, info: PeerInfo) {
        self.0.write().insert(peer, info);
    }

    /// Changes what is known of a peer, if it is connected.
    pub fn update(&self, peer: &PeerName, change: impl FnOnce(&mut PeerInfo)) {
        if let Some(info) = self.0.write().get_mut(peer) {
            change(info);
        }
    }

    /// Forgets a peer.
    pub fn remove(&self, peer: &PeerName) {
        self.0.write().remove(peer);
    }

    /// Number of connected peers.
    pub fn count(&self) -> usize {
        self.0.read().len()
    }

    /// A copy of the table, sorted by name.
    pub fn list(&self) -> Vec<(PeerName, PeerInfo)> {
        let table = self.0.read();
        table
            .iter()
            .map(|(name, info)| (name.clone(), info.clone()))
            .collect()
    }
}
