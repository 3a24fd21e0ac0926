//! Many networks with random faults and adversaries, or one of them in detail.

use std::{collections::BTreeSet, ops::Range, process::ExitCode, thread};

use anyhow::{Context as _, ensure};
use clap::Args;
use quartet_simulation::fuzz::{Failure, Kind, Outcome, Plan, play, play_seeds, shrink};

/// Most plans that are played to make one smaller.
const SHRINK_BUDGET: usize = 400;

/// Which seeds are played.
#[derive(Debug, Args)]
#[group(skip)]
pub(crate) struct Fuzz {
    /// A range of seeds, the last one excluded: 0..2000.
    #[arg(long, value_parser = range, required_unless_present = "seed", conflicts_with = "seed")]
    seeds: Option<Range<u64>>,
    /// One seed, which is explained.
    #[arg(long)]
    seed: Option<u64>,
    /// Makes the seed's plan as small as it can be while it fails in the same way, and prints it as a test.
    #[arg(long, requires = "seed")]
    shrink: bool,
    /// Has only these kinds of things go wrong: network, deaths, crashes, disks, slowness, clocks, adversaries, foreigners.
    #[arg(long, value_delimiter = ',', value_parser = kind)]
    only: Vec<Kind>,
    /// Prints one JSON object at the end instead of sentences.
    #[arg(long)]
    json: bool,
    /// How many seeds are played at a time; as many as there are cores, unless given.
    #[arg(long)]
    threads: Option<usize>,
}

fn range(text: &str) -> Result<Range<u64>, String> {
    let bounds = text.split_once("..").ok_or("a range is written 0..2000")?;
    let bound = |bound: &str| bound.parse().map_err(|error| format!("{bound:?}: {error}"));
    let range = bound(bounds.0)?..bound(bounds.1)?;
    if range.is_empty() {
        Err("the range is empty".to_owned())
    } else {
        Ok(range)
    }
}

fn kind(name: &str) -> Result<Kind, String> {
    let mut kinds = Kind::ALL.into_iter();
    let found = kinds.find(|kind| kind.name() == name);
    found.ok_or_else(|| {
        let names = Kind::ALL.map(Kind::name);
        format!("there are {}", names.join(", "))
    })
}

/// The plan of a seed, with these kinds of things only; with all, where there are none.
fn draw(seed: u64, only: &[Kind]) -> Plan {
    let kinds: BTreeSet<Kind> = only.iter().copied().collect();
    if kinds.is_empty() {
        Plan::draw(seed)
    } else {
        Plan::draw(seed).only(&kinds)
    }
}

impl Fuzz {
    /// Plays the seeds; the exit code says whether all are well.
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self.seed {
            Some(seed) => Ok(explain(draw(seed, &self.only), self.shrink)),
            None => self.play_all(),
        }
    }

    fn play_all(self) -> anyhow::Result<ExitCode> {
        let seeds = self.seeds.context("which seeds?")?;
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let threads = self.threads.unwrap_or(cores);
        ensure!(threads > 0, "seeds are played on at least one thread");
        let of_seed = |seed| draw(seed, &self.only);
        let summary = play_seeds(seeds, threads, of_seed, |plan, outcome| {
            let adversaries = plan.adversaries.iter();
            let behaviours: Vec<_> = adversaries.map(|one| one.behaviour.name()).collect();
            let behaviours = if behaviours.is_empty() {
                "no adversary".to_owned()
            } else {
                behaviours.join(", ")
            };
            for failure in &outcome.failures {
                eprintln!("seed {} ({behaviours}): {failure}", plan.seed);
            }
        });
        if self.json {
            eprintln!("{summary}");
            println!("{}", summary.json());
        } else {
            println!("{summary}")
        }
        Ok(code(summary.failed == 0))
    }
}

fn code(is_good: bool) -> ExitCode {
    if is_good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn explain(mut plan: Plan, shrinks: bool) -> ExitCode {
    if shrinks {
        let outcome = play(&plan, |_| {});
        if !outcome.is_good() {
            let shrunk = shrink(plan, outcome, SHRINK_BUDGET);
            println!("shrunk by playing {} plans:", shrunk.played);
            plan = shrunk.plan;
        }
    }
    println!("{plan}");
    println!("slot   heads      head/justified/finalized of each node");
    let outcome = play(&plan, |slot| println!("{slot}"));
    verdict(&outcome);
    if shrinks {
        println!(
            "\nto be kept as testing/simulation/tests/seed_{}.rs:\n\n{}",
            plan.seed,
            plan.to_test()
        );
    }
    code(outcome.is_good())
}

fn verdict(outcome: &Outcome) {
    println!();
    if let Some(recovery) = outcome.recovery {
        println!(
            "finality was {} slots behind when the network became healthy, and moved {} slots later ({:+.2} to 2·√d)",
            recovery.behind,
            recovery.slots,
            recovery.excess()
        );
    }
    println!(
        "{} blocks forged, {} of them imported",
        outcome.forged, outcome.forged_imported
    );
    let failures: Vec<String> = outcome.failures.iter().map(Failure::to_string).collect();
    if failures.is_empty() {
        println!("all is well")
    } else {
        println!("{}", failures.join("\n"))
    }
}
