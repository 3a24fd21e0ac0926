//! Runs simulated networks: one, with a line for each slot, or many with random faults and adversaries.
//!
//! ```text
//! cargo run --release -p quartet-simulation -- --seed 7 --slots 60 --nodes 8 --loss 0.1
//! cargo run --release -p quartet-simulation -- fuzz --seeds 0..2000
//! cargo run --release -p quartet-simulation -- fuzz --seed 17 --shrink
//! cargo run --release -p quartet-simulation -- stall --slots 100000 --validators 64
//! cargo run --release -p quartet-simulation -- scale --nodes 200 --validators 4096 --mbit 50
//! ```

// Tables are what this program is for.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod cli;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> anyhow::Result<ExitCode> {
    let arguments = cli::Arguments::parse();
    match arguments.command {
        Some(cli::Command::Fuzz(fuzz)) => fuzz.run(),
        Some(cli::Command::Stall(stall)) => stall.run(),
        Some(cli::Command::Scale(scale)) => scale.run().map(|()| ExitCode::SUCCESS),
        None => arguments.table.run().map(|()| ExitCode::SUCCESS),
    }
}
