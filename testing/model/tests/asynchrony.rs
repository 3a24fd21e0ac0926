//! Schedules by which an asynchronous network and one Byzantine validator of four make honest nodes finalize
//! conflicting checkpoints, and which proposed rule stands in the way of each.

mod common;

use common::{ByzantineBlock, GENESIS, Schedule, block, vote};
use quartet_model::{Rules, Scope};

/// Eight asynchronous slots; the Byzantine validator never votes twice in a slot and makes one block, an honest one.
/// Its one lie is the vote of slot 3, from a source that nobody has seen justified.
///
/// Branch A is b1 (slot 1), b2 (slot 2). Nodes 1 and 2 vote genesis -> b1 and then genesis -> b2 there, neither of
/// which a block has carried so far. Node 1 then leaves for branch B (b3 in slot 4, b4 in slot 5), by the fork choice.
/// In slot 6 node 2's block carries all of it: b1 is justified, and the tally of b2 crosses two thirds with the
/// Byzantine b1 -> b2 as the last vote, so b1 is final, though only one validator of four ever voted from it. Nodes 0
/// and 1 know nothing of that, and finalize b3 in the plainest way.
fn votes_of_different_sources(rules: Rules) -> Schedule {
    let mut run = Schedule::new(Scope {
        rules,
        ..Scope::new(8, Some(0))
    });
    let (b1, b2, b3, b4) = (block(1), block(2), block(3), block(4));
    run.propose(1, &[1, 2]);
    run.attest([&[0], &[], &[1, 2]]);
    run.byzantine(&[(vote(3, 1, b1, GENESIS, GENESIS), &[1, 2])]);
    run.propose(2, &[1, 2]);
    run.attest([&[0], &[1, 2], &[]]);
    run.byzantine(&[(vote(3, 2, b2, GENESIS, b1), &[1, 2])]);
    run.no_proposal(3);
    run.attest([&[0], &[1, 2], &[2]]);
    run.byzantine(&[(vote(3, 3, b2, b1, b2), &[2])]);
    run.propose(4, &[0, 1]);
    run.attest([&[], &[1], &[2]]);
    run.byzantine(&[(vote(3, 4, b3, GENESIS, GENESIS), &[0, 1])]);
    run.propose(5, &[0, 1]);
    run.attest([&[0, 1], &[], &[2]]);
    run.byzantine(&[(vote(3, 5, b3, GENESIS, GENESIS), &[0, 1])]);
    run.propose(6, &[2]);
    run.attest([&[0, 1], &[0, 1], &[]]);
    let third = vote(3, 6, b4, GENESIS, b3);
    run.byzantine(&[(third, &[0, 1])]);
    let carried = [0, 1, 3].map(|validator| vote(validator, 6, b4, GENESIS, b3));
    run.propose_byzantine(
        7,
        ByzantineBlock {
            parent: b4,
            body: &carried,
            to: &[0, 1],
            ..ByzantineBlock::default()
        },
    );
    run.attest([&[0, 1], &[0, 1], &[]]);
    run.byzantine(&[(vote(3, 7, block(6), b3, b4), &[0, 1])]);
    run.propose(8, &[0, 1]);
    run
}

#[test]
fn asynchrony_can_finalize_two_branches_since_a_tally_takes_votes_of_every_source() {
    let run = votes_of_different_sources(Rules::quartet());
    assert_eq!(run.finalized(2), block(1));
    assert_eq!(run.finalized(0), block(3));
    assert!(run.world.blocks.conflict(block(1), block(3)));
    assert!(
        run.has_followed(0) && run.has_followed(2),
        "so does the node's own code"
    );
}

#[test]
fn the_commandments_of_casper_do_not_prevent_it() {
    let run = votes_of_different_sources(Rules {
        one_target_per_slot: true,
        no_surround: true,
        ..Rules::quartet()
    });
    assert_eq!((run.finalized(2), run.finalized(0)), (block(1), block(3)));
}

#[test]
fn finality_of_one_source_prevents_it() {
    let run = votes_of_different_sources(Rules {
        finality_counts_one_source: true,
        ..Rules::quartet()
    });
    assert_eq!((run.finalized(2), run.finalized(0)), (GENESIS, block(3)));
}

