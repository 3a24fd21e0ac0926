//! Peers that are not asked for a while, since they were of no use.

use std::collections::BTreeMap;

use quartet_types::INTERVALS_PER_SLOT;

use crate::PeerName;

/// For how many ticks a peer is not asked again for a block that it did not have, or for any if it does not serve
/// blocks: 64 slots.
pub(crate) const PAUSE: u64 = 64 * INTERVALS_PER_SLOT;
/// For how many ticks a peer that brought nothing is paused at first; twice as many each further time in a row.
pub(crate) const SHORT_PAUSE: u64 = 4 * INTERVALS_PER_SLOT;
/// How many peers are remembered: more than are connected at a time. When there are more, the one whose pause ends
/// first is forgotten.
const MAX_PEERS: usize = 256;

#[derive(Clone, Copy, Debug)]
struct Entry {
    until: u64,
    /// How often in a row.
    times: u32,
}

/// The paused peers, and until which tick each is paused. A peer that disconnects and comes back stays paused.
#[derive(Debug, Default)]
pub(crate) struct PausedPeers(BTreeMap<PeerName, Entry>);

impl PausedPeers {
    pub(crate) fn is_paused(&self, peer: &PeerName, now: u64) -> bool {
        self.0.get(peer).is_some_and(|entry| entry.until > now)
    }

    /// A peer was of use.
    pub(crate) fn resume(&mut self, peer: &PeerName) {
        self.0.remove(peer);
    }

    /// A peer has brought nothing.
    pub(crate) fn pause(&mut self, peer: &PeerName, now: u64) {
        let times = self.0.get(peer).map_or(0, |entry| entry.times);
        let pause = (SHORT_PAUSE << times.min(8)).min(PAUSE);
        self.insert(peer, now + pause, times.saturating_add(1));
    }

    /// A peer does not serve blocks.
    pub(crate) fn pause_long(&mut self, peer: &PeerName, now: u64) {
        self.insert(peer, now + PAUSE, 0);
    }

    fn insert(&mut self, peer: &PeerName, until: u64, times: u32) {
        if self.0.len() >= MAX_PEERS && !self.0.contains_key(peer) {
            let first = self.0.iter().min_by_key(|(_, entry)| entry.until);
            if let Some(first) = first.map(|(peer, _)| peer.clone()) {
                self.0.remove(&first);
            }
        }
        self.0.insert(peer.clone(), Entry { until, times });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_the_longest_and_those_remembered_are_bounded() {
        let mut paused = PausedPeers::default();
        let peer = PeerName::new("peer");
        for pause in [16, 32, 64, 128, 256, 256] {
            paused.pause(&peer, 1_000);
            assert!(paused.is_paused(&peer, 1_000 + pause - 1));
            assert!(!paused.is_paused(&peer, 1_000 + pause));
        }
        paused.resume(&peer);
        paused.pause(&peer, 0);
        assert!(!paused.is_paused(&peer, 16));
        for number in 0..MAX_PEERS {
            paused.pause_long(&PeerName::new(format!("{number}")), 0);
        }
        assert_eq!(paused.0.len(), MAX_PEERS);
        assert!(!paused.0.contains_key(&peer));
    }
}
