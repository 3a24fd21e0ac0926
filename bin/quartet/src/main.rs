//! The command line: parses, wires and supervises; holds no logic of its own.

mod check;
mod completions;
mod db;
mod devnet;
mod genesis;
mod keys;
mod lean_api;
mod logging;
#[cfg(test)]
mod man;
mod memory;
mod node;
mod process;
mod progress;
mod replay;
mod signals;
mod status;
mod version;
mod watch;
mod words;

use std::process::ExitCode;

use anyhow::Context as _;
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
    /// Run a local network of several nodes, each a process of its own.
    Devnet(devnet::DevnetArgs),
    /// Make the files of a devnet from a validator-config.yaml.
    Genesis(genesis::GenesisArgs),
    /// Make, look at and convert validators' keys.
    Keys(keys::KeysArgs),
    /// Look at a node's database, check it, make it smaller, export or import it.
    Db(db::DbArgs),
    /// Run the chain through a node's recording, and say where it decides otherwise.
    Replay(replay::ReplayArgs),
    /// Ask a node how it is.
    Status(status::StatusArgs),
    /// Check over the wire whether a node of any client keeps the protocol's rules.
    Check(check::CheckArgs),
    /// Watch one or several nodes in the terminal.
    Watch(watch::WatchArgs),
    /// Print what a shell needs to complete this program's commands and flags.
    Completions(completions::CompletionsArgs),
}

fn main() -> ExitCode {
    memory::give_back();
    process::forbid_core_dumps();
    let command = Cli::parse().command;
    if matches!(command, Command::Keys(_) | Command::Genesis(_)) {
        process::forbid_looking_in();
    }
    let outcome = match command {
        Command::Node(args) => node::run(*args),
        Command::Devnet(args) => on_this_thread(devnet::run(args)),
        Command::Status(args) => on_this_thread(args.run()),
        Command::Check(args) => args.run(),
        Command::Watch(args) => on_this_thread(args.run()),
        Command::Genesis(args) => args.run().map(|()| ExitCode::SUCCESS),
        Command::Keys(args) => args.run().map(|()| ExitCode::SUCCESS),
        Command::Db(args) => args.run(),
        Command::Replay(args) => args.run(),
        Command::Completions(args) => args.run().map(|()| ExitCode::SUCCESS),
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

/// Runs a future on this thread, for commands that mostly wait.
fn on_this_thread(
    work: impl Future<Output = anyhow::Result<ExitCode>>,
) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(work)
}
