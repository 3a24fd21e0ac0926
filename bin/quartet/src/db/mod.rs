//! `quartet db`: looking at a node's database, checking it, making it smaller, and moving it as a snapshot.

mod info;
mod snapshot;
mod upkeep;

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Subcommand};
use quartet_storage::{Database, DatabaseError};

/// The arguments of `quartet db`.
#[derive(Debug, Args)]
pub(crate) struct DbArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show what is in the database.
    Info(info::InfoArgs),
    /// Check everything in the database, and name each thing that is wrong; exit code 1 if there is any.
    Verify(upkeep::VerifyArgs),
    /// Delete what need not be kept: abandoned branches, and finalized blocks older than the retention.
    Prune(upkeep::PruneArgs),
    /// Give back to the file system what was deleted.
    Compact(upkeep::CompactArgs),
    /// Write a snapshot of the finalized chain, from which another node starts.
    Export(snapshot::ExportArgs),
    /// Make the database from a snapshot, where there is none.
    Import(snapshot::ImportArgs),
}

/// Which node's database.
#[derive(Debug, Args)]
struct DataDir {
    /// The node's data directory. The node must be stopped.
    #[arg(
        long,
        value_name = "DIR",
        default_value = "quartet-data",
        env = "QUARTET_DATA_DIR"
    )]
    data_dir: PathBuf,
}

impl DataDir {
    /// Where in the data directory the database is.
    fn database(&self) -> PathBuf {
        self.data_dir.join("blocks")
    }

    fn open(&self) -> Result<Database, DatabaseError> {
        Database::open_existing(&self.database())
    }
}

impl DbArgs {
    /// Runs the command.
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let done = |result: anyhow::Result<()>| result.map(|()| ExitCode::SUCCESS);
        match self.command {
            Command::Info(args) => done(args.run()),
            Command::Verify(args) => args.run(),
            Command::Prune(args) => done(args.run()),
            Command::Compact(args) => done(args.run()),
            Command::Export(args) => done(args.run()),
            Command::Import(args) => done(args.run()),
        }
    }
}
