//! Which stranger is evicted when there are more strangers than slots.
//!
//! A stranger is a peer that is not static. Static peers have slots of their own, and we dial them, so that strangers,
//! however many they are, are never our only peers. A stranger is let in even when all slots are taken, and then one is
//! evicted: the one that has not been useful for the longest time. A peer that was useful recently stays, but a quarter
//! of the slots is for new peers, which cannot have been useful yet.

use std::time::Duration;

use libp2p::PeerId;
use quartet_types::SECONDS_PER_SLOT;

const SLOT: Duration = Duration::from_secs(SECONDS_PER_SLOT);
/// A new stranger is not compared with others for this long.
const GRACE_PERIOD: Duration = SLOT.saturating_mul(4);
/// A peer that was useful within this time counts as useful.
pub(crate) const RECENT: Duration = SLOT.saturating_mul(16);

/// What decides whether a stranger keeps its slot. Times are those of one clock.
#[derive(Clone, Debug)]
pub(crate) struct Stranger {
    pub(crate) peer: PeerId,
    pub(crate) since: Duration,
    /// When it was last the first to bring something valid, or last served what we asked for.
    pub(crate) last_useful: Option<Duration>,
    /// How often it has been useful; older times count less.
    pub(crate) usefulness: f64,
    /// It has told its status or subscribed to a topic.
    pub(crate) talks: bool,
}

impl Stranger {
    fn idle(&self, now: Duration) -> Duration {
        now.saturating_sub(self.last_useful.unwrap_or(self.since))
    }

    fn in_grace(&self, now: Duration) -> bool {
        now.saturating_sub(self.since) < GRACE_PERIOD
    }

    fn is_useful(&self, now: Duration) -> bool {
        let lately = |at| now.saturating_sub(at) < RECENT;
        self.last_useful.is_some_and(lately)
    }
}

/// Slots beyond the limit that strangers may have during their grace period.
pub(crate) const fn headroom(places: usize) -> usize {
    places / 4
}

