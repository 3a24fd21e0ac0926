//! One line per slot for the operator.

use quartet_chain::{ChainEvent, EventBus, Peers, SharedChain, SyncState};
use quartet_types::Slot;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// Slots without finality after which each further line is a warning.
const FINALITY_LATE: u64 = 8;

/// Logs the chain's progress at the end of each slot until it is told to stop.
pub(crate) async fn run(
    events: EventBus,
    chain: SharedChain,
    peers: Peers,
    stop: CancellationToken,
) {
    let mut watch = events.watch();
    loop {
        let event = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            event = watch.recv() => event,
        };
        match event {
            Ok(ChainEvent::SlotEnd(slot)) => log(slot, &chain, &peers),
            Ok(_) | Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return,
        }
    }
}

fn log(slot: Slot, chain: &SharedChain, peers: &Peers) {
    let (view, sync) = {
        let chain = chain.read();
        (chain.view(), chain.sync_state())
    };
    let root = short(view.head.root);
    let (head, justified, finalized) = (view.head.slot, view.justified.slot, view.finalized.slot);
    let peers = peers.count();
    let behind = slot.saturating_sub(finalized);
    match sync {
        SyncState::Syncing { target } => {
            info!(slot, head, %root, justified, finalized, peers, target, "catching up");
        }
        _ if behind > FINALITY_LATE => {
            warn!(slot, head, %root, justified, finalized, peers, behind, "no finality");
        }
        _ => info!(slot, head, %root, justified, finalized, peers, "slot"),
    }
}

/// A root as people compare them: `0x12ab…89ef`.
fn short(root: quartet_types::Root) -> String {
    let hex = const_hex::encode(root);
    format!("0x{}…{}", &hex[..4], &hex[60..])
}
