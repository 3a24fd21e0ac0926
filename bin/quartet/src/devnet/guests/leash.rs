//! `quartet devnet leash`: becomes another program that ends with the devnet.
//!
//! Our own nodes end when their standard input closes. Other programs know nothing of that, so the system is told to kill
//! them when the devnet's process is gone, however it went. That can only be asked for by the process itself, and lasts
//! through its becoming another program.

use std::{ffi::OsString, os::unix::process::CommandExt as _, path::PathBuf, process::Command};

use anyhow::Result;

/// The arguments of `quartet devnet leash`.
#[derive(Debug, clap::Args)]
pub(in super::super) struct LeashArgs {
    /// The process that it ends with
    parent: u32,
    /// The program that it becomes
    program: PathBuf,
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

impl LeashArgs {
    /// Becomes the program.
    ///
    /// # Errors
    /// When it cannot be run, or the devnet is gone already.
    pub(in super::super) fn run(self) -> Result<std::process::ExitCode> {
        hold(self.parent)?;
        let failed = Command::new(&self.program).args(&self.arguments).exec();
        Err(anyhow::Error::new(failed).context(format!("{} cannot be run", self.program.display())))
    }
}

#[cfg(target_os = "linux")]
fn hold(parent: u32) -> Result<()> {
    use rustix::process::{Signal, getppid, set_parent_process_death_signal};
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // It may have gone before.
    let now = getppid().map(|pid| pid.as_raw_pid());
    anyhow::ensure!(now == i32::try_from(parent).ok(), "the devnet is gone");
    Ok(())
}

/// Elsewhere a devnet that is killed leaves its guests running.
#[cfg(not(target_os = "linux"))]
fn hold(_parent: u32) -> Result<()> {
    Ok(())
}
