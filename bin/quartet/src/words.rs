//! Numbers and times in words, for people.

use quartet_types::SlotDuration;

/// `1 node`, `2 nodes`: a number with its noun.
pub(crate) fn count(number: u64, noun: &str) -> String {
    match number {
        1 => format!("1 {noun}"),
        _ => format!("{number} {noun}s"),
    }
}

/// How long some slots last, in the two units that matter.
pub(crate) fn duration(slots: u64, slot: SlotDuration) -> String {
    let milliseconds = u128::from(slots) * u128::from(slot.as_millis());
    let minutes = milliseconds / 60_000;
    let (days, hours, minutes) = (minutes / 1440, minutes / 60 % 24, minutes % 60);
    match (days, hours) {
        (0, 0) => format!("{minutes} min"),
        (0, _) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_of_one_is_singular() {
        let said = [0, 1, 2].map(|number| count(number, "validator"));
        assert_eq!(said, ["0 validators", "1 validator", "2 validators"]);
    }

    #[test]
    fn durations_are_said_in_the_two_units_that_matter() {
        let usual = |slots| duration(slots, SlotDuration::default());
        assert_eq!(usual(0), "0 min");
        assert_eq!(usual(1 << 10), "1 h 8 min");
        assert_eq!(usual(1 << 18), "12 d 3 h");
        assert_eq!(usual(u64::MAX), "854015929338405 d 4 h");
        let short = SlotDuration::from_millis(400).unwrap();
        assert_eq!(duration(1 << 10, short), "6 min");
    }
}
