//! Plans drawn from seeds: what they reach, what they keep to, and a range of them played.

mod common;

use std::collections::BTreeSet;

use common::plans::{against, calm};
use quartet_simulation::fuzz::{Behaviour, Kind, Plan, Source, play, play_seeds, usual_slots};

/// How many seeds the generator is judged by.
const SEEDS: u64 = 2_000;

#[test]
fn every_behaviour_and_misfortune_is_reached_by_some_seed() {
    let (mut behaviours, mut misfortunes, mut sources) =
        (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let (mut sizes, mut keyless) = (BTreeSet::new(), 0);
    for plan in (0..SEEDS).map(Plan::draw) {
        sizes.insert(plan.validators());
        keyless += usize::from(!plan.adversaries.is_empty() && plan.hostile_validators() == 0);
        for adversary in &plan.adversaries {
            behaviours.insert(adversary.behaviour.name());
        }
        for fault in &plan.faults {
            misfortunes.insert(fault.what.name());
        }
        for foreigners in &plan.foreigners {
            sources.insert(match foreigners.manners.source {
                Source::Head => "head",
                Source::Store => "store",
                Source::Older(_) => "older",
            });
        }
    }
    assert_eq!(behaviours.len(), 16, "{behaviours:?}");
    assert_eq!(misfortunes.len(), 12, "{misfortunes:?}");
    assert_eq!(sources.len(), 3, "{sources:?}");
    assert_eq!(sizes, BTreeSet::from([4, 7, 16, 64, 256]));
    assert!(keyless > 50);
}

#[test]
fn less_than_a_third_is_faulty_and_every_validator_is_in_one_place() {
    for plan in (0..SEEDS).map(Plan::draw) {
        let faulty = plan.hostile_validators() + plan.unreliable_validators();
        assert!(3 * faulty < plan.validators(), "{plan}");
        let adversaries = plan.adversaries.iter().flat_map(|group| &group.validators);
        let foreigners = plan.foreigners.iter().flat_map(|group| &group.validators);
        let mut elsewhere: Vec<u64> = adversaries.chain(foreigners).copied().collect();
        elsewhere.sort_unstable();
        let homeless = plan.assignment.iter().zip(0..);
        let homeless: Vec<u64> = homeless
            .filter_map(|(node, validator)| node.is_none().then_some(validator))
            .collect();
        assert_eq!(elsewhere, homeless, "{plan}");
        for foreigners in &plan.foreigners {
            assert_eq!(plan.skew(foreigners.host), 0, "{plan}");
        }
        for adversary in &plan.adversaries {
            let has_keys = !adversary.validators.is_empty();
            assert_eq!(adversary.behaviour.needs_keys(), has_keys, "{plan}");
        }
    }
}

#[test]
fn what_befalls_the_network_ends_when_it_becomes_healthy() {
    for plan in (0..SEEDS).map(Plan::draw) {
        assert!(plan.chaos <= 100, "{plan}");
        for fault in &plan.faults {
            assert!(fault.from < fault.until, "{plan}");
            assert!(fault.until.slot <= plan.chaos, "{plan}");
        }
        assert!(plan.settles(), "{plan}");
    }
}

#[test]
fn a_seed_is_always_played_in_the_same_way() {
    for seed in [2, 16] {
        let lines = || {
            let mut lines = Vec::new();
            play(&Plan::draw(seed), |slot| lines.push(slot.to_string()));
            lines
        };
        assert_eq!(lines(), lines(), "seed {seed}");
    }
}

#[test]
fn a_third_of_silent_validators_is_seen_to_stall_finality() {
    let plan = against(calm(4, 6, 20), Behaviour::Silence, &[3, 4, 5]);
    let outcome = play(&plan, |_| {});
    let kinds: Vec<_> = outcome.failures.iter().map(|one| one.kind()).collect();
    assert_eq!(kinds, ["stalled"]);
}

/// In both, more than a third have voted for blocks of a chain that was abandoned before the network became healthy, and that
/// the others can have no more: duties waited for them, for as long as such votes count.
#[test]
fn what_was_abandoned_holds_up_nobodys_duties() {
    let kinds = BTreeSet::from([
        Kind::Network,
        Kind::Deaths,
        Kind::Adversaries,
        Kind::Foreigners,
    ]);
    for seed in [4453, 7475] {
        let mut plan = Plan::draw(seed).only(&kinds);
        if seed == 7475 {
            plan.adversaries[0].behaviour = Behaviour::VoteTwice { ms: 2_900 };
        }
        let recovery = play(&plan, |_| {}).recovery;
        let recovery = recovery.unwrap_or_else(|| panic!("seed {seed}: no recovery"));
        let slots = recovery.slots;
        assert!(
            slots <= usual_slots(recovery.behind),
            "seed {seed}: {slots} slots"
        );
    }
}

#[test]
fn a_range_of_seeds_passes() {
    let summary = play_seeds(0..120, 1, Plan::draw, |plan, outcome| {
        eprintln!("seed {}: {:?}", plan.seed, outcome.failures);
    });
    assert_eq!(summary.seeds, 120);
    assert_eq!(summary.failed, 0, "{summary:?}");
}
