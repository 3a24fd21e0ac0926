//! `quartet db export` and `import`.

use std::path::PathBuf;

use clap::Args;
use quartet_config::GenesisConfig;
use quartet_storage::snapshot::{self, Summary};

use super::DataDir;
use crate::keys::print;

/// The arguments of `quartet db export`.
#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    #[command(flatten)]
    data: DataDir,
    /// The file to write; it is replaced once the new one is complete and verified.
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

impl ExportArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let summary = snapshot::write(&self.data.open()?, &self.file)?;
        print(&format!("exported {}", describe(&summary)))
    }
}

/// The arguments of `quartet db import`.
#[derive(Debug, Args)]
pub(super) struct ImportArgs {
    #[command(flatten)]
    data: DataDir,
    /// The network's config.yaml: the snapshot must be of its genesis.
    #[arg(
        long,
        visible_alias = "network",
        value_name = "FILE",
        env = "QUARTET_GENESIS"
    )]
    genesis: PathBuf,
    /// What `export` wrote. The signatures in it are not verified: take it from whom you trust.
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

impl ImportArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let config = GenesisConfig::read(&self.genesis)?;
        let summary = snapshot::import(&self.file, &self.data.database(), &config.state()?)?;
        if !config.slot_duration.is_default() {
            // The snapshot does not say it.
            self.data.open()?.set_slot_duration(config.slot_duration)?;
        }
        print(&format!("imported {}", describe(&summary)))
    }
}

fn describe(summary: &Summary) -> String {
    let Summary {
        anchor,
        blocks,
        oldest,
        bytes,
        ..
    } = summary;
    format!(
        "{blocks} finalized blocks, from slot {oldest} to {}, {bytes} bytes; a node starts from {}",
        anchor.slot, anchor.root
    )
}
