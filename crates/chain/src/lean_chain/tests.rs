// A test that unwraps fails as it should.
#![allow(clippy::unwrap_used)]

mod evidence;
mod stored;

use quartet_types::{INTERVALS_PER_SLOT, SignedAttestation};
use quartet_world::{GENESIS_TIME, World};

use super::*;
use crate::verification::tests::importable;

/// A chain in which some slots are empty, and its last block.
fn gappy() -> (World, usize) {
    let mut world = World::new(4);
    let head = world.grow(0, [1, 2, 4, 5, 6, 9, 10, 11, 12, 13]);
    (world, head)
}

fn genesis_chain(world: &World) -> LeanChain {
    LeanChain::from_genesis(State::clone(&world.genesis().state))
}

fn import(chain: &mut LeanChain, world: &World, block: usize) -> Pruned {
    chain.advance(world.made[block].slot() * INTERVALS_PER_SLOT);
    chain.import_block(importable(world, block)).unwrap()
}

/// The root of the block of each slot, as the world has it.
fn canonical(world: &World, head: usize, slot: Slot) -> Option<Root> {
    let mut at = head;
    while world.made[at].slot() > slot {
        at = world.made[at].parent;
    }
    let made = &world.made[at];
    (made.slot() == slot).then_some(made.root)
}

#[test]
fn a_chain_knows_where_it_stands() {
    let (world, head) = gappy();
    let mut chain = genesis_chain(&world);
    assert_eq!(
        (chain.genesis_time(), chain.validator_count()),
        (GENESIS_TIME, 4)
    );
    let genesis = world.genesis().checkpoint();
    assert_eq!(
        chain.status(),
        Status {
            finalized: genesis,
            head: genesis
        }
    );
    let mut finalized = Vec::new();
    for block in 1..=head {
        let pruned = import(&mut chain, &world, block);
        let made = &world.made[block];
        assert_eq!(chain.time(), made.slot() * INTERVALS_PER_SLOT);
        assert_eq!(chain.current_slot(), made.slot());
        let view = chain.view();
        assert_eq!(view.head, made.checkpoint());
        assert_eq!(view.justified, world.justified(block));
        let last = made.state.latest_finalized;
        assert!(view.finalized == last || last.slot == 0);
        assert_eq!(view.safe_target, chain.fork_choice().safe_target());
        let (finalized_now, head) = (view.finalized, view.head);
        assert_eq!(
            chain.status(),
            Status {
                finalized: finalized_now,
                head
            }
        );
        // What has become final, in order and without what was before.
        assert_eq!(pruned.is_empty(), pruned.final_chain.is_empty());
        finalized.extend(pruned.final_chain);
        for slot in 0..=made.slot() + 2 {
            let expected = canonical(&world, block, slot);
            assert_eq!(
                chain.canonical_root(slot),
                expected,
                "slot {slot} at {block}"
            );
        }
    }
    let expected = (1..=head).map(|block| world.made[block].checkpoint());
    let last = chain.latest_finalized();
    assert!(last.slot > 6);
    assert!(
        expected
            .take_while(|block| block.slot <= last.slot)
            .eq(finalized)
    );
    // A vote that counts in the middle of the next slot moves the safe target.
    let now = chain.current_slot();
    for validator in 0..4 {
        let vote = world.sign(world.vote(validator, head, now));
        chain.import_attestation(&vote).unwrap();
    }
    chain.advance(now * INTERVALS_PER_SLOT + 3);
    assert_eq!(chain.safe_target(), world.made[head].checkpoint());
    assert_eq!(chain.view().safe_target, chain.safe_target());
    chain.set_sync_speed(7);
    assert_eq!(chain.sync_speed(), 7);
}

