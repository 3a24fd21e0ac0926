//! Networks in which nothing goes wrong but what the links do.

mod common;

use common::{Outcome, finalizes_at_full_pace, full_pace, links};
use quartet_simulation::Simulation;

#[test]
fn four_nodes_finalize_three_slots_behind_the_head_slot_after_slot() -> Outcome {
    let simulation = Simulation::new(1);
    simulation.run(async |world| finalizes_at_full_pace(world, 1..=240).await)?;
    Ok(())
}

#[test]
fn eight_validators_on_four_nodes_finalize_at_full_pace() -> Outcome {
    let simulation = Simulation::new(2).nodes(4).validators(8);
    simulation.run(async |world| finalizes_at_full_pace(world, 1..=40).await)?;
    Ok(())
}

#[test]
fn thirty_validators_on_seven_nodes_finalize_at_full_pace() -> Outcome {
    let simulation = Simulation::new(3).nodes(7).validators(30);
    simulation.run(async |world| finalizes_at_full_pace(world, 1..=40).await)?;
    Ok(())
}

#[test]
fn two_nodes_and_one_validator_with_a_follower_finalize_at_full_pace() -> Outcome {
    for simulation in [
        Simulation::new(4).nodes(2),
        Simulation::new(4).nodes(2).validators(1),
    ] {
        simulation.run(async |world| finalizes_at_full_pace(world, 1..=20).await)?;
    }
    Ok(())
}

#[test]
fn nodes_whose_packets_take_eight_tenths_of_a_second_finalize_at_full_pace() -> Outcome {
    let simulation = Simulation::new(5).conditions(links(700..=800, 0.0));
    simulation.run(async |world| finalizes_at_full_pace(world, 1..=40).await)?;
    Ok(())
}

#[test]
fn nodes_pass_on_what_is_valid_around_a_ring() -> Outcome {
    let ring = |low, high| high - low == 1 || high - low == 7;
    let simulation = Simulation::new(6).nodes(8).connected(ring);
    simulation.run(async |world| finalizes_at_full_pace(world, 1..=30).await)?;
    Ok(())
}

#[test]
fn finality_follows_later_when_packets_take_longer_than_an_interval() -> Outcome {
    let simulation = Simulation::new(7).conditions(links(1_000..=1_800, 0.0));
    simulation.run(async |world| {
        for slot in 20..=80 {
            world.end_of(slot).await?;
            for view in world.views() {
                assert!(view.finalized.slot + 16 > slot, "slot {slot}: {view:?}");
            }
        }
        Ok(())
    })?;
    Ok(())
}

#[test]
fn links_that_lose_packets_slow_finality_but_never_stop_it() -> Outcome {
    let milder = [
        (1, 0.1),
        (2, 0.2),
        (3, 0.3),
        (12, 0.3),
        (16, 0.3),
        (27, 0.3),
    ];
    for (seed, loss) in milder.into_iter().chain([(2, 0.45), (14, 0.45)]) {
        let simulation = Simulation::new(seed).conditions(links(20..=200, loss));
        simulation.run(async |world| {
            world.end_of(100).await?;
            for node in 0..4 {
                for other in 0..node {
                    world.set_conditions(node, other, links(20..=200, 0.0));
                }
            }
            // What was lost before may have left a branch with a newer justified block behind.
            full_pace(world, 40).await?;
            finalizes_at_full_pace(world, world.slot() + 1..=world.slot() + 10).await
        })?;
    }
    Ok(())
}
