//! Which slots may be justified.

use quartet_types::Slot;

/// Whether a slot may be justified while another one is final: `Slot.is_justifiable_after`. `None` where the
/// specification raises: the slot comes before the final one.
///
/// The number whose square or pronic number is the distance is searched for by counting up: not a question to ask of
/// slots that no chain has.
pub fn is_justifiable_after(slot: Slot, finalized: Slot) -> Option<bool> {
    if slot < finalized {
        return None;
    }
    let delta = slot - finalized;
    if delta <= 5 {
        return Some(true);
    }
    let mut number = 0_u64;
    while number * number <= delta {
        if number * number == delta || number * (number + 1) == delta {
            return Some(true);
        }
        number += 1;
    }
    Some(false)
}
