//! When to dial which static peer: at once, then again with growing pauses for as long as it is gone.

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    time::Duration,
};

use libp2p::{Multiaddr, PeerId, swarm::ConnectionId};

use crate::config::StaticPeer;

/// Longest pause after a first failure; each further one doubles it.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// Longest pause of all.
const LONGEST_PAUSE: Duration = Duration::from_secs(8);
/// When two nodes dial each other, the one with the higher identity waits for this long, so that they end up with one
/// connection, not two.
const HEAD_START: Duration = Duration::from_secs(1);
/// A connection that ends sooner counts as a failure.
const STABLE: Duration = Duration::from_secs(10);

/// Knows the static peers and what became of them. Times are those of the clock.
#[derive(Debug)]
pub(crate) struct Dialer {
    local: PeerId,
    targets: Vec<Target>,
}

#[derive(Debug)]
struct Target {
    /// Who is to be there, or was there last.
    peer: Option<PeerId>,
    /// Whether it must be that one.
    is_named: bool,
    address: Multiaddr,
    state: State,
    /// In a row.
    failures: u32,
}

#[derive(Debug, PartialEq)]
enum State {
    /// To be dialled at this time.
    Waiting(Duration),
    Dialling(ConnectionId),
    Connected {
        since: Duration,
    },
}

/// A dial that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DueDial {
    target: usize,
    pub(crate) peer: Option<PeerId>,
    pub(crate) address: Multiaddr,
}

impl Dialer {
    /// Dials `peers` from now on. The one that is ourselves is left out.
    pub(crate) fn new(local: PeerId, peers: Vec<StaticPeer>, now: Duration) -> Self {
        let others = peers.into_iter().filter(|peer| peer.peer != Some(local));
        let targets = others.map(|StaticPeer { peer, address }| Target {
            peer,
            is_named: peer.is_some(),
            address,
            state: State::Waiting(now + head_start(local, peer)),
            failures: 0,
        });
        Self {
            local,
            targets: targets.collect(),
        }
    }

    /// Number of peers to keep connected.
    pub(crate) fn len(&self) -> usize {
        self.targets.len()
    }

    /// Whether the peer is a static one.
    pub(crate) fn is_static(&self, peer: &PeerId) -> bool {
        self.targets.iter().any(|target| target.peer == Some(*peer))
    }

