//! Nodes that start from a checkpoint, and fetch the finalized chain's past afterwards.

mod common;

use common::{Outcome, links};
use quartet_chain::SyncState;
use quartet_simulation::{Simulation, SimulationError, World};
use quartet_types::Slot;

/// How long the chain is when the node starts.
const LENGTH: Slot = 200;
/// The node that starts then.
const LATE: usize = 4;

/// Sees that a node has the whole chain up to a slot as node 0 has it, and returns how many blocks that are.
fn has_all(world: &World, node: usize, end: Slot) -> Result<u64, SimulationError> {
    assert_eq!(world.kept_from(node)?, 0);
    let mut blocks = 0;
    for slot in 1..=end {
        let root = world.chain(0)?.read().canonical_root(slot);
        assert_eq!(world.chain(node)?.read().canonical_root(slot), root);
        if let Some(root) = root {
            assert!(world.have_same_block(0, node, root)?, "slot {slot}");
            blocks += 1;
        }
    }
    Ok(blocks)
}

#[test]
fn a_node_that_starts_from_a_checkpoint_fetches_the_past_and_goes_on_after_it_was_killed() -> Outcome
{
    let simulation = Simulation::new(1).nodes(5).validators(4).absent(&[LATE]);
    simulation.run(async |world| {
        // A peer that has no blocks.
        let useless = world.adversary();
        for honest in 0..LATE {
            world.set_conditions(LATE, honest, links(700..=700, 0.0));
        }
        world.end_of(LENGTH).await?;
        let start = world.view(0)?.finalized.slot;
        world.start_from_checkpoint(LATE, 0, true)?;
        // As long as it is not synced it asks for nothing older.
        assert_eq!(world.kept_from(LATE)?, start);
        world.at(LENGTH + 3, 0).await?;
        assert_eq!(world.sync_state(LATE)?, SyncState::Synced);
        let before = world.kept_from(LATE)?;
        assert!((1..start).contains(&before), "{before}");
        world.kill(LATE).await?;
        let fetched = world.counter("quartet_backfill_blocks_total");
        world.start(LATE)?;
        assert!(world.kept_from(LATE)? <= before);
        world.end_of(LENGTH + 10).await?;
        let blocks = has_all(world, LATE, start - 1)?;
        // Two answers at most were lost with the process.
        let fetched_again = world.counter("quartet_backfill_blocks_total") - blocks;
        assert!(fetched > 0 && fetched_again <= 64, "{fetched_again}");
        assert!(world.common_head().is_some(), "{:?}", world.views());
        // It was asked as the others were, and not again; that it has nothing is no offence.
        assert!(
            (1..=4).contains(&useless.requests()),
            "{}",
            useless.requests()
        );
        assert_eq!(world.penalties_of(useless.number()), 0);
        Ok(())
    })?;
    Ok(())
}

#[test]
fn what_no_peer_has_is_fetched_when_one_comes_that_has_it() -> Outcome {
    const ANOTHER: usize = 5;
    let simulation = Simulation::new(2).nodes(6).validators(4);
    let simulation = simulation.absent(&[LATE, ANOTHER]);
    simulation.run(async |world| {
        world.end_of(100).await?;
        let start = world.view(0)?.finalized.slot;
        world.start_from_checkpoint(LATE, 0, false)?;
        for honest in 0..LATE {
            world.cut(ANOTHER, honest);
        }
        world.start_from_checkpoint(ANOTHER, 0, true)?;
        world.end_of(110).await?;
        assert_eq!(world.sync_state(ANOTHER)?, SyncState::Synced);
        assert_eq!(world.kept_from(ANOTHER)?, start);
        world.mend(ANOTHER, 2);
        world.end_of(116).await?;
        has_all(world, ANOTHER, start - 1)?;
        // The other one has not asked for it.
        assert_eq!(world.kept_from(LATE)?, start);
        Ok(())
    })?;
    Ok(())
}
