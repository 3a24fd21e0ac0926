//! `quartet keys`: making, inspecting, verifying and converting validators' keys, and moving their
//! signing records.

mod convert;
mod files;
mod generate;
mod inspect;
mod mark;
mod output;
mod passphrase;
mod record;

use clap::{Args, Subcommand};

pub(crate) use generate::make_key;
pub(crate) use output::{print, table};
pub(crate) use passphrase::PassphraseArgs;

/// The arguments of `quartet keys`.
#[derive(Debug, Args)]
pub(crate) struct KeysArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make new validator keys, with a manifest beside them.
    Generate(generate::GenerateArgs),
    /// Show what keys hold and how far they reach.
    Inspect(inspect::InspectArgs),
    /// Compute keys anew from their secrets and compare everything that their files state.
    Verify(inspect::VerifyArgs),
    /// Take keys of other tools over into our own form, or change the passphrase of our own.
    Import(convert::ImportArgs),
    /// Write keys as leanSig and lean-quickstart have them.
    Export(convert::ExportArgs),
    /// Show, begin or raise keys' high-water marks: how far their epochs may have been used.
    Mark(mark::MarkArgs),
    /// Export or import the record of what has been signed, to move a validator to another machine.
    Record(record::RecordArgs),
}

impl KeysArgs {
    /// Runs the command.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        match self.command {
            Command::Generate(args) => args.run(),
            Command::Inspect(args) => args.run(),
            Command::Verify(args) => args.run(),
            Command::Import(args) => args.run(),
            Command::Export(args) => args.run(),
            Command::Mark(args) => args.run(),
            Command::Record(args) => args.run(),
        }
    }
}
