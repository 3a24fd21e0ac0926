//! The subcommands of `quartet devnet`.

use std::process::ExitCode;

use anyhow::Result;

use super::{
    control::{Reply, Request, ask, locate},
    guests::LeashArgs,
    logs::LogsArgs,
    scale::{self, ScaleArgs},
    status::StatusArgs,
    terminal::{self, note},
    which::Which,
};

#[derive(Debug, clap::Subcommand)]
pub(super) enum DevnetCommand {
    /// Stop a running devnet
    Stop(Which),
    /// Show how the nodes of a devnet are; exit code 1 when it does not run
    Status(StatusArgs),
    /// Show the log of a node, or of the devnet itself
    Logs(LogsArgs),
    /// Kill a node, as a crash would
    Kill(OneNode),
    /// Start a node again, which is stopped first where it runs
    Restart(OneNode),
    /// Keep groups of nodes apart, until `heal`
    Partition(PartitionArgs),
    /// Let all nodes talk to each other again
    Heal(Which),
    Scale(ScaleArgs),
    /// Become another program, which ends with the devnet
    #[command(hide = true)]
    Leash(LeashArgs),
}

#[derive(Debug, clap::Args)]
pub(super) struct OneNode {
    /// Its name, like quartet_0
    node: String,
    #[command(flatten)]
    which: Which,
}

#[derive(Debug, clap::Args)]
pub(super) struct PartitionArgs {
    /// A group of nodes, their names separated by commas. The nodes that are in none are one more group
    #[arg(value_name = "NODE,…", required = true)]
    groups: Vec<String>,
    #[command(flatten)]
    which: Which,
}

impl DevnetCommand {
    /// Does it.
    ///
    /// # Errors
    /// When it cannot be done.
    pub(super) async fn run(self) -> Result<ExitCode> {
        let (request, which) = match self {
            Self::Scale(args) => return scale::run(&args),
            Self::Leash(args) => return args.run(),
            Self::Status(args) => return args.run().await,
            Self::Logs(args) => return args.run().await,
            Self::Stop(which) => (Request::Stop, which),
            Self::Heal(which) => (Request::Heal, which),
            Self::Kill(OneNode { node, which }) => (Request::Kill { node }, which),
            Self::Restart(OneNode { node, which }) => (Request::Restart { node }, which),
            Self::Partition(PartitionArgs { groups, which }) => {
                (Request::Partition { groups }, which)
            }
        };
        let devnet = locate(which.data_dir.as_deref())?;
        match ask(&devnet, &request).await? {
            Reply::Done(what) => terminal::line(&what)?,
            Reply::Refused(why) => {
                note(format_args!("error: {why}"));
                return Ok(ExitCode::FAILURE);
            }
            // No answer to any of these.
            Reply::Status(_) => {}
        }
        Ok(ExitCode::SUCCESS)
    }
}
