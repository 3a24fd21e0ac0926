//! Which devnet a command is about.

use std::path::PathBuf;

/// Which devnet.
#[derive(Debug, clap::Args)]
pub(super) struct Which {
    /// The devnet's directory [default: that of the one that runs in a temporary directory]
    #[arg(long, value_name = "DIR")]
    pub(super) data_dir: Option<PathBuf>,
}
