//! What each rule is for: with it the checker finds nothing in a scope, without it a counterexample.

mod common;

use common::{ByzantineBlock, GENESIS, Schedule, block, vote};
use quartet_model::{
    Mischief, Misses, Network, Rules, Scope,
    check::{Report, Search, check},
    properties::{AUTHENTIC, NEWER, NO_VIEW, ONE_BLOCK, RECOVERY},
};

/// More states than any exhaustive search here has.
const LIMIT: usize = 5_000_000;

fn exhaustive(scope: Scope) -> Report {
    check(scope, Search::Exhaustive, LIMIT, false)
}

/// The checker finds nothing in all of a scope, and without the rule what contradicts the property.
fn assert_needed(scope: Scope, without: Rules, property: &str) {
    let with = exhaustive(scope);
    assert!(
        with.complete && with.counterexample(property).is_none(),
        "{with}"
    );
    let rules = without;
    let without = exhaustive(Scope { rules, ..scope });
    assert!(without.counterexample(property).is_some(), "{without}");
}

fn stranger(slots: u8) -> Scope {
    let mischief = Mischief {
        stranger: true,
        ..Mischief::SILENCE
    };
    Scope {
        mischief,
        ..Scope::new(slots, Some(0))
    }
}

#[test]
fn without_votes_that_only_get_newer_a_stranger_brings_old_votes_back() {
    let without = Rules {
        votes_only_get_newer: false,
        ..Rules::quartet()
    };
    assert_needed(stranger(3), without, NEWER);
}

#[test]
fn without_bound_envelopes_a_stranger_has_its_blocks_imported() {
    let without = Rules {
        refuse_unbound: false,
        ..Rules::quartet()
    };
    assert_needed(stranger(2), without, AUTHENTIC);
}

#[test]
fn without_one_block_per_slot_a_proposer_has_as_many_imported_as_it_likes() {
    let mischief = Mischief {
        equivocate_blocks: true,
        show_to_some: true,
        ..Mischief::SILENCE
    };
    let scope = Scope {
        timely_mischief: mischief,
        ..Scope::new(0, Some(4))
    };
    let without = Rules {
        one_block_per_slot: false,
        ..Rules::quartet()
    };
    assert_needed(scope, without, ONE_BLOCK);
}

#[test]
fn if_errors_of_view_condemn_a_node_refuses_what_another_imported() {
    let scope = Scope {
        network: Network::OneApart,
        misses: Misses::Lost,
        fetch: false,
        ..Scope::new(3, Some(0))
    };
    let without = Rules {
        unknown_names_wait: false,
        ..Rules::quartet()
    };
    assert_needed(scope, without, NO_VIEW);
}

/// Byzantine block b3 reaches node 1 alone; node 1 carries the Byzantine vote for it in b5. Node 2 hears nothing from
/// slot 4 on. The others finalize a block beside b3, and nobody serves b3 any more, when node 2 is back in slot 22.
fn a_name_that_nobody_serves(rules: Rules) -> Schedule {
    let mut run = Schedule::new(Scope {
        rules,
        ..Scope::new(21, Some(6))
    });
    let all: &[u8] = &[0, 1, 2];
    for slot in 1..=2 {
        run.propose(slot, all);
        run.attest([all; 3]);
        run.byzantine(&[]);
    }
    let carried = [0, 1, 2].map(|validator| vote(validator, 2, block(2), GENESIS, block(1)));
    run.propose_byzantine(
        3,
        ByzantineBlock {
            parent: block(2),
            body: &carried,
            late: &[1],
            ..ByzantineBlock::default()
        },
    );
    run.attest([all; 3]);
    run.byzantine(&[]);
    for slot in 4..=21 {
        match slot % 4 {
            2 => run.propose(slot, &[2]),
            3 => run.no_proposal(slot),
            _ => run.propose(slot, &[0, 1]),
        }
        run.attest([&[0, 1], &[0, 1], &[2]]);
        match slot {
            4 => run.byzantine(&[(vote(3, 4, block(3), block(2), block(2)), &[1])]),
            _ => run.byzantine_as_if_honest(&[0, 1]),
        }
    }
    for slot in 22..=27 {
        match slot % 4 {
            3 => run.no_proposal(slot),
            _ => run.propose(slot, all),
        }
        run.attest([all; 3]);
        run.byzantine(&[]);
    }
    run
}

#[test]
fn without_vouching_a_node_waits_forever_for_a_name_that_nobody_serves() {
    let with = a_name_that_nobody_serves(Rules::quartet());
    let head = with.world.nodes[0].head;
    let blocks = &with.world.blocks;
    assert!(blocks.conflict(block(3), with.finalized(0)));
    assert_eq!(with.world.nodes[2].head, head);
    let without = a_name_that_nobody_serves(Rules {
        vouching: false,
        ..Rules::quartet()
    });
    assert_ne!(without.world.nodes[2].head, without.world.nodes[0].head);
    assert!(!without.world.nodes[2].imported.contains(block(5)));
}

/// Nobody is Byzantine; votes are lost, and blocks until they are asked for.
fn lossy(rules: Rules) -> Report {
    let scope = Scope {
        byzantine: 0,
        network: Network::OneApart,
        misses: Misses::Lost,
        rules,
        ..Scope::new(5, Some(24))
    };
    let search = Search::Random {
        seed: 3,
        states: 300_000,
    };
    check(scope, search, LIMIT, false)
}

#[test]
fn the_source_of_the_head_or_the_votes_of_abandoned_branches_are_needed_to_recover() {
    let quartet = Rules::quartet();
    let source_of_the_store = Rules {
        source_of_the_head: false,
        ..quartet
    };
    let carries_the_latest = Rules {
        carry_votes: false,
        ..quartet
    };
    for rules in [quartet, source_of_the_store, carries_the_latest] {
        let report = lossy(rules);
        assert!(report.counterexample(RECOVERY).is_none(), "{report}");
    }
    let neither = lossy(Rules {
        carry_votes: false,
        ..source_of_the_store
    });
    assert!(neither.counterexample(RECOVERY).is_some(), "{neither}");
}
