//! Places at the table: who has one, and who makes way.

use std::time::Duration;

use libp2p::PeerId;

use super::{NetworkService, SLOT, peer::Peer};
use crate::{
    conduct::Deed,
    places::{LATELY, Stranger, to_go},
};

/// A peer that made way is not let in for this long, so that those who are left in peace can settle.
const PAUSE: Duration = SLOT.saturating_mul(8);
/// What is left of a peer's deeds after a slot; half of them after some 14.
const DEEDS_LEFT: f64 = 0.95;

impl NetworkService {
    /// A peer has come.
    pub(super) fn seat(&mut self, id: PeerId, now: Duration) {
        if self.dialer.knows(&id) {
            let behaviour = self.swarm.behaviour_mut();
            behaviour.limits.bypass_peer_id(&id);
            behaviour.door.exempt(id);
            behaviour.gossip.meters.set_known(id, true);
        }
        self.trim(now);
    }

    /// Sends away whom there is no place for.
    pub(super) fn trim(&mut self, now: Duration) {
        if self.peers.len() <= self.places {
            return;
        }
        let mut strangers: Vec<_> = (self.peers.iter())
            .filter(|(id, _)| !self.dialer.knows(id) && self.bans.until(id).is_none())
            .map(|(id, peer)| stranger(*id, peer))
            .collect();
        while let Some((id, reason)) = to_go(&strangers, self.places, now) {
            strangers.retain(|stranger| stranger.peer != id);
            self.send_away(id, reason, PAUSE, "trim");
        }
    }

    /// A peer has brought something valid that nobody had brought before.
    pub(super) fn delivered(&mut self, id: PeerId) {
        let now = self.clock.now();
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        peer.delivered = Some(now);
        self.swarm.behaviour().gossip.meters.set_known(id, true);
        self.was_of_use(id, now);
        self.note(id, Deed::Delivery, "delivery");
    }

    /// A peer has served what we asked for. Whether it is of any worth is for the chain to say.
    pub(super) fn served_us(&mut self, id: PeerId) {
        self.was_of_use(id, self.clock.now());
    }

    fn was_of_use(&mut self, id: PeerId, now: Duration) {
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.useful = Some(now);
            peer.deeds += 1.0;
        }
    }

    /// What peers have done is worth less with time.
    pub(super) fn fade(&mut self, now: Duration) {
        let meters = &self.swarm.behaviour().gossip.meters;
        for (id, peer) in &mut self.peers {
            peer.deeds *= DEEDS_LEFT;
            let lately = |at| now.saturating_sub(at) < LATELY;
            let known = self.dialer.knows(id) || peer.delivered.is_some_and(lately);
            meters.set_known(*id, known);
        }
    }
}

fn stranger(id: PeerId, peer: &Peer) -> Stranger {
    // A peer has at least one connection.
    let since = peer.links.first().map(|link| link.since);
    Stranger {
        peer: id,
        since: since.unwrap_or_default(),
        useful: peer.useful,
        deeds: peer.deeds,
        talks: peer.subscribed || peer.heard.is_some(),
    }
}
