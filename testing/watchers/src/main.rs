//! Many subscribers or many requests to a node: what they receive, how late, and what it costs the node.
//!
//! `quartet-watchers subscribe` opens WebSockets that subscribe to all topics, some of which never read, and says what each
//! of the others was told and how long after it happened; `quartet-watchers ask` sends requests at a steady rate and says how
//! long answers took. Both print one JSON object.

mod ask;
mod figures;
mod subscribe;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Subscribe to everything, many times over.
    Subscribe(subscribe::Args),
    /// Ask for the head at a steady rate.
    Ask(ask::Args),
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let report = match Cli::parse().command {
        Command::Subscribe(args) => subscribe::run(args).await?,
        Command::Ask(args) => ask::run(args).await?,
    };
    #[expect(clippy::print_stdout, reason = "the report is the output")]
    {
        println!("{report}");
    }
    Ok(())
}
