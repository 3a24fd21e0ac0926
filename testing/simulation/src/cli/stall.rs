//! A long time without finality.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context as _, ensure};
use clap::Args;
use quartet_simulation::stall::Stall as Play;

/// How long, and with how many.
#[derive(Debug, Args)]
#[group(skip)]
pub(crate) struct Stall {
    /// Slots without finality.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(64..=250_000))]
    slots: u64,
    /// Validators, of which every second one is silent.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u64).range(2..=4_096))]
    validators: u64,
    /// An empty directory for the database; a temporary one, unless given.
    #[arg(long)]
    data_dir: Option<PathBuf>,
    /// Prints one JSON object at the end instead of sentences.
    #[arg(long)]
    json: bool,
}

impl Stall {
    /// Plays it; the exit code says whether all limits hold.
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let temporary = tempfile::tempdir()?;
        let directory = self.data_dir.unwrap_or_else(|| temporary.path().to_owned());
        let shown = directory.display();
        std::fs::create_dir_all(&directory).with_context(|| format!("--data-dir {shown}"))?;
        let is_empty = std::fs::read_dir(&directory)?.next().is_none();
        ensure!(is_empty, "--data-dir {shown} is not empty");
        let play = Play {
            slots: self.slots,
            validators: self.validators,
            directory,
        };
        let report = play.play(|line| eprintln!("{line}"))?;
        if self.json {
            println!("{}", report.json())
        } else {
            print!("{report}")
        }
        let failures = report.failures();
        for failure in &failures {
            eprintln!("not held: {failure}");
        }
        Ok(if failures.is_empty() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}
