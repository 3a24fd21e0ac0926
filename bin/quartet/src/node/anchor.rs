//! The anchor that the chain begins with: genesis, or a checkpoint of other nodes.

use std::time::Duration;

use anyhow::Context as _;
use quartet_chain::LeanChain;
use quartet_checkpoint::{Anchor, Fetched, Limits, Network, ServerUrl, fetch};
use quartet_clock::Clock;
use quartet_storage::{Database, Started};
use quartet_types::State;
use quartet_xmss::Scheme;
use tracing::{info, warn};

/// How long a node that has a chain of its own waits for something to compare it with: its validators have duties.
const COMPARISON: Limits = Limits {
    connect: Duration::from_secs(2),
    head: Duration::from_secs(4),
    idle: Duration::from_secs(2),
    total: Duration::from_secs(8),
    patience: Duration::from_secs(1),
};

/// The chain to begin with if the database is new; otherwise the database decides, as long as no checkpoint contradicts it.
///
/// # Errors
/// When no server gives a checkpoint that holds and there is no chain in the database, or the two contradict each other.
pub(super) async fn begin(
    servers: &[ServerUrl],
    store: &Database,
    genesis: State,
    clock: &Clock,
) -> anyhow::Result<LeanChain> {
    if servers.is_empty() {
        return Ok(LeanChain::from_genesis(genesis));
    }
    let own = store.finalized()?;
    let network = Network {
        genesis: genesis.clone(),
        clock: clock.clone(),
        scheme: Scheme::Production,
    };
    let limits = own.map_or_else(Limits::default, |_| COMPARISON);
    let fetched = match (fetch(servers, network, limits).await, own) {
        (Ok(fetched), _) => fetched,
        (Err(error), Some(own)) => {
            warn!(%error, finalized = own.slot, "no checkpoint to compare with; going on with the data directory's chain");
            return Ok(LeanChain::from_genesis(genesis));
        }
        (Err(error), None) => {
            return Err(error).context(
                "--checkpoint-sync-url: without it, the node starts from genesis and fetches all blocks from its peers",
            );
        }
    };
    let Fetched::Anchor(anchor) = fetched else {
        info!("nothing after genesis is finalized yet; starting from there");
        return Ok(LeanChain::from_genesis(genesis));
    };
    let Anchor {
        block,
        state,
        checkpoint,
    } = *anchor;
    let chain = LeanChain::from_anchor(block, state);
    match chain.write_anchor(store).context("--checkpoint-sync-url")? {
        Started::Here => info!(slot = checkpoint.slot, "starting from the checkpoint"),
        Started::Behind => info!(
            slot = checkpoint.slot,
            "the data directory's chain has the checkpoint; going on with it"
        ),
        Started::Ahead => info!(
            slot = checkpoint.slot,
            finalized = own.map_or(0, |own| own.slot),
            "the checkpoint builds on the data directory's chain; going on with that, blocks between are fetched from peers"
        ),
    }
    Ok(chain)
}
