//! `quartet devnet`: a whole network of real processes on this machine, in one command.
//!
//! It makes keys, genesis and directories, starts the nodes, asks them slot after slot what they see, and
//! takes them down again. All it knows of the chain it learns as any user would: from their JSON-RPC,
//! metrics and logs. Nodes of other clients may be among them. While it runs, further commands reach it over a socket in its directory.

mod args;
mod commands;
mod control;
mod description;
mod detach;
mod directory;
mod exit;
mod exposition;
mod files;
mod guests;
mod http;
mod keys;
mod layout;
mod logs;
mod mixed;
mod network;
mod node_state;
mod observer;
mod orders;
mod page;
mod partition;
mod ports;
mod prepare;
mod process;
mod prometheus;
mod reading;
mod report;
mod run;
mod scale;
mod status;
mod table;
mod terminal;
mod usage;
mod view;
mod watch;
mod which;

use std::process::ExitCode;

use anyhow::Result;

pub(crate) use args::DevnetArgs;

/// Runs a devnet to its end, or another subcommand.
///
/// # Errors
/// When it cannot be set up, or the subcommand fails.
pub(crate) async fn run(mut args: DevnetArgs) -> Result<ExitCode> {
    match args.command.take() {
        Some(command) => command.run().await,
        None if args.detach => detach::run(&args).await,
        None => run::run(args).await,
    }
}
