//! The conditions of a link, and which datagrams they lose or delay.

use std::{ops::Range, time::Duration};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

/// A time, from the relay's start on, in which nothing passes.
pub type Cut = Range<Duration>;

/// What a link is like, the same in both directions.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Conditions {
    /// How long a datagram takes on average.
    pub delay: Duration,
    /// A datagram takes up to so much more or less, evenly spread. Each has a delay of its own, so that
    /// datagrams overtake each other, as they do with netem.
    pub jitter: Duration,
    /// Which share is lost, from 0 to 1.
    pub loss: f64,
    /// When the link is cut.
    pub cuts: Vec<Cut>,
}

/// What becomes of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PacketFate {
    /// It does not arrive.
    Lost,
    /// It arrives so much later.
    After(Duration),
}

/// Draws what becomes of one datagram after another.
#[derive(Debug)]
pub(crate) struct PacketFates {
    conditions: Conditions,
    random: StdRng,
}

impl PacketFates {
    /// What this seed makes of these conditions.
    pub(crate) fn new(conditions: Conditions, seed: u64) -> Self {
        let random = StdRng::seed_from_u64(seed);
        Self { conditions, random }
    }

    /// What becomes of a datagram that comes `since_start` after the relay's start.
    pub(crate) fn next(&mut self, since_start: Duration) -> PacketFate {
        // Both are drawn for every datagram, so that a cut does not change what is drawn after it.
        let is_lost = self.random.random::<f64>() < self.conditions.loss;
        let place = self.random.random::<f64>();
        let is_cut = self
            .conditions
            .cuts
            .iter()
            .any(|cut| cut.contains(&since_start));
        if is_lost || is_cut {
            return PacketFate::Lost;
        }
        let Conditions { delay, jitter, .. } = self.conditions;
        let least = delay.saturating_sub(jitter);
        PacketFate::After(least + (delay + jitter - least).mul_f64(place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLISECOND: Duration = Duration::from_millis(1);

    fn conditions() -> Conditions {
        Conditions {
            delay: 50 * MILLISECOND,
            jitter: 20 * MILLISECOND,
            loss: 0.02,
            cuts: vec![],
        }
    }

    fn fates(conditions: Conditions, seed: u64, count: u32) -> Vec<PacketFate> {
        let mut fates = PacketFates::new(conditions, seed);
        (0..count)
            .map(|number| fates.next(number * MILLISECOND))
            .collect()
    }

    #[test]
    fn a_seed_makes_the_same_weather_each_time_and_another_seed_another() {
        assert_eq!(fates(conditions(), 7, 500), fates(conditions(), 7, 500));
        assert_ne!(fates(conditions(), 7, 500), fates(conditions(), 8, 500));
    }

    #[test]
    fn delays_fill_their_range_and_as_many_are_lost_as_was_said() {
        let fates = fates(conditions(), 1, 50_000);
        let lost = fates
            .iter()
            .filter(|fate| **fate == PacketFate::Lost)
            .count();
        assert!((800..1200).contains(&lost), "{lost} of 50,000 lost");
        let delays: Vec<_> = fates
            .iter()
            .filter_map(|fate| match fate {
                PacketFate::After(delay) => Some(*delay),
                PacketFate::Lost => None,
            })
            .collect();
        let (least, most) = (delays.iter().min().unwrap(), delays.iter().max().unwrap());
        assert!((30 * MILLISECOND..31 * MILLISECOND).contains(least));
        assert!((69 * MILLISECOND..=70 * MILLISECOND).contains(most));
    }

    #[test]
    fn a_cut_loses_all_within_it_and_changes_nothing_else() {
        let cut = Conditions {
            cuts: vec![100 * MILLISECOND..200 * MILLISECOND],
            ..conditions()
        };
        let (whole, cut) = (fates(conditions(), 3, 300), fates(cut, 3, 300));
        assert_eq!(whole[..100], cut[..100]);
        assert!(cut[100..200].iter().all(|fate| *fate == PacketFate::Lost));
        assert_eq!(whole[200..], cut[200..]);
    }

    #[test]
    fn more_jitter_than_delay_does_not_go_back_in_time() {
        let conditions = Conditions {
            delay: MILLISECOND,
            jitter: 3 * MILLISECOND,
            ..Conditions::default()
        };
        for fate in fates(conditions, 0, 1000) {
            let PacketFate::After(delay) = fate else {
                panic!("lost");
            };
            assert!(delay <= 4 * MILLISECOND);
        }
    }
}
