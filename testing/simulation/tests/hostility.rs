//! A peer that sends garbage, floods, lies, and votes for everything.

mod common;

use std::sync::Arc;

use common::{Outcome, agreement, finalizes_at_full_pace};
use quartet_chain::{ProposalBasis, SyncState, Verdict};
use quartet_simulation::{Adversary, Simulation, SimulationError, World};
use quartet_types::{
    Attestation, AttestationData, Block, BlockSignatures, BlockWithAttestation, Checkpoint, Root,
    Signature, SignedAttestation, SignedBlockWithAttestation, Slot, Status,
};
use tree_hash::TreeHash as _;

const ALL: std::ops::Range<usize> = 0..4;

/// A root that no block has.
fn invented(number: u64) -> Root {
    Root::left_padding_from(&(number + 1).to_be_bytes())
}

/// What node 0 would build a block on.
fn basis(world: &World) -> Result<ProposalBasis, SimulationError> {
    let basis = world.chain(0)?.read().proposal_basis();
    Ok(basis.expect("the head's state is at hand"))
}

/// A valid block of a slot by its proposer.
fn valid_block(
    world: &World,
    adversary: &Adversary,
    basis: ProposalBasis,
    slot: Slot,
) -> Result<Arc<SignedBlockWithAttestation>, SimulationError> {
    let produced = basis.build(slot).expect("the head takes a block");
    let data = produced.attestation_data(&world.chain(0)?.read());
    let validator_id = produced.block.proposer_index;
    adversary.seal(produced, Attestation { validator_id, data })
}

/// No node passed on what has to be rejected.
fn rejects_only(world: &World, adversary: &Adversary) {
    for node in ALL {
        assert_eq!(world.verdicts_on(node, Verdict::Reject), 0, "node {node}");
    }
    assert_eq!(world.verdicts_on(adversary.number(), Verdict::Accept), 0);
}

#[test]
fn invalid_signatures_are_rejected_and_go_no_further() -> Outcome {
    let simulation = Simulation::new(1);
    simulation.run(async |world| {
        let adversary = world.adversary();
        finalizes_at_full_pace(world, 1..=4).await?;
        for slot in 5..20 {
            world.at(slot, 500).await?;
            let data = world.chain(0)?.read().attestation_data(slot);
            // A validator that does not propose in this slot.
            let validator_id = (slot + 1) % 4;
            let signed = adversary.sign(Attestation { validator_id, data })?;
            let forged = SignedAttestation {
                signature: Signature::default(),
                ..signed.clone()
            };
            // Another validator's signature is no better.
            let stolen = SignedAttestation {
                message: Attestation {
                    validator_id: (slot + 2) % 4,
                    data,
                },
                ..signed
            };
            let block = valid_block(world, &adversary, basis(world)?, slot + 1)?;
            let mut unsigned = block.as_ref().clone();
            if let Some(last) = unsigned.signature.last_mut() {
                *last = Signature::default();
            }
            let mut short = block.as_ref().clone();
            short.signature = BlockSignatures::default();
            for node in ALL {
                adversary.send_attestation(node, forged.clone());
                adversary.send_attestation(node, stolen.clone());
            }
            world.at(slot, 900).await?;
            let expected = (slot - 4) * 8 + (slot - 5) * 8;
            let rejected = world.verdicts_on(adversary.number(), Verdict::Reject);
            assert_eq!(rejected, expected, "slot {slot}");
            // They arrive in their own slot, and before what the honest proposer sends.
            world.at(slot + 1, 0).await?;
            for node in ALL {
                adversary.send_block(node, Arc::new(unsigned.clone()));
                adversary.send_block(node, Arc::new(short.clone()));
            }
        }
        finalizes_at_full_pace(world, 20..=24).await?;
        rejects_only(world, &adversary);
        Ok(())
    })?;
    Ok(())
}

#[test]
fn a_valid_block_is_imported_although_copies_with_bad_signatures_came_first() -> Outcome {
    let simulation = Simulation::new(8);
    simulation.run(async |world| {
        let adversary = world.adversary();
        finalizes_at_full_pace(world, 1..=4).await?;
        // Node 3 gets two blocks from the adversary only.
        world.part(&[3]);
        world.end_of(5).await?;
        let head = world.view(0)?.head;
        let block = world.chain(0)?.read().block(head.root);
        let block = block.expect("the head is in memory");
        let mut unsigned = block.as_ref().clone();
        for signature in unsigned.signature.iter_mut() {
            *signature = Signature::default();
        }
        let mut misattributed = block.as_ref().clone();
        misattributed.message.proposer_attestation.validator_id = 1_000;
        adversary.send_block(3, Arc::new(unsigned));
        adversary.send_block(3, Arc::new(misattributed));
        world.at(6, 90).await?;
        world.heal(&[3]);
        assert_eq!(world.verdicts_on(adversary.number(), Verdict::Reject), 2);
        assert!(agreement(world, 1).await? <= 7);
        Ok(())
    })?;
    Ok(())
}