#[test]
fn a_chain_that_starts_from_an_anchor_knows_the_blocks_before_it_by_name() {
    let (mut world, head) = gappy();
    let anchor = world
        .position(&canonical(&world, head, 9).unwrap())
        .unwrap();
    let made = &world.made[anchor];
    let mut chain = LeanChain::from_anchor(made.block.as_ref().clone(), State::clone(&made.state));
    let checkpoint = made.checkpoint();
    assert_eq!(chain.genesis_time(), GENESIS_TIME);
    let view = chain.view();
    let stands = [view.head, view.justified, view.finalized, view.safe_target];
    assert_eq!(stands, [checkpoint; 4]);
    let checkpoints = chain.fork_choice().checkpoints_of(&made.root).unwrap();
    assert_eq!(checkpoints.justified, world.justified(anchor));
    assert_eq!(checkpoints.finalized, made.state.latest_finalized);
    assert_eq!(chain.block(made.root), Some(made.block.clone()));
    assert_eq!(chain.state(made.root), Some(made.state.clone()));
    assert_eq!(chain.head_state(), Some(&made.state));
    let is_known = |chain: &LeanChain, root: &Root| chain.fork_choice().is_known(root);
    for slot in 0..14 {
        let root = canonical(&world, anchor, slot);
        assert_eq!(chain.canonical_root(slot), root, "slot {slot}");
        assert!(root.is_none_or(|root| is_known(&chain, &root)));
        assert!(slot == 9 || root.is_none_or(|root| !chain.contains(&root)));
    }
    assert!(!is_known(&chain, &Root::ZERO));
    // A block that names one of them in a vote is taken.
    let old = world
        .position(&canonical(&world, head, 5).unwrap())
        .unwrap();
    let late = world.vote(2, old, 5);
    let naming = world.propose(anchor, 10, &[late]).unwrap();
    import(&mut chain, &world, naming);
    assert_eq!(chain.head().root, world.made[naming].root);
    let unknown = Checkpoint {
        root: Root::repeat_byte(7),
        slot: 3,
    };
    assert!(!is_known(&chain, &unknown.root));
    chain.remember(unknown);
    assert!(is_known(&chain, &unknown.root));
}

#[test]
fn the_tree_is_shown_in_pages_with_proposers_and_weights() {
    let mut world = World::new(4);
    let trunk = world.grow(0, 1..=2);
    let votes = [0, 1].map(|validator| world.vote(validator, trunk, 2));
    let left = world.propose(trunk, 3, &votes).unwrap();
    let right = world.propose(trunk, 5, &[world.vote(2, 1, 2)]).unwrap();
    let mut chain = genesis_chain(&world);
    for block in [1, trunk, left, right] {
        import(&mut chain, &world, block);
    }
    let nodes = chain.fork_choice_nodes();
    let weights = chain.fork_choice().blocks().map(|weighed| weighed.weight);
    let expected: Vec<_> = [0, 1, trunk, left, right]
        .into_iter()
        .zip(weights)
        .map(|(block, weight)| {
            let made = &world.made[block];
            let block = made.block.block();
            ForkChoiceNode {
                block: made.checkpoint(),
                parent_root: block.parent_root,
                proposer: block.proposer_index,
                weight,
            }
        })
        .collect();
    assert_eq!(nodes, expected);
    assert!(nodes[1].weight > 0 && nodes[3].proposer == 3 && nodes[4].proposer == 1);
    for (first, limit) in [(0, 2), (1, 3), (3, 9), (5, 1), (0, 0)] {
        let page = chain.fork_choice_page(first, limit);
        let end = nodes.len().min(first + limit);
        assert_eq!(page, nodes[first..end]);
    }
    assert_eq!(chain.public_key(3), Some(&world.keys[3]));
    assert_eq!(chain.public_key(4), None);
    assert_eq!(chain.public_key(u64::MAX), None);
}

