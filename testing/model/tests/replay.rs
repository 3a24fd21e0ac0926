//! Runs of the model, followed by the node's own code: what is proved of the one is true of the other as far as they
//! agree.

mod common;

use std::{
    collections::{HashSet, VecDeque, hash_map::DefaultHasher},
    hash::{Hash as _, Hasher as _},
};

use common::replay::Replay;
use quartet_model::{
    Consensus, Mischief, Misses, Network, Rules, Scope, action::Action, world::World,
};
use stateright::Model as _;

/// Every event but an invented name: a block with one is imported only when it is vouched for, and then followed no
/// further.
fn mischief() -> Mischief {
    Mischief {
        invent: false,
        ..Mischief::ALL
    }
}

/// Scopes of all kinds, by number.
fn scope(number: u64) -> Scope {
    let networks = [
        Network::OneApart,
        Network::Partitions,
        Network::Subsets,
        Network::Timely,
    ];
    let pick = |list: &[Network]| list[(number / 2) as usize % list.len()];
    let mut rules = Rules::quartet();
    rules.source_of_the_head = number % 5 != 3;
    rules.votes_only_get_newer = number % 7 != 3;
    rules.carry_votes = number % 11 != 3;
    Scope {
        validators: 3 + (number % 6) as u8,
        byzantine: u8::from(!number.is_multiple_of(4)),
        quiet: (number % 3) as u8,
        network: pick(&networks),
        misses: [Misses::Late, Misses::Lost, Misses::Either][number as usize % 3],
        fetch: number % 3 != 1,
        older_wins_ties: number % 2 == 1,
        mischief: if number % 4 < 2 {
            mischief()
        } else {
            Mischief::SILENCE
        },
        timely_mischief: if number % 8 == 1 {
            mischief()
        } else {
            Mischief::SILENCE
        },
        rules,
        ..Scope::new((number % 9) as u8, Some(4 + (number % 13) as u8))
    }
}

fn decisions(scope: Scope, world: &World) -> Vec<Action> {
    let mut actions = Vec::new();
    Consensus { scope }.actions(world, &mut actions);
    actions
}

/// What the walks came by.
#[derive(Debug, Default)]
struct Seen {
    imported: u64,
    compared: u64,
    left: u64,
    justified: u64,
    finalized: u64,
    forked: u64,
    reorganized: u64,
}

fn walk(number: u64, seen: &mut Seen) {
    let scope = scope(number);
    let mut seed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut random = move |end: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed >> 11) as usize % end
    };
    let mut world = World::recorded(&scope);
    let mut replay = Replay::new(&scope);
    loop {
        let mut choices = decisions(scope, &world);
        if choices.is_empty() {
            break;
        }
        let action = choices.swap_remove(random(choices.len()));
        let Some(next) = world.after(&scope, action) else {
            continue;
        };
        let heads: Vec<_> = world.honest(&scope).map(|node| node.head).collect();
        world = next;
        replay.follow(&scope, &mut world);
        for (node, head) in world.honest(&scope).zip(heads) {
            seen.reorganized += u64::from(!world.blocks.is_ancestor(head, node.head));
        }
    }
    seen.imported += replay.imported;
    seen.compared += replay.compared;
    seen.left += replay.left;
    let nodes = || world.honest(&scope);
    let slot = |root| world.blocks.slot(root);
    seen.justified += u64::from(nodes().any(|node| slot(node.justified) > 0));
    seen.finalized += u64::from(nodes().any(|node| slot(node.finalized) > 0));
    let parents: Vec<_> = world
        .blocks
        .roots()
        .filter_map(|root| world.blocks.get(root))
        .collect();
    let distinct: HashSet<_> = parents.iter().map(|block| block.parent).collect();
    seen.forked += u64::from(distinct.len() < parents.len());
}

#[test]
fn random_runs_are_the_same_in_the_nodes_own_code() {
    let mut seen = Seen::default();
    for number in 0..2_000 {
        walk(number, &mut seen);
    }
    assert!(seen.imported > 30_000 && seen.compared > 60_000, "{seen:?}");
    assert!(seen.justified > 300 && seen.finalized > 300, "{seen:?}");
    assert!(seen.forked > 300 && seen.reorganized > 300, "{seen:?}");
    assert!(seen.left < 2_000, "{seen:?}");
}

/// Every state that so many decisions can lead to, nearest first, until there are `most`.
fn all_short_runs(scope: Scope, most: usize) -> (usize, u64) {
    let mut queue = VecDeque::from([(World::recorded(&scope), Replay::new(&scope), 0_u64)]);
    let mut states = HashSet::new();
    let mut depth = 0;
    while let Some((world, replay, decided)) = queue.pop_front() {
        if states.len() >= most {
            break;
        }
        depth = decided;
        for action in decisions(scope, &world) {
            let Some(mut next) = world.after(&scope, action) else {
                continue;
            };
            let mut hasher = DefaultHasher::new();
            next.hash(&mut hasher);
            if !states.insert(hasher.finish()) {
                continue;
            }
            let mut replay = replay.clone();
            replay.follow(&scope, &mut next);
            queue.push_back((next, replay, decided + 1));
        }
    }
    (states.len(), depth)
}

#[test]
fn all_short_runs_are_the_same_in_the_nodes_own_code() {
    // Three decisions are a slot.
    let silent = Scope {
        network: Network::OneApart,
        misses: Misses::Late,
        ..Scope::new(3, Some(0))
    };
    let (states, depth) = all_short_runs(silent, 6_000);
    assert!(
        states > 1_000 && depth >= 6,
        "{states} states, {depth} decisions"
    );
    let hostile = Scope {
        mischief: mischief(),
        ..Scope::new(3, Some(0))
    };
    let (states, depth) = all_short_runs(hostile, 6_000);
    assert!(
        states > 1_000 && depth >= 4,
        "{states} states, {depth} decisions"
    );
}
