//! What has been seen to stop finality for good, with the rules of `050fa4a` or with ours beside them: packet
//! loss alone, strangers without any key, one validator of many.

mod common;

use common::plans::{against, calm, foreign, is_well, keeps_pace};
use quartet_simulation::{
    Conditions,
    fuzz::{Behaviour, Body, Fault, FaultKind, Manners, Moment, Plan, Source, play},
};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng, seq::SliceRandom as _};

/// How our own proposers behave.
const OURS: Manners = Manners {
    attests_to_parent: false,
    source: Source::Head,
    source_after_target: false,
    carries_own: true,
};

/// Seeds of thirty bad slots after which finality stood still for good, since an abandoned block had justified
/// what the head's chain never could: three of 2,500.
const STOOD_STILL: [u64; 3] = [39, 451, 872];

/// Seven nodes, 30 % of packets lost, kills and partitions for thirty slots, then a perfect network; no
/// adversary.
fn thirty_bad_slots(seed: u64) -> Plan {
    let mut random = StdRng::seed_from_u64(seed);
    let mut plan = calm(7, 7, 30);
    plan.seed = seed;
    let latencies = [20..=200, 20..=1_000, 20..=2_000, 500..=2_500, 1_000..=4_000];
    plan.conditions = Conditions {
        latency_ms: latencies[random.random_range(0..latencies.len())].clone(),
        loss: 0.3,
    };
    let moment = |random: &mut StdRng, from: u64, to: u64| Moment {
        slot: random.random_range(from..=to),
        ms: random.random_range(0..4_000),
    };
    for node in 0..7 {
        for _ in 0..random.random_range(0..=1) {
            let from = moment(&mut random, 3, 20);
            let until = moment(&mut random, from.slot + 1, 29);
            let what = FaultKind::Death {
                node,
                loses_store: false,
            };
            plan.faults.push(Fault { from, until, what });
        }
    }
    for _ in 0..random.random_range(0..=4) {
        let mut group: Vec<usize> = (0..7).collect();
        group.shuffle(&mut random);
        group.truncate(random.random_range(1..=3));
        let from = moment(&mut random, 3, 24);
        let until = moment(&mut random, from.slot + 1, 29);
        let what = FaultKind::Partition(group);
        plan.faults.push(Fault { from, until, what });
    }
    plan
}

#[test]
fn finality_returns_after_thirty_slots_of_loss_kills_and_partitions() {
    for seed in STOOD_STILL.into_iter().chain(0..20) {
        is_well(&thirty_bad_slots(seed));
    }
}

#[test]
fn blocks_in_envelopes_with_somebodys_attestation_are_not_imported() {
    let behaviour = Behaviour::ForgeBlocks {
        body: Body::Full,
        tries: 8,
        count: 2,
    };
    let plan = against(calm(4, 4, 60), behaviour, &[]);
    let outcome = keeps_pace(&plan, 3);
    assert!(outcome.forged > 50, "{outcome:?}");
    assert_eq!(outcome.forged_imported, 0);
}

#[test]
fn votes_that_come_again_do_not_count_again() {
    let plan = against(calm(4, 4, 60), Behaviour::ReplayVotes { age: 7 }, &[]);
    keeps_pace(&plan, 3);
}

#[test]
fn fat_blocks_and_floods_of_small_ones_are_not_imported() {
    for (body, count, slots) in [
        (Body::Copies(3_000), 1, 30),
        (Body::Copies(200), 1, 30),
        (Body::Full, 60, 20),
    ] {
        let tries = count;
        let behaviour = Behaviour::ForgeBlocks { body, tries, count };
        let plan = against(calm(4, 7, slots), behaviour, &[]);
        let outcome = keeps_pace(&plan, 3);
        assert!(outcome.forged > 2, "{outcome:?}");
        assert_eq!(outcome.forged_imported, 0, "{body:?}");
    }
}

#[test]
fn a_block_that_names_its_sibling_does_not_split_the_network() {
    for seed in 1..=3 {
        let mut plan = against(calm(4, 5, 40), Behaviour::NameSibling, &[4]);
        (plan.seed, plan.falls_silent) = (seed, true);
        is_well(&plan);
    }
}

