//! `quartet keys mark`: how far keys may have been used.

use std::path::PathBuf;

use clap::Args;
use quartet_keystore::{MarkReport, inspect, set_mark};
use serde_json::json;

use super::{files::key_files, output, print, table};

/// The arguments of `quartet keys mark`.
#[derive(Debug, Args)]
pub(super) struct MarkArgs {
    /// Keys, or directories of them.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// The highest epoch in which the keys may have signed: nothing will be signed up to it. Begins marks or raises them; a
    /// mark is never lowered.
    #[arg(long, value_name = "EPOCH", conflicts_with = "unused")]
    used_up_to: Option<u64>,
    /// The keys have never signed, anywhere. Begins marks where there are none.
    #[arg(long)]
    unused: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl MarkArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let free_from = match (self.used_up_to, self.unused) {
            (Some(epoch), _) => Some(epoch.saturating_add(1)),
            (None, true) => Some(0),
            (None, false) => None,
        };
        let mut marks = Vec::new();
        for path in key_files(&self.paths)? {
            if let Some(free_from) = free_from {
                set_mark(&path, free_from)?;
            }
            marks.push((inspect(&path, None)?.mark, path));
        }
        if self.json {
            let marks = marks.iter().map(|(mark, path)| {
                json!({ "file": path, "free_from_epoch": free(mark), "mark": describe(mark) })
            });
            return output::print_json(&json!(marks.collect::<Vec<_>>()));
        }
        let mut rows = vec![["file", "mark"].map(str::to_owned)];
        rows.extend(
            (marks.iter()).map(|(mark, path)| [path.display().to_string(), describe(mark)]),
        );
        print(&table(&rows))
    }
}

/// The first epoch that a mark leaves free, where there is one.
pub(super) fn free(mark: &MarkReport) -> Option<u64> {
    match mark {
        MarkReport::FreeFrom(epoch) => Some(*epoch),
        _ => None,
    }
}

/// A mark as text.
pub(super) fn describe(mark: &MarkReport) -> String {
    match mark {
        MarkReport::Exempt => "none: public test key".to_owned(),
        MarkReport::Missing => "missing: put it back, or say --used-up-to or --unused".to_owned(),
        MarkReport::NotBegun => "none yet".to_owned(),
        MarkReport::FreeFrom(0) => "unused".to_owned(),
        MarkReport::FreeFrom(epoch) => format!("signs from epoch {epoch} on"),
        MarkReport::Unusable(why) => why.clone(),
    }
}
