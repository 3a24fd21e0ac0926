//! What a peer has done wrong, as points that decay; a peer that has too many is disconnected.
//!
//! Gossipsub's own score prunes a peer for a minute after one message that the chain rejects, grows with
//! the square of their number, and counts against a peer that its clients compute message ids in another
//! way. Here only counts what no honest client of any kind sends, one point each, and every valid message
//! that a peer is the first to bring makes up for several: an honest node that passes things on unseen is
//! cut off only when it brings next to nothing else.

use std::time::Duration;

use quartet_types::SECONDS_PER_SLOT;

/// Points at which a peer is disconnected.
const DISCONNECT_POINTS: f64 = 40.0;
/// Points that have no consequence yet.
const FREE_POINTS: f64 = 20.0;
/// Gossip score for each point beyond: at [`DISCONNECT_POINTS`] gossipsub ignores the peer, too.
const SCORE_PER_POINT: f64 = 10.0;
/// One point is forgotten in each slot.
const DECAY_PER_SECOND: f64 = 1.0 / SECONDS_PER_SLOT as f64;
/// Points of faults in gossip that a valid message takes off. It takes off no other points.
const DELIVERY_CREDIT: f64 = 4.0;

/// Points of an offence outside gossip: a malformed answer, an invalid block that we asked for. The second one within a
/// minute disconnects: a peer that claims an invented chain in each slot is disconnected after ten seconds.
const OFFENCE_POINTS: f64 = 25.0;
/// Points of a request that is not ended, or an answer that is not read: an honest node that stands still for a while does
/// this, too.
const SLOWNESS_POINTS: f64 = 10.0;
/// A request beyond what a peer may ask for. An honest node that meets a limit waits and asks again.
const EXCESS_POINTS: f64 = 0.1;

/// The score at which gossipsub ignores a peer, and we send it away.
pub(crate) const GRAYLIST_SCORE: f64 = -(DISCONNECT_POINTS - FREE_POINTS) * SCORE_PER_POINT;

/// What a peer has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PeerAction {
    /// This many messages that no honest client sends.
    Faults(u32),
    /// A valid message that no other peer had brought before.
    Delivery,
    /// Something invalid outside gossip.
    Offence,
    /// Something begun and not ended.
    Slowness,
    /// A request beyond its share.
    Excess,
}

/// The points of one peer. Times are those of one clock.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Penalties {
    gossip: f64,
    other: f64,
    at: Duration,
}

impl Penalties {
    /// Records an action; returns whether the peer is to be disconnected.
    pub(crate) fn record(&mut self, action: PeerAction, now: Duration) -> bool {
        self.decay(now);
        match action {
            PeerAction::Faults(count) => self.gossip += f64::from(count),
            PeerAction::Delivery => self.gossip = (self.gossip - DELIVERY_CREDIT).max(0.0),
            PeerAction::Offence => self.other += OFFENCE_POINTS,
            PeerAction::Slowness => self.other += SLOWNESS_POINTS,
            PeerAction::Excess => self.other += EXCESS_POINTS,
        }
        self.points() >= DISCONNECT_POINTS
    }

    /// What gossipsub adds to the peer's score.
    pub(crate) fn score(&mut self, now: Duration) -> f64 {
        self.decay(now);
        -(self.points() - FREE_POINTS).max(0.0) * SCORE_PER_POINT
    }

    pub(crate) fn points(&self) -> f64 {
        self.gossip + self.other
    }

    fn decay(&mut self, now: Duration) {
        let decayed = now.saturating_sub(self.at).as_secs_f64() * DECAY_PER_SECOND;
        self.at = now;
        // Points of gossip decay last: deliveries take them off as well.
        let of_other = decayed.min(self.other);
        self.other -= of_other;
        self.gossip = (self.gossip - (decayed - of_other)).max(0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Duration = Duration::from_secs(1_000);

    /// After how many slots of such actions the peer is disconnected, within some 400 slots.
    fn slots_to_disconnect(per_slot: &[(PeerAction, u32)]) -> Option<u32> {
        let mut penalties = Penalties::default();
        penalties.decay(START);
        (1..=400).find(|slot| {
            let now = START + Duration::from_secs(u64::from(*slot) * SECONDS_PER_SLOT);
            let mut actions = per_slot
                .iter()
                .flat_map(|(action, times)| vec![*action; *times as usize]);
            actions.any(|action| penalties.record(action, now))
        })
    }

    #[test]
    fn a_peer_is_disconnected_only_when_its_faults_outweigh_its_deliveries() {
        use PeerAction::{Delivery, Excess, Faults, Offence, Slowness};
        let cases = [
            // One bad message in every slot for ever, as one client emitted: leaks away.
            (vec![(Faults(1), 1)], None),
            // Three of four bad messages passed on unseen, but the fourth is good.
            (vec![(Faults(1), 3), (Delivery, 1)], None),
            (vec![(Faults(1), 20), (Delivery, 5)], None),
            (vec![(Faults(1), 20), (Delivery, 4)], Some(8)),
            (vec![(Faults(1), 2)], Some(39)),
            (vec![(Faults(1), 10)], Some(5)),
            // A flood, at once.
            (vec![(Faults(40), 1)], Some(1)),
            (vec![(Faults(40_000), 1), (Delivery, 100)], Some(1)),
            // Malformed answers in a row; gossip does not make up for them.
            (vec![(Offence, 5)], Some(1)),
            (vec![(Offence, 1), (Delivery, 100)], Some(2)),
            // Two requests stuck at once are bad luck, eight are not.
            (vec![(Slowness, 1)], Some(5)),
            (vec![(Slowness, 8)], Some(1)),
            // Requests beyond the limit: a few in each slot are an honest node's haste.
            (vec![(Excess, 4)], None),
            (vec![(Excess, 401)], Some(1)),
            (vec![(Delivery, 1_000)], None),
        ];
        for (per_slot, expected) in cases {
            assert_eq!(slots_to_disconnect(&per_slot), expected, "{per_slot:?}");
        }
    }

    #[test]
    fn gossipsub_ignores_a_peer_only_at_the_limit_for_disconnecting() {
        let mut penalties = Penalties::default();
        for faults in 1..=20 {
            assert!(!penalties.record(PeerAction::Faults(1), Duration::ZERO));
            assert_eq!(penalties.score(Duration::ZERO), 0.0, "{faults}");
        }
        assert!(!penalties.record(PeerAction::Faults(2), Duration::ZERO));
        assert_eq!(penalties.score(Duration::ZERO), -20.0);
        assert!(penalties.record(PeerAction::Faults(18), Duration::ZERO));
        assert_eq!(penalties.score(Duration::ZERO), GRAYLIST_SCORE);
        // What was wrong is forgotten, if slowly.
        let later = Duration::from_secs(40 * SECONDS_PER_SLOT);
        assert_eq!((penalties.score(later), penalties.points()), (0.0, 0.0));
    }
}
