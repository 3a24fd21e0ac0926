//! What has once broken a node: each test failed before its fix.

mod common;

use std::sync::Arc;

use common::{Outcome, agreement, finalizes_at_full_pace};
use quartet_simulation::{Simulation, World};
use quartet_types::{SignedBlockWithAttestation, Slot};

/// The block of a slot on node 0's chain.
fn block_of(world: &World, slot: Slot) -> Arc<SignedBlockWithAttestation> {
    let chain = world.chain(0).expect("node 0 runs").read();
    let root = chain.canonical_root(slot).expect("the slot has a block");
    chain.block(root).expect("it is in memory")
}

#[test]
fn an_envelope_that_names_what_builds_on_its_block_does_not_stop_the_node() -> Outcome {
    Simulation::new(8).run(async |world| {
        let adversary = world.adversary();
        finalizes_at_full_pace(world, 1..=4).await?;
        world.part(&[3]);
        world.end_of(6).await?;
        let (fifth, sixth) = (block_of(world, 5), block_of(world, 6));
        // All of it has been published: the fifth block, and the sixth's proposer's vote for the sixth block.
        let mut forged = fifth.as_ref().clone();
        forged.message.proposer_attestation = sixth.message.proposer_attestation;
        *forged.signature.last_mut().expect("there is one") =
            sixth.signature.last().expect("there is one").clone();
        adversary.serve(Arc::new(forged));
        adversary.send_block(3, sixth);
        world.at(7, 90).await?;
        world.heal(&[3]);
        assert!(agreement(world, 4).await? <= 11);
        Ok(())
    })?;
    Ok(())
}
