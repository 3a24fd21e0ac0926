//! What identify's protocol version says of a network: how long its slots last, where that is not the usual.
//!
//! Clients of public networks say nothing of it, and have four seconds. Nodes whose clocks count other slots would
//! only hold each other's messages for faulty.

use quartet_types::SlotDuration;

/// What all clients say.
const BASE: &str = "eth2/1.0.0";
/// Stands before the milliseconds of a slot.
const SLOT_MS: &str = ";slot-ms=";

/// The protocol version of a node in a network with this slot duration.
pub(crate) fn protocol_version(slot: SlotDuration) -> String {
    if slot.is_default() {
        BASE.to_owned()
    } else {
        format!("{BASE}{SLOT_MS}{}", slot.as_millis())
    }
}

/// How long a peer's slots last that says this, in milliseconds; the usual where it says nothing. `None` when what it says
/// is no number.
pub(crate) fn stated_slot_ms(version: &str) -> Option<u64> {
    match version.split_once(SLOT_MS) {
        None => Some(SlotDuration::default().as_millis()),
        Some((_, stated)) => stated.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slot_duration_is_read_back_and_none_means_four_seconds() {
        for milliseconds in [400, 4_000, 60_000] {
            let slot = SlotDuration::from_millis(milliseconds).unwrap();
            let stated = stated_slot_ms(&protocol_version(slot));
            assert_eq!(stated, Some(milliseconds));
        }
        assert_eq!(protocol_version(SlotDuration::default()), BASE);
        for (said, expected) in [
            ("", Some(4_000)),
            ("ipfs/0.1.0", Some(4_000)),
            ("eth2/1.0.0;slot-ms=400", Some(400)),
            ("eth2/1.0.0;slot-ms=", None),
            ("eth2/1.0.0;slot-ms=-1", None),
            ("eth2/1.0.0;slot-ms=99999999999999999999999", None),
        ] {
            assert_eq!(stated_slot_ms(said), expected, "{said}");
        }
    }
}