#[test]
fn a_proposal_carries_votes_whose_validators_have_voted_anew_since() {
    let mut world = World::new(4);
    let first = world.propose(0, 1, &[]).unwrap();
    let second = world.propose(first, 2, &[]).unwrap();
    let mut chain = genesis_chain(&world);
    import(&mut chain, &world, first);
    import(&mut chain, &world, second);
    let older = [0, 2, 3].map(|voter| world.vote(voter, first, 1));
    for vote in older.into_iter().chain([world.vote(0, second, 2)]) {
        chain.import_attestation(&world.sign(vote)).unwrap();
    }
    chain.advance(3 * INTERVALS_PER_SLOT);
    chain.accept_new_attestations();
    let produced = chain.proposal_basis().unwrap().build(3).unwrap();
    let body = &produced.block.body.attestations;
    assert!(older.iter().all(|vote| body.contains(vote)));
    let justified = produced.post_state.highest_justified();
    assert_eq!(justified, world.made[first].checkpoint());
}

#[test]
fn a_proposal_carries_the_votes_at_hand_with_their_signatures() {
    let mut world = World::new(4);
    let first = world.propose(0, 1, &[]).unwrap();
    let head = world.propose(first, 2, &[]).unwrap();
    let mut chain = genesis_chain(&world);
    import(&mut chain, &world, 1);
    import(&mut chain, &world, head);
    let votes: Vec<_> = [0, 3]
        .map(|validator| world.sign(world.vote(validator, head, 2)))
        .to_vec();
    for vote in &votes {
        chain.import_attestation(vote).unwrap();
    }
    chain.advance(3 * INTERVALS_PER_SLOT);
    chain.accept_new_attestations();
    let basis = chain.proposal_basis().unwrap();
    assert_eq!(basis.state, world.made[head].state);
    let produced = basis.build(3).unwrap();
    let body = &produced.block.body.attestations;
    let own = body.iter().zip(&produced.signatures);
    let signed: Vec<_> = own
        .map(|(vote, signature)| SignedAttestation {
            message: *vote,
            signature: signature.clone(),
        })
        .collect();
    assert!(votes.iter().all(|vote| signed.contains(vote)));
    let others = signed.iter().filter(|vote| !votes.contains(vote));
    assert!(
        others
            .clone()
            .all(|vote| chain.has_verified(&vote.message, &vote.signature))
    );
    assert_eq!(produced.root, produced.block.tree_hash_root());
    let data = produced.attestation_data(&chain);
    assert_eq!(data.head, produced.block.checkpoint());
    assert_eq!(
        (data.slot, data.source),
        (3, produced.post_state.highest_justified())
    );
    // A vote whose head is not in the tree is not carried, and nothing at all without the head's state.
    chain.remember(Checkpoint {
        root: Root::repeat_byte(7),
        slot: 1,
    });
    let mut elsewhere = world.vote(1, head, 2);
    elsewhere.data.head = Checkpoint {
        root: Root::repeat_byte(7),
        slot: 1,
    };
    chain.insert_vote(&elsewhere, &world.sign(elsewhere).signature);
    assert_eq!(chain.votes_of(1).last(), Some(&elsewhere));
    let produced = chain.proposal_basis().unwrap().build(3).unwrap();
    assert!(!produced.block.body.attestations.contains(&elsewhere));
    chain.states.remove(&world.made[head].root);
    assert!(chain.proposal_basis().is_none() && chain.head_state().is_none());
}

#[test]
fn empty_slots_between_blocks_that_become_final_at_once_stay_empty() {
    let mut world = World::new(4);
    let mut head = 0;
    for slot in [1, 3, 4, 5] {
        head = world.propose(head, slot, &[]).unwrap();
    }
    let target = head - 1;
    let earlier = [0, 1, 2].map(|validator| world.vote(validator, target, 4));
    let later = [0, 1, 2].map(|validator| {
        let mut vote = world.vote(validator, head, 5);
        vote.data.source = world.made[target].checkpoint();
        vote
    });
    let last = world.propose(head, 7, &[earlier, later].concat()).unwrap();
    let mut chain = genesis_chain(&world);
    for block in 1..=last {
        import(&mut chain, &world, block);
    }
    assert_eq!(chain.latest_finalized(), world.made[target].checkpoint());
    for slot in 0..9 {
        let expected = canonical(&world, last, slot);
        assert_eq!(chain.canonical_root(slot), expected, "slot {slot}");
    }
}
