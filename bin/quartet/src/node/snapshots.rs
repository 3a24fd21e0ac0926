//! Snapshots of the final chain, written while the node goes on.

use std::{path::PathBuf, sync::Arc};

use quartet_chain::{ChainEvent, EventBus};
use quartet_storage::{
    Database,
    snapshot::{SnapshotError, Summary, file_name, keep_newest, write},
};
use quartet_types::Slot;
use tokio::{sync::broadcast::error::RecvError, task::JoinError};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// When and where.
#[derive(Clone, Debug)]
pub(super) struct SnapshotConfig {
    /// Slots that finality has to move on.
    pub(super) every: Slot,
    pub(super) directory: PathBuf,
    /// How many are kept.
    pub(super) keep: usize,
}

/// Writes them until it is told to stop. One that cannot be written is a warning: the node does not depend on it.
pub(super) async fn run(
    config: SnapshotConfig,
    store: Arc<Database>,
    events: EventBus,
    stop: CancellationToken,
) -> Result<(), JoinError> {
    let mut events = events.watch();
    let mut last: Slot = 0;
    loop {
        let finalized = tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(()),
            event = events.recv() => match event {
                Ok(ChainEvent::Finalized(finalized)) => finalized.slot,
                // A missed event is no loss: the next one leads to a snapshot as well.
                Ok(_) | Err(RecvError::Lagged(_)) => continue,
                Err(RecvError::Closed) => return Ok(()),
            },
        };
        if finalized < last + config.every {
            continue;
        }
        last = finalized;
        let (config, store) = (config.clone(), store.clone());
        match tokio::task::spawn_blocking(move || take(&config, &store)).await? {
            Ok(Some(Summary {
                anchor,
                blocks,
                bytes,
                ..
            })) => {
                info!(slot = anchor.slot, blocks, bytes, "wrote a snapshot");
            }
            Ok(None) => {}
            Err(error) => warn!(%error, "a snapshot cannot be written; trying again later"),
        }
    }
}

/// Writes one, unless it is there: the block that a node can start from moves in larger steps than finality.
fn take(config: &SnapshotConfig, store: &Database) -> Result<Option<Summary>, SnapshotError> {
    let directory = &config.directory;
    let failed = |source| SnapshotError::Io {
        path: directory.clone(),
        source,
    };
    let Some(anchor) = store.anchor()? else {
        return Ok(None);
    };
    std::fs::create_dir_all(directory).map_err(failed)?;
    let path = directory.join(file_name(anchor));
    if path.exists() {
        return Ok(None);
    }
    let summary = write(store, &path)?;
    keep_newest(directory, config.keep).map_err(failed)?;
    Ok(Some(summary))
}
