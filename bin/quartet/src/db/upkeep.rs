//! `quartet db verify`, `prune` and `compact`.

use std::{fs, process::ExitCode};

use clap::Args;
use quartet_storage::{FILE_NAME, Retention, verify};

use super::DataDir;
use crate::{keys::print, words::count};

/// The arguments of `quartet db verify`.
#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    #[command(flatten)]
    data: DataDir,
}

impl VerifyArgs {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let mut told = Ok(());
        let done = verify(&self.data.database(), &mut |problem| {
            if told.is_ok() {
                told = print(problem);
            }
        })?;
        told?;
        if done.unattached > 0 {
            let note = "on top of abandoned ones that were deleted; a start leaves them out";
            print(&format!("{} {note}", count(done.unattached, "block")))?;
        }
        print(&format!(
            "{} in {}, {} and {}",
            count(done.problems, "problem"),
            count(done.blocks, "block"),
            count(done.states, "state"),
            count(done.finalized, "finalized slot")
        ))?;
        Ok(match done.problems {
            0 => ExitCode::SUCCESS,
            _ => ExitCode::FAILURE,
        })
    }
}

/// The arguments of `quartet db prune`.
#[derive(Debug, Args)]
pub(super) struct PruneArgs {
    #[command(flatten)]
    data: DataDir,
    /// Which finalized blocks to keep: all, none, or those of so many slots below the newest finalized state.
    #[arg(long, value_name = "all|SLOTS|none")]
    retain: Retention,
}

impl PruneArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let database = self.data.open()?.with_retention(self.retain);
        let (mut blocks, mut states) = (0, 0);
        loop {
            let pruned = database.prune()?;
            blocks += pruned.blocks;
            states += pruned.states;
            if !pruned.more {
                break;
            }
        }
        print(&format!(
            "deleted {} and {}; `quartet db compact` makes the file smaller",
            count(blocks, "block"),
            count(states, "state")
        ))
    }
}

/// The arguments of `quartet db compact`.
#[derive(Debug, Args)]
pub(super) struct CompactArgs {
    #[command(flatten)]
    data: DataDir,
}

impl CompactArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let mut database = self.data.open()?;
        let before = database.compact()?.before;
        // Closing a file writes a little to it.
        drop(database);
        let after = fs::metadata(self.data.database().join(FILE_NAME))?.len();
        print(&format!("{before} bytes before, {after} bytes after"))
    }
}
