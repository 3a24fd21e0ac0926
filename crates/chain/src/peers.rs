//! The table of connected peers: written by the network service, read by all others.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use parking_lot::RwLock;
use quartet_sync::PeerName;
use quartet_types::Status;
use tokio::sync::broadcast;

/// Changes a slow watcher may fall behind before it misses some.
const CAPACITY: usize = 256;

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
    /// When it connected, since the Unix epoch.
    pub since: Duration,
    /// What is measured of it, once a slot.
    pub figures: PeerFigures,
}

/// What is measured of a peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PeerFigures {
    /// From a Status that we sent to the answer, the last time.
    pub latency: Option<Duration>,
    /// Penalty points for what no honest client does; at 40 the peer is disconnected and banned.
    pub points: u32,
    /// Bytes that came from it in streams.
    pub received: u64,
    /// Bytes that went to it in streams.
    pub sent: u64,
}

/// The table of peers has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerChange {
    /// A peer has connected.
    Connected(PeerName, PeerInfo),
    /// More, or something else, is known of a peer.
    Updated(PeerName, PeerInfo),
    /// A peer has disconnected; this is what was known of it.
    Disconnected(PeerName, PeerInfo),
}

/// The connected peers. Clones share the table. It is bounded by the network's connection limit.
#[derive(Clone, Debug)]
pub struct Peers {
    table: Arc<RwLock<BTreeMap<PeerName, PeerInfo>>>,
    changes: broadcast::Sender<PeerChange>,
}

impl Default for Peers {
    fn default() -> Self {
        Self {
            table: Arc::default(),
            changes: broadcast::Sender::new(CAPACITY),
        }
    }
}

impl Peers {
    /// Adds a peer, or replaces what is known of it.
    pub fn insert(&self, peer: PeerName, info: PeerInfo) {
        let before = self.table.write().insert(peer.clone(), info.clone());
        self.tell(match before {
            None => PeerChange::Connected(peer, info),
            Some(_) => PeerChange::Updated(peer, info),
        });
    }

    /// Changes what is known of a peer, if it is connected.
    pub fn update(&self, peer: &PeerName, change: impl FnOnce(&mut PeerInfo)) {
        let changed = {
            let mut table = self.table.write();
            let Some(info) = table.get_mut(peer) else {
                return;
            };
            let before = info.clone();
            change(info);
            (before != *info).then(|| info.clone())
        };
        if let Some(info) = changed {
            self.tell(PeerChange::Updated(peer.clone(), info));
        }
    }

    /// Forgets a peer.
    pub fn remove(&self, peer: &PeerName) {
        let removed = self.table.write().remove(peer);
        if let Some(info) = removed {
            self.tell(PeerChange::Disconnected(peer.clone(), info));
        }
    }

    /// Number of connected peers.
    pub fn count(&self) -> usize {
        self.table.read().len()
    }

    /// A copy of the table, sorted by name.
    pub fn list(&self) -> Vec<(PeerName, PeerInfo)> {
        let table = self.table.read();
        table
            .iter()
            .map(|(name, info)| (name.clone(), info.clone()))
            .collect()
    }

    /// Watches all changes from now on. A watcher that falls behind by more than 256 is told how many it missed.
    pub fn watch(&self) -> broadcast::Receiver<PeerChange> {
        self.changes.subscribe()
    }

    fn tell(&self, change: PeerChange) {
        // An error only says that nobody watches.
        let _ = self.changes.send(change);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info() -> PeerInfo {
        PeerInfo {
            address: "/ip4/127.0.0.1/udp/1/quic-v1".to_owned(),
            direction: Direction::Inbound,
            agent: None,
            status: None,
            since: Duration::ZERO,
            figures: PeerFigures::default(),
        }
    }

    #[test]
    fn watchers_are_told_of_changes_only() {
        let (peers, name) = (Peers::default(), PeerName::new("someone"));
        let mut changes = peers.watch();
        peers.remove(&name);
        peers.update(&name, |info| info.agent = Some("x".to_owned()));
        peers.insert(name.clone(), info());
        assert_eq!(
            changes.try_recv(),
            Ok(PeerChange::Connected(name.clone(), info()))
        );
        peers.update(&name, |info| info.agent = None);
        assert!(changes.try_recv().is_err());
        peers.update(&name, |info| info.agent = Some("x".to_owned()));
        let agent = Some("x".to_owned());
        let known = PeerInfo { agent, ..info() };
        assert_eq!(
            changes.try_recv(),
            Ok(PeerChange::Updated(name.clone(), known.clone()))
        );
        peers.remove(&name);
        assert_eq!(
            changes.try_recv(),
            Ok(PeerChange::Disconnected(name, known))
        );
        assert_eq!(peers.count(), 0);
    }

    #[test]
    fn the_table_is_listed_by_name_and_seen_by_all_who_share_it() {
        let peers = Peers::default();
        let shared = peers.clone();
        let of = |address: &str| PeerInfo {
            address: address.to_owned(),
            ..info()
        };
        let [a, b] = ["a", "b"].map(PeerName::new);
        peers.insert(b.clone(), of("first"));
        peers.insert(a.clone(), of("second"));
        let mut changes = shared.watch();
        shared.insert(b.clone(), of("third"));
        let table = [(a, of("second")), (b.clone(), of("third"))];
        assert_eq!((peers.list(), peers.count()), (table.to_vec(), 2));
        let updated = PeerChange::Updated(b, of("third"));
        assert_eq!(changes.try_recv(), Ok(updated));
    }
}
