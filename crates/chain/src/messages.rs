//! What the services say to each other. Every channel is bounded.

use std::sync::Arc;

use metrics::counter;
use quartet_sync::Action;
use quartet_types::{
    Root, SignedAttestation, SignedBlockWithAttestation, Slot, State, Status, ValidatorIndex,
};
use tokio::sync::{mpsc, oneshot};

use crate::{ImportError, PeerName, RequestError};

/// Blocks, duties and sync messages that may wait for the chain service.
const CHAIN_QUEUE: usize = 32;
/// Attestations from gossip that may wait for the chain service; more are dropped and counted. The network lets no more wait for a
/// verdict: one that is dropped gossip has taken note of, so that nobody brings it again.
pub const ATTESTATION_QUEUE: usize = 12_288;
/// Messages that may wait for the network service.
const NETWORK_QUEUE: usize = 256;

/// What the chain decides of an item from gossip: whether the network forwards it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Valid: forward it to other peers.
    Accept,
    /// Not forwarded, and no fault of the sender: known, outdated, or not decidable now.
    Ignore,
    /// Invalid: not forwarded, and it costs the sender score.
    Reject,
}

/// Where a verdict is sent. When it is dropped unsent, the item counts as ignored.
pub type VerdictSender = oneshot::Sender<Verdict>;

/// What the chain service is told, other than attestations from gossip.
#[derive(Debug)]
pub enum ChainMessage {
    /// A block from gossip.
    Block {
        /// The block.
        block: Arc<SignedBlockWithAttestation>,
        /// Who sent it.
        peer: PeerName,
        /// Where the verdict goes.
        verdict: VerdictSender,
    },
    /// A block that this node has built; its signatures and transition need no check.
    OwnBlock {
        /// The block.
        block: Arc<SignedBlockWithAttestation>,
        /// The state after it.
        post_state: Box<State>,
        /// Told when it is imported.
        imported: oneshot::Sender<Result<(), ImportError>>,
    },
    /// Attestations that this node has signed; their signatures need no check.
    OwnAttestations {
        /// The attestations, at most one of each validator of this node.
        attestations: Vec<SignedAttestation>,
        /// Told when they are counted: a result for each, in order.
        imported: oneshot::Sender<Vec<Result<(), ImportError>>>,
    },
    /// This node proposes in `slot`: advance to it and accept the new attestations first.
    PrepareProposal {
        /// The slot of the proposal.
        slot: Slot,
        /// Told when the chain is ready to be built on.
        ready: oneshot::Sender<()>,
    },
    /// A peer has sent its status.
    Status {
        /// The peer.
        peer: PeerName,
        /// What it says of its chain.
        status: Status,
    },
    /// A peer is gone.
    Disconnected {
        /// The peer.
        peer: PeerName,
    },
    /// The outcome of a [`NetworkMessage::RequestBlocks`] or a [`NetworkMessage::RequestRange`].
    RequestedBlocks {
        /// The request's number.
        request: u64,
        /// The blocks received, or why there are none.
        result: Result<Vec<Arc<SignedBlockWithAttestation>>, RequestError>,
    },
}

/// An attestation from gossip.
#[derive(Debug)]
pub struct GossipAttestation {
    /// The attestation.
    pub attestation: SignedAttestation,
    /// Who sent it.
    pub peer: PeerName,
    /// Where the verdict goes.
    pub verdict: VerdictSender,
}

impl GossipAttestation {
    /// Whose attestation it is, and of which slot.
    pub(crate) fn validator_and_slot(&self) -> (ValidatorIndex, Slot) {
        let message = &self.attestation.message;
        (message.validator_id, message.data.slot)
    }
}

/// What the network service is told.
#[derive(Clone, Debug)]
pub enum NetworkMessage {
    /// Publish a block of our own.
    PublishBlock(Arc<SignedBlockWithAttestation>),
    /// Publish attestations of our own.
    PublishAttestations(Vec<SignedAttestation>),
    /// Ask a peer for blocks; answer with [`ChainMessage::RequestedBlocks`].
    RequestBlocks {
        /// The request's number, which the answer repeats.
        request: u64,
        /// Whom to ask.
        peer: PeerName,
        /// Roots of the blocks, at most [`quartet_types::MAX_REQUEST_BLOCKS`].
        roots: Vec<Root>,
    },
    /// Ask a peer for the blocks of its head's chain in the slots from `start_slot` on; answer with
    /// [`ChainMessage::RequestedBlocks`]. The blocks of an answer are in these slots, in ascending order,
    /// and nothing else about them has been checked. It may end before the last block: a responder stops when an
    /// answer gets long, and what came before a stream broke counts.
    RequestRange {
        /// The request's number, which the answer repeats.
        request: u64,
        /// Whom to ask.
        peer: PeerName,
        /// The first slot.
        start_slot: Slot,
        /// How many slots, at most [`quartet_types::MAX_REQUEST_BLOCKS`]; empty ones count.
        count: u64,
    },
    /// Disconnect a peer that cannot be on our network, and do not dial it again soon.
    Disconnect {
        /// The peer.
        peer: PeerName,
        /// Why, for the log.
        reason: &'static str,
    },
    /// Lower the score of a peer that served something invalid.
    Penalize {
        /// The peer.
        peer: PeerName,
        /// Why, for the log.
        reason: &'static str,
    },
}

