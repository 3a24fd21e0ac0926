//! A peer of the checker's: one connection with the node, on which the checker opens and answers every stream itself.

mod inbound;
mod streams;
mod swarm;

use std::{collections::HashMap, sync::Arc, time::Duration};

use futures::channel::oneshot;
use libp2p::{Multiaddr, PeerId, Stream, StreamProtocol, identity::Keypair};
use parking_lot::Mutex;
use quartet_types::{Root, Status};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time::timeout,
};

use crate::gossip_log::Log;
pub(crate) use streams::OpenError;
#[cfg(test)]
pub(crate) use streams::Streams;
pub(crate) use streams::Wanted;
pub(crate) use swarm::ConnectError;

/// How long a disconnect may take.
const DISCONNECT_TIMEOUT: Duration = Duration::from_millis(500);
/// Requests of the node's that are remembered.
const MAX_ASKED: usize = 1024;

/// The protocols of requests and of gossip.
pub(crate) const STATUS: &str = "/leanconsensus/req/status/1/ssz_snappy";
/// See [`STATUS`].
pub(crate) const BLOCKS_BY_ROOT: &str = "/leanconsensus/req/blocks_by_root/1/ssz_snappy";
/// The versions of gossipsub, the newest first.
pub(crate) const MESHSUB: [&str; 3] = ["/meshsub/1.2.0", "/meshsub/1.1.0", "/meshsub/1.0.0"];

/// The identity and behaviour of a peer.
#[derive(Clone, Debug)]
pub(crate) struct PeerConfig {
    pub(crate) key: Keypair,
    /// What identify says: the version that tells how long slots last. Without it, identify is not answered.
    pub(crate) protocol_version: Option<String>,
    /// The status that it claims; without one it does not answer status requests.
    pub(crate) claim: Option<Status>,
    /// Bytes that the node may have under way to it on a stream.
    pub(crate) window: Option<u32>,
}

impl PeerConfig {
    /// A new identity that claims this status.
    pub(crate) fn new(protocol_version: &str, claim: Status) -> Self {
        Self {
            key: Keypair::generate_secp256k1(),
            protocol_version: Some(protocol_version.into()),
            claim: Some(claim),
            window: None,
        }
    }
}

/// The blocks that a peer serves, and what the node has requested.
#[derive(Debug, Default)]
pub(crate) struct ServedBlocks {
    /// Chunks of blocks, by root.
    pub(crate) blocks: HashMap<Root, Vec<u8>>,
    /// The roots that the node has asked for.
    pub(crate) asked: Vec<Root>,
    /// How often it has told its status.
    pub(crate) statuses: usize,
}

impl ServedBlocks {
    fn note(&mut self, roots: impl IntoIterator<Item = Root>) {
        let room = MAX_ASKED.saturating_sub(self.asked.len());
        self.asked.extend(roots.into_iter().take(room));
    }
}

/// A command to a peer's swarm.
enum Command {
    Open(Wanted),
    Disconnect,
}

/// A connected peer. It disconnects when it is dropped.
#[derive(Debug)]
pub(crate) struct Peer {
    /// The node's identity.
    pub(crate) node: PeerId,
    /// Its own.
    pub(crate) key: Keypair,
    commands: mpsc::Sender<Command>,
    connections: watch::Receiver<usize>,
    /// The gossip that it has received.
    pub(crate) log: Arc<Log>,
    pub(crate) served: Arc<Mutex<ServedBlocks>>,
    task: JoinHandle<()>,
}

impl Drop for Peer {
    fn drop(&mut self) {
        if self.commands.try_send(Command::Disconnect).is_err() {
            self.task.abort();
        }
    }
}

impl Peer {
    /// Dials the node.
    ///
    /// # Errors
    /// When there is no connection in time.
    pub(crate) async fn connect(
        address: Multiaddr,
        config: PeerConfig,
        answer_timeout: Duration,
    ) -> Result<Self, ConnectError> {
        swarm::connect(address, config, answer_timeout).await
    }

    /// Opens a stream.
    ///
    /// # Errors
    /// When the node does not speak the protocol, or the connection is gone.
    pub(crate) async fn open(&self, protocol: &str) -> Result<Stream, OpenError> {
        let (opened, stream) = oneshot::channel();
        let protocol = StreamProtocol::try_from_owned(protocol.to_owned())
            .map_err(|error| OpenError::Stream(error.to_string()))?;
        let wanted = Command::Open(Wanted { protocol, opened });
        if self.commands.send(wanted).await.is_err() {
            return Err(OpenError::Gone);
        }
        stream.await.unwrap_or(Err(OpenError::Gone))
    }

    /// Whether it is connected.
    pub(crate) fn is_connected(&self) -> bool {
        *self.connections.borrow() > 0
    }

    /// Waits until the node has closed the connection; false when it has not in this time.
    pub(crate) async fn is_disconnected_within(&self, answer_timeout: Duration) -> bool {
        let mut connections = self.connections.clone();
        let gone = connections.wait_for(|open| *open == 0);
        timeout(answer_timeout, gone).await.is_ok()
    }

    /// Closes the connection, and waits until it is closed.
    pub(crate) async fn disconnect(self) {
        let _ = self.commands.send(Command::Disconnect).await;
        self.is_disconnected_within(DISCONNECT_TIMEOUT).await;
    }

    /// Ends without closing the connection, like a killed process.
    pub(crate) fn kill(self) {
        self.task.abort();
    }
}