/// Ten asynchronous slots; the Byzantine validator votes twice in slots 5 to 8. Each finalizing link has two thirds of
/// the votes from its own source.
///
/// Node 1 votes genesis -> b1 on branch A, moves to branch B by the fork choice and votes genesis -> b3 there (slot 6),
/// is shown that b1 is justified, goes back and votes b1 -> b2 (slot 7), an *older* target than before, is shown that
/// b3 is justified, which is newer, and follows: its vote of slot 6 surrounds that of slot 7.
fn a_vote_that_surrounds(rules: Rules) -> Schedule {
    let mut run = Schedule::new(Scope {
        rules,
        ..Scope::new(10, Some(0))
    });
    let (b1, b2, b3, b4, b5, b6) = (block(1), block(2), block(3), block(4), block(5), block(6));
    run.propose(1, &[1, 2]);
    run.attest([&[0], &[], &[1, 2]]);
    run.byzantine(&[(vote(3, 1, b1, GENESIS, GENESIS), &[1, 2])]);
    run.propose(2, &[1, 2]);
    run.attest([&[0], &[1, 2], &[]]);
    run.byzantine(&[(vote(3, 2, b2, GENESIS, b1), &[1])]);
    run.no_proposal(3);
    run.attest([&[0], &[1], &[2]]);
    run.byzantine(&[(vote(3, 2, b2, GENESIS, b1), &[2])]);
    run.propose(4, &[0, 1]);
    run.attest_late([&[], &[1], &[2]], [&[], &[2], &[]]);
    run.byzantine(&[(vote(3, 4, b3, GENESIS, GENESIS), &[0, 1])]);
    run.propose(5, &[0, 1]);
    run.attest([&[0, 1], &[], &[2]]);
    run.byzantine(&[
        (vote(3, 5, b3, GENESIS, GENESIS), &[0, 1]),
        (vote(3, 5, b2, GENESIS, GENESIS), &[2]),
    ]);
    run.propose_late(6, &[2], &[1]);
    run.attest_late([&[0, 1], &[1], &[]], [&[], &[0], &[]]);
    run.byzantine(&[(vote(3, 6, b4, GENESIS, b3), &[0, 1])]);
    run.no_proposal(7);
    run.attest([&[0], &[1, 2], &[1, 2]]);
    run.byzantine(&[
        (vote(3, 7, b5, b1, b2), &[1, 2]),
        (vote(3, 7, b4, GENESIS, b3), &[0]),
    ]);
    run.propose(8, &[0, 1]);
    run.attest([&[], &[0, 1], &[2]]);
    run.byzantine(&[(vote(3, 8, b6, b3, b4), &[0, 1])]);
    run.propose(9, &[0, 1]);
    run.attest([&[0], &[], &[2]]);
    run.byzantine(&[]);
    run.propose(10, &[2]);
    run
}

#[test]
fn asynchrony_can_finalize_two_branches_since_an_honest_vote_can_surround_another() {
    for one_target_per_slot in [false, true] {
        let run = a_vote_that_surrounds(Rules {
            finality_counts_one_source: true,
            one_target_per_slot,
            ..Rules::quartet()
        });
        assert_eq!((run.finalized(2), run.finalized(1)), (block(1), block(3)));
    }
}

#[test]
fn a_validator_that_never_surrounds_prevents_it() {
    let run = a_vote_that_surrounds(Rules {
        finality_counts_one_source: true,
        no_surround: true,
        ..Rules::quartet()
    });
    assert_eq!((run.finalized(2), run.finalized(1)), (GENESIS, block(3)));
}

