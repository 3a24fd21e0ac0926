//! Compares the archive of vectors with a directory: `cargo run --release -p quartet-spec-tests -- ../shared/vectors`.
//!
//! Fails if a file that both have differs. What only one of them has is counted.
#![allow(clippy::print_stdout, reason = "a command line")]

use std::{env, path::PathBuf, process::ExitCode};

use anyhow::{Context as _, Result};
use quartet_spec_tests::{Comparison, LARGE_KEYS};

fn main() -> ExitCode {
    match compare() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn compare() -> Result<()> {
    let directory = env::args_os()
        .nth(1)
        .context("usage: compare-vectors DIR")?;
    let directory = PathBuf::from(directory);
    let found = Comparison::with(&directory)
        .with_context(|| format!("cannot compare with {}", directory.display()))?;
    println!(
        "the archive of vectors and {}: {} files are the same, {} differ, {} only in the archive, {} only in the directory \
         beside the {} large keys",
        directory.display(),
        found.same,
        found.differing.len(),
        found.only_in_archive.len(),
        found.only_in_directory.len(),
        LARGE_KEYS.len(),
    );
    found.check()
}
