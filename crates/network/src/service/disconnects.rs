//! Penalties, bans and disconnects of peers, and their logs and metrics.

use std::time::Duration;

use libp2p::PeerId;
use metrics::{counter, gauge};
use tracing::{debug, info};

use super::{NetworkService, client_counts::client};
use crate::{
    gossip::{Faults, Standing},
    penalties::PeerAction,
};

/// How long a banned peer is neither let in nor dialled.
const BAN: Duration = Duration::from_secs(60);

impl NetworkService {
    /// Counts a malformed answer or the like, and disconnects the peer when there are too many.
    pub(super) fn penalize(&mut self, id: PeerId, reason: &'static str) {
        counter!("quartet_peer_penalties_total").increment(1);
        self.record_action(id, PeerAction::Offence, reason);
    }

    /// A peer does not end its request, or does not read the answer.
    pub(super) fn on_slow_peer(&mut self, id: PeerId) {
        let reason = "does not end its requests, or read the answers";
        self.record_action(id, PeerAction::Slowness, reason);
    }

    /// A peer asks for more than it may, or says more of itself.
    pub(super) fn on_excess_requests(&mut self, id: PeerId) {
        self.record_action(id, PeerAction::Excess, "requests over the limit");
    }

    pub(super) fn on_faults(&mut self, faults: Faults) {
        let Faults {
            peer,
            reason,
            count,
        } = faults;
        let client = self.client_of(&peer);
        counter!("quartet_gossip_faults_total", "reason" => reason, "client" => client)
            .increment(count.into());
        self.record_action(peer, PeerAction::Faults(count), reason);
    }

    /// Counts what a peer has done, and bans it when it has too many points.
    pub(super) fn record_action(&mut self, id: PeerId, deed: PeerAction, reason: &'static str) {
        let now = self.clock.now();
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        let before = peer.penalties.score(now);
        let over = peer.penalties.record(deed, now);
        let (score, points) = (peer.penalties.score(now), peer.penalties.points());
        if deed != PeerAction::Delivery {
            debug!(peer = %id, reason, points, ?deed, "held against the peer");
        }
        if score != before {
            let metered = &mut self.swarm.behaviour_mut().gossip;
            metered.gossip.set_application_score(&id, score);
        }
        if over {
            self.ban(id, reason);
        }
    }

    /// Reads the peers' scores from gossipsub, and bans those that it ignores.
    pub(super) fn review_standings(&mut self, now: Duration) {
        let mut changes = Vec::new();
        let gossip = &mut self.swarm.behaviour_mut().gossip.gossip;
        for (id, peer) in &mut self.peers {
            // Points decay with time.
            gossip.set_application_score(id, peer.penalties.score(now));
            let score = gossip.peer_score(id).unwrap_or_default();
            let standing = Standing::of(score);
            if standing != peer.standing {
                changes.push((*id, peer.standing, standing, score));
                peer.standing = standing;
            }
        }
        for (id, before, standing, score) in changes {
            debug!(peer = %id, score, before = before.word(), now = standing.word(), "standing");
            if standing > before {
                self.count_cut_off("gossip", standing.word(), &id);
            }
            if standing == Standing::Graylisted {
                self.ban(id, "graylisted");
            }
        }
    }

    /// Disconnects a peer and bans it for [`BAN`].
    pub(super) fn ban(&mut self, id: PeerId, reason: &'static str) {
        if !self.disconnect_for(id, reason, BAN, "ban") {
            return;
        }
        let address = self.peers.get(&id).and_then(|peer| peer.address);
        let until = self.clock.now() + BAN;
        if let Some(address) = address.filter(|_| !self.dialer.is_static(&id))
            && self.address_bans.note(address, until)
        {
            debug!(?address, "too many peers of this address were sent away");
            self.swarm.behaviour_mut().limiter.ban(address);
        }
    }

    /// Closes a peer's connections, and does not let it in again before the pause is over. Says whether that is news: more may be
    /// heard of it until they are closed, which is no reason to begin the same pause anew.
    pub(super) fn disconnect_for(
        &mut self,
        id: PeerId,
        reason: &'static str,
        pause: Duration,
        kind: &'static str,
    ) -> bool {
        if id == *self.swarm.local_peer_id() || self.bans.lasts(&id, pause) {
            return false;
        }
        let now = self.clock.now();
        if self.may_log(&id) {
            info!(peer = %id, reason, "sending the peer away");
        } else {
            debug!(peer = %id, reason, "sending the peer away");
        }
        self.count_cut_off(kind, reason, &id);
        let lifted = self.bans.insert(id, now, pause);
        let behaviour = self.swarm.behaviour_mut();
        if let Some(lifted) = lifted.filter(|lifted| !self.partition.contains(lifted)) {
            behaviour.blocked.unblock_peer(lifted);
        }
        behaviour.gossip.meters.mute(&id);
        // Closes its connections, too.
        behaviour.blocked.block_peer(id);
        self.dialer.postpone(&id, now + pause);
        gauge!("quartet_peers_banned").set(self.bans.len() as f64);
        true
    }

    pub(super) fn lift_bans(&mut self, now: Duration) {
        let behaviour = self.swarm.behaviour_mut();
        let lifted = self.bans.lift(now).into_iter();
        for peer in lifted.filter(|peer| !self.partition.contains(peer)) {
            behaviour.blocked.unblock_peer(peer);
        }
        for address in self.address_bans.lift(now) {
            behaviour.limiter.unban(address);
        }
        gauge!("quartet_peers_banned").set(self.bans.len() as f64);
    }

    /// Whether an event of this peer may be logged at info: always for static peers, and a few times a second for all
    /// strangers together.
    pub(super) fn may_log(&mut self, id: &PeerId) -> bool {
        self.dialer.is_static(id) || self.log_limit.admits(self.clock.now())
    }

    pub(super) fn log_omitted_lines(&mut self) {
        if let Some(lines) = self.log_limit.take_left_out() {
            info!(
                lines,
                "… and more of strangers that came, went or were sent away"
            );
        }
    }

    /// Counts what was done to a peer by reason and client.
    pub(super) fn count_cut_off(&self, kind: &'static str, reason: &'static str, id: &PeerId) {
        counter!(
            "quartet_peers_cut_off_total",
            "kind" => kind,
            "reason" => reason,
            "client" => self.client_of(id)
        )
        .increment(1);
    }

    /// The client that a peer says it is, of those that we know.
    pub(super) fn client_of(&self, id: &PeerId) -> &'static str {
        client(self.peers.get(id).and_then(|peer| peer.agent.as_deref()))
    }
}
