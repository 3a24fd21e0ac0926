//! The command line.

mod fuzz;
mod scale;
mod stall;
mod table;

use clap::{Parser, Subcommand};

/// Simulates networks of nodes in one process, on virtual time.
#[derive(Debug, Parser)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) table: table::Table,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Random faults and adversaries, drawn from seeds: does finality always come back?
    Fuzz(fuzz::Fuzz),
    /// A long time without finality, with a real database: what does it cost, and does all come back?
    Stall(stall::Stall),
    /// Many nodes and validators on lines with a bandwidth: when is what where, and how far do plain signatures go?
    Scale(scale::Scale),
}
