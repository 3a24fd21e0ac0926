//! When a second connection of a peer means that the peer was restarted.
//!
//! Gossipsub tells a peer our topics on the first connection only. So all connections of a restarted peer are closed, and it
//! dials again. But some clients dial a peer although they are connected with it, and would be disconnected each time. So
//! the pause after such a suspicion grows. When one of two connections dies, it is no mere suspicion.

use std::{collections::BTreeMap, time::Duration};

use libp2p::PeerId;

/// Pause after a first suspicion; each further one doubles it.
const FIRST_PAUSE: Duration = Duration::from_secs(30);
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);
/// Pause after a connection has died, until events that are under way have arrived.
const SETTLING_PAUSE: Duration = Duration::from_secs(4);
/// Peers that are remembered; the one that was restarted longest ago is forgotten first.
const MAX_PEERS: usize = 256;

/// Restarts that were noticed. Times are those of one clock.
#[derive(Debug, Default)]
pub(crate) struct Restarts {
    seen: BTreeMap<PeerId, PeerRestarts>,
}

#[derive(Debug, Default)]
struct PeerRestarts {
    last: Option<Duration>,
    suspicions: u32,
}

impl Restarts {
    /// Whether to disconnect a peer that has dialled us although it is connected.
    pub(crate) fn suspect(&mut self, peer: PeerId, now: Duration) -> bool {
        let pause = |suspicions: u32| match suspicions {
            0 => Duration::ZERO,
            _ => (FIRST_PAUSE * 2u32.saturating_pow((suspicions - 1).min(16))).min(LONGEST_PAUSE),
        };
        let seen = self.entry(peer, now);
        let pause = pause(seen.suspicions);
        let paused = seen
            .last
            .is_none_or(|last| now.saturating_sub(last) >= pause);
        if paused {
            (seen.last, seen.suspicions) = (Some(now), seen.suspicions + 1);
        }
        paused
    }

    /// Whether to disconnect a peer after one of its connections has died.
    pub(crate) fn connection_died(&mut self, peer: PeerId, now: Duration) -> bool {
        let seen = self.entry(peer, now);
        let settled = seen
            .last
            .is_none_or(|last| now.saturating_sub(last) >= SETTLING_PAUSE);
        if settled {
            seen.last = Some(now);
        }
        settled
    }

    fn entry(&mut self, peer: PeerId, now: Duration) -> &mut PeerRestarts {
        let recent = |last: Duration| now.saturating_sub(last) < 2 * LONGEST_PAUSE;
        (self.seen).retain(|_, seen| seen.last.is_some_and(recent));
        if self.seen.len() >= MAX_PEERS && !self.seen.contains_key(&peer) {
            let oldest = self.seen.iter().min_by_key(|(_, seen)| seen.last);
            if let Some(oldest) = oldest.map(|(peer, _)| *peer) {
                self.seen.remove(&oldest);
            }
        }
        self.seen.entry(peer).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_dials_again_and_again_is_left_in_peace_for_longer_and_longer() {
        let mut restarts = Restarts::default();
        let peer = PeerId::random();
        let guessed: Vec<u64> = (1_000..3_000)
            .filter(|second| restarts.suspect(peer, Duration::from_secs(*second)))
            .collect();
        let pauses: Vec<u64> = guessed.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert_eq!(pauses, [30, 60, 120, 240, 480, 960]);
    }

    #[test]
    fn a_connection_that_died_is_a_restart_however_many_guesses_there_were() {
        let at = Duration::from_secs;
        let mut restarts = Restarts::default();
        let peer = PeerId::random();
        assert!(restarts.suspect(peer, at(1_000)) && !restarts.suspect(peer, at(1_010)));
        assert!(
            !restarts.connection_died(peer, at(1_002)) && restarts.connection_died(peer, at(1_010))
        );
    }

    #[test]
    fn a_bounded_number_of_peers_is_remembered() {
        let mut restarts = Restarts::default();
        for second in 1..1_000 {
            assert!(restarts.suspect(PeerId::random(), Duration::from_secs(second)));
        }
        assert_eq!(restarts.seen.len(), MAX_PEERS);
        restarts.suspect(PeerId::random(), Duration::from_secs(100_000));
        assert_eq!(restarts.seen.len(), 1);
    }
}