#[test]
fn a_block_with_votes_of_slots_to_come_does_not_split_the_network() {
    for slots in 1..=2 {
        let behaviour = Behaviour::VoteAhead { slots };
        let mut plan = against(calm(4, 5, 40), behaviour, &[4]);
        plan.falls_silent = true;
        is_well(&plan);
    }
}

#[test]
fn votes_for_invented_heads_get_into_no_block() {
    let plan = against(calm(4, 4, 40), Behaviour::InventRoots, &[3]);
    is_well(&plan);
}

#[test]
fn a_late_node_follows_a_chain_that_names_an_abandoned_block() {
    for loses_store in [false, true] {
        let mut plan = against(calm(5, 5, 50), Behaviour::ReviveOldest, &[4]);
        let late = Fault {
            from: Moment { slot: 0, ms: 0 },
            until: Moment { slot: 45, ms: 0 },
            what: FaultKind::Late { node: 4 },
        };
        let death = Fault {
            from: Moment { slot: 30, ms: 500 },
            until: Moment { slot: 33, ms: 700 },
            what: FaultKind::Death {
                node: 1,
                loses_store,
            },
        };
        plan.faults = vec![late, death];
        is_well(&plan);
    }
}

#[test]
fn a_validator_that_proposes_in_everybodys_slots_takes_none_but_its_own() {
    let plan = against(calm(5, 5, 60), Behaviour::ProposeForAll, &[4]);
    let outcome = keeps_pace(&plan, 3);
    assert!(outcome.forged > 30, "{outcome:?}");
    assert_eq!(outcome.forged_imported, 0);
}

#[test]
fn proposers_that_attest_to_the_parent_cost_no_finality() {
    let manners = Manners {
        attests_to_parent: true,
        ..OURS
    };
    let plan = foreign(calm(4, 7, 40), 3, manners, &[1, 3, 5]);
    keeps_pace(&plan, 5);
}

#[test]
fn copies_of_proposers_envelopes_around_other_blocks_cost_no_finality() {
    for seed in 1..=4 {
        let manners = Manners {
            attests_to_parent: true,
            ..OURS
        };
        let plan = foreign(calm(4, 7, 40), 3, manners, &[1, 5]);
        let mut plan = against(plan, Behaviour::ReuseParentVotes, &[]);
        plan.seed = seed;
        // A slot whose block the stranger has overtaken lacks votes, as an empty one does.
        let outcome = keeps_pace(&plan, 16);
        assert!(outcome.forged > 5, "{outcome:?}");
    }
}

#[test]
fn foreign_clients_of_every_manner_keep_finalizing_with_us() {
    let manners = [
        Manners {
            source: Source::Store,
            attests_to_parent: true,
            ..OURS
        },
        Manners {
            source: Source::Older(3),
            carries_own: false,
            ..OURS
        },
        Manners {
            source_after_target: true,
            ..OURS
        },
    ];
    for manners in manners {
        let plan = foreign(calm(4, 7, 40), 3, manners, &[2, 5]);
        keeps_pace(&plan, 5);
    }
}

/// The limit of what any rule of ours can reach. Between two slots that are n(n+1) and (n+1)(n+2) after the
/// finalized one lies a square; a step from one to the other finalizes nothing, and a slot without a block
/// cannot be a target. Squares have four remainders by 16: four proposers of sixteen can leave all of these
/// slots empty, once finality is more than five slots behind, though they vote as everybody does.
#[test]
fn four_proposers_of_sixteen_who_skip_the_squares_stop_finality_but_not_justification() {
    let squares_after_19 = [3, 4, 7, 12];
    let mut plan = against(calm(4, 16, 35), Behaviour::SkipSquares, &squares_after_19);
    plan.faults.push(Fault {
        from: Moment { slot: 21, ms: 100 },
        until: Moment { slot: 35, ms: 0 },
        what: FaultKind::Partition(vec![0, 1]),
    });
    let mut last = None;
    let outcome = play(&plan, |report| last = Some(report.clone()));
    // The protocol's own rule never allowed finality to move.
    assert!(outcome.blocked && outcome.is_good(), "{outcome:?}");
    for view in last.expect("slots were played").views.iter().flatten() {
        assert_eq!(view.finalized.slot, 19);
        assert!(view.justified.slot > 19 + 13 * 14, "{view:?}");
    }
}
