//! Compares state transition and fork choice with the specification's transcription.
//!
//! ```text
//! cargo run --release -p quartet-differential -- --blocks 1000000 --seed 7 --json
//! cargo run --release -p quartet-differential -- --seed 7 --episode 1234
//! ```

// Figures are what this program is for.
#![allow(clippy::print_stdout)]

use std::process::ExitCode;

use clap::Parser;
use quartet_clock::Stopwatch;
use quartet_differential::{Run, run};
use serde_json::json;

/// Compares state transition and fork choice with the specification's transcription.
#[derive(Debug, Parser)]
struct Arguments {
    /// How many blocks to play in total.
    #[arg(long, default_value_t = 100_000)]
    blocks: u64,
    /// What everything depends on.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Plays this episode of the seed alone.
    #[arg(long)]
    episode: Option<u64>,
    /// Prints one JSON object.
    #[arg(long)]
    json: bool,
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let begin = Stopwatch::start();
    let report = run(Run {
        seed: arguments.seed,
        blocks: arguments.blocks,
        only: arguments.episode,
    })?;
    let seconds = begin.seconds();
    let missing = match arguments.episode {
        Some(_) => Vec::new(),
        None => report.counts.missing(arguments.blocks),
    };
    if arguments.json {
        let counts: serde_json::Map<String, serde_json::Value> = report
            .counts
            .iter()
            .map(|(name, count)| (name.to_owned(), count.into()))
            .collect();
        println!(
            "{}",
            json!({
                "seed": arguments.seed,
                "blocks": report.blocks,
                "episodes": report.episodes,
                "seconds": seconds,
                "counts": counts,
                "missing": missing,
            })
        );
    } else {
        for (name, count) in report.counts.iter() {
            println!("{count:>10}  {name}");
        }
        println!(
            "{} blocks in {} episodes of seed {} agree, {seconds:.1} s",
            report.blocks, report.episodes, arguments.seed
        );
        for name in &missing {
            println!("not reached: {name}");
        }
    }
    Ok(if missing.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
