//! `quartet db info`.

use clap::Args;
use quartet_storage::Info;
use quartet_types::Checkpoint;
use serde_json::{Value, json};

use super::DataDir;
use crate::keys::{print, table};

/// The arguments of `quartet db info`.
#[derive(Debug, Args)]
pub(super) struct InfoArgs {
    #[command(flatten)]
    data: DataDir,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl InfoArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let info = self.data.open()?.info()?;
        if self.json {
            print(&serde_json::to_string_pretty(&as_json(&info))?)
        } else {
            print(&as_text(&info))
        }
    }
}

fn as_json(info: &Info) -> Value {
    let tables = info.tables.iter().map(|table| {
        let content = json!({ "rows": table.rows, "bytes": table.bytes });
        (table.name.to_owned(), content)
    });
    json!({
        "format": info.format,
        "network": info.network,
        "anchor": info.anchor,
        "finalized": info.finalized,
        "kept_from": info.kept_from,
        "file_bytes": info.file_bytes,
        "tables": Value::Object(tables.collect()),
    })
}

fn as_text(info: &Info) -> String {
    let checkpoint = |at: Option<Checkpoint>| match at {
        Some(Checkpoint { root, slot }) => format!("slot {slot}, {root}"),
        None => "none: it has not been started".to_owned(),
    };
    let kept = match info.kept_from {
        Some(slot) => format!("slot {slot}"),
        None => "none".to_owned(),
    };
    let facts = [
        ["format".to_owned(), info.format.to_string()],
        ["network".to_owned(), info.network.to_string()],
        ["anchor".to_owned(), checkpoint(info.anchor)],
        ["finalized".to_owned(), checkpoint(info.finalized)],
        ["oldest kept".to_owned(), kept],
        ["file".to_owned(), format!("{} bytes", info.file_bytes)],
    ];
    let mut rows = vec![["table", "rows", "bytes"].map(str::to_owned)];
    rows.extend(info.tables.iter().map(|table| {
        let (rows, bytes) = (table.rows.to_string(), table.bytes.to_string());
        [table.name.to_owned(), rows, bytes]
    }));
    format!("{}\n{}", table(&facts), table(&rows))
}
