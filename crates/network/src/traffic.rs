//! Bytes by peer: what passes through the streams of its connections.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use libp2p::PeerId;
use parking_lot::Mutex;

/// The bytes of one peer, for as long as it has connections.
#[derive(Debug, Default)]
pub(crate) struct PeerBytes {
    received: AtomicU64,
    sent: AtomicU64,
}

impl PeerBytes {
    pub(crate) fn receive(&self, bytes: usize) {
        self.received.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn send(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Bytes received and sent so far.
    pub(crate) fn so_far(&self) -> (u64, u64) {
        let load = |bytes: &AtomicU64| bytes.load(Ordering::Relaxed);
        (load(&self.received), load(&self.sent))
    }
}

/// The bytes of all peers. Clones share it; it has as many entries as there are connections.
#[derive(Clone, Debug, Default)]
pub(crate) struct Traffic(Arc<Mutex<BTreeMap<PeerId, Weak<PeerBytes>>>>);

impl Traffic {
    /// Where a new connection of a peer is counted: with its others, if there are any.
    pub(crate) fn of(&self, peer: PeerId) -> Arc<PeerBytes> {
        let mut peers = self.0.lock();
        if let Some(bytes) = peers.get(&peer).and_then(Weak::upgrade) {
            return bytes;
        }
        peers.retain(|_, bytes| bytes.strong_count() > 0);
        let bytes = Arc::new(PeerBytes::default());
        peers.insert(peer, Arc::downgrade(&bytes));
        bytes
    }

    /// Bytes received from a peer and sent to it, as long as it is connected.
    pub(crate) fn so_far(&self, peer: &PeerId) -> Option<(u64, u64)> {
        let bytes = self.0.lock().get(peer)?.upgrade()?;
        Some(bytes.so_far())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_of_a_peer_count_together_and_are_forgotten_with_it() {
        let (traffic, one, other) = (Traffic::default(), PeerId::random(), PeerId::random());
        let links = [traffic.of(one), traffic.of(one)];
        links[0].receive(3);
        links[1].send(4);
        links[1].receive(5);
        assert_eq!(traffic.so_far(&one), Some((8, 4)));
        assert_eq!(traffic.so_far(&other), None);
        drop(links);
        assert_eq!(traffic.so_far(&one), None);
        let _link = traffic.of(other);
        assert_eq!(traffic.0.lock().len(), 1);
    }
}
