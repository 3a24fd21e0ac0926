//! Which peers and addresses are banned, and until when.

use std::{collections::BTreeMap, time::Duration};

use libp2p::PeerId;

use crate::address::AddressGroup;

/// Bans at a time; a new one replaces the oldest.
const MAX_BANS: usize = 1024;

/// The bans. Times are those of one clock.
#[derive(Debug, Default)]
pub(crate) struct Bans {
    /// By the order in which they were made: whom, until when, and for how long.
    bans: BTreeMap<u64, (PeerId, Duration, Duration)>,
    numbers: BTreeMap<PeerId, u64>,
    next: u64,
}

impl Bans {
    /// Bans a peer from now on, again if it was banned. Returns the peer whose ban is dropped for it.
    pub(crate) fn insert(
        &mut self,
        peer: PeerId,
        now: Duration,
        pause: Duration,
    ) -> Option<PeerId> {
        if let Some(number) = self.numbers.remove(&peer) {
            self.bans.remove(&number);
        }
        let oldest = if self.bans.len() >= MAX_BANS {
            self.bans.pop_first()
        } else {
            None
        };
        let lifted = oldest.map(|(_, (peer, ..))| peer);
        if let Some(lifted) = lifted {
            self.numbers.remove(&lifted);
        }
        self.bans.insert(self.next, (peer, now + pause, pause));
        self.numbers.insert(peer, self.next);
        self.next += 1;
        lifted
    }

    /// Until when a peer is banned, if it is.
    pub(crate) fn until(&self, peer: &PeerId) -> Option<Duration> {
        let number = self.numbers.get(peer)?;
        self.bans.get(number).map(|(_, until, _)| *until)
    }

    /// Whether a peer is banned, and was for no less time than this.
    pub(crate) fn lasts(&self, peer: &PeerId, pause: Duration) -> bool {
        let ban = self
            .numbers
            .get(peer)
            .and_then(|number| self.bans.get(number));
        ban.is_some_and(|(.., length)| *length >= pause)
    }

    /// Lifts the bans that have lasted long enough; returns their peers.
    pub(crate) fn lift(&mut self, now: Duration) -> Vec<PeerId> {
        let over = self.bans.values().filter(|(_, until, _)| *until <= now);
        let over: Vec<_> = over.map(|(peer, ..)| *peer).collect();
        for peer in &over {
            if let Some(number) = self.numbers.remove(peer) {
                self.bans.remove(&number);
            }
        }
        over
    }

    /// Number of bans.
    pub(crate) fn len(&self) -> usize {
        self.bans.len()
    }
}

/// Peers of one address that are banned before the address is banned.
const PEERS_PER_ADDRESS: u32 = 8;
/// Addresses at a time; a new one replaces the oldest.
const MAX_ADDRESSES: usize = 1024;

/// Addresses from which banned peers came.
#[derive(Debug, Default)]
pub(crate) struct AddressBans {
    /// How many, and until when that is remembered.
    counts: BTreeMap<AddressGroup, (u32, Duration)>,
}

impl AddressBans {
    /// A peer of this address was banned; says whether the address is to be as well.
    pub(crate) fn note(&mut self, group: AddressGroup, until: Duration) -> bool {
        let (count, last) = self.counts.entry(group).or_insert((0, until));
        (*count, *last) = (*count + 1, until.max(*last));
        *count >= PEERS_PER_ADDRESS
    }

    /// The addresses whose bans are over, or are replaced by newer ones.
    pub(crate) fn lift(&mut self, now: Duration) -> Vec<AddressGroup> {
        let over = self.counts.iter().filter(|(_, (_, until))| *until <= now);
        let mut over: Vec<_> = over.map(|(group, _)| *group).collect();
        if let Some(surplus) = self.counts.len().checked_sub(MAX_ADDRESSES + over.len()) {
            let rest = self.counts.iter().filter(|(_, (_, until))| *until > now);
            let mut rest: Vec<_> = rest.map(|(group, (_, until))| (*until, *group)).collect();
            rest.sort();
            over.extend(rest.into_iter().take(surplus).map(|(_, group)| group));
        }
        for group in &over {
            self.counts.remove(group);
        }
        over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_ban_makes_way_for_a_new_one() {
        let mut bans = Bans::default();
        let peers: Vec<_> = (0..MAX_BANS + 66).map(|_| PeerId::random()).collect();
        let until = Duration::from_secs(60);
        for (number, peer) in peers.iter().enumerate() {
            let lifted = number.checked_sub(MAX_BANS).map(|oldest| peers[oldest]);
            assert_eq!(bans.insert(*peer, Duration::ZERO, until), lifted);
            assert_eq!(bans.until(peer), Some(until));
        }
        assert_eq!(bans.len(), MAX_BANS);
        assert_eq!(
            (bans.until(&peers[65]), bans.until(&peers[66])),
            (None, Some(until))
        );
    }

    #[test]
    fn a_ban_lasts_until_its_time_and_a_new_one_longer() {
        let at = Duration::from_secs;
        let mut bans = Bans::default();
        let (first, second) = (PeerId::random(), PeerId::random());
        bans.insert(first, at(0), at(10));
        bans.insert(second, at(0), at(20));
        assert!(bans.lasts(&first, at(10)) && !bans.lasts(&first, at(11)));
        bans.insert(first, at(5), at(25));
        assert!(bans.lasts(&first, at(25)));
        assert_eq!(bans.lift(at(20)), [second]);
        assert_eq!(
            (bans.until(&first), bans.until(&second)),
            (Some(at(30)), None)
        );
        assert_eq!(bans.lift(at(30)), [first]);
        assert!(!bans.lasts(&first, at(0)));
        assert_eq!((bans.len(), bans.numbers.len()), (0, 0));
    }

    #[test]
    fn the_eighth_banned_peer_of_an_address_bans_the_address() {
        let at = Duration::from_secs;
        let mut bans = AddressBans::default();
        let group = |number: u32| AddressGroup::V4(number.into());
        let banned = (1..=8)
            .map(|second| bans.note(group(1), at(second)))
            .collect::<Vec<_>>();
        assert_eq!(
            banned,
            [false, false, false, false, false, false, false, true]
        );
        assert!(!bans.note(group(2), at(100)));
        assert_eq!(bans.lift(at(7)), []);
        assert_eq!(bans.lift(at(8)), [group(1)]);
        for number in 10..2_000 {
            bans.note(group(number), at(200));
        }
        bans.lift(at(9));
        assert_eq!(bans.counts.len(), MAX_ADDRESSES);
        assert!(!bans.counts.contains_key(&group(2)));
    }
}
