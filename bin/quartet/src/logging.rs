//! Logs: to standard error, one line each, as much as the operator asks for.

use std::io::IsTerminal as _;

use anyhow::Context as _;
use tracing_subscriber::EnvFilter;

/// Libraries that speak of their own affairs at info.
const QUIET: &str = "libp2p=warn,quinn=warn,libp2p_gossipsub=error,libp2p_request_response=error";

/// Starts to log. `level` is a level (`info`) or a filter as of the tracing crate
/// (`info,quartet_network=debug`).
pub(crate) fn start(level: &str) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(format!("{QUIET},{level}"))
        .with_context(|| format!("--log {level}: neither a level nor a filter"))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .try_init()
        .map_err(|error| anyhow::anyhow!("cannot start to log: {error}"))
}
