//! A small run in the ordinary test suite; a long one is the program's.
#![allow(clippy::unwrap_used)]

use quartet_differential::{Run, run};

#[test]
fn twenty_thousand_blocks_agree_and_reach_all_that_counts() {
    let report = run(Run {
        seed: 0x51_0a7,
        blocks: 20_000,
        only: None,
    });
    let report = report.unwrap();
    assert_eq!(report.blocks, 20_000);
    let missing = report.counts.missing(report.blocks);
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn an_episode_played_alone_is_the_same() {
    let play = |only| {
        let (seed, blocks) = (9, 400);
        run(Run { seed, blocks, only }).unwrap()
    };
    let all = play(None);
    let alone: Vec<_> = (0..all.episodes - 1)
        .map(|number| play(Some(number)))
        .collect();
    let last = all.blocks - alone.iter().map(|report| report.blocks).sum::<u64>();
    assert!(last <= 90, "the last episode may be cut short");
    let accepted = |report: &quartet_differential::Report| report.counts.get("block accepted");
    let sum: u64 = alone.iter().map(accepted).sum();
    assert!(sum <= accepted(&all) && accepted(&all) <= sum + last);
}
