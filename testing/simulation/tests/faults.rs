//! Nodes that stop, crash and come back, and networks that fall apart and heal.

mod common;

use common::{Outcome, agreement, finalizes_at_full_pace, full_pace};
use quartet_chain::{SyncState, Verdict};
use quartet_simulation::Simulation;

#[test]
fn three_of_four_go_on_finalizing_and_the_fourth_is_back_within_ten_seconds() -> Outcome {
    for seed in 1..=4 {
        let simulation = Simulation::new(seed);
        simulation.run(async |world| {
            world.end_of(10).await?;
            world.kill(3).await?;
            for slot in 11..=30 {
                world.end_of(slot).await?;
                let head = world.common_head().map(|head| head.slot);
                // In each fourth slot the missing one would have proposed.
                assert_eq!(head, Some(if slot % 4 == 3 { slot - 1 } else { slot }));
                // All three have to agree, and an empty slot makes two targets of one.
                let lag = slot - world.view(0)?.finalized.slot;
                assert!(lag <= 15, "slot {slot}: finality is {lag} behind");
            }
            assert!(world.view(0)?.finalized.slot >= 18);
            world.start(3)?;
            world.at(32, 1_990).await?;
            let head = world.common_head().map(|head| head.slot);
            assert_eq!(head, Some(32), "{:#?}", world.views());
            assert_eq!(world.sync_state(3)?, SyncState::Synced);
            full_pace(world, 20).await?;
            finalizes_at_full_pace(world, world.slot() + 1..=60).await?;
            assert_eq!(world.counter("quartet_signatures_refused_total"), 0);
            Ok(())
        })?;
    }
    Ok(())
}

#[test]
fn without_two_of_four_the_chain_goes_on_and_finality_resumes_when_they_return() -> Outcome {
    for seed in 1..=4 {
        let simulation = Simulation::new(seed);
        simulation.run(async |world| {
            world.end_of(10).await?;
            world.stop(2).await?;
            world.kill(3).await?;
            world.end_of(20).await?;
            let stuck = world.view(0)?.finalized;
            for slot in 21..=30 {
                world.end_of(slot).await?;
                // Two of four slots have a proposer.
                let head = world.common_head().map(|head| head.slot);
                assert_eq!(head, Some(slot - (slot % 4).saturating_sub(1)));
                assert_eq!(world.view(0)?.finalized, stuck);
            }
            world.start(2)?;
            world.start(3)?;
            assert!(agreement(world, 2).await? <= 32);
            assert!(full_pace(world, 24).await? <= 50);
            finalizes_at_full_pace(world, world.slot() + 1..=60).await
        })?;
    }
    Ok(())
}

#[test]
fn a_partition_into_halves_heals() -> Outcome {
    // Shorter and longer than a connection lasts without a sign of life.
    for (seed, slots) in [(1, 1), (2, 2), (3, 3), (4, 12), (5, 30)] {
        let simulation = Simulation::new(seed);
        simulation.run(async |world| {
            world.end_of(10).await?;
            world.part(&[0, 1]);
            world.end_of(10 + slots).await?;
            assert!(world.common_head().is_none());
            world.heal(&[0, 1]);
            agreement(world, 3).await?;
            full_pace(world, 24).await?;
            finalizes_at_full_pace(world, world.slot() + 1..=world.slot() + 10).await
        })?;
    }
    Ok(())
}

#[test]
fn a_node_that_was_cut_off_catches_up_when_the_link_is_mended() -> Outcome {
    let simulation = Simulation::new(5);
    simulation.run(async |world| {
        world.end_of(10).await?;
        world.part(&[2]);
        world.end_of(40).await?;
        assert!((0..4).all(|other| other == 2 || !world.are_connected(2, other)));
        assert!(world.view(0)?.finalized.slot > 20);
        assert!(world.view(2)?.finalized.slot < 11);
        world.heal(&[2]);
        assert!(agreement(world, 3).await? <= 43);
        full_pace(world, 24).await?;
        Ok(())
    })?;
    Ok(())
}

#[test]
fn a_node_killed_at_any_step_of_its_slot_signs_nothing_twice() -> Outcome {
    let mut refused = 0;
    for steps in 0..32 {
        let simulation = Simulation::new(steps);
        simulation.run(async |world| {
            // Node 1 proposes in slot 5.
            world.at(4, 3_995).await?;
            world.kill_after_steps(1, steps)?;
            let mut time = 0;
            while !world.is_dead(1)? {
                time += 50;
                world.at(5, time).await?;
            }
            world.kill(1).await?;
            world.at(5, time + 10).await?;
            world.start(1)?;
            agreement(world, 2).await?;
            full_pace(world, 24).await?;
            refused += world.counter("quartet_signatures_refused_total");
            Ok(())
        })?;
    }
    // Had nothing been refused, the kills would have missed what they are to hit.
    assert!(refused > 0);
    Ok(())
}