#[test]
fn floods_that_name_unknown_blocks_wait_nowhere_without_a_signature() -> Outcome {
    let simulation = Simulation::new(2);
    simulation.run(async |world| {
        let adversary = world.adversary();
        finalizes_at_full_pace(world, 1..=4).await?;
        for slot in 5..11 {
            world.at(slot, 100).await?;
            let data = world.chain(0)?.read().attestation_data(slot);
            for number in slot * 1_000..(slot + 1) * 1_000 {
                let head = Checkpoint {
                    root: invented(number),
                    slot,
                };
                let message = Attestation {
                    validator_id: number % 4,
                    data: AttestationData { head, ..data },
                };
                let signature = Signature::default();
                adversary.send_attestation(0, SignedAttestation { message, signature });

                let block = Block {
                    slot,
                    proposer_index: slot % 4,
                    parent_root: invented(number),
                    ..Block::default()
                };
                // It claims to be bound to its proposer.
                let root = block.tree_hash_root();
                let mut proposer_attestation = message;
                proposer_attestation.validator_id = slot % 4;
                proposer_attestation.data.head = Checkpoint { root, slot };
                let message = BlockWithAttestation {
                    block,
                    proposer_attestation,
                };
                let signature = BlockSignatures::try_from(vec![Signature::default()]);
                let signature = signature.expect("one is not too many");
                let block = SignedBlockWithAttestation { message, signature };
                adversary.send_block(0, Arc::new(block));
            }
            finalizes_at_full_pace(world, slot..=slot).await?;
        }
        assert_eq!(world.peak("quartet_parked_blocks"), 0.0);
        assert_eq!(world.peak("quartet_parked_attestations"), 0.0);
        assert!(world.verdicts_on(adversary.number(), Verdict::Reject) > 6_000);
        finalizes_at_full_pace(world, 11..=20).await?;
        rejects_only(world, &adversary);
        Ok(())
    })?;
    Ok(())
}

#[test]
fn what_comes_from_the_far_future_is_ignored_since_our_clock_may_be_the_wrong_one() -> Outcome {
    let simulation = Simulation::new(3);
    simulation.run(async |world| {
        let adversary = world.adversary();
        finalizes_at_full_pace(world, 1..=4).await?;
        world.at(5, 500).await?;
        let far = 200;
        let block = valid_block(world, &adversary, basis(world)?, far)?;
        let data = world.chain(0)?.read().attestation_data(far);
        let validator_id = 1;
        let vote = adversary.sign(Attestation { validator_id, data })?;
        for node in ALL {
            adversary.send_block(node, block.clone());
            adversary.send_attestation(node, vote.clone());
        }
        finalizes_at_full_pace(world, 5..=10).await?;
        let ignored = world.verdicts_on(adversary.number(), Verdict::Ignore);
        assert_eq!(ignored, 8);
        rejects_only(world, &adversary);
        Ok(())
    })?;
    Ok(())
}

#[test]
fn a_validator_that_proposes_and_votes_twice_does_not_divide_the_others() -> Outcome {
    for seed in 1..=3 {
        let simulation = Simulation::new(seed).adversarial(1);
        simulation.run(async |world| {
            let adversary = world.adversary();
            let validator_id = 4;
            for slot in 1..60 {
                if slot % 5 == validator_id {
                    world.at(slot, 20).await?;
                    let full = valid_block(world, &adversary, basis(world)?, slot)?;
                    let mut nothing = basis(world)?;
                    nothing.attestations.clear();
                    let empty = valid_block(world, &adversary, nothing, slot)?;
                    for node in ALL {
                        let block = if node < 2 { &full } else { &empty };
                        adversary.send_block(node, block.clone());
                    }
                }
                world.at(slot, 1_100).await?;
                let data = world.chain(0)?.read().attestation_data(slot);
                let other = AttestationData {
                    head: data.source,
                    target: data.source,
                    ..data
                };
                let vote = adversary.sign(Attestation { validator_id, data })?;
                let other = adversary.sign(Attestation {
                    validator_id,
                    data: other,
                })?;
                for node in ALL {
                    let vote = if node % 2 == 0 { &vote } else { &other };
                    adversary.send_attestation(node, vote.clone());
                }
            }
            world.end_of(60).await?;
            agreement(world, 2).await?;
            let view = world.view(0)?;
            assert!(view.finalized.slot >= 50, "{view:?}");
            Ok(())
        })?;
    }
    Ok(())
}

