//! What the breaker found.

mod common;

use std::sync::Arc;

use common::{Outcome, agreement};
use quartet_chain::ProposalBasis;
use quartet_simulation::{Adversary, Simulation, SimulationError, World};
use quartet_types::{Attestation, AttestationData, Checkpoint, Root, SignedBlockWithAttestation};
use tree_hash::TreeHash as _;

fn basis(world: &World) -> Result<ProposalBasis, SimulationError> {
    let basis = world.chain(0)?.read().proposal_basis();
    Ok(basis.expect("the head's state is at hand"))
}

/// The block of slot 9, which is the adversary's, twice: in the envelope that all expect, and in one whose attestation has an
/// invalid block of the same slot as its target. That one is served on request.
fn block_and_slander(
    world: &World,
    adversary: &Adversary,
) -> Result<[Arc<SignedBlockWithAttestation>; 2], SimulationError> {
    let slot = 9;
    let mut invalid = basis(world)?.build(slot).expect("the head takes a block");
    invalid.block.state_root = Root::repeat_byte(0xbb);
    invalid.root = invalid.block.tree_hash_root();
    let data = invalid.attestation_data(&world.chain(0)?.read());
    let target = Checkpoint {
        root: invalid.root,
        slot,
    };
    let validator_id = invalid.block.proposer_index;
    adversary.serve(adversary.seal(invalid, Attestation { validator_id, data })?);
    let produced = basis(world)?.build(slot).expect("the head takes a block");
    let data = produced.attestation_data(&world.chain(0)?.read());
    let good = adversary.seal(produced, Attestation { validator_id, data })?;
    let produced = basis(world)?.build(slot).expect("the head takes a block");
    let data = AttestationData { target, ..data };
    let slander = adversary.seal(produced, Attestation { validator_id, data })?;
    Ok([good, slander])
}

#[test]
fn an_envelope_that_names_an_invalid_block_condemns_nothing_on_one_node() -> Outcome {
    Simulation::new(6).adversarial(1).run(async |world| {
        let adversary = world.adversary();
        world.at(9, 50).await?;
        let [good, slander] = block_and_slander(world, &adversary)?;
        adversary.send_block(3, slander);
        world.at(9, 200).await?;
        adversary.send_block_to(&[0, 1, 2], good);
        world.end_of(20).await?;
        agreement(world, 1).await?;
        assert!(world.view(3)?.head.slot >= 18, "{:?}", world.views());
        Ok(())
    })?;
    Ok(())
}

#[test]
fn an_envelope_that_names_an_invalid_block_divides_nobody() -> Outcome {
    Simulation::new(6).adversarial(1).run(async |world| {
        let adversary = world.adversary();
        world.at(9, 50).await?;
        let [good, slander] = block_and_slander(world, &adversary)?;
        adversary.send_block_to(&[0, 1, 2, 3], good);
        adversary.send_block_to(&[0, 1, 2, 3], slander);
        world.end_of(40).await?;
        agreement(world, 1).await?;
        assert!(world.view(0)?.finalized.slot >= 30, "{:?}", world.views());
        Ok(())
    })?;
    Ok(())
}

#[test]
fn an_envelope_that_names_an_invalid_block_and_comes_first_divides_nobody() -> Outcome {
    Simulation::new(6).adversarial(1).run(async |world| {
        let adversary = world.adversary();
        world.at(9, 50).await?;
        let [good, slander] = block_and_slander(world, &adversary)?;
        adversary.send_block_to(&[0, 1, 2, 3], slander);
        world.at(9, 60).await?;
        adversary.send_block_to(&[0, 1, 2, 3], good);
        world.end_of(40).await?;
        agreement(world, 1).await?;
        assert!(world.view(0)?.finalized.slot >= 30, "{:?}", world.views());
        Ok(())
    })?;
    Ok(())
}

/// Two wrong clocks of seven, links that come and go, nodes that are killed and lose what they know.
#[test]
fn wrong_clocks_with_partitions_and_lost_databases_do_not_keep_the_others_from_finalizing()
-> Outcome {
    for seed in 0..12u64 {
        println!("seed {seed}");
        Simulation::new(seed).nodes(7).run(async |world| {
            let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
            let mut random = move |below: u64| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                (state >> 20) % below
            };
            let errors = [-90, -9, -5, -3, -2, -1, 1, 2, 3, 5, 9, 90];
            world.end_of(3).await?;
            for wrong in [5, 6] {
                world.kill(wrong).await?;
                world.set_clock_error(wrong, errors[random(12) as usize]);
                world.start(wrong)?;
            }
            for round in 0..6 {
                let start = 4 + round * 6;
                let one = random(7) as usize;
                let other = random(5) as usize;
                world.part(&[one, other]);
                world.end_of(start + random(4)).await?;
                world.kill(other).await?;
                if random(3) == 0 {
                    world.lose_store(other);
                }
                world.heal(&[one, other]);
                world.end_of(start + 5).await?;
                world.start(other)?;
            }
            let before = world.view(0)?.finalized.slot;
            let now = world.slot();
            world.end_of(now + 60).await?;
            let heads: Vec<_> = (0..5)
                .map(|node| world.view(node).map(|view| view.head))
                .collect::<Result<_, _>>()?;
            println!(
                "seed {seed}: {before} -> {} heads {:?}",
                world.view(0)?.finalized.slot,
                heads.iter().map(|head| head.slot).collect::<Vec<_>>()
            );
            assert!(
                heads.iter().all(|head| *head == heads[0]),
                "seed {seed}: {:#?}",
                world.views()
            );
            let after = world.view(0)?.finalized.slot;
            assert!(
                after > before && after + 40 > world.slot(),
                "seed {seed}: {before} {after}"
            );
            Ok(())
        })?;
    }
    Ok(())
}
