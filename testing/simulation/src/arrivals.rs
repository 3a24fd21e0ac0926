//! What has got where, and when: kept where a run is wired.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use quartet_types::{SECONDS_PER_SLOT, Slot};

/// What is waited for at each node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Awaited {
    /// The block of a slot, imported; by gossip or because it was asked for.
    Block,
    /// The votes of a slot, looked at and counted; a node's own are there at once.
    Votes,
}

/// What has got where, and when.
#[derive(Debug, Default)]
pub(crate) struct Arrivals {
    /// Since genesis, in the order of arrival.
    times: BTreeMap<(Slot, Awaited), Vec<Duration>>,
    blocks: BTreeSet<(Slot, usize)>,
}

impl Arrivals {
    pub(crate) fn add(&mut self, slot: Slot, awaited: Awaited, node: usize, time: Duration) {
        if awaited == Awaited::Votes || self.blocks.insert((slot, node)) {
            self.times.entry((slot, awaited)).or_default().push(time);
        }
    }

    /// How many have arrived.
    pub(crate) fn count(&self, slot: Slot, awaited: Awaited) -> usize {
        self.times.get(&(slot, awaited)).map_or(0, Vec::len)
    }

    /// The time since the slot's start at which this many had arrived.
    pub(crate) fn time(&self, slot: Slot, awaited: Awaited, number: usize) -> Option<Duration> {
        let times = self.times.get(&(slot, awaited))?;
        let time = times.get(number.checked_sub(1)?)?;
        Some(time.saturating_sub(Duration::from_secs(slot * SECONDS_PER_SLOT)))
    }
}
