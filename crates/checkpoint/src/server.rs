//! Asking one server for its finalized block and the state after it.

use std::sync::Arc;

use quartet_types::{Checkpoint, SignedBlockWithAttestation, State};
use ssz::Decode as _;
use tokio::{sync::Semaphore, task, time::Instant};
use tracing::{debug, info};

use crate::{
    Anchor, Mismatch, Network, Refusal, ServerUrl,
    client::Client,
    exchange::BoundedRequest,
    limits::{MAX_BLOCK, state_bytes},
    url::{BLOCK_PATH, STATE_PATH},
};

/// How often both are asked for, when finality moves between the two.
const ATTEMPTS: usize = 3;

/// What a server has.
#[derive(Debug)]
pub(crate) enum Answer {
    /// The network has finalized nothing after its genesis.
    Genesis(Checkpoint),
    /// A checkpoint that holds.
    Anchor(Box<Anchor>),
}

/// What all queries share.
#[derive(Clone)]
pub(crate) struct ServerQuery {
    pub(crate) client: Client,
    pub(crate) network: Arc<Network>,
    /// One answer is decoded and checked at a time: in memory a state is many times its bytes.
    pub(crate) checks: Arc<Semaphore>,
}

impl ServerQuery {
    /// Asks `url`.
    pub(crate) async fn run(&self, url: &ServerUrl) -> Result<Answer, Refusal> {
        let end = Instant::now() + self.client.limits.total;
        let mut attempt = 1;
        loop {
            // The block first: it is small, so that there is hardly any time between the two.
            let block = match self.block(url, end).await {
                Err(why) if !is_absent(&why) => return Err(why),
                block => block,
            };
            let state = self.state(url, end).await?;
            match self.check(block, state).await {
                Err(Refusal::Mismatch(Mismatch::Pair { .. })) if attempt < ATTEMPTS => {
                    attempt += 1;
                    debug!(server = %url, attempt, "finality moved on in between; asking again");
                }
                outcome => return outcome,
            }
        }
    }

    async fn block(&self, url: &ServerUrl, end: Instant) -> Result<Vec<u8>, Refusal> {
        let ask = BoundedRequest {
            name: BLOCK_PATH,
            path: &url.path(BLOCK_PATH),
            limit: MAX_BLOCK,
            end,
        };
        self.client.get(url, ask).await
    }

    async fn state(&self, url: &ServerUrl, end: Instant) -> Result<Vec<u8>, Refusal> {
        let expected = self.network.expected();
        let ask = BoundedRequest {
            name: STATE_PATH,
            path: &url.path(STATE_PATH),
            limit: state_bytes(expected.current_slot, expected.validators),
            end,
        };
        let bytes = self.client.get(url, ask).await?;
        info!(server = %url, bytes = bytes.len(), "downloaded a finalized state; checking it");
        Ok(bytes)
    }

    /// Decodes and checks both, on a thread that may compute.
    async fn check(
        &self,
        block: Result<Vec<u8>, Refusal>,
        state: Vec<u8>,
    ) -> Result<Answer, Refusal> {
        let failed = |error: &dyn std::fmt::Display| Refusal::Failed(error.to_string());
        let permit = Arc::clone(&self.checks).acquire_owned().await;
        let permit = permit.map_err(|error| failed(&error))?;
        let network = Arc::clone(&self.network);
        let done = task::spawn_blocking(move || {
            let _permit = permit;
            check_answer(&network, block, state)
        });
        done.await.map_err(|error| failed(&error))?
    }
}

fn check_answer(
    network: &Network,
    block: Result<Vec<u8>, Refusal>,
    state: Vec<u8>,
) -> Result<Answer, Refusal> {
    network.expected().check(&state)?;
    let decoded = State::from_ssz_bytes(&state);
    drop(state);
    let state = decoded.map_err(|error| Mismatch::State(format!("{error:?}")))?;
    let state = network.check_state(state)?;
    if state.is_genesis {
        return Ok(Answer::Genesis(state.checkpoint));
    }
    let block = block.map_err(|why| Refusal::NoBlock(Box::new(why)))?;
    let block = SignedBlockWithAttestation::from_ssz_bytes(&block)
        .map_err(|error| Mismatch::Block(format!("{error:?}")))?;
    Ok(Answer::Anchor(Box::new(network.check_block(block, state)?)))
}

/// Whether a server says that it does not have it, rather than that something went wrong. Some say so of the genesis
/// block.
const fn is_absent(why: &Refusal) -> bool {
    matches!(why, Refusal::Status { .. } | Refusal::Form { .. })
}