/// The stranger that is to be evicted now, and why. To be called again until there is none.
pub(crate) fn stranger_to_evict(
    strangers: &[Stranger],
    places: usize,
    now: Duration,
) -> Option<(PeerId, &'static str)> {
    if strangers.len() <= places {
        return None;
    }
    let mut ranked: Vec<&Stranger> = strangers.iter().collect();
    // Those of most use first, and of equal ones those that have been here longest.
    ranked.sort_by(|one, other| {
        let use_of = |stranger: &Stranger| {
            if stranger.is_useful(now) {
                stranger.usefulness
            } else {
                -1.0
            }
        };
        (use_of(other).total_cmp(&use_of(one)))
            .then(one.since.cmp(&other.since))
            .then(one.peer.cmp(&other.peer))
    });
    let useful = ranked.iter().filter(|stranger| stranger.is_useful(now));
    let kept = useful.count().min(places - places / 4);
    let others = &ranked[kept..];

    let beyond_grace = others.iter().filter(|stranger| !stranger.in_grace(now));
    // Of equal ones the first in the order of names, so that it is the same on every run.
    let worst = beyond_grace.min_by_key(|stranger| {
        let idle = std::cmp::Reverse(stranger.idle(now));
        (stranger.talks, idle, stranger.peer)
    });
    if let Some(worst) = worst {
        let reason = match (worst.talks, worst.is_useful(now)) {
            (false, _) => "silent while places are short",
            (true, false) => "of no use while places are short",
            (true, true) => "of least use while places are short",
        };
        return Some((worst.peer, reason));
    }
    if strangers.len() <= places + headroom(places) {
        return None;
    }
    // All are in their grace period: the one that has had the longest time to be useful. None can have sent its status
    // in its first moment.
    let oldest = others.iter().min_by_key(|stranger| {
        let may_talk_yet = now.saturating_sub(stranger.since) < SLOT;
        let idle = std::cmp::Reverse(stranger.idle(now));
        (stranger.talks || may_talk_yet, idle, stranger.peer)
    })?;
    Some((oldest.peer, "too many newcomers"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(10_000);

    fn ago(slots: u64) -> Duration {
        NOW - Duration::from_secs(slots * SECONDS_PER_SLOT)
    }

    fn stranger(came: u64, last_useful: Option<u64>, usefulness: f64, talks: bool) -> Stranger {
        Stranger {
            peer: PeerId::random(),
            since: ago(came),
            last_useful: last_useful.map(ago),
            usefulness,
            talks,
        }
    }

    #[test]
    fn the_least_useful_stranger_is_evicted() {
        let useful = || stranger(50, Some(1), 9.0, true);
        let newcomer = || stranger(0, None, 0.0, false);
        // The first of each list is the one to go, among three places.
        let cases = [
            (
                "silent before idle",
                vec![
                    stranger(9, None, 0.0, false),
                    stranger(90, None, 0.0, true),
                    useful(),
                    useful(),
                ],
            ),
            (
                "idle for longest",
                vec![
                    stranger(90, None, 0.0, true),
                    stranger(80, None, 0.0, true),
                    useful(),
                    newcomer(),
                ],
            ),
            (
                "once useful, long ago, before one that came since",
                vec![
                    stranger(90, Some(70), 5.0, true),
                    stranger(60, None, 0.0, true),
                    useful(),
                    newcomer(),
                ],
            ),
            (
                "an idle one before a newcomer",
                vec![stranger(5, None, 0.0, true), newcomer(), useful(), useful()],
            ),
            (
                "an idle one before a useful one that came later",
                vec![
                    stranger(500, None, 0.0, true),
                    stranger(1, Some(0), 1.0, true),
                    useful(),
                    useful(),
                ],
            ),
            (
                "of least use when all are",
                vec![
                    stranger(40, Some(3), 1.0, true),
                    stranger(40, Some(3), 2.0, true),
                    useful(),
                    useful(),
                ],
            ),
        ];
        for (name, strangers) in cases {
            let (peer, _) = stranger_to_evict(&strangers, 3, NOW).expect(name);
            let index = strangers.iter().position(|s| s.peer == peer);
            assert_eq!(index, Some(0), "{name}");
            assert_eq!(stranger_to_evict(&strangers[1..], 3, NOW), None, "{name}");
        }
    }

    #[test]
    fn newcomers_have_slots_of_their_own_for_a_while() {
        let newcomers = |count| (0..count).map(|_| stranger(1, None, 0.0, true));
        let strangers: Vec<_> = newcomers(80).collect();
        assert_eq!(stranger_to_evict(&strangers, 64, NOW), None);
        let mut strangers: Vec<_> = newcomers(80).collect();
        strangers.push(stranger(0, None, 0.0, false));
        let (peer, reason) = stranger_to_evict(&strangers, 64, NOW).unwrap();
        assert_ne!(peer, strangers[80].peer);
        assert_eq!(reason, "too many newcomers");
    }

    /// Sixty-four identities that have been there for hours, say their status and do nothing else; honest
    /// nodes come one after another, and are useful from the next slot on.
    #[test]
    fn idle_identities_keep_no_honest_node_out() {
        let mut strangers: Vec<_> = (0..64).map(|_| stranger(2_000, None, 0.0, true)).collect();
        for slot in 0..48 {
            let now = NOW + Duration::from_secs(slot * SECONDS_PER_SLOT);
            for honest in strangers.iter_mut().filter(|s| s.since > ago(2_000)) {
                honest.last_useful = Some(now);
                honest.usefulness += 1.0;
            }
            let mut honest = stranger(0, None, 0.0, true);
            honest.since = now;
            strangers.push(honest);
            let (peer, reason) = stranger_to_evict(&strangers, 64, now).unwrap();
            let index = strangers.iter().position(|s| s.peer == peer).unwrap();
            assert_eq!(strangers.remove(index).since, ago(2_000), "slot {slot}");
            assert_eq!(reason, "of no use while places are short");
            assert_eq!(stranger_to_evict(&strangers, 64, now), None);
        }
    }

    /// However many identities come and go, useful peers stay.
    #[test]
    fn a_stream_of_newcomers_evicts_no_useful_peer() {
        let mut strangers: Vec<_> = (0..16).map(|_| stranger(99, Some(0), 3.0, true)).collect();
        let honest: Vec<_> = strangers.iter().map(|s| s.peer).collect();
        for second in 0..60 {
            let now = NOW + Duration::from_secs(second);
            for _ in 0..20 {
                let mut newcomer = stranger(0, None, 0.0, false);
                newcomer.since = now;
                strangers.push(newcomer);
                while let Some((peer, _)) = stranger_to_evict(&strangers, 64, now) {
                    strangers.retain(|s| s.peer != peer);
                }
            }
            assert!(strangers.len() <= 64 + headroom(64));
        }
        for peer in honest {
            assert!(strangers.iter().any(|s| s.peer == peer));
        }
    }
}
