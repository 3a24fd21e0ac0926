//! What becomes of blocks that come by ranges of slots, and of the peers that serve them.

use std::sync::Arc;

use quartet_chain::RequestError;
use quartet_types::{SignedBlockWithAttestation, Slot};
use quartet_world::World;

use crate::node::{Node, Request, Setup, Wanted, served};

/// A node of the slot after a chain of 600 blocks, of which it has nothing, and peers that have all.
async fn late(world: &mut World, peers: &[&str]) -> (Node, usize) {
    let head = world.grow(0, 1..=600);
    let node = Setup::at(601).start(world).await;
    // Each claims another block, which it is asked for: all of them have been of use.
    for (peer, claimed) in peers.iter().zip((0..=head).rev()) {
        node.status(world, peer, world.made[claimed].checkpoint())
            .await;
    }
    (node, head)
}

/// The first slot of a range that is asked for.
fn first_slot(request: &Request) -> Option<Slot> {
    match &request.wanted {
        Wanted::Slots(slots) => Some(slots.start),
        Wanted::Roots(_) => None,
    }
}

/// The block in an envelope with the vote of somebody else for the world's last block, as anybody can make it.
fn disguised(world: &World, block: &SignedBlockWithAttestation) -> Arc<SignedBlockWithAttestation> {
    let inner = block.block();
    let last = world.made.len() - 1;
    let vote = world.vote(
        (inner.proposer_index + 1) % 4,
        last,
        world.made[last].slot(),
    );
    let mut disguised = world.envelope(inner.clone(), vote);
    let votes = inner.body.attestations.len();
    for (place, signature) in block.signature.iter().take(votes).enumerate() {
        disguised.signature[place] = signature.clone();
    }
    Arc::new(disguised)
}

#[tokio::test(start_paused = true)]
async fn who_serves_a_range_is_not_blamed_for_the_envelopes_at_the_end_of_the_one_before() {
    let mut world = World::new(4);
    let (mut node, head) = late(&mut world, &["forger", "honest"]).await;
    let mut asked = Vec::new();
    node.serve_by(|request| {
        let mut blocks = served(&world, head, &request.wanted);
        if let Some(slot) = first_slot(request) {
            asked.push((request.peer.clone(), slot));
            if request.peer == "forger" {
                if slot > 1 {
                    return Err(RequestError::NoAnswer);
                }
                let end = blocks.len() - 4;
                for block in &mut blocks[end..] {
                    *block = disguised(&world, block);
                }
            }
        }
        Ok(blocks)
    })
    .await;
    assert_eq!(node.head(), world.made[head].root);
    // The last four blocks of the first 64 slots were asked for again.
    let again = asked.iter().position(|(_, slot)| *slot == 61).unwrap();
    let others = asked[again..].iter().filter(|(peer, _)| peer != "honest");
    assert_eq!(others.count(), 0, "{asked:?}");
}