    /// When the next dial is due, if none is under way for everyone.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        let times = self.targets.iter().filter_map(|target| match target.state {
            State::Waiting(time) => Some(time),
            _ => None,
        });
        times.min()
    }

    /// A dial that is due now. The caller says what became of it.
    pub(crate) fn due(&self, now: Duration) -> Option<DueDial> {
        let due = |target: &Target| matches!(target.state, State::Waiting(time) if time <= now);
        let target = self.targets.iter().position(due)?;
        let Target {
            peer,
            is_named,
            address,
            ..
        } = &self.targets[target];
        Some(DueDial {
            target,
            peer: peer.filter(|_| *is_named),
            address: address.clone(),
        })
    }

    /// The dial is under way as this connection.
    pub(crate) fn dialling(&mut self, dial: &DueDial, connection: ConnectionId) {
        self.targets[dial.target].state = State::Dialling(connection);
    }

    /// The dial could not even be begun.
    pub(crate) fn not_begun(&mut self, dial: &DueDial, now: Duration) {
        self.retry(dial.target, now);
    }

    /// The dial of this connection failed. Returns how often in a row, `None` if it is not ours.
    pub(crate) fn failed(&mut self, connection: ConnectionId, now: Duration) -> Option<u32> {
        let target = self.dialled_as(connection)?;
        self.retry(target, now);
        Some(self.targets[target].failures)
    }

    /// The dial of this connection led to ourselves: never again. Says whether it was ours.
    pub(crate) fn is_ourselves(&mut self, connection: ConnectionId) -> bool {
        let target = self.dialled_as(connection);
        target.map(|target| self.targets.remove(target)).is_some()
    }

    /// We are connected to a peer by this connection, whichever side dialled. Returns whose address it was before, if that was
    /// another's.
    pub(crate) fn connected(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        now: Duration,
    ) -> Option<PeerId> {
        let mut former = None;
        for target in &mut self.targets {
            if target.state == State::Dialling(connection) {
                former = target.peer.replace(peer);
            }
            let is_connected = matches!(target.state, State::Connected { .. });
            if target.peer == Some(peer) && !is_connected {
                target.state = State::Connected { since: now };
            }
        }
        former.filter(|former| !self.is_static(former))
    }

    /// The last connection to a peer is gone.
    pub(crate) fn disconnected(&mut self, peer: &PeerId, now: Duration) {
        for target in 0..self.targets.len() {
            if self.targets[target].peer != Some(*peer) {
                continue;
            }
            if let State::Connected { since } = self.targets[target].state {
                if now.saturating_sub(since) >= STABLE {
                    self.targets[target].failures = 0;
                }
                self.retry(target, now);
            }
        }
    }

    /// Leaves a peer alone until some time.
    pub(crate) fn postpone(&mut self, peer: &PeerId, until: Duration) {
        for target in &mut self.targets {
            if let (true, State::Waiting(time)) = (target.peer == Some(*peer), &mut target.state) {
                *time = until.max(*time);
            }
        }
    }

    /// Dials a peer at once that is waited with.
    pub(crate) fn hurry(&mut self, peer: &PeerId, now: Duration) {
        for target in &mut self.targets {
            if let (true, State::Waiting(time)) = (target.peer == Some(*peer), &mut target.state) {
                *time = now.min(*time);
            }
        }
    }

    fn dialled_as(&self, connection: ConnectionId) -> Option<usize> {
        let dialling = State::Dialling(connection);
        self.targets
            .iter()
            .position(|target| target.state == dialling)
    }

    fn retry(&mut self, target: usize, now: Duration) {
        let local = self.local;
        let target = &mut self.targets[target];
        let pause = (FIRST_PAUSE * 2u32.saturating_pow(target.failures.min(16))).min(LONGEST_PAUSE);
        // Between half and all of it. Two nodes get different pauses, each always the same.
        let mut hasher = DefaultHasher::new();
        (local, &target.address, target.failures).hash(&mut hasher);
        let share = 0.5 + 0.5 * (hasher.finish() as f64 / u64::MAX as f64);
        target.failures = target.failures.saturating_add(1);
        target.state = State::Waiting(now + pause.mul_f64(share) + head_start(local, target.peer));
    }
}

