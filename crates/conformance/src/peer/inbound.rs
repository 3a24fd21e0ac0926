//! The streams that the node opens: requests are answered, gossip is logged.

use std::{sync::Arc, time::Duration};

use futures::{AsyncReadExt as _, AsyncWriteExt as _};
use libp2p::Stream;
use parking_lot::Mutex;
use quartet_types::{Root, Status};
use ssz::{Decode as _, Encode as _};
use tokio::time::timeout;

use super::{BLOCKS_BY_ROOT, STATUS, ServedBlocks};
use crate::{
    frames::{self, read_payload, read_varint},
    gossip_log::Log,
};

/// How long an exchange may take.
const EXCHANGE: Duration = Duration::from_secs(10);
/// The longest request that is read.
const MAX_REQUEST: usize = 64 << 10;
/// The longest RPC that is listened to.
const MAX_RPC: u64 = 32 << 20;
/// An RPC is read in pieces of this many bytes, so that memory is not allocated for a mere announced length.
const PIECE: u64 = 64 << 10;

/// The inbound streams of one peer.
pub(super) struct InboundStreams {
    pub(super) log: Arc<Log>,
    pub(super) served: Arc<Mutex<ServedBlocks>>,
    pub(super) claim: Option<Status>,
}

impl InboundStreams {
    /// Takes a stream, in a task of its own, which ends with the connection.
    pub(super) fn receive(&self, protocol: &str, stream: Stream) {
        let (log, served) = (self.log.clone(), self.served.clone());
        match protocol {
            STATUS => {
                served.lock().statuses += 1;
                if let Some(claim) = self.claim {
                    tokio::spawn(timeout(EXCHANGE, tell(stream, claim)));
                }
            }
            BLOCKS_BY_ROOT => {
                tokio::spawn(timeout(EXCHANGE, serve(stream, served)));
            }
            _ => {
                tokio::spawn(listen(stream, log));
            }
        }
    }
}

async fn tell(mut stream: Stream, claim: Status) {
    if read_payload(&mut stream, MAX_REQUEST).await.is_ok() {
        let answer = frames::answer(0, &claim.as_ssz_bytes());
        // The node may have left.
        let _ = stream.write_all(&answer).await;
        let _ = stream.close().await;
    }
}

async fn serve(mut stream: Stream, served: Arc<Mutex<ServedBlocks>>) {
    let Ok(ssz) = read_payload(&mut stream, MAX_REQUEST).await else {
        return;
    };
    let roots = Vec::<Root>::from_ssz_bytes(&ssz).unwrap_or_default();
    let answer: Vec<u8> = {
        let mut served = served.lock();
        served.note(roots.iter().copied());
        let chunks = roots.iter().filter_map(|root| served.blocks.get(root));
        chunks.flatten().copied().collect()
    };
    // The node may have left.
    let _ = stream.write_all(&answer).await;
    let _ = stream.close().await;
}

async fn listen(mut stream: Stream, log: Arc<Log>) {
    while let Ok(length @ 1..=MAX_RPC) = read_varint(&mut stream).await {
        let mut bytes = Vec::new();
        while (bytes.len() as u64) < length {
            let piece = PIECE.min(length - bytes.len() as u64);
            match (&mut stream).take(piece).read_to_end(&mut bytes).await {
                Ok(1..) => {}
                _ => return,
            }
        }
        log.hear(&bytes);
    }
}
