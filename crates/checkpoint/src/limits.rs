//! What a server may cost in bytes and time.

use std::time::Duration;

use quartet_types::{HISTORICAL_ROOTS_LIMIT, Slot};

/// Most servers that are asked at the same time. Each can send 23 MB: a state of the largest size and a block.
pub const MOST_SERVERS: usize = 8;
/// Bytes of an answer's head, and of what is read ahead: ten times what any client sends.
pub(crate) const MAX_HEAD: usize = 16 << 10;
/// Bytes of a block: one that is too large for a gossip message cannot have become final.
pub(crate) const MAX_BLOCK: usize = 10 << 20;
/// Bytes of the tallies. Each target without two thirds of the votes leaves one for ever; with 64 validators there is
/// room for one in each of 100,000 slots, with 4,096 for 7,700.
const MAX_TALLIES: u64 = 4 << 20;
/// Bytes of a registry entry: its key and its index.
pub(crate) const VALIDATOR_BYTES: u64 = 60;
/// Bytes of a state before its lists.
pub(crate) const FIXED_BYTES: usize = 228;

/// How long a server may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// To look up its name, connect, and agree on TLS; 10 seconds by default.
    pub connect: Duration,
    /// From the request to the end of the answer's head; 15 seconds by default.
    pub head: Duration,
    /// Between two pieces of a body; 10 seconds by default.
    pub idle: Duration,
    /// For everything; 120 seconds by default.
    pub total: Duration,
    /// For the other servers, once one has given a valid checkpoint; 4 seconds by default.
    pub patience: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // A lost packet or three at each step.
            connect: Duration::from_secs(10),
            // A server encodes some megabytes before it answers, and others may come first.
            head: Duration::from_secs(15),
            idle: Duration::from_secs(10),
            // The largest state at a megabit a second.
            total: Duration::from_secs(120),
            // A slot: comparing later answers is not worth more missed duties.
            patience: Duration::from_secs(4),
        }
    }
}

/// Most bytes of a state at `current_slot` or before, in a network of so many validators: 11 MB for the longest history
/// with the fewest validators, 13 MB with the most.
pub(crate) fn state_bytes(current_slot: Slot, validators: u64) -> usize {
    let slots = current_slot.saturating_add(1).min(HISTORICAL_ROOTS_LIMIT);
    let history = slots * 32 + slots / 8 + 1;
    let registry = validators * VALIDATOR_BYTES;
    let tallies = (slots * (32 + validators.div_ceil(8)) + 1).min(MAX_TALLIES);
    FIXED_BYTES + (history + registry + tallies) as usize
}

#[cfg(test)]
mod tests {
    use quartet_types::{PublicKey, State};
    use ssz::Encode as _;

    use super::*;

    #[test]
    fn a_state_has_the_size_that_limits_are_derived_from() {
        for validators in [1, 100] {
            let genesis = State::genesis(0, &vec![PublicKey::default(); validators]).unwrap();
            // The two empty bit lists have their delimiters.
            let lists = validators * VALIDATOR_BYTES as usize + 2;
            assert_eq!(genesis.as_ssz_bytes().len(), FIXED_BYTES + lists);
        }
    }

    #[test]
    fn the_limit_follows_the_clock_and_ends() {
        assert_eq!(state_bytes(0, 4), 228 + 33 + 240 + 34);
        assert!(state_bytes(100_000, 64) < 7_500_000);
        assert_eq!(state_bytes(u64::MAX, 64), state_bytes(1 << 18, 64));
        assert!(state_bytes(u64::MAX, 1) < 13_000_000);
        assert!(state_bytes(u64::MAX, 4096) < 13_200_000);
    }
}
