//! How wrong clocks may be, and how slow machines, until a node counts as faulty.

mod common;

use std::time::Duration;

use common::Outcome;
use quartet_chain::Verdict;
use quartet_simulation::{Simulation, SimulationError, World};
use quartet_types::Slot;

/// Slots that are played to see how finality goes on.
const SLOTS: Slot = 40;

/// What became of a network that something is wrong with all the time.
#[derive(Debug)]
struct Pace {
    /// How far finality was behind at a node, at most, from the eighth slot on; looked at when no clock is near a slot's end.
    lag: Slot,
    /// Messages of honest nodes that were rejected.
    rejected: u64,
}

/// Plays four nodes with a validator each, of which `wrong` says what is wrong.
fn pace(wrong: impl Fn(&mut World)) -> Result<Pace, SimulationError> {
    let mut found = Pace {
        lag: 0,
        rejected: 0,
    };
    Simulation::new(5).run(async |world| {
        wrong(world);
        for slot in 1..=SLOTS {
            world.at(slot, 3_500).await?;
            let finalized = world.views().into_iter().map(|view| view.finalized.slot);
            if slot >= 8 {
                found.lag = found.lag.max(slot - finalized.min().unwrap_or(0));
            }
        }
        found.rejected = (0..4)
            .map(|node| world.verdicts_on(node, Verdict::Reject) + world.penalties_of(node))
            .sum();
        Ok(())
    })?;
    Ok(found)
}

/// The clocks of this many nodes are ahead by this many milliseconds.
fn ahead(nodes: usize, ms: i64) -> Result<Pace, SimulationError> {
    pace(|world| {
        for node in 0..nodes {
            world.step_clock(node, ms);
        }
    })
}

/// Each job of this many nodes' processors takes so long.
fn slow(nodes: usize, ms: u64) -> Result<Pace, SimulationError> {
    pace(|world| {
        for node in 0..nodes {
            world.set_pace(node, Duration::from_millis(ms), Duration::ZERO);
        }
    })
}

/// Where full pace ends, and where finality does. It asserts nothing; to see the figures:
/// `cargo test --release -p quartet-simulation --test clocks figures -- --ignored --nocapture`.
#[test]
#[ignore = "it only shows figures"]
fn figures() -> Outcome {
    for (name, play) in [
        ("one clock of four", (|ms| ahead(1, ms)) as fn(i64) -> _),
        ("two clocks of four", |ms| ahead(2, ms)),
    ] {
        for ms in [
            -9_000, -5_000, -3_000, -2_000, -1_500, -1_000, -900, -800, 0, 500, 800, 900, 1_000,
            1_200, 1_500, 2_000, 2_500, 3_000, 5_000, 9_000,
        ] {
            println!("{name} ahead by {ms}: {:?}", play(ms)?);
        }
    }
    for nodes in [1, 4] {
        for ms in [20, 50, 100, 150, 200, 250, 300, 400, 600, 1_000, 2_000] {
            println!("{nodes} of four need {ms} ms a job: {:?}", slow(nodes, ms)?);
        }
    }
    Ok(())
}

/// Nine tenths of an interval and what packets take is less than an interval: votes still find the block.
#[test]
fn clocks_that_differ_by_less_than_an_interval_cost_nothing_and_by_one_they_do() -> Outcome {
    for ms in [-900, 900] {
        let found = ahead(2, ms)?;
        assert!(found.lag <= 3 && found.rejected == 0, "{ms}: {found:?}");
    }
    for ms in [-1_000, 1_000] {
        let found = ahead(2, ms)?;
        assert!(found.lag > 3 && found.rejected == 0, "{ms}: {found:?}");
    }
    Ok(())
}

/// Three jobs lie between the beginning of a slot and a vote for its block: to build, to sign, to check.
#[test]
fn jobs_that_take_three_tenths_of_an_interval_cost_nothing_and_four_tenths_do() -> Outcome {
    let found = slow(4, 300)?;
    assert!(found.lag <= 3, "{found:?}");
    let found = slow(4, 400)?;
    assert!(found.lag > 3 && found.rejected == 0, "{found:?}");
    Ok(())
}

#[test]
fn a_clock_that_is_set_while_its_node_runs_stops_nobody() -> Outcome {
    for ms in [-13_000, -4_000, -1_500, -700, 700, 1_500, 4_000, 13_000] {
        Simulation::new(9).run(async |world| {
            world.at(20, 1_700).await?;
            world.step_clock(3, ms);
            for slot in 21..=50 {
                world.at(slot, 3_500).await?;
                let lag = slot - world.view(0)?.finalized.slot;
                assert!(lag <= 15, "{ms} ms, slot {slot}: finality is {lag} behind");
            }
            world.step_clock(3, -ms);
            // What it has signed ahead has to pass, and the slot in which its clock was set.
            for slot in 51..=70 {
                world.at(slot, 3_500).await?;
            }
            let views = world.views();
            let finalized = views.iter().map(|view| view.finalized.slot).min();
            assert_eq!(finalized, Some(67), "{ms} ms: {views:#?}");
            for node in 0..4 {
                assert_eq!(world.verdicts_on(node, Verdict::Reject), 0, "{ms} ms");
                assert_eq!(world.penalties_of(node), 0, "{ms} ms");
            }
            Ok(())
        })?;
    }
    Ok(())
}

#[test]
fn less_than_a_third_with_wrong_clocks_or_slow_machines_do_not_stop_finality() -> Outcome {
    for ms in [-9_000, -2_000, -1_000, 1_000, 2_000, 9_000] {
        let found = ahead(1, ms)?;
        assert!(found.lag <= 15 && found.rejected == 0, "{ms}: {found:?}");
    }
    let found = slow(1, 1_000)?;
    assert!(found.lag <= 15 && found.rejected == 0, "{found:?}");
    Ok(())
}
