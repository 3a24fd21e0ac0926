//! A link between two nodes: how long packets take, how many are lost, whether it is cut.

use std::{ops::RangeInclusive, time::Duration};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

/// What packets on a link go through.
#[derive(Clone, Debug, PartialEq)]
pub struct Conditions {
    /// How long a packet takes, in milliseconds; drawn anew for each, so packets overtake each other.
    pub latency_ms: RangeInclusive<u64>,
    /// The share of packets that are lost, from 0 to 1.
    pub loss: f64,
}

impl Default for Conditions {
    /// A good connection across a continent: 20 to 80 ms, nothing lost.
    fn default() -> Self {
        Self {
            latency_ms: 20..=80,
            loss: 0.0,
        }
    }
}

#[derive(Debug)]
pub(super) struct Link {
    pub(super) conditions: Conditions,
    /// Since when nothing gets through.
    pub(super) cut_since: Option<Duration>,
    /// The number of the open connection.
    pub(super) connection: Option<u64>,
    /// The services that it was opened between; a node that comes back has another one.
    pub(super) ends: [Option<u64>; 2],
    /// One side has disconnected the other, and does not dial it before this time.
    pub(super) banned_until: Duration,
    /// One for each direction, so that the packets of one side do not change the draws for the other.
    random: [StdRng; 2],
}

impl Link {
    pub(super) fn new(seed: u64, low: usize, high: usize, conditions: Conditions) -> Self {
        let random = |from: usize, to: usize| {
            let mut key = [0; 32];
            key[..8].copy_from_slice(&seed.to_le_bytes());
            key[8..16].copy_from_slice(&(from as u64).to_le_bytes());
            key[16..24].copy_from_slice(&(to as u64).to_le_bytes());
            StdRng::from_seed(key)
        };
        Self {
            conditions,
            cut_since: None,
            connection: None,
            ends: [None; 2],
            banned_until: Duration::ZERO,
            random: [random(low, high), random(high, low)],
        }
    }

    /// When a packet that is sent now arrives, after how long; `None` when it is lost.
    pub(super) fn transmit(&mut self, upwards: bool) -> Option<Duration> {
        let random = &mut self.random[usize::from(!upwards)];
        // Both are drawn each time, so that losing a packet does not shift the draws for the next.
        let lost = random.random_bool(self.conditions.loss.clamp(0.0, 1.0));
        let latency = random.random_range(self.conditions.latency_ms.clone());
        (!lost && self.cut_since.is_none()).then(|| Duration::from_millis(latency))
    }
}