#[test]
fn a_node_that_lost_its_blocks_but_not_its_record_comes_back() -> Outcome {
    let simulation = Simulation::new(6);
    simulation.run(async |world| {
        world.at(20, 1_500).await?;
        world.kill(3).await?;
        world.lose_store(3);
        world.at(20, 1_600).await?;
        world.start(3)?;
        assert!(agreement(world, 3).await? <= 22);
        full_pace(world, 12).await?;
        Ok(())
    })?;
    Ok(())
}

#[test]
fn a_node_that_lost_its_blocks_has_no_duties_before_it_knows_what_it_voted_from() -> Outcome {
    const SIGNED: &str = "lean_pq_sig_attestation_signatures_total";
    let simulation = Simulation::new(7);
    simulation.run(async |world| {
        world.at(20, 1_500).await?;
        world.kill(3).await?;
        world.lose_store(3);
        world.part(&[3]);
        world.at(20, 1_600).await?;
        world.start(3)?;
        world.end_of(20).await?;
        let (signed, missed) = (
            world.counter(SIGNED),
            world.counter("quartet_proposals_missed_total"),
        );
        world.end_of(32).await?;
        // It has waited for peers long enough to believe that genesis is all there is.
        assert_eq!(world.sync_state(3)?, SyncState::Synced);
        assert_eq!(world.view(3)?.head.slot, 0);
        // The three others do their duties; it would have proposed in slots 23, 27 and 31.
        assert_eq!(world.counter(SIGNED) - signed, 3 * 12);
        let missed = world.counter("quartet_proposals_missed_total") - missed;
        assert_eq!(missed, 3);
        world.heal(&[3]);
        assert!(agreement(world, 3).await? <= 35);
        full_pace(world, 12).await?;
        let signed = world.counter(SIGNED);
        let slot = world.slot();
        world.end_of(slot + 4).await?;
        assert_eq!(world.counter(SIGNED) - signed, 4 * 4);
        Ok(())
    })?;
    Ok(())
}

#[test]
fn two_thirds_that_lost_their_blocks_finalize_no_second_chain() -> Outcome {
    let simulation = Simulation::new(8);
    simulation.run(async |world| {
        world.end_of(20).await?;
        let finalized = world.view(0)?.finalized;
        assert!(finalized.slot >= 15);
        world.part(&[0]);
        for node in 1..4 {
            world.kill(node).await?;
            world.lose_store(node);
        }
        world.end_of(21).await?;
        for node in 1..4 {
            world.start(node)?;
        }
        // Enough slots to justify and finalize, were they to vote; the run fails if what they finalize conflicts.
        world.end_of(40).await?;
        for node in 1..4 {
            assert_eq!(world.sync_state(node)?, SyncState::Synced);
            assert_eq!(world.view(node)?.head.slot, 0);
        }
        world.heal(&[0]);
        agreement(world, 6).await?;
        full_pace(world, 24).await?;
        let on_chain = world.chain(1)?.read().canonical_root(finalized.slot);
        assert_eq!(on_chain, Some(finalized.root));
        Ok(())
    })?;
    Ok(())
}

#[test]
fn nodes_that_come_and_go_never_break_what_is_finalized() -> Outcome {
    for seed in 1..=3u64 {
        let simulation = Simulation::new(seed).validators(8);
        simulation.run(async |world| {
            for round in 0..12u64 {
                let node = ((seed * 7 + round * 5) % 4) as usize;
                let slot = 5 + round * 9;
                world.at(slot, 137 * round).await?;
                world.kill(node).await?;
                if round % 3 == seed % 3 {
                    world.lose_store(node);
                }
                world.part(&[(node + 1) % 4]);
                world.at(slot + 4, 211 * round).await?;
                world.start(node)?;
                world.heal(&[(node + 1) % 4]);
            }
            full_pace(world, 40).await?;
            Ok(())
        })?;
    }
    Ok(())
}

#[test]
fn a_node_whose_clock_is_wrong_harms_nobody_and_comes_back_when_it_is_set() -> Outcome {
    // Slow and fast by half a slot, some slots, and a minute and a half.
    for (seed, error) in [(1, -2), (2, 2), (3, -13), (4, 13), (5, -90), (6, 90)] {
        Simulation::new(seed).run(async |world| {
            finalizes_at_full_pace(world, 1..=30).await?;
            world.stop(3).await?;
            world.set_clock_error(3, error);
            world.start(3)?;
            for slot in 31..=60 {
                world.end_of(slot).await?;
                let lag = slot - world.view(0)?.finalized.slot;
                assert!(
                    lag <= 15,
                    "{error} s, slot {slot}: finality is {lag} behind"
                );
            }
            for node in 0..4 {
                let context = format!("{error} s, node {node}");
                assert_eq!(world.verdicts_on(node, Verdict::Reject), 0, "{context}");
                assert_eq!(world.penalties_of(node), 0, "{context}");
            }
            world.stop(3).await?;
            world.set_clock_error(3, 0);
            world.start(3)?;
            agreement(world, 2).await?;
            // It has signed for slots that were to come, and does not sign again before they have passed.
            full_pace(world, 60).await?;
            Ok(())
        })?;
    }
    Ok(())
}
