//! How long a slot lasts: four seconds in every public network, something else in local ones.

use std::{fmt, str::FromStr, time::Duration};

use crate::{INTERVALS_PER_SLOT, SECONDS_PER_SLOT};

/// The shortest slot, in milliseconds: a block has to be made, sent and checked, and votes signed, in a quarter of it
/// each.
const SHORTEST: u64 = 400;
/// The longest, in milliseconds. Longer ones would only make people wait.
const LONGEST: u64 = 60_000;

/// The length of a slot: 400 to 60,000 milliseconds, in four equal intervals of whole milliseconds. Four seconds by
/// default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotDuration {
    milliseconds: u64,
}

/// No slot can last that long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a slot cannot last {found} ms: it lasts {SHORTEST} to {LONGEST} ms, and is a multiple of {INTERVALS_PER_SLOT}"
)]
pub struct InvalidSlotDuration {
    /// What was asked for, in milliseconds.
    pub found: u64,
}

impl SlotDuration {
    /// A slot of so many milliseconds.
    ///
    /// # Errors
    /// When it is shorter than 400, longer than 60,000, or no multiple of 4.
    pub fn from_millis(milliseconds: u64) -> Result<Self, InvalidSlotDuration> {
        let fits = (SHORTEST..=LONGEST).contains(&milliseconds);
        if fits && milliseconds.is_multiple_of(INTERVALS_PER_SLOT) {
            Ok(Self { milliseconds })
        } else {
            Err(InvalidSlotDuration {
                found: milliseconds,
            })
        }
    }

    /// In milliseconds.
    pub const fn as_millis(self) -> u64 {
        self.milliseconds
    }

    /// In seconds, for people and rates.
    pub fn as_secs_f64(self) -> f64 {
        self.slot().as_secs_f64()
    }

    /// The time of a slot.
    pub const fn slot(self) -> Duration {
        Duration::from_millis(self.milliseconds)
    }

    /// The time of an interval, a quarter of a slot.
    pub const fn interval(self) -> Duration {
        Duration::from_millis(self.milliseconds / INTERVALS_PER_SLOT)
    }

    /// The time of so many slots; the longest there is where it would be longer.
    pub const fn slots(self, count: u64) -> Duration {
        Duration::from_millis(self.milliseconds.saturating_mul(count))
    }

    /// Whether it is that of public networks.
    pub fn is_default(self) -> bool {
        self == Self::default()
    }
}

impl Default for SlotDuration {
    fn default() -> Self {
        Self {
            milliseconds: SECONDS_PER_SLOT * 1_000,
        }
    }
}

impl fmt::Display for SlotDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms", self.milliseconds)
    }
}

impl FromStr for SlotDuration {
    type Err = String;

    /// Takes a number of milliseconds.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let milliseconds = text.parse().map_err(|_| "not a number of milliseconds")?;
        Self::from_millis(milliseconds).map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_equal_intervals_of_whole_milliseconds_or_none() {
        for (milliseconds, interval) in [(400, 100), (404, 101), (4_000, 1_000), (60_000, 15_000)] {
            let duration = SlotDuration::from_millis(milliseconds).unwrap();
            assert_eq!(duration.interval(), Duration::from_millis(interval));
            assert_eq!(duration.slot(), 4 * duration.interval());
            assert_eq!(duration.slots(10), 10 * duration.slot());
        }
        for wrong in [0, 396, 402, 60_004, u64::MAX] {
            let error = SlotDuration::from_millis(wrong).unwrap_err().to_string();
            assert!(error.contains("400 to 60000 ms"), "{error}");
        }
    }

    #[test]
    fn a_slot_duration_is_read_from_a_command_line() {
        assert_eq!("4000".parse(), Ok(SlotDuration::default()));
        for wrong in ["0.4", "400ms", "-400", "", "399"] {
            assert!(wrong.parse::<SlotDuration>().is_err(), "{wrong}");
        }
    }
}
