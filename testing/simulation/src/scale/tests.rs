use quartet_types::SECONDS_PER_SLOT;

use super::*;
use crate::{Awaited, Conditions, Line, Simulation, Wiring};

fn small() -> Scale {
    Scale {
        nodes: 24,
        validators: 48,
        slots: 8,
        peers: 23,
        ..Scale::default()
    }
}

fn to_mesh_alone() -> GossipSettings {
    GossipSettings {
        flood_publish: false,
        ..GossipSettings::default()
    }
}

#[test]
fn the_same_seed_plays_the_same_run() {
    let scale = Scale {
        bits_per_second: Some(5_000_000),
        peers: 12,
        ..small()
    };
    let report = scale.play(|_| {}).unwrap();
    assert_eq!(scale.play(|_| {}).unwrap(), report);
    let other = Scale { seed: 8, ..scale };
    assert_ne!(other.play(|_| {}).unwrap(), report);
}

#[test]
fn without_limits_all_is_in_time_and_finality_three_behind() {
    let scale = Scale {
        bits_per_second: None,
        costs: Costs::none(),
        gossip: to_mesh_alone(),
        nodes: 60,
        peers: 16,
        ..small()
    };
    let report = scale.play(|_| {}).unwrap();
    for slot in &report.slots[4..] {
        assert_eq!((slot.finality_lag_max, slot.head_lag), (3, 0), "{slot:?}");
        assert_eq!(
            (slot.votes_for_block, slot.at_all_nodes_by_half),
            (1.0, 1.0),
            "{slot:?}"
        );
        // Sixty nodes are four links apart at most in a mesh of eight.
        assert!(slot.block_ms.all.unwrap() <= 4.0 * 40.0, "{slot:?}");
        assert!(
            slot.votes_ms.all.unwrap() <= 1_000.0 + 4.0 * 40.0 + 10.0,
            "{slot:?}"
        );
    }
}

#[test]
fn a_block_is_nowhere_before_its_bytes_can_be_there() {
    let rate = 10_000_000;
    let scale = Scale {
        bits_per_second: Some(rate),
        costs: Costs::none(),
        ..small()
    };
    let report = scale.play(|_| {}).unwrap();
    for slot in &report.slots[4..] {
        let once = slot.block_kb * 1e3 * 8.0 / rate as f64 * 1e3;
        // It goes to 23 peers at once, and is there when all of it is.
        let half = slot.block_ms.half.unwrap();
        assert!(half >= once + 40.0, "{slot:?}");
        // An uplink carries no more than it can.
        assert!(
            slot.up_max_mb <= rate as f64 / 8.0 * SECONDS_PER_SLOT as f64 / 1e6 + 0.01,
            "{slot:?}"
        );
    }
}

#[test]
fn bytes_are_those_of_the_copies() {
    // Without the messages that say what is not wanted.
    let gossip = GossipSettings {
        idontwant: false,
        ..GossipSettings::default()
    };
    let scale = Scale { gossip, ..small() };
    let report = scale.play(|_| {}).unwrap();
    for slot in &report.slots[4..] {
        assert!(
            (slot.up_mb - slot.down_mb).abs() < 0.02 * slot.up_mb,
            "{slot:?}"
        );
        let votes = slot.votes as f64 * crate::wire::on_the_line(crate::wire::vote()) as f64 / 1e6;
        let block = crate::wire::on_the_line(crate::wire::block(slot.attestations)) as f64 / 1e6;
        let copies = slot.duplicates * (votes + block);
        // Of control messages there are few; a block has fewer or more copies than votes have.
        assert!(
            (slot.down_mb - copies).abs() < 0.15 * copies,
            "{slot:?}: {copies}"
        );
    }
}

#[test]
fn validators_beyond_the_registry_only_add_messages() {
    let nodes = 4;
    let scale = Scale {
        nodes,
        peers: 3,
        validators: 4_100,
        slots: 3,
        bits_per_second: None,
        ..Scale::default()
    };
    let report = scale.play(|_| {}).unwrap();
    let slot = report.slots.last().unwrap();
    assert_eq!((slot.votes, slot.votes_by_half), (4_099, 1.0));
    assert!(slot.attestations <= 4_096);
}

