//! Asking all servers at the same time, and comparing what they say.

use std::{sync::Arc, time::Duration};

use quartet_types::{Checkpoint, Slot};
use tokio::{
    sync::Semaphore,
    task::JoinSet,
    time::{Instant, timeout_at},
};
use tracing::{info, warn};

use crate::{
    Anchor, CheckpointError, Claim, Limits, MOST_SERVERS, Network, Refusal, ServerUrl,
    client::Client,
    server::{Answer, ServerQuery},
};

/// Slots without finality after which a checkpoint is worth a warning: for so long do peers keep blocks to catch up
/// with.
const OLD: u64 = 3_600;

/// What the servers have.
#[derive(Debug)]
pub enum Fetched {
    /// Nothing after genesis is finalized: a node starts there.
    Genesis,
    /// The newest checkpoint, on whose chain those of the other servers are.
    Anchor(Box<Anchor>),
}

/// The best answer so far.
struct Best {
    url: String,
    checkpoint: Checkpoint,
    /// None for genesis.
    anchor: Option<Box<Anchor>>,
}

/// Asks all `servers` for their finalized block and the state after it. Those that fail are passed over with a warning;
/// the others must be on one chain, of which the newest checkpoint is taken.
///
/// Peak of memory, beside the result: what the servers send (a state and a block each, for a liar 13 and 10 MB), and
/// one further decoded state.
///
/// # Errors
/// When no server gives a checkpoint that holds, or two give such of different chains.
pub async fn fetch(
    servers: &[ServerUrl],
    network: Network,
    limits: Limits,
) -> Result<Fetched, CheckpointError> {
    let client = Client::new(limits)
        .map_err(|error| CheckpointError::NoneUsable(vec![("TLS".to_owned(), error)]))?;
    fetch_with(client, servers, network).await
}

pub(crate) async fn fetch_with(
    client: Client,
    servers: &[ServerUrl],
    network: Network,
) -> Result<Fetched, CheckpointError> {
    match servers.len() {
        0 => return Err(CheckpointError::NoServers),
        1..=MOST_SERVERS => {}
        found => return Err(CheckpointError::TooManyServers { found }),
    }
    let limits = client.limits;
    let current_slot = network.clock.slot();
    let query = ServerQuery {
        client,
        network: Arc::new(network),
        checks: Arc::new(Semaphore::new(1)),
    };
    // Dropped with this future, which ends the tasks.
    let mut asked = JoinSet::new();
    for url in servers {
        let (url, query) = (url.clone(), query.clone());
        info!(server = %url, "asking for the finalized checkpoint");
        asked.spawn(async move {
            let outcome = query.run(&url).await;
            (url.to_string(), outcome)
        });
    }

    let mut best: Option<Best> = None;
    let mut refusals = Vec::new();
    let mut end = Instant::now() + limits.total + FOR_CHECKS;
    while let Ok(Some(joined)) = timeout_at(end, asked.join_next()).await {
        match joined {
            Ok((url, Ok(answer))) => {
                let answer = Best::new(url, answer);
                info!(server = answer.url, slot = answer.checkpoint.slot, root = %answer.checkpoint.root, "has a checkpoint that holds");
                end = end.min(Instant::now() + limits.patience);
                best = Some(match best {
                    Some(best) => best.newer_of(answer)?,
                    None => answer,
                });
            }
            Ok((url, Err(refusal))) => {
                warn!(server = url, reason = %refusal, "a checkpoint server is passed over");
                refusals.push((url, refusal));
            }
            Err(failure) => {
                let refusal = Refusal::Failed(failure.to_string());
                refusals.push(("a server".to_owned(), refusal));
            }
        }
    }
    if !asked.is_empty() {
        let late = asked.len();
        warn!(
            late,
            "not all checkpoint servers have answered in time; going on without them"
        );
    }
    let best = best.ok_or(CheckpointError::NoneUsable(refusals))?;
    Ok(best.into_fetched(current_slot))
}

/// What checking the answers may take beyond the time for getting them, so that a server's own time-out is what is
/// reported.
const FOR_CHECKS: Duration = Duration::from_secs(30);

impl Best {
    fn new(url: String, answer: Answer) -> Self {
        let (checkpoint, anchor) = match answer {
            Answer::Genesis(checkpoint) => (checkpoint, None),
            Answer::Anchor(anchor) => (anchor.checkpoint, Some(anchor)),
        };
        Self {
            url,
            checkpoint,
            anchor,
        }
    }

    /// The newer of both, which must have the older one in its chain. As a block's root covers its state and so its
    /// history, the order of the answers does not matter.
    fn newer_of(self, other: Self) -> Result<Self, CheckpointError> {
        let (newer, older) = if other.checkpoint.slot > self.checkpoint.slot {
            (other, self)
        } else {
            (self, other)
        };
        let agrees = match &newer.anchor {
            Some(anchor) => anchor.has(older.checkpoint),
            // Both are our genesis.
            None => newer.checkpoint == older.checkpoint,
        };
        if agrees {
            return Ok(newer);
        }
        let claim = |best: Self| {
            Box::new(Claim {
                server: best.url,
                checkpoint: best.checkpoint,
            })
        };
        let (newer, older) = (claim(newer), claim(older));
        Err(CheckpointError::Disagree { newer, older })
    }

    fn into_fetched(self, current_slot: Slot) -> Fetched {
        let Some(anchor) = self.anchor else {
            info!("nothing is finalized yet; starting from genesis");
            return Fetched::Genesis;
        };
        let age = anchor.age(current_slot);
        let (slot, root) = (self.checkpoint.slot, self.checkpoint.root);
        info!(server = self.url, slot, %root, age, "the checkpoint to go by");
        if age > OLD {
            warn!(
                age,
                "the checkpoint is old: either the network has not finalized since, or the server is behind; compare with another one"
            );
        }
        Fetched::Anchor(anchor)
    }
}
