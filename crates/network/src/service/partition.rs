//! Peers that the operator of a local network keeps us apart from, to try partitions.
//!
//! No peer can cause this.

use std::collections::BTreeSet;

use libp2p::PeerId;
use quartet_chain::PeerName;
use tokio::sync::watch;
use tracing::info;

use super::NetworkService;

/// The peers that we are kept apart from.
#[derive(Debug, Default)]
pub(super) struct Partition {
    orders: Option<watch::Receiver<BTreeSet<PeerName>>>,
    apart: BTreeSet<PeerId>,
}

impl Partition {
    /// Waits for the next order; for ever without a source of orders.
    pub(super) async fn next_order(&mut self) -> BTreeSet<PeerId> {
        if let Some(orders) = &mut self.orders
            && orders.changed().await.is_ok()
        {
            let names = orders.borrow_and_update();
            let peers = names.iter().filter_map(|name| name.as_str().parse().ok());
            return peers.collect();
        }
        std::future::pending().await
    }

    /// Whether we are kept apart from a peer.
    pub(super) fn contains(&self, peer: &PeerId) -> bool {
        self.apart.contains(peer)
    }
}

impl NetworkService {
    /// The same service, kept apart from the peers that `orders` names: neither is dialled, nor let in, as long as it is
    /// among them.
    #[must_use]
    pub fn with_partition(mut self, orders: watch::Receiver<BTreeSet<PeerName>>) -> Self {
        self.partition.orders = Some(orders);
        self
    }

    pub(super) fn keep_apart(&mut self, apart: BTreeSet<PeerId>) {
        let now = self.clock.now();
        let before = std::mem::replace(&mut self.partition.apart, apart);
        info!(
            peers = self.partition.apart.len(),
            "kept apart from peers by the operator"
        );
        let blocked = &mut self.swarm.behaviour_mut().blocked;
        for peer in &self.partition.apart {
            // Closes its connections, too.
            blocked.block_peer(*peer);
        }
        for peer in before.difference(&self.partition.apart) {
            if self.bans.until(peer).is_none() {
                blocked.unblock_peer(*peer);
                self.dialer.hurry(peer, now);
            }
        }
    }
}
