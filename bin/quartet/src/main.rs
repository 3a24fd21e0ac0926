//! The command line: parses, wires and supervises; holds no logic of its own.

mod logging;
mod node;
mod version;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A lean-consensus (3SF-mini) node for Ethereum's post-quantum devnets.
#[derive(Debug, Parser)]
#[command(name = "quartet", version = version::LONG, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a node of a devnet.
    Node(Box<node::NodeArgs>),
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Node(args) => node::run(*args),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            // The chain of causes on one line, as an operator greps it.
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
