//! Nodes that start late, with nothing but the genesis.

mod common;

use std::path::Path;

use common::{Outcome, finalizes_at_full_pace, full_pace, links};
use quartet_chain::SyncState;
use quartet_simulation::{History, Simulation};

#[test]
fn a_node_that_starts_two_hundred_slots_late_fetches_them_by_their_roots() -> Outcome {
    let simulation = Simulation::new(1).nodes(5).validators(4).absent(&[4]);
    simulation.run(async |world| {
        for node in 0..4 {
            world.set_serves_ranges(node, false);
        }
        world.end_of(200).await?;
        world.start(4)?;
        world.at(202, 0).await?;
        assert!(matches!(world.sync_state(4)?, SyncState::Syncing { .. }));
        // One round trip for each block of the way back, some 100 ms.
        world.end_of(206).await?;
        assert_eq!(world.sync_state(4)?, SyncState::Synced);
        finalizes_at_full_pace(world, 207..=215).await
    })?;
    Ok(())
}

#[test]
fn a_node_that_starts_two_hundred_slots_late_has_them_by_ranges_within_a_slot() -> Outcome {
    let simulation = Simulation::new(1).nodes(5).validators(4).absent(&[4]);
    simulation.run(async |world| {
        world.end_of(200).await?;
        world.start(4)?;
        world.end_of(201).await?;
        assert_eq!(world.sync_state(4)?, SyncState::Synced);
        assert!(world.counter("quartet_blocks_by_range_total") > 150);
        finalizes_at_full_pace(world, 202..=210).await
    })?;
    Ok(())
}

#[test]
fn a_validator_that_starts_a_hundred_slots_late_takes_up_its_duties_within_a_slot_of_arriving()
-> Outcome {
    let simulation = Simulation::new(2).absent(&[3]);
    simulation.run(async |world| {
        world.end_of(100).await?;
        assert!(world.view(0)?.finalized.slot > 80);
        world.start(3)?;
        world.end_of(101).await?;
        assert_eq!(world.sync_state(3)?, SyncState::Synced);
        world.end_of(102).await?;
        let vote = world.chain(0)?.read().fork_choice().vote_in_slot(3, 102);
        assert!(vote.is_some(), "no vote has been heard");
        assert!(full_pace(world, 20).await? <= 120);
        finalizes_at_full_pace(world, world.slot() + 1..=130).await
    })?;
    Ok(())
}

#[test]
fn a_late_node_also_fetches_the_abandoned_blocks_that_votes_name() -> Outcome {
    for seed in 1..=4 {
        let simulation = Simulation::new(seed)
            .nodes(5)
            .validators(4)
            .absent(&[4])
            .conditions(links(20..=200, 0.3));
        simulation.run(async |world| {
            world.end_of(60).await?;
            for node in 0..5 {
                for other in 0..node {
                    world.set_conditions(node, other, links(20..=80, 0.0));
                }
            }
            full_pace(world, 24).await?;
            world.start(4)?;
            full_pace(world, 6).await?;
            Ok(())
        })?;
    }
    Ok(())
}

#[test]
fn a_gap_larger_than_the_parking_is_closed() -> Outcome {
    const LENGTH: u64 = 700;
    let keystores = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../keystores");
    let history = History::make(&keystores, LENGTH)?;
    let simulation = Simulation::new(3).nodes(3).after(&history);
    simulation.run(async |world| {
        world.set_serves_ranges(0, false);
        world.at(LENGTH + 1, 500).await?;
        assert_eq!(world.view(0)?.head.slot, LENGTH);
        assert_eq!(world.view(1)?.head.slot, 0);
        // A round trip of some 100 ms for each block back, then 32 blocks at a time.
        world.end_of(LENGTH + 25).await?;
        assert_eq!(world.common_head().map(|head| head.slot), Some(LENGTH));
        assert_eq!(world.sync_state(1)?, SyncState::Synced);
        assert!(world.peak("quartet_parked_blocks") <= 512.0);
        Ok(())
    })?;
    Ok(())
}

/// Four proposers, and one that is alone: no other validator votes for its blocks.
#[test]
fn a_long_chain_whose_proposers_attest_to_the_parents_of_their_blocks_is_had_by_ranges() -> Outcome
{
    const LENGTH: u64 = 330;
    let keystores = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../keystores");
    for validators in [4, 1] {
        let history = History::half_bound(&keystores, LENGTH, validators)?;
        let simulation = Simulation::new(3).nodes(3).after(&history);
        simulation.run(async |world| {
            world.end_of(LENGTH + 2).await?;
            assert_eq!(world.common_head().map(|head| head.slot), Some(LENGTH));
            assert_eq!(world.sync_state(1)?, SyncState::Synced);
            // Both of them have nearly all of it so.
            assert!(world.counter("quartet_blocks_by_range_total") >= 2 * (LENGTH - 8));
            assert_eq!(world.counter("quartet_range_batches_total/foreign"), 0);
            Ok(())
        })?;
    }
    Ok(())
}
