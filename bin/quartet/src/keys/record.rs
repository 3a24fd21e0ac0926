//! `quartet keys record`: the signing record as JSON, for moving validators between machines.

use std::{fs, path::PathBuf};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use quartet_keystore::record::SigningRecord;
use serde_json::json;

use super::{output, print};
use crate::words::count;

/// The arguments of `quartet keys record`.
#[derive(Debug, Args)]
pub(super) struct RecordArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print the record as JSON. The node must be stopped, and stay stopped.
    Export {
        /// The record: `signing-record` in a node's data directory.
        #[arg(long, value_name = "FILE")]
        record: PathBuf,
    },
    /// Take an exported record in. This only ever makes the record stricter.
    Import {
        /// The record: `signing-record` in a node's data directory; begun where missing.
        #[arg(long, value_name = "FILE")]
        record: PathBuf,
        /// What `export` printed.
        #[arg(value_name = "JSON")]
        exported: PathBuf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

impl RecordArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        match self.command {
            Command::Export { record } => {
                // To open a missing record would begin one, and an empty export would be worth nothing.
                fs::metadata(&record).with_context(|| record.display().to_string())?;
                print(&SigningRecord::open(&record)?.export()?)
            }
            Command::Import {
                record,
                exported,
                json,
            } => {
                let text = fs::read_to_string(&exported)
                    .with_context(|| exported.display().to_string())?;
                let summary = SigningRecord::open(&record)?
                    .import(&text)
                    .with_context(|| exported.display().to_string())?;
                if json {
                    return output::print_json(
                        &json!({ "validators": summary.validators, "raised": summary.raised }),
                    );
                }
                print(&format!(
                    "{} taken in; for {} of them the record is stricter now",
                    count(summary.validators as u64, "validator"),
                    summary.raised
                ))
            }
        }
    }
}
