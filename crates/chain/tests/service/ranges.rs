//! What becomes of blocks that come by ranges of slots, and of the peers that serve them.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use quartet_chain::{RequestError, VerifySignatures};
use quartet_types::{Root, Signature, SignedBlockWithAttestation, Slot};
use quartet_world::{
    StandIn, World,
    node::{Node, Request, Served, Setup, Wanted, served},
};
use quartet_xmss::Verification;

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

/// The block in an envelope with the vote of somebody else for this head, as anybody can make it.
fn disguised(
    world: &World,
    head: usize,
    block: &SignedBlockWithAttestation,
) -> Arc<SignedBlockWithAttestation> {
    let inner = block.block();
    let vote = world.vote(
        (inner.proposer_index + 1) % 4,
        head,
        world.made[head].slot(),
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
                    *block = disguised(&world, head, block);
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

/// What a forger answers: the end of the first range is as `alter` makes it, and later ranges never come.
fn forged_end(
    world: &World,
    head: usize,
    request: &Request,
    alter: impl Fn(&mut Vec<Arc<SignedBlockWithAttestation>>),
) -> Served {
    let mut blocks = served(world, head, &request.wanted);
    match first_slot(request) {
        Some(1) => alter(&mut blocks),
        Some(_) => return Err(RequestError::NoAnswer),
        None => {}
    }
    Ok(blocks)
}

#[tokio::test(start_paused = true)]
async fn who_ends_a_range_with_what_the_chain_does_not_have_is_left_out() {
    let mut world = World::new(4);
    let (mut node, head) = late(&mut world, &["forger", "honest"]).await;
    // Valid blocks, which nobody has signed.
    let made_up = [61, 62, 63, 64]
        .into_iter()
        .fold(vec![60], |mut blocks, slot| {
            let parent = blocks[blocks.len() - 1];
            blocks.extend(world.propose(parent, slot, &[]));
            blocks
        });
    let mut asked = Vec::new();
    node.serve_by(|request| {
        asked.extend(first_slot(request).map(|slot| (request.peer.clone(), slot)));
        if request.peer == "honest" {
            return Ok(served(&world, head, &request.wanted));
        }
        forged_end(&world, head, request, |blocks| {
            blocks.truncate(60);
            let made_up = made_up[1..].iter();
            blocks.extend(made_up.map(|block| disguised(&world, head, &world.made[*block].block)));
        })
    })
    .await;
    assert_eq!(node.head(), world.made[head].root);
    for block in &made_up[1..] {
        assert!(!node.chain.read().contains(&world.made[*block].root));
    }
    let again = asked.iter().position(|(_, slot)| *slot == 61).unwrap();
    let others = asked[again..].iter().filter(|(peer, _)| peer != "honest");
    assert_eq!(others.count(), 0, "{asked:?}");
    assert!(node.penalized.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_somebody_makes_up_does_not_send_a_node_back_to_what_is_final() {
    let mut world = World::new(4);
    let common = world.grow(0, 1..=8);
    let head = world.grow(common, 9..=200);
    let made_up = (9..=72).fold(vec![common], |mut blocks, slot| {
        let parent = blocks[blocks.len() - 1];
        let votes = [world.vote(0, common, 8)];
        blocks.extend(world.propose(parent, slot, &votes));
        blocks
    });
    let mut node = Setup::at(201).start(&world).await;
    let blocks: Vec<usize> = (1..=common).collect();
    node.import(&world, &blocks).await;
    for (peer, claimed) in ["forger", "honest"].into_iter().zip([head, head - 1]) {
        node.status(&world, peer, world.made[claimed].checkpoint())
            .await;
    }
    let mut asked = Vec::new();
    node.serve_by(|request| {
        asked.extend(first_slot(request));
        let mut blocks = served(&world, head, &request.wanted);
        if request.peer == "forger" {
            match first_slot(request) {
                Some(9) => {
                    let forged = made_up[1..].iter().map(|block| &world.made[*block].block);
                    blocks = forged.map(|block| disguised(&world, head, block)).collect();
                }
                Some(_) => return Err(RequestError::NoAnswer),
                None => {}
            }
        }
        Ok(blocks)
    })
    .await;
    assert_eq!(node.head(), world.made[head].root);
    assert_eq!(asked.iter().filter(|slot| **slot == 9).count(), 2);
    assert_eq!(asked.iter().min(), Some(&9));
}

#[tokio::test(start_paused = true)]
async fn who_serves_an_invalid_block_by_range_is_penalized_and_asked_for_no_more_ranges() {
    for is_signature in [true, false] {
        let mut world = World::new(4);
        let (mut node, head) = late(&mut world, &["forger", "honest"]).await;
        let mut asked = Vec::new();
        node.serve_by(|request| {
            asked.extend(first_slot(request).map(|slot| (request.peer.clone(), slot)));
            let mut blocks = served(&world, head, &request.wanted);
            if request.peer == "forger" && blocks.len() > 40 {
                let mut bad = SignedBlockWithAttestation::clone(&blocks[40]);
                if is_signature {
                    bad.signature[0] = Signature::default();
                } else {
                    bad.message.block.state_root = Root::repeat_byte(9);
                    let mut own = bad.message.proposer_attestation;
                    own.data.head = bad.block().checkpoint();
                    bad = world.envelope(bad.message.block, own);
                }
                blocks[40] = Arc::new(bad);
            }
            Ok(blocks)
        })
        .await;
        assert!(!node.penalized.is_empty());
        assert!(node.penalized.iter().all(|peer| peer == "forger"));
        assert_eq!(node.head(), world.made[head].root);
        let again = asked.iter().position(|(peer, _)| peer == "honest").unwrap();
        let others = asked[again..].iter().filter(|(peer, _)| peer != "honest");
        assert_eq!(others.count(), 0, "{asked:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_on_a_branch_that_the_others_have_left_begins_anew_from_what_is_final() {
    let mut world = World::new(4);
    let common = world.grow(0, 1..=8);
    let mut left = common;
    for slot in 9..=12 {
        left = world.propose(left, slot, &[]).unwrap();
    }
    let head = world.grow(common, 10..=200);
    let mut node = Setup::at(201).start(&world).await;
    let blocks: Vec<usize> = (1..=left).collect();
    node.import(&world, &blocks).await;
    assert_eq!(node.head(), world.made[left].root);
    node.status(&world, "peer", world.made[head].checkpoint())
        .await;
    let mut asked = Vec::new();
    node.serve_by(|request| {
        asked.extend(first_slot(request));
        Ok(served(&world, head, &request.wanted))
    })
    .await;
    assert_eq!(node.head(), world.made[head].root);
    assert_eq!(asked[..4], [13, 77, 141, 7], "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn blocks_of_a_range_that_need_something_else_first_wait_for_it() {
    let mut world = World::new(4);
    let common = world.grow(0, 1..=8);
    let abandoned = world.propose(common, 9, &[]).unwrap();
    let chain = world.grow(common, 10..=40);
    let vote = world.vote(3, abandoned, 9);
    let naming = world.propose(chain, 41, &[vote]).unwrap();
    let head = world.grow(naming, 42..=100);
    let mut node = Setup::at(101).start(&world).await;
    node.status(&world, "peer", world.made[head].checkpoint())
        .await;
    node.serve(&world, head).await;
    assert_eq!(node.head(), world.made[head].root);
    assert!(!node.chain.read().contains(&world.made[abandoned].root));
    assert!(node.penalized.is_empty());
}

#[tokio::test(start_paused = true)]
async fn no_more_than_64_blocks_in_others_envelopes_are_carried() {
    let mut world = World::new(4);
    let (mut node, head) = late(&mut world, &["forger", "honest"]).await;
    let mut asked = Vec::new();
    node.serve_by(|request| {
        let mut blocks = served(&world, head, &request.wanted);
        if let Some(slot) = first_slot(request) {
            asked.push((request.peer.clone(), slot));
            if request.peer == "forger" {
                for block in &mut blocks {
                    *block = disguised(&world, head, block);
                }
            }
        }
        Ok(blocks)
    })
    .await;
    assert_eq!(node.head(), world.made[head].root);
    let again = asked.iter().rposition(|(_, slot)| *slot == 1).unwrap();
    let others = asked[again..].iter().filter(|(peer, _)| peer != "honest");
    assert_eq!(others.count(), 0, "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn a_chain_whose_proposers_attest_to_the_parents_of_their_blocks_passes_by_range() {
    let mut world = World::new(4);
    let (mut node, head) = late(&mut world, &["peer"]).await;
    let attesting_to_its_parent = |block: &Arc<SignedBlockWithAttestation>| {
        let inner = block.block();
        let parent = world.position(&inner.parent_root).unwrap();
        let own = world.vote(inner.proposer_index, parent, inner.slot);
        Arc::new(world.envelope(inner.clone(), own))
    };
    let mut asked = Vec::new();
    node.serve_by(|request| {
        asked.extend(first_slot(request));
        let blocks = served(&world, head, &request.wanted);
        Ok(blocks.iter().map(attesting_to_its_parent).collect())
    })
    .await;
    assert_eq!(node.head(), world.made[head].root);
    // Each once, although the last block of each waits for the next range's word.
    let expected: Vec<Slot> = (0..10).map(|range| 1 + 64 * range).collect();
    assert_eq!(asked, expected);
}

/// Verifies signatures, but breaks down over the first batches.
#[derive(Debug)]
struct Breaks(AtomicUsize);

impl VerifySignatures for Breaks {
    fn verify_many(&self, items: &[Verification<'_>]) -> Vec<bool> {
        let take_one = |left: usize| left.checked_sub(1);
        let left = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take_one);
        assert!(
            items.len() < 64 || left.is_err(),
            "the verifier breaks down"
        );
        StandIn.verify_many(items)
    }
}

#[tokio::test(start_paused = true)]
async fn who_serves_what_this_machine_cannot_check_is_asked_for_it_again() {
    static BREAKS: Breaks = Breaks(AtomicUsize::new(4));
    let mut world = World::new(4);
    let head = world.grow(0, 1..=600);
    let mut setup = Setup::at(601);
    setup.verifier = &BREAKS;
    let mut node = setup.start(&world).await;
    node.status(&world, "only", world.made[head].checkpoint())
        .await;
    let mut asked = Vec::new();
    node.serve_by(|request| {
        asked.extend(first_slot(request));
        Ok(served(&world, head, &request.wanted))
    })
    .await;
    assert_eq!(node.head(), world.made[head].root);
    assert!(node.penalized.is_empty());
    // Two batches are verified at a time.
    let anew = asked.iter().filter(|slot| **slot == 1).count();
    assert_eq!(
        (anew, node.chain.read().current_slot()),
        (1 + 3, 601),
        "{asked:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_block_of_a_range_that_names_another_waits_for_that_one_and_nobody_is_left_out() {
    let mut world = World::new(4);
    let parent = world.grow(0, 1..=98);
    let abandoned = world.propose(parent, 99, &[]).unwrap();
    // Its proposer has seen a vote for the block before.
    let votes = [world.vote(3, abandoned, 99)];
    let naming = world.propose(parent, 100, &votes).unwrap();
    let head = world.grow(naming, 101..=600);
    let mut node = Setup::at(601).start(&world).await;
    node.status(&world, "only", world.made[head].checkpoint())
        .await;
    let (mut ranges, mut roots) = (Vec::new(), Vec::new());
    node.serve_by(|request| {
        match &request.wanted {
            Wanted::Slots(slots) => ranges.push(slots.start),
            Wanted::Roots(wanted) => roots.extend(wanted.clone()),
        }
        Ok(served(&world, head, &request.wanted))
    })
    .await;
    assert_eq!(node.head(), world.made[head].root);
    assert!(roots.contains(&world.made[abandoned].root));
    // The range with the block was asked for twice, and of the same peer.
    assert_eq!(ranges.iter().filter(|start| **start == 65).count(), 2);
    assert_eq!(node.chain.read().current_slot(), 601);
}

#[tokio::test(start_paused = true)]
async fn a_range_may_finalize_what_is_not_below_the_justified_block() {
    let mut world = World::new(4);
    let common = world.grow(0, 1..=5);
    // A branch has justified a later slot than the others' chain has.
    let beside = world.propose(common, 9, &[]).unwrap();
    let votes = [0, 1, 2].map(|voter| world.vote(voter, beside, 9));
    let justifying = world.propose(beside, 10, &votes).unwrap();
    let chain = world.grow(common, 6..=8);
    let head = world.propose(chain, 30, &[]).unwrap();
    let mut node = Setup::at(31).start(&world).await;
    let blocks: Vec<usize> = (1..=justifying).collect();
    node.import(&world, &blocks).await;
    let justified = node.chain.read().latest_justified();
    assert_eq!(justified, world.made[beside].checkpoint());
    node.status(&world, "peer", world.made[head].checkpoint())
        .await;
    node.serve(&world, head).await;
    assert!(node.chain.read().contains(&world.made[head].root));
    // The search for the head begins where nothing after it is known to be final.
    let finalized = node.store.finalized().unwrap();
    assert_eq!(finalized, Some(world.made[common].checkpoint()));
    // A start finds the same, and goes on with the others once their chain has justified more.
    let setup = Setup {
        store: Some(node.stop().await),
        ..Setup::at(40)
    };
    let mut node = setup.start(&world).await;
    assert_eq!(node.chain.read().latest_justified(), justified);
    let later = world.grow(head, 31..=50);
    node.until(51, 0).await;
    node.status(&world, "peer", world.made[later].checkpoint())
        .await;
    node.serve(&world, later).await;
    assert_eq!(node.head(), world.made[later].root);
    let finalized = node.chain.read().latest_finalized();
    assert!(finalized.slot > 9);
    assert_eq!(node.store.finalized().unwrap(), Some(finalized));
}