#[test]
fn a_claimed_head_that_nobody_has_keeps_nobody_from_duty() -> Outcome {
    let simulation = Simulation::new(4);
    simulation.run(async |world| {
        let adversary = world.adversary();
        finalizes_at_full_pace(world, 1..=4).await?;
        for slot in 5..30 {
            world.at(slot, 50).await?;
            for node in ALL {
                let head = Checkpoint {
                    root: invented(slot * 4 + node as u64),
                    slot: slot + 1,
                };
                let finalized = Checkpoint::default();
                adversary.claim(node, Status { finalized, head });
                assert_eq!(world.sync_state(node)?, SyncState::Synced);
            }
            finalizes_at_full_pace(world, slot..=slot).await?;
        }
        // Each claim is looked into, a few times at most.
        assert!(
            adversary.requests() <= 25 * 4 * 5,
            "{}",
            adversary.requests()
        );
        Ok(())
    })?;
    Ok(())
}

#[test]
fn a_peer_that_finalized_another_chain_is_sent_away() -> Outcome {
    let simulation = Simulation::new(5);
    simulation.run(async |world| {
        let adversary = world.adversary();
        finalizes_at_full_pace(world, 1..=9).await?;
        let finalized = Checkpoint {
            root: invented(1),
            slot: 3,
        };
        let head = finalized;
        adversary.claim(2, Status { finalized, head });
        world.end_of(10).await?;
        assert!(!world.are_connected(2, adversary.number()));
        finalizes_at_full_pace(world, 11..=20).await
    })?;
    Ok(())
}

#[test]
fn a_peer_that_serves_an_invalid_block_is_penalized() -> Outcome {
    let simulation = Simulation::new(6).adversarial(1);
    simulation.run(async |world| {
        let adversary = world.adversary();
        // The adversary is the proposer of slot 9.
        world.at(9, 50).await?;
        let mut produced = basis(world)?.build(9).expect("the head takes a block");
        produced.block.state_root = invented(1);
        produced.root = produced.block.tree_hash_root();
        let root = produced.root;
        let data = produced.attestation_data(&world.chain(0)?.read());
        let validator_id = produced.block.proposer_index;
        let invalid = adversary.seal(produced, Attestation { validator_id, data })?;
        adversary.serve(invalid);
        let head = Checkpoint { root, slot: 9 };
        let finalized = Checkpoint::default();
        adversary.claim(1, Status { finalized, head });
        world.end_of(12).await?;
        assert!(world.penalties_of(adversary.number()) > 0);
        agreement(world, 1).await?;
        Ok(())
    })?;
    Ok(())
}

#[test]
fn a_network_with_a_silent_third_of_validators_still_agrees() -> Outcome {
    // Two of six never vote: four are exactly two thirds.
    let simulation = Simulation::new(7).adversarial(2);
    simulation.run(async |world| {
        world.end_of(60).await?;
        assert!(world.common_head().is_some());
        assert!(world.view(0)?.finalized.slot >= 36, "{:?}", world.view(0)?);
        Ok(())
    })?;
    Ok(())
}

#[test]
fn votes_of_more_than_a_third_for_an_invalid_block_keep_nobody_from_duty() -> Outcome {
    // Three of seven.
    let simulation = Simulation::new(6).validators(4).adversarial(3);
    simulation.run(async |world| {
        let adversary = world.adversary();
        let all = [0, 1, 2, 3];
        // Slots 11 to 13 are the adversary's.
        world.at(11, 50).await?;
        let mut produced = basis(world)?.build(11).expect("the head takes a block");
        produced.block.state_root = invented(1);
        produced.root = produced.block.tree_hash_root();
        let invalid = produced.block.checkpoint();
        let data = produced.attestation_data(&world.chain(0)?.read());
        let validator_id = produced.block.proposer_index;
        let block = adversary.seal(produced, Attestation { validator_id, data })?;
        adversary.send_block_to(&all, block);
        world.at(12, 50).await?;
        let child = Block {
            slot: 12,
            proposer_index: 5,
            parent_root: invalid.root,
            ..Block::default()
        };
        let built_on_it = child.checkpoint();
        let own = adversary.sign(Attestation {
            validator_id: 5,
            data: AttestationData {
                slot: 12,
                head: built_on_it,
                ..data
            },
        })?;
        adversary.send_block_to(&all, adversary.wrap(child, Vec::new(), own)?);
        for slot in 13..=40 {
            world.at(slot, 1_100).await?;
            for validator_id in 4..7 {
                let head = match slot % 2 {
                    0 => invalid,
                    _ => built_on_it,
                };
                let data = AttestationData {
                    slot,
                    head,
                    target: data.source,
                    source: data.source,
                };
                let vote = adversary.sign(Attestation { validator_id, data })?;
                adversary.send_attestation_to(&all, vote);
            }
            for node in ALL {
                assert_eq!(world.sync_state(node)?, SyncState::Synced, "slot {slot}");
            }
        }
        assert!(world.view(0)?.head.slot >= 37, "{:?}", world.view(0)?);
        Ok(())
    })?;
    Ok(())
}
