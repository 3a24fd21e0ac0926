//! Which peers keep their slots.

use std::time::Duration;

use libp2p::PeerId;

use super::{NetworkService, SLOT, peer::Peer};
use crate::{
    peer_slots::{RECENT, Stranger, stranger_to_evict},
    penalties::PeerAction,
};

/// An evicted peer is not let in for this long, so that the others can show their use.
const EVICTION_BAN: Duration = SLOT.saturating_mul(8);
/// What is left of a peer's usefulness after a slot; half of it after some 14.
const USEFULNESS_DECAY: f64 = 0.95;

impl NetworkService {
    /// Gives a new peer a slot.
    pub(super) fn admit(&mut self, id: PeerId, now: Duration) {
        if self.dialer.is_static(&id) {
            let behaviour = self.swarm.behaviour_mut();
            behaviour.limiter.exempt(id);
            behaviour.gossip.meters.set_known(id, true);
        }
        self.trim(now);
    }

    /// Evicts strangers until there are no more than slots.
    pub(super) fn trim(&mut self, now: Duration) {
        if self.peers.len() <= self.stranger_slots {
            return;
        }
        let mut strangers: Vec<_> = (self.peers.iter())
            .filter(|(id, _)| !self.dialer.is_static(id) && self.bans.until(id).is_none())
            .map(|(id, peer)| stranger(*id, peer))
            .collect();
        while let Some((id, reason)) = stranger_to_evict(&strangers, self.stranger_slots, now) {
            strangers.retain(|stranger| stranger.peer != id);
            self.disconnect_for(id, reason, EVICTION_BAN, "trim");
        }
    }

    /// A peer has brought something valid that no other peer had brought before.
    pub(super) fn on_delivery(&mut self, id: PeerId) {
        let now = self.clock.now();
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        peer.delivered_at = Some(now);
        self.swarm.behaviour().gossip.meters.set_known(id, true);
        self.record_use(id, now);
        self.record_action(id, PeerAction::Delivery, "delivery");
    }

    /// A peer has served blocks that we asked for. Whether they are valid is for the chain to decide.
    pub(super) fn on_blocks_served(&mut self, id: PeerId) {
        self.record_use(id, self.clock.now());
    }

    fn record_use(&mut self, id: PeerId, now: Duration) {
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.useful_at = Some(now);
            peer.usefulness += 1.0;
        }
    }

    /// Past usefulness counts less with time.
    pub(super) fn decay_usefulness(&mut self, now: Duration) {
        let meters = &self.swarm.behaviour().gossip.meters;
        for (id, peer) in &mut self.peers {
            peer.usefulness *= USEFULNESS_DECAY;
            let lately = |at| now.saturating_sub(at) < RECENT;
            let known = self.dialer.is_static(id) || peer.delivered_at.is_some_and(lately);
            meters.set_known(*id, known);
        }
    }
}

fn stranger(id: PeerId, peer: &Peer) -> Stranger {
    // A peer has at least one connection.
    let since = peer.connections.first().map(|link| link.since);
    Stranger {
        peer: id,
        since: since.unwrap_or_default(),
        last_useful: peer.useful_at,
        usefulness: peer.usefulness,
        talks: peer.subscribed || peer.status_heard_at.is_some(),
    }
}