fn head_start(local: PeerId, peer: Option<PeerId>) -> Duration {
    match peer {
        Some(peer) if local > peer => HEAD_START,
        _ => Duration::ZERO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Identity;

    const START: Duration = Duration::from_secs(1_000);

    /// Peer identities in ascending order.
    fn peers<const N: usize>() -> [PeerId; N] {
        let mut peers: [PeerId; N] = std::array::from_fn(|index| {
            Identity::from_secret(&[index as u8 + 1; 32])
                .unwrap()
                .peer_id()
        });
        peers.sort();
        peers
    }

    fn at(peer: Option<PeerId>) -> StaticPeer {
        StaticPeer {
            peer,
            address: "/ip4/127.0.0.1/udp/9000/quic-v1".parse().unwrap(),
        }
    }

    fn connection(number: usize) -> ConnectionId {
        ConnectionId::new_unchecked(number)
    }

    #[test]
    fn the_lower_identity_dials_at_once_and_the_higher_a_little_later() {
        let [low, high] = peers();
        let low_dials = Dialer::new(low, vec![at(Some(high))], START);
        let high_dials = Dialer::new(high, vec![at(Some(low))], START);
        assert_eq!(low_dials.next_due(), Some(START));
        assert_eq!(high_dials.next_due(), Some(START + HEAD_START));
        assert!(high_dials.due(START).is_none());
        assert_eq!(
            Dialer::new(high, vec![at(None)], START).next_due(),
            Some(START)
        );
    }

    #[test]
    fn pauses_grow_to_the_longest_and_shrink_after_a_stable_connection() {
        let [low, high] = peers();
        let mut dialer = Dialer::new(low, vec![at(Some(high))], START);
        let mut now = START;
        for attempt in 0..10 {
            let due = dialer.due(now).unwrap();
            dialer.dialling(&due, connection(attempt));
            assert_eq!((dialer.due(now), dialer.next_due()), (None, None));
            assert_eq!(
                dialer.failed(connection(attempt), now),
                Some(attempt as u32 + 1)
            );
            let pause = dialer.next_due().unwrap() - now;
            let longest = (FIRST_PAUSE * 2u32.pow(attempt as u32)).min(LONGEST_PAUSE);
            assert!(
                pause >= longest / 2 && pause <= longest,
                "{attempt}: {pause:?}"
            );
            now += pause;
        }
        let due = dialer.due(now).unwrap();
        dialer.dialling(&due, connection(10));
        dialer.connected(connection(10), high, now);
        dialer.disconnected(&high, now + STABLE);
        assert!(dialer.next_due().unwrap() - now - STABLE <= FIRST_PAUSE);
    }

    #[test]
    fn a_connection_that_ends_at_once_counts_as_a_failure() {
        let [low, high] = peers();
        let mut dialer = Dialer::new(low, vec![at(Some(high))], START);
        for attempt in 0..8 {
            dialer.connected(connection(attempt), high, START);
            dialer.disconnected(&high, START);
        }
        assert!(dialer.next_due().unwrap() >= START + LONGEST_PAUSE / 2);
    }

    #[test]
    fn a_peer_that_dialled_us_is_not_dialled() {
        let [low, high] = peers();
        let mut dialer = Dialer::new(low, vec![at(Some(high))], START);
        dialer.connected(connection(1), high, START);
        assert_eq!((dialer.due(START), dialer.next_due()), (None, None));
    }

    #[test]
    fn we_never_dial_ourselves_again() {
        let [low, high] = peers();
        let mut dialer = Dialer::new(low, vec![at(Some(low)), at(None), at(Some(high))], START);
        assert_eq!(dialer.len(), 2);
        let due = dialer.due(START).unwrap();
        assert_eq!(due.peer, None);
        dialer.dialling(&due, connection(1));
        assert!(dialer.is_ourselves(connection(1)));
        assert!(!dialer.is_ourselves(connection(1)));
        assert_eq!(dialer.due(START).unwrap().peer, Some(high));
        assert_eq!(dialer.len(), 1);
    }

    #[test]
    fn an_address_without_a_peer_id_learns_it_by_connecting_and_can_be_postponed() {
        let [low, high] = peers();
        let mut dialer = Dialer::new(low, vec![at(None)], START);
        let due = dialer.due(START).unwrap();
        dialer.dialling(&due, connection(1));
        dialer.connected(connection(1), high, START);
        dialer.disconnected(&high, START);
        let later = START + Duration::from_secs(60);
        dialer.postpone(&high, later);
        assert_eq!(dialer.next_due(), Some(later));
        dialer.hurry(&high, START);
        assert_eq!(dialer.next_due(), Some(START));
    }

    #[test]
    fn an_address_without_a_peer_id_is_that_of_whoever_answers_there() {
        let [local, first, second] = peers();
        let mut dialer = Dialer::new(local, vec![at(None)], START);
        let mut dial = |number: usize, peer: PeerId| {
            let later = START + LONGEST_PAUSE * number as u32;
            let due = dialer.due(later).unwrap();
            assert_eq!(due.peer, None);
            dialer.dialling(&due, connection(number));
            let former = dialer.connected(connection(number), peer, later);
            assert!(dialer.is_static(&peer));
            dialer.disconnected(&peer, later);
            former
        };
        assert_eq!(dial(1, first), None);
        assert_eq!(dial(2, first), None);
        assert_eq!(dial(3, second), Some(first));
        assert!(!dialer.is_static(&first));
    }
}
