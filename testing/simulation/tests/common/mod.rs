//! What the scenarios have in common.
// Each test binary uses its own part of it.
#![allow(dead_code)]

pub(crate) mod plans;

use std::ops::RangeInclusive;

use quartet_simulation::{Conditions, SimulationError, World};
use quartet_types::Slot;

pub(crate) type Outcome = Result<(), SimulationError>;

pub(crate) fn links(latency_ms: RangeInclusive<u64>, loss: f64) -> Conditions {
    Conditions { latency_ms, loss }
}

/// Looks at every node at the end of each slot and expects the same head everywhere, of this very slot,
/// and finality exactly three slots behind it.
pub(crate) async fn finalizes_at_full_pace(
    world: &mut World,
    slots: RangeInclusive<Slot>,
) -> Outcome {
    for slot in slots {
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

/// Goes on until all running nodes have the same head, at most this many slots, and says in which slot.
pub(crate) async fn agreement(world: &mut World, patience: Slot) -> Result<Slot, SimulationError> {
    let start = world.slot();
    for slot in start..=start + patience {
        world.end_of(slot).await?;
        if world.common_head().is_some() {
            return Ok(slot);
        }
    }
    panic!("no agreement since slot {start}: {:#?}", world.views());
}

/// Goes on until finality is three slots behind the head of every running node again, at most this many
/// slots, and says in which slot.
pub(crate) async fn full_pace(world: &mut World, patience: Slot) -> Result<Slot, SimulationError> {
    let start = world.slot();
    for slot in start..=start + patience {
        world.end_of(slot).await?;
        let views = world.views();
        let keeps_pace = |view: &quartet_chain::ForkChoiceView| {
            view.head.slot == slot && view.finalized.slot + 3 == slot
        };
        if views.iter().all(keeps_pace) {
            return Ok(slot);
        }
    }
    panic!("finality lags since slot {start}: {:#?}", world.views());
}