/// What whole nodes on such lines come to: when half and 95 % of the nodes have a slot's block, half and 95 % of the pairs of
/// votes and nodes are there, and bytes of a node in a slot.
fn whole_nodes(scale: &Scale) -> Vec<[f64; 5]> {
    let line = Line::of(scale.bits_per_second);
    let half_way = scale.rtt_ms / 2;
    let simulation = Simulation::new(scale.seed)
        .nodes(scale.nodes)
        .validators(scale.validators as usize)
        .conditions(Conditions {
            latency_ms: half_way..=half_way,
            loss: 0.0,
        })
        .wired(Wiring {
            line,
            gossip: scale.gossip,
        });
    let mut slots = Vec::new();
    simulation
        .run(async |world| {
            let (mut before, mut sent) = (0, Vec::new());
            for slot in 1..=scale.slots + 2 {
                world.end_of(slot).await?;
                let now: u64 = (0..scale.nodes).map(|node| world.traffic(node).0).sum();
                sent.push((now - before) as f64 / 1e6 / scale.nodes as f64);
                before = now;
            }
            for (slot, sent) in (1..=scale.slots).zip(sent) {
                let time = |awaited, share: usize| {
                    let all = match awaited {
                        Awaited::Block => scale.nodes,
                        Awaited::Votes => scale.nodes * (scale.validators as usize - 1),
                    };
                    let time = world.arrival(slot, awaited, (all * share).div_ceil(100));
                    time.map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
                };
                slots.push([
                    time(Awaited::Block, 50),
                    time(Awaited::Block, 95),
                    time(Awaited::Votes, 50),
                    time(Awaited::Votes, 95),
                    sent,
                ]);
            }
            Ok(())
        })
        .unwrap();
    slots
}

/// The same of the model.
fn model(scale: &Scale) -> Vec<[f64; 5]> {
    let report = scale.play(|_| {}).unwrap();
    let of = |slot: &SlotReport| {
        let [block, votes] = [slot.block_ms, slot.votes_ms];
        [
            block.half,
            block.most,
            votes.half,
            votes.most,
            Some(slot.up_mb),
        ]
        .map(Option::unwrap)
    };
    report.slots.iter().map(of).collect()
}

/// The mean of each figure over the slots after the first four, of several meshes.
fn means(play: impl Fn(&Scale) -> Vec<[f64; 5]>, scale: &Scale, seeds: u64) -> [f64; 5] {
    let seeds = 1..=seeds;
    let played = seeds.flat_map(|seed| {
        play(&Scale {
            seed,
            ..scale.clone()
        })
        .into_iter()
        .skip(4)
    });
    let played: Vec<[f64; 5]> = played.collect();
    std::array::from_fn(|index| {
        played.iter().map(|slot| slot[index]).sum::<f64>() / played.len() as f64
    })
}

/// The model against real services on the same lines: within a tenth, and the milliseconds that a virtual clock of
/// milliseconds adds at each link, as long as all is there within the slot. On lines that cannot carry it the model is the
/// better case.
#[test]
fn whole_nodes_come_to_the_same() {
    let flooding = GossipSettings::default();
    // Where gossip goes to the mesh alone, much hangs on which mesh it is.
    for (mbit, seeds, gossip) in [
        (16, 4, to_mesh_alone()),
        (40, 1, flooding),
        (10, 1, flooding),
    ] {
        let scale = Scale {
            bits_per_second: Some(mbit * 1_000_000),
            costs: Costs::none(),
            gossip,
            slots: 12,
            ..small()
        };
        let whole = means(whole_nodes, &scale, seeds);
        let model = means(model, &scale, seeds);
        let names = ["block 50 %", "block 95 %", "votes 50 %", "votes 95 %", "MB"];
        for (index, what) in names.iter().enumerate() {
            let [whole, model] = [whole[index], model[index]];
            let figures =
                format!("{mbit} Mbit/s, {what}: whole nodes {whole:.2}, model {model:.2}");
            println!("{figures}");
            let slack = if index < 4 { 15.0 } else { 0.0 };
            match mbit {
                10 if index < 2 => assert!(model < whole, "{figures}"),
                10 => {}
                _ => assert!((whole - model).abs() <= 0.1 * whole + slack, "{figures}"),
            }
        }
    }
}

/// What docs/scale.md says of the node as it is set.
#[test]
fn on_lines_of_fifty_mbit_blocks_of_32_votes_are_in_time_and_of_64_are_not() {
    for (validators, in_time) in [(32, true), (64, false)] {
        let report = Scale {
            validators,
            slots: 8,
            ..Scale::default()
        }
        .play(|_| {})
        .unwrap();
        for slot in &report.slots[5..] {
            assert_eq!(slot.votes_for_block > 0.95, in_time, "{slot:?}");
            assert_eq!(slot.finality_lag == 3, in_time, "{slot:?}");
            assert_eq!(
                slot.at_all_nodes_by_half, 1.0,
                "votes are not what is late: {slot:?}"
            );
        }
    }
}
