//! Faults of machines: power losses, bad and slow disks, slow processors.

mod common;

use std::time::Duration;

use common::{Outcome, agreement, finalizes_at_full_pace, plans::is_well};
use quartet_simulation::{
    DiskError, Simulation, SimulationError, Violation, World,
    fuzz::{FaultKind, Manners, Plan, Source},
};
use quartet_types::Slot;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

/// Waits until finality has moved at every node, and says how many slots that took.
async fn finality_moves(world: &mut World, slots: Slot) -> Result<Slot, SimulationError> {
    let finalized = |world: &World| world.views().iter().map(|view| view.finalized.slot).min();
    let (before, begin) = (finalized(world), world.slot());
    for slot in begin + 1..=begin + slots {
        world.end_of(slot).await?;
        if finalized(world) > before {
            return Ok(slot - begin);
        }
    }
    panic!(
        "finality has not moved since slot {begin}: {:#?}",
        world.views()
    );
}

/// Every few slots a node loses its power, at once or in the middle of what it writes; now and then all of them do.
async fn blackouts(world: &mut World, seed: u64, rounds: Slot) -> Outcome {
    let mut luck = StdRng::seed_from_u64(seed);
    for _ in 0..rounds {
        let slot = world.slot() + 1;
        let unlucky = match luck.random_range(0..4) {
            0 => 0..4,
            _ => {
                let node = luck.random_range(0..4);
                node..node + 1
            }
        };
        world.at(slot, luck.random_range(1..4_000)).await?;
        for node in unlucky.clone() {
            if luck.random_bool(0.7) {
                world.kill_at_disk_operation(node, luck.random_range(0..40), true)?
            } else {
                world.lose_power(node).await?
            }
        }
        world.end_of(slot + 2).await?;
        for node in unlucky {
            if world.is_running(node) {
                world.lose_power(node).await?;
            }
            world.start(node)?;
        }
        world.end_of(slot + 3).await?;
    }
    Ok(())
}

#[test]
fn a_power_loss_takes_nothing_that_was_promised_and_the_nodes_go_on() -> Outcome {
    for seed in 0..8 {
        Simulation::new(seed).run(async |world| {
            finalizes_at_full_pace(world, 1..=8).await?;
            blackouts(world, seed, 12).await.expect("all is kept");
            agreement(world, 4).await?;
            finality_moves(world, 16).await?;
            Ok(())
        })?;
    }
    Ok(())
}

/// What the test above looks for is there to be found.
#[test]
fn a_disk_that_only_says_that_it_has_synced_is_found_out() {
    let caught = (0..8).filter(|seed| {
        let played = Simulation::new(*seed).run(async |world| {
            world.have_disk_lie(0);
            world.end_of(20).await?;
            world.lose_power(0).await?;
            // It starts with less than it had, or says that it cannot.
            let started = world.start(0);
            assert!(
                matches!(started, Ok(()) | Err(SimulationError::Chain(_))),
                "{started:?}"
            );
            world.end_of(21).await
        });
        let kind = |error: &SimulationError| match error {
            SimulationError::Violation { kind, .. } => Some(*kind),
            _ => None,
        };
        match played {
            Ok(_) => false,
            Err(error) => {
                assert_eq!(kind(&error), Some(Violation::Storage), "{error}");
                true
            }
        }
    });
    assert!(caught.count() >= 4);
}

#[test]
fn a_node_whose_disk_is_full_or_broken_ends_and_goes_on_when_it_works_again() -> Outcome {
    for (seed, error) in [(1, DiskError::Full), (2, DiskError::Broken)] {
        for operations in [0, 1, 2, 3, 5, 8, 13, 21] {
            Simulation::new(seed).run(async |world| {
                finalizes_at_full_pace(world, 1..=6).await?;
                world.fail_disk(3, operations, error);
                world.end_of(14).await?;
                assert!(!world.is_running(3), "{error:?} after {operations}");
                // It cannot start either, and says so.
                let refused = world.start(3);
                assert!(
                    matches!(refused, Err(SimulationError::Chain(_))),
                    "{refused:?}"
                );
                world.mend_disk(3);
                world.start(3)?;
                finality_moves(world, 12).await?;
                agreement(world, 4).await?;
                // Whatever could be read after a failed sync counts as little as before.
                world.lose_power(3).await?;
                world.start(3)?;
                finality_moves(world, 12).await?;
                Ok(())
            })?;
        }
    }
    Ok(())
}

/// A disk that needs a slot and a half for each transaction, and a processor that needs a tenth of a second for each job.
#[test]
fn slow_disks_and_processors_hold_up_nobody() -> Outcome {
    Simulation::new(3).run(async |world| {
        for node in 0..4 {
            world.set_pace(node, Duration::from_millis(100), Duration::from_secs(6));
        }
        finalizes_at_full_pace(world, 1..=40).await?;
        world.lose_power(2).await?;
        world.end_of(44).await?;
        world.start(2)?;
        finality_moves(world, 16).await?;
        agreement(world, 4).await?;
        Ok(())
    })?;
    Ok(())
}

#[test]
fn nodes_whose_power_goes_before_anything_is_justified_begin_no_second_chain() {
    // Nodes 3 and 5 finalize something by votes of the others, who did not know its source as justified.
    let loses_power = |node| FaultKind::Crash {
        node,
        operations: 0,
        loses_power: true,
    };
    let owners = [
        Some(0),
        Some(1),
        Some(2),
        Some(3),
        Some(0),
        None,
        None,
        Some(1),
        None,
        None,
        None,
        None,
        Some(2),
        Some(3),
        Some(0),
        Some(1),
    ];
    let to_the_block = Manners {
        attests_to_parent: false,
        source: Source::Older(8),
        source_after_target: false,
        carries_own: false,
    };
    let to_the_parent = Manners {
        attests_to_parent: true,
        source: Source::Head,
        source_after_target: false,
        carries_own: true,
    };
    let mut plan = Plan::calm(6, owners.len(), 13)
        .seed(7064)
        .assigned(owners)
        .links(20..=1500, 0.3001299676145261)
        .fault((5, 3606), (7, 257), FaultKind::Partition(vec![0, 2, 4]))
        .fault((3, 3471), (5, 2783), loses_power(0))
        .foreign([5, 8], 5, to_the_block)
        .foreign([6, 9, 10, 11], 4, to_the_parent)
        .falls_silent();
    for node in [1, 2, 4] {
        plan = plan.fault((5, 3471), (7, 2783), loses_power(node));
    }
    is_well(&plan);
}
