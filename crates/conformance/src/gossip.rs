//! Gossipsub as far as a checker needs it: it says and hears everything itself, and keeps no mesh.

use std::time::Duration;

use futures::AsyncWriteExt as _;
use libp2p::Stream;
use sha2::{Digest as _, Sha256};
use tokio::{sync::Mutex, time::timeout};

use crate::{
    frames::{unblock, varint},
    gossip_log::{
        Log,
        rpc::{Message, Rpc},
    },
    peer::{MESHSUB, OpenError, Peer},
};

/// How long the node may take to take an RPC.
const WRITING: Duration = Duration::from_secs(10);

/// Domains of message ids.
const VALID_SNAPPY: [u8; 4] = [1, 0, 0, 0];
const INVALID_SNAPPY: [u8; 4] = [0, 0, 0, 0];

/// The id of a message as it travels, by the specification.
pub(crate) fn message_id(topic: &str, data: &[u8]) -> Vec<u8> {
    match unblock(data) {
        Some(plain) => id_in(VALID_SNAPPY, topic, &plain),
        None => id_in(INVALID_SNAPPY, topic, data),
    }
}

/// Message ids that result from known mistakes, each with the mistake.
pub(crate) fn mistaken_ids(topic: &str, data: &[u8]) -> [(&'static str, Vec<u8>); 4] {
    let plain = unblock(data).unwrap_or_default();
    let length = topic.len() as u64;
    [
        (
            "the topic's length in big-endian order",
            hashed(&[
                &VALID_SNAPPY,
                &length.to_be_bytes(),
                topic.as_bytes(),
                &plain,
            ]),
        ),
        ("without the topic", hashed(&[&VALID_SNAPPY, &plain])),
        (
            "over compressed data in the domain of valid snappy",
            id_in(VALID_SNAPPY, topic, data),
        ),
        (
            "over compressed data in the domain of invalid snappy",
            id_in(INVALID_SNAPPY, topic, data),
        ),
    ]
}

fn id_in(domain: [u8; 4], topic: &str, data: &[u8]) -> Vec<u8> {
    let length = (topic.len() as u64).to_le_bytes();
    hashed(&[&domain, &length, topic.as_bytes(), data])
}

fn hashed(parts: &[&[u8]]) -> Vec<u8> {
    let mut hasher = Sha256::new();
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize()[..20].to_vec()
}

/// A peer that gossips.
#[derive(Debug)]
pub(crate) struct Gossip {
    pub(crate) peer: Peer,
    out: Mutex<Stream>,
    /// The version that the node speaks with it.
    pub(crate) version: &'static str,
}

impl Gossip {
    /// Begins to gossip in the newest version that both speak.
    ///
    /// # Errors
    /// When the node does not speak gossipsub.
    pub(crate) async fn begin(peer: Peer) -> Result<Self, OpenError> {
        for version in MESHSUB {
            match peer.open(version).await {
                Err(OpenError::Unsupported) => {}
                opened => {
                    let out = Mutex::new(opened?);
                    return Ok(Self { peer, out, version });
                }
            }
        }
        Err(OpenError::Unsupported)
    }

    /// Sends an RPC; false when the node does not take it.
    pub(crate) async fn send(&self, rpc: &Rpc) -> bool {
        let bytes = rpc.encode();
        let framed = [varint(bytes.len() as u64), bytes].concat();
        self.send_bytes(&framed).await
    }

    /// Sends bytes as they are.
    pub(crate) async fn send_bytes(&self, bytes: &[u8]) -> bool {
        let mut out = self.out.lock().await;
        let written = timeout(WRITING, async {
            out.write_all(bytes).await?;
            out.flush().await
        });
        matches!(written.await, Ok(Ok(())))
    }

    /// Subscribes to topics, and asks to be in their meshes.
    pub(crate) async fn join(&self, topics: &[String]) -> bool {
        let subscriptions = topics.iter().map(|topic| (true, topic.clone())).collect();
        let subscribed = Rpc {
            subscriptions,
            ..Rpc::default()
        };
        let graft = Rpc {
            graft: topics.to_vec(),
            ..Rpc::default()
        };
        self.send(&subscribed).await && self.send(&graft).await
    }

    /// Publishes data that are compressed already.
    pub(crate) async fn publish(&self, topic: &str, data: Vec<u8>) -> bool {
        self.publish_message(Message::new(topic, data)).await
    }

    /// Publishes a message as it is.
    pub(crate) async fn publish_message(&self, message: Message) -> bool {
        let publish = vec![message];
        self.send(&Rpc {
            publish,
            ..Rpc::default()
        })
        .await
    }

    /// The messages that it has received.
    pub(crate) fn log(&self) -> &Log {
        &self.peer.log
    }
}