impl From<Action> for NetworkMessage {
    fn from(action: Action) -> Self {
        match action {
            Action::RequestBlocks {
                request,
                peer,
                roots,
            } => Self::RequestBlocks {
                request,
                peer,
                roots,
            },
            Action::RequestRange {
                request,
                peer,
                start_slot,
                count,
            } => Self::RequestRange {
                request,
                peer,
                start_slot,
                count,
            },
            Action::Disconnect { peer, reason } => Self::Disconnect { peer, reason },
            Action::Penalize { peer, reason } => Self::Penalize { peer, reason },
        }
    }
}

/// The receiver is gone: the service has stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {0} service has stopped")]
pub struct Stopped(pub &'static str);

/// Sends to the chain service.
#[derive(Clone, Debug)]
pub struct ChainHandle {
    messages: mpsc::Sender<ChainMessage>,
    attestations: mpsc::Sender<GossipAttestation>,
}

/// The chain service's ends of its channels.
#[derive(Debug)]
pub struct ChainInbox {
    messages: mpsc::Receiver<ChainMessage>,
    attestations: mpsc::Receiver<GossipAttestation>,
}

/// Sends to the network service.
#[derive(Clone, Debug)]
pub struct NetworkHandle(mpsc::Sender<NetworkMessage>);

/// The channels to the chain service: room for 32 messages, for which senders wait, and for 12,288 attestations from gossip; more
/// are dropped and counted.
pub fn chain_channel() -> (ChainHandle, ChainInbox) {
    let (messages, message_inbox) = mpsc::channel(CHAIN_QUEUE);
    let (attestations, attestation_inbox) = mpsc::channel(ATTESTATION_QUEUE);
    let inbox = ChainInbox {
        messages: message_inbox,
        attestations: attestation_inbox,
    };
    (
        ChainHandle {
            messages,
            attestations,
        },
        inbox,
    )
}

/// The channel to the network service, with room for 256 messages.
pub fn network_channel() -> (NetworkHandle, mpsc::Receiver<NetworkMessage>) {
    let (sender, receiver) = mpsc::channel(NETWORK_QUEUE);
    (NetworkHandle(sender), receiver)
}

impl ChainHandle {
    /// Sends a message, waiting for room.
    ///
    /// # Errors
    /// When the chain service has stopped.
    pub async fn send(&self, message: ChainMessage) -> Result<(), Stopped> {
        self.messages
            .send(message)
            .await
            .map_err(|_| Stopped("chain"))
    }

    /// Room for one message, so that the sender can wait for it before it takes the message in.
    ///
    /// # Errors
    /// When the chain service has stopped.
    pub async fn reserve(&self) -> Result<mpsc::OwnedPermit<ChainMessage>, Stopped> {
        let sender = self.messages.clone();
        sender.reserve_owned().await.map_err(|_| Stopped("chain"))
    }

    /// Hands over an attestation from gossip. When the queue is full it is dropped and counted.
    pub fn attestation(&self, attestation: GossipAttestation) {
        if self.attestations.try_send(attestation).is_err() {
            counter!("quartet_attestations_dropped_total").increment(1);
        }
    }
}

/// What the chain service takes in at a time.
#[derive(Debug)]
pub(crate) enum Incoming {
    Message(ChainMessage),
    Attestations(Vec<GossipAttestation>),
}

impl ChainInbox {
    /// The next message; `None` when all senders are gone.
    pub async fn next_message(&mut self) -> Option<ChainMessage> {
        self.messages.recv().await
    }

    /// The next attestation; `None` when all senders are gone.
    pub async fn next_attestation(&mut self) -> Option<GossipAttestation> {
        self.attestations.recv().await
    }

    /// The next message, or else up to `batch` attestations, none of which are taken when `batch` is
    /// zero. `None` when all senders are gone.
    pub(crate) async fn next(&mut self, batch: usize) -> Option<Incoming> {
        let mut attestations = Vec::new();
        tokio::select! {
            biased;
            message = self.messages.recv() => message.map(Incoming::Message),
            _ = self.attestations.recv_many(&mut attestations, batch), if batch > 0 => {
                Some(Incoming::Attestations(attestations))
            }
        }
    }

    /// Takes no more messages than those already sent.
    pub(crate) fn close(&mut self) {
        self.messages.close();
        self.attestations.close();
    }
}

impl NetworkHandle {
    /// Sends a message, waiting for room.
    ///
    /// # Errors
    /// When the network service has stopped.
    pub async fn send(&self, message: NetworkMessage) -> Result<(), Stopped> {
        self.0.send(message).await.map_err(|_| Stopped("network"))
    }

    /// Sends a message if there is room, and says whether there was. The chain service never waits
    /// for the network, since the network may be waiting for it.
    pub(crate) fn try_send(&self, message: NetworkMessage) -> bool {
        self.0.try_send(message).is_ok()
    }
}

#[cfg(test)]
mod tests;
