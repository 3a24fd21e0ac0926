//! What has once broken a node: each test failed before its fix.

mod common;

use std::sync::Arc;

use common::{Outcome, agreement, finalizes_at_full_pace, links};
use quartet_simulation::{Adversary, Simulation, SimulationError, World};
use quartet_types::{
    Attestation, AttestationData, Block, Checkpoint, Root, Signature, SignedBlockWithAttestation,
    Slot, Status,
};
use tree_hash::TreeHash as _;

/// The block of a slot on node 0's chain.
fn block_of(world: &World, slot: Slot) -> SharedBlock {
    let chain = world.chain(0).expect("node 0 runs").read();
    let root = chain.canonical_root(slot).expect("the slot has a block");
    chain.block(root).expect("it is in memory")
}

type SharedBlock = Arc<SignedBlockWithAttestation>;

/// The blocks of slots 5 and 6, which node 3 has not: it is cut off.
async fn two_blocks_without_node_3(
    world: &mut World,
) -> Result<(SharedBlock, SharedBlock), SimulationError> {
    finalizes_at_full_pace(world, 1..=4).await?;
    world.part(&[3]);
    world.end_of(6).await?;
    Ok((block_of(world, 5), block_of(world, 6)))
}

/// Sends node 3 a block whose parent it will ask an adversary for, and lets it back into the network.
async fn serve_node_3(
    world: &mut World,
    adversary: &Adversary,
    parent: SignedBlockWithAttestation,
    block: SharedBlock,
) -> Outcome {
    adversary.serve(Arc::new(parent));
    adversary.send_block(3, block);
    world.at(7, 90).await?;
    world.heal(&[3]);
    Ok(())
}

#[test]
fn an_envelope_that_names_what_builds_on_its_block_does_not_stop_the_node() -> Outcome {
    Simulation::new(8).run(async |world| {
        let adversary = world.adversary();
        let (fifth, sixth) = two_blocks_without_node_3(world).await?;
        // All of it has been published: the fifth block, and the sixth's proposer's vote for the sixth block.
        let mut forged = fifth.as_ref().clone();
        forged.message.proposer_attestation = sixth.message.proposer_attestation;
        *forged.signature.last_mut().expect("there is one") =
            sixth.signature.last().expect("there is one").clone();
        serve_node_3(world, &adversary, forged, sixth).await?;
        assert!(agreement(world, 4).await? <= 11);
        Ok(())
    })?;
    Ok(())
}

#[test]
fn nobody_vouches_for_an_envelope() -> Outcome {
    Simulation::new(8).run(async |world| {
        let adversary = world.adversary();
        let (fifth, sixth) = two_blocks_without_node_3(world).await?;
        let victim = 0;
        let target = Checkpoint {
            root: Root::repeat_byte(0xee),
            slot: 4,
        };
        let real = fifth.message.proposer_attestation;
        let mut forged = fifth.as_ref().clone();
        forged.message.proposer_attestation = Attestation {
            validator_id: victim,
            data: AttestationData {
                slot: 6,
                target,
                ..real.data
            },
        };
        *forged.signature.last_mut().expect("there is one") = Signature::default();
        let root = fifth.block().tree_hash_root();
        serve_node_3(world, &adversary, forged, sixth).await?;
        for slot in 7..=14 {
            world.end_of(slot).await?;
        }
        let chain = world.chain(3)?.read().block(root);
        if let Some(block) = chain {
            assert_ne!(block.message.proposer_attestation.validator_id, victim);
        }
        for node in 0..4 {
            let found = world.chain(node)?.read().equivocations().total();
            assert_eq!(found, 0, "node {node}");
        }
        agreement(world, 1).await?;
        Ok(())
    })?;
    Ok(())
}

#[test]
fn claims_of_a_stranger_leave_room_for_what_is_needed() -> Outcome {
    Simulation::new(8).run(async |world| {
        // They answer too late, always.
        let strangers = [world.adversary(), world.adversary(), world.adversary()];
        for stranger in &strangers {
            world.set_conditions(3, stranger.number(), links(6_000..=6_000, 0.0));
        }
        finalizes_at_full_pace(world, 1..=2).await?;
        world.part(&[3]);
        for second in 12..120u64 {
            world.at(second / 4, second % 4 * 1_000).await?;
            // No more than the network service accepts of one peer.
            for (stranger, number) in strangers.iter().zip(0..) {
                let number = 1_000 * second + number;
                let head = Checkpoint {
                    root: Root::left_padding_from(&number.to_be_bytes()),
                    slot: world.slot(),
                };
                let finalized = Checkpoint::default();
                stranger.claim(3, Status { finalized, head });
            }
            if second == 40 {
                world.heal(&[3]);
            }
        }
        assert!(world.common_head().is_some());
        Ok(())
    })?;
    Ok(())
}

#[test]
fn gaps_that_one_proposer_has_signed_do_not_stop_a_chain_whose_head_stands_still() -> Outcome {
    // Less than a third are hostile. Their turns follow one another, and they let all of them pass.
    let simulation = Simulation::new(8).nodes(4).validators(7).adversarial(3);
    simulation.run(async |world| {
        let adversary = world.adversary();
        let (slot, proposer) = (7, 7);
        for second in 32..200u64 {
            world.at(second / 4, second % 4 * 1_000 + 10).await?;
            // One after the other of that slot, each on an unknown parent.
            let block = Block {
                slot,
                proposer_index: proposer,
                parent_root: Root::left_padding_from(&second.to_be_bytes()),
                ..Block::default()
            };
            let root = block.tree_hash_root();
            let source = world.view(0)?.justified;
            let data = AttestationData {
                slot,
                head: Checkpoint { root, slot },
                target: Checkpoint { root, slot },
                source,
            };
            let validator_id = proposer;
            let own = adversary.sign(Attestation { validator_id, data })?;
            adversary.serve(adversary.wrap(block, Vec::new(), own)?);
            let head = Checkpoint {
                root,
                slot: world.slot() + 1,
            };
            let finalized = Checkpoint::default();
            for node in 0..4 {
                adversary.claim(node, Status { finalized, head });
            }
        }
        let head = world.view(0)?.head.slot;
        assert!(head >= 44, "{:?}", world.view(0)?);
        Ok(())
    })?;
    Ok(())
}