/// Fifteen slots, of which the first is timely. Blocks have the numbers of their slots.
///
/// Branch A (b5, b6, b9, b12 on b3) has finalized nothing, so after slot 6 it can justify slot 9 next. Branch B (b4,
/// b7, b8, b10, b11 on b3) has finalized slot 1, so after slot 7 it can justify slot 10 next. Hence 6 -> 9 and 7 -> 10
/// both finalize their source, and a validator that votes 2 -> 7, 6 -> 9, 7 -> 10, as node 0 does, breaks neither
/// commandment of Casper.
fn two_ideas_of_what_is_justifiable(rules: Rules) -> Schedule {
    let mut run = Schedule::new(Scope {
        older_wins_ties: true,
        rules,
        ..Scope::new(16, Some(0))
    });
    let all: &[u8] = &[0, 1, 2];
    let b = block;
    run.propose(1, all);
    run.attest([all; 3]);
    run.byzantine(&[]);
    run.propose(2, all);
    run.attest([&[0, 1], &[0, 1], &[]]);
    run.byzantine(&[]);
    let first = [0, 1, 2].map(|validator| vote(validator, 2, b(2), GENESIS, b(1)));
    run.propose_byzantine(
        3,
        ByzantineBlock {
            parent: b(2),
            body: &first,
            link: Some((b(1), b(1))),
            to: all,
            ..ByzantineBlock::default()
        },
    );
    run.attest([&[0], &[0], &[0]]);
    run.byzantine(&[(vote(3, 3, b(3), b(1), b(2)), &[0])]);
    run.propose(4, &[0]);
    run.attest([&[], &[1, 2], &[1, 2]]);
    run.byzantine(&[]);
    run.propose(5, &[1, 2]);
    run.attest([&[0], &[], &[1, 2]]);
    run.byzantine(&[(vote(3, 5, b(5), b(1), b(1)), &[1, 2])]);
    run.propose(6, &[1, 2]);
    run.attest([&[0], &[1, 2], &[]]);
    run.byzantine(&[(vote(3, 6, b(6), b(1), b(1)), &[1, 2])]);
    run.propose_byzantine(
        7,
        ByzantineBlock {
            parent: b(4),
            to: &[0],
            late: &[2],
            ..ByzantineBlock::default()
        },
    );
    run.attest([&[0], &[1, 2], &[1, 2]]);
    run.byzantine(&[(vote(3, 7, b(6), b(1), b(6)), &[1])]);
    run.propose(8, &[0, 2]);
    run.attest([&[], &[1], &[2]]);
    run.byzantine(&[(vote(3, 8, b(8), b(2), b(2)), &[0, 2])]);
    run.propose(9, &[1]);
    run.attest([&[0, 2], &[], &[0, 2]]);
    run.byzantine(&[(vote(3, 9, b(8), b(2), b(2)), &[0, 2])]);
    run.propose(10, &[0, 2]);
    run.attest([&[0, 2], &[1], &[]]);
    run.byzantine(&[(vote(3, 10, b(8), b(2), b(7)), &[2])]);
    run.no_proposal(11);
    run.attest([&[0, 2], &[1], &[2]]);
    run.byzantine(&[]);
    run.propose(12, &[0, 2]);
    run.attest([&[], &[1], &[0, 2]]);
    let head_only = vote(3, 12, b(11), b(2), b(2));
    run.byzantine_passing_on(&[(head_only, &[0])], Some((b(9), 0)));
    run.propose(13, &[0, 1]);
    run.attest([&[0, 1], &[], &[2]]);
    run.byzantine(&[(vote(3, 13, b(12), b(6), b(6)), &[0, 1])]);
    run.propose(14, &[0, 2]);
    run.attest([&[0, 2], &[1], &[]]);
    run.byzantine(&[(vote(3, 14, b(13), b(7), b(7)), &[0, 2])]);
    let second = [(0, 13), (1, 14), (3, 14)];
    let second = second.map(|(validator, slot)| vote(validator, slot, b(12), b(6), b(9)));
    run.propose_byzantine(
        15,
        ByzantineBlock {
            parent: b(12),
            body: &second,
            to: &[1],
            ..ByzantineBlock::default()
        },
    );
    run.attest([&[0, 2], &[1], &[0, 2]]);
    run.byzantine(&[(vote(3, 15, b(13), b(7), b(10)), &[0, 2])]);
    run.propose(16, &[0, 2]);
    run
}

const CASPER: Rules = Rules {
    finality_counts_one_source: true,
    one_target_per_slot: true,
    no_surround: true,
    ..Rules::quartet()
};

#[test]
fn asynchrony_can_finalize_two_branches_that_differ_on_what_is_justifiable() {
    let run = two_ideas_of_what_is_justifiable(CASPER);
    assert_eq!((run.finalized(1), run.finalized(0)), (block(6), block(7)));
    assert!(run.world.blocks.conflict(block(6), block(7)));
}

#[test]
fn finality_of_adjacent_slots_only_prevents_it() {
    let run = two_ideas_of_what_is_justifiable(Rules {
        finality_needs_adjacent_slots: true,
        ..CASPER
    });
    let (one, other) = (run.finalized(1), run.finalized(0));
    assert!(
        !run.world.blocks.conflict(one, other),
        "{one:?} and {other:?}"
    );
}
