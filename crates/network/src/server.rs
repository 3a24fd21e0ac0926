//! Serves blocks to peers, off the service's own task since the chain's store may be on a disk.

use std::collections::{HashSet, VecDeque};

use libp2p::request_response::ResponseChannel;
use quartet_chain::ChainReader;
use quartet_types::Root;
use ssz::Encode as _;
use tokio::task::JoinSet;
use tracing::{debug, warn};

use crate::{
    protocol::{BlocksResponse, ErrorReply},
    wire::ResultCode,
};

/// Requests that are worked on at a time.
const MAX_ACTIVE: usize = 2;
/// Requests that may wait.
const MAX_WAITING: usize = 32;
/// When a response has this many bytes, it ends; the peer asks again for the rest.
const MAX_RESPONSE_BYTES: usize = 8 << 20;

type Channel = ResponseChannel<BlocksResponse>;

/// Looks up blocks for peers, some at a time.
#[derive(Debug)]
pub(crate) struct BlockServer {
    reader: ChainReader,
    waiting: VecDeque<(Channel, Vec<Root>)>,
    active: JoinSet<(Channel, BlocksResponse)>,
}

impl BlockServer {
    pub(crate) fn new(reader: ChainReader) -> Self {
        Self {
            reader,
            waiting: VecDeque::new(),
            active: JoinSet::new(),
        }
    }

    /// Takes a request on, or hands the channel back when there are too many.
    pub(crate) fn request(&mut self, channel: Channel, roots: Vec<Root>) -> Result<(), Channel> {
        if self.waiting.len() >= MAX_WAITING {
            return Err(channel);
        }
        self.waiting.push_back((channel, roots));
        self.start();
        Ok(())
    }

    /// Waits for the next response; forever when nothing is asked.
    pub(crate) async fn next(&mut self) -> (Channel, BlocksResponse) {
        loop {
            match self.active.join_next().await {
                Some(Ok(response)) => {
                    self.start();
                    return response;
                }
                // Its channel is gone, which the peer sees as a stream without an answer.
                Some(Err(error)) => warn!(%error, "a look-up of blocks for a peer broke off"),
                None => std::future::pending().await,
            }
            self.start();
        }
    }

    fn start(&mut self) {
        while self.active.len() < MAX_ACTIVE
            && let Some((channel, roots)) = self.waiting.pop_front()
        {
            // It may have waited longer than the peer did.
            if channel.is_open() {
                let reader = self.reader.clone();
                (self.active).spawn_blocking(move || (channel, look_up(&reader, &roots)));
            }
        }
    }
}

/// The blocks that we have, in the order they were asked for. The one we started from is left out, since
/// its signatures are not known.
fn look_up(reader: &ChainReader, roots: &[Root]) -> BlocksResponse {
    let mut blocks = Vec::new();
    let mut seen = HashSet::new();
    let mut bytes = 0;
    for root in roots {
        if !seen.insert(root) || bytes >= MAX_RESPONSE_BYTES {
            continue;
        }
        match reader.block(*root) {
            Ok(Some(block)) if !block.signature.is_empty() => {
                bytes += block.ssz_bytes_len();
                blocks.push(block);
            }
            Ok(_) => debug!(%root, "a peer asked for a block that we do not have"),
            Err(error) if blocks.is_empty() => {
                warn!(%error, "cannot serve blocks");
                return Err(ErrorReply::new(
                    ResultCode::ServerError,
                    "no access to blocks",
                ));
            }
            Err(error) => {
                warn!(%error, "cannot serve all blocks that were asked for");
                break;
            }
        }
    }
    Ok(blocks)
}
