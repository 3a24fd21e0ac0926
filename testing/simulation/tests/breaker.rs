//! What the breaker found.

mod common;

use std::sync::Arc;

use common::{Outcome, agreement};
use quartet_chain::ProposalBasis;
use quartet_simulation::{Adversary, Simulation, SimulationError, World};
use quartet_types::{Attestation, AttestationData, Checkpoint, Root, SignedBlockWithAttestation};
use tree_hash::TreeHash as _;

fn basis(world: &World) -> Result<ProposalBasis, SimulationError> {
    Ok(world.chain(0)?.read().proposal_basis())
}

/// The block of slot 9, which is the adversary's, twice: in the envelope that all expect, and in one whose attestation has an
/// invalid block of the same slot as its target. That one is served to whoever asks.
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
