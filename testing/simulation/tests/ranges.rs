//! A peer that is the quickest to answer serves ranges that lead nowhere to a node that joins.

mod common;

use std::{collections::BTreeMap, sync::Arc};

use common::{Outcome, links};
use quartet_chain::SyncState;
use quartet_simulation::{Simulation, SimulationError, World};
use quartet_types::{
    Block, BlockSignatures, BlockWithAttestation, Root, SignedBlockWithAttestation, Slot, Status,
};
use tree_hash::TreeHash as _;

type Chain = BTreeMap<Slot, Arc<SignedBlockWithAttestation>>;

/// How long the chain is when the node joins.
const LENGTH: Slot = 220;
/// The last slot of the third range.
const END: Slot = 192;
/// The node that joins.
const JOINS: usize = 2;

/// Lets time pass until the end of a slot, and returns the chain up to there.
async fn chain_until(world: &mut World, end: Slot) -> Result<Chain, SimulationError> {
    let mut blocks = Chain::new();
    for slot in 1..=end {
        world.end_of(slot).await?;
        let chain = world.chain(0)?.read();
        let root = chain.canonical_root(slot);
        if let Some(block) = root.and_then(|root| chain.block(root)) {
            blocks.insert(slot, block);
        }
    }
    Ok(blocks)
}

/// Puts the attestation of another block's proposer, which all have heard, into an envelope.
fn in_the_envelope_of(
    block: &Block,
    other: &SignedBlockWithAttestation,
    mut signatures: BlockSignatures,
) -> Arc<SignedBlockWithAttestation> {
    let message = BlockWithAttestation {
        block: block.clone(),
        proposer_attestation: other.message.proposer_attestation,
    };
    let theirs = other.signature.last().expect("it is signed").clone();
    *signatures.last_mut().expect("it is signed") = theirs;
    let signature = signatures;
    Arc::new(SignedBlockWithAttestation { message, signature })
}

/// Lets a node join beside a peer that serves what `forge` has made of the chain, and sees it synced within three slots.
fn joins_all_the_same(outcome: &str, forge: fn(&mut Chain)) -> Outcome {
    let simulation = Simulation::new(1)
        .nodes(3)
        .assigned(vec![Some(0), Some(1), Some(0), Some(1)])
        .absent(&[JOINS]);
    simulation.run(async |world| {
        let adversary = world.adversary();
        for honest in [0, 1] {
            world.set_conditions(JOINS, honest, links(300..=300, 0.0));
        }
        let mut chain = chain_until(world, LENGTH).await?;
        let view = world.view(0)?;
        adversary.claim_chain(Status {
            finalized: view.finalized,
            head: view.head,
        });
        forge(&mut chain);
        for block in chain.into_values() {
            adversary.serve(block);
        }
        world.start(JOINS)?;
        world.end_of(LENGTH + 3).await?;
        assert!(world.counter(&format!("quartet_range_batches_total/{outcome}")) > 0);
        assert!(world.common_head().is_some(), "{:?}", world.views());
        assert_eq!(world.sync_state(JOINS)?, SyncState::Synced);
        assert!(world.counter("quartet_blocks_by_range_total") > LENGTH - 20);
        // It was asked once for each range, and a few times for what it claims.
        assert!(adversary.requests() <= 16, "{}", adversary.requests());
        Ok(())
    })?;
    Ok(())
}

#[test]
fn a_range_that_ends_in_a_block_of_its_servers_own_is_had_from_others() -> Outcome {
    joins_all_the_same("adrift", |chain| {
        let before = chain[&(END - 1)].clone();
        let forged = Block {
            slot: END,
            proposer_index: END % 4,
            parent_root: before.block().tree_hash_root(),
            state_root: Root::repeat_byte(1),
            ..Block::default()
        };
        let signatures = BlockSignatures::try_from(vec![Default::default()]);
        let signatures = signatures.expect("one is not too many");
        chain.insert(END, in_the_envelope_of(&forged, &before, signatures));
    })
}

/// So many blocks before the end come in envelopes whose heads are not in the chain of a node that comes to them.
fn forge_envelopes(chain: &mut Chain, count: Slot) {
    let real = chain.clone();
    for slot in END + 1 - count..=END {
        let (block, later) = (&real[&slot], &real[&(slot + 20)]);
        let signatures = block.signature.clone();
        let forged = in_the_envelope_of(block.block(), later, signatures);
        chain.insert(slot, forged);
    }
}

#[test]
fn a_range_in_envelopes_that_cannot_be_imported_is_had_from_others() -> Outcome {
    // They wait for a block that needs them, and who serves that one has not served them.
    joins_all_the_same("adrift", |chain| forge_envelopes(chain, 64))
}

#[test]
fn a_range_in_more_envelopes_than_may_wait_is_had_from_others() -> Outcome {
    joins_all_the_same("foreign", |chain| forge_envelopes(chain, 65))
}
