//! Networks in which nothing goes wrong but what the links do.

use quartet_simulation::{Simulation, SimulationError, World};
use quartet_types::Slot;

/// Looks at every node at the end of each slot and expects the same head everywhere, of this very slot,
/// and finality exactly three slots behind it.
async fn finalizes_at_full_pace(world: &mut World, slots: Slot) -> Result<(), SimulationError> {
    for slot in 1..=slots {
        world.end_of(slot).await?;
        let head = world.common_head();
        assert_eq!(head.map(|head| head.slot), Some(slot), "slot {slot}");
        for view in world.views() {
            assert_eq!(view.justified.slot, slot.saturating_sub(2), "slot {slot}");
            assert_eq!(view.finalized.slot, slot.saturating_sub(3), "slot {slot}");
        }
    }
    Ok(())
}

#[test]
fn four_nodes_finalize_three_slots_behind_the_head_slot_after_slot() -> Result<(), SimulationError>
{
    Simulation::new(1)
        .run(async |world| finalizes_at_full_pace(world, 60).await)
        .map(drop)
}
