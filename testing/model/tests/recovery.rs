//! How long finality takes to move again once honest nodes are timely, and what stops it.

use quartet_model::{
    Mischief, Misses, Network, Rules, Scope,
    check::{Report, Search, check},
    goal,
    names::Slot,
    properties::{ONE_HEAD, RECOVERY},
};

/// More states than any search here has.
const LIMIT: usize = 5_000_000;

fn exhaustive(scope: Scope) -> Report {
    check(scope, Search::Exhaustive, LIMIT, false)
}

/// Nobody hears anybody until finality is so many slots behind, then everybody hears everybody.
fn after_an_outage(validators: u8, behind: Slot, first_proposer: u8) -> Scope {
    Scope {
        validators,
        byzantine: 0,
        first_proposer,
        network: Network::Nothing,
        misses: Misses::Lost,
        ..Scope::new(behind - 1, None)
    }
}

/// Whether finality moves in so many timely slots, whoever's turn the first slot is.
fn moves_within(validators: u8, silent: u8, behind: Slot, timely: Slot) -> bool {
    (0..validators).all(|first_proposer| {
        let report = exhaustive(Scope {
            byzantine: silent,
            timely: Some(timely),
            mischief: Mischief::CRASHED,
            timely_mischief: Mischief::CRASHED,
            ..after_an_outage(validators, behind, first_proposer)
        });
        report.counterexample(RECOVERY).is_none()
    })
}

#[test]
fn when_all_validators_take_part_finality_moves_within_the_goal() {
    for validators in [3, 4, 5, 7] {
        for behind in 1..=25 {
            let goal = goal(behind);
            assert!(
                moves_within(validators, 0, behind, goal),
                "{validators} validators, {behind} behind"
            );
        }
    }
}

/// A source is final only with the next justifiable slot as target, so both slots need a block. Squares and pronics
/// fall on the silent validator's turns again and again: of two neighbours one is missing.
#[test]
fn one_silent_validator_of_four_can_hold_finality_up_beyond_the_goal() {
    let bounds = [
        (1, 8),
        (2, 8),
        (3, 16),
        (7, 27),
        (10, 24),
        (19, 20),
        (24, 36),
    ];
    for (behind, bound) in bounds {
        assert!(moves_within(4, 1, behind, bound), "{behind} behind");
        assert!(!moves_within(4, 1, behind, bound - 1), "{behind} behind");
    }
    assert!(goal(3) < 16 && goal(7) < 27 && goal(24) < 36);
}

#[test]
fn every_mischief_but_equivocation_leaves_finality_and_one_head() {
    let mischief = Mischief {
        equivocate_votes: false,
        equivocate_blocks: false,
        stranger: false,
        ..Mischief::ALL
    };
    let report = exhaustive(Scope {
        timely_mischief: mischief,
        quiet: 2,
        ..Scope::new(0, Some(8))
    });
    assert!(
        report.complete && report.contradicted().is_empty(),
        "{report}"
    );
}

#[test]
fn a_slot_or_two_of_disorder_leave_finality_and_one_head() {
    for (asynchronous, network) in [(1, Network::Subsets), (2, Network::OneApart)] {
        let report = exhaustive(Scope {
            network,
            misses: Misses::Late,
            quiet: 2,
            ..Scope::new(asynchronous, None)
        });
        assert!(
            report.complete && report.contradicted().is_empty(),
            "{report}"
        );
    }
}

/// A proposer makes two blocks, shows one to node 0 and the other to the rest, and never sends anything again. Each
/// side keeps the attestation of the block that it saw first: two against two for node 0, three against one for the
/// others, forever. The network is timely throughout.
fn equivocates_once(rules: Rules) -> Scope {
    Scope {
        timely_mischief: Mischief {
            equivocate_blocks: true,
            ..Mischief::SILENCE
        },
        quiet: 24,
        rules,
        ..Scope::new(0, Some(4))
    }
}

#[test]
fn an_equivocation_and_then_silence_can_split_honest_nodes_for_good() {
    let report = exhaustive(equivocates_once(Rules::quartet()));
    assert!(report.counterexample(ONE_HEAD).is_some(), "{report}");
}

#[test]
fn if_equivocators_weigh_nothing_honest_nodes_end_on_one_head() {
    let rules = Rules {
        equivocators_weigh_nothing: true,
        ..Rules::quartet()
    };
    let report = exhaustive(equivocates_once(rules));
    assert!(
        report.complete && report.counterexample(ONE_HEAD).is_none(),
        "{report}"
    );
}
