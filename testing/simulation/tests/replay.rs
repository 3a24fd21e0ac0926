//! A run depends on its seed and on nothing else.

use quartet_simulation::{Conditions, Report, Simulation, SimulationError};

/// A run with a bit of everything.
fn run(seed: u64) -> Result<Report, SimulationError> {
    let conditions = Conditions {
        latency_ms: 20..=400,
        loss: 0.1,
    };
    let simulation = Simulation::new(seed).validators(8).conditions(conditions);
    simulation.run(async |world| {
        world.at(6, 700).await?;
        world.kill(2).await?;
        world.part(&[0]);
        world.end_of(10).await?;
        world.start(2)?;
        world.heal(&[0]);
        world.end_of(20).await
    })
}

#[test]
fn the_same_seed_replays_the_same_run() -> Result<(), SimulationError> {
    let first = run(7)?;
    assert!(first.events > 1_000, "only {} events", first.events);
    for _ in 0..2 {
        assert_eq!(run(7)?, first);
    }
    Ok(())
}

#[test]
fn another_seed_makes_another_run() -> Result<(), SimulationError> {
    assert_ne!(run(7)?.fingerprint, run(8)?.fingerprint);
    Ok(())
}
