//! A node's place on the simulated network: what crates/network does for a real node.
//!
//! Gossip goes to every peer, is recognised when it comes again, and is passed on only after the
//! chain's verdict. Blocks are served from the chain's reader.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use futures::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use quartet_chain::{
    ChainHandle, ChainMessage, ChainReader, GossipAttestation, NetworkMessage, PeerName,
    RequestError, Stopped, Verdict,
};
use quartet_types::{Root, SECONDS_PER_SLOT, SignedBlockWithAttestation};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::{Alarm, Gossip, Inbound, Item, Network, Packet, meshed};
use crate::mesh::{Mesh, Rpc};

/// How often a node sends its status to its peers.
const STATUS_INTERVAL: Duration = Duration::from_secs(2 * SECONDS_PER_SLOT);
/// How long an answer to a request may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a gossip message is recognised.
const SEEN: Duration = Duration::from_secs(6 * SECONDS_PER_SLOT);
/// Most blocks in a response.
const RESPONSE: usize = 64;
/// Most gossip messages that wait for a verdict; later ones go to the chain, but no further.
const VERDICTS: usize = 4096;

/// A node's network service on the simulated network.
pub(crate) struct SimulatedPeer {
    pub(super) number: usize,
    pub(super) network: Arc<Network>,
    /// Where the run is wired; otherwise gossip goes to every peer.
    pub(super) mesh: Option<Mesh<Arc<Gossip>>>,
    messages: mpsc::Receiver<NetworkMessage>,
    inbound: mpsc::Receiver<Inbound>,
    chain: ChainHandle,
    reader: ChainReader,
    connected: BTreeSet<usize>,
    seen: BTreeMap<Root, Duration>,
    verdicts: FuturesUnordered<BoxFuture<'static, Judged>>,
    requests: BTreeMap<u64, usize>,
}

/// A verdict on a gossip message.
struct Judged {
    gossip: Arc<Gossip>,
    sender: usize,
    verdict: Verdict,
}

pub(crate) fn name(node: usize) -> PeerName {
    PeerName::new(format!("node-{node}"))
}

fn number(name: &PeerName) -> Option<usize> {
    name.as_str().strip_prefix("node-")?.parse().ok()
}

impl SimulatedPeer {
    pub(crate) fn new(
        number: usize,
        network: Arc<Network>,
        messages: mpsc::Receiver<NetworkMessage>,
        chain: ChainHandle,
        reader: ChainReader,
    ) -> Self {
        let inbound = network.attach(number);
        network.set_alarm(number, STATUS_INTERVAL, Alarm::Status);
        let mesh = meshed::mesh_of(&network, number);
        Self {
            number,
            network,
            mesh,
            messages,
            inbound,
            chain,
            reader,
            connected: BTreeSet::new(),
            seen: BTreeMap::new(),
            verdicts: FuturesUnordered::new(),
            requests: BTreeMap::new(),
        }
    }

    /// Runs until it is told to stop, or a service that it needs has stopped.
    pub(crate) async fn run(mut self, stop: CancellationToken) -> Result<(), Stopped> {
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                Some(judged) = self.verdicts.next() => self.on_verdict(judged),
                Some(message) = self.messages.recv() => self.on_message(message).await?,
                Some(inbound) = self.inbound.recv() => self.on_inbound(inbound).await?,
            }
        }
    }

    async fn on_message(&mut self, message: NetworkMessage) -> Result<(), Stopped> {
        self.network
            .observe(|observer, time| observer.published(time, self.number, &message));
        match message {
            NetworkMessage::PublishBlock(block) => self.publish(Gossip::block(block)),
            NetworkMessage::PublishAttestations(all) => {
                for signed in all {
                    self.publish(Gossip::attestation(Box::new(signed)));
                }
            }
            NetworkMessage::RequestBlocks {
                request,
                peer,
                roots,
            } => {
                let packet = Packet::BlocksRequest { request, roots };
                self.request(request, &peer, packet).await?;
            }
            NetworkMessage::RequestRange {
                request,
                peer,
                start_slot,
                count,
            } => {
                let packet = Packet::RangeRequest {
                    request,
                    start_slot,
                    count,
                };
                self.request(request, &peer, packet).await?;
            }
            NetworkMessage::Disconnect { peer, .. } => {
                if let Some(peer) = number(&peer) {
                    self.network.disconnect_for_a_while(self.number, peer);
                }
            }
            NetworkMessage::Penalize { peer, .. } => {
                if let Some(peer) = number(&peer) {
                    self.network
                        .observe(|observer, _| observer.penalized(self.number, peer));
                }
            }
        }
        Ok(())
    }

    async fn on_inbound(&mut self, inbound: Inbound) -> Result<(), Stopped> {
        match inbound {
            Inbound::Connected { peer, dialled } => {
                self.connected.insert(peer);
                if let Some(mesh) = &mut self.mesh {
                    mesh.connect(peer, dialled);
                }
                if dialled {
                    self.send_status(peer, false);
                }
            }
            Inbound::Disconnected { peer } => {
                if let Some(mesh) = &mut self.mesh {
                    mesh.disconnect(peer);
                }
                if self.connected.remove(&peer) {
                    let peer = name(peer);
                    self.chain.send(ChainMessage::Disconnected { peer }).await?;
                }
                let to_peer = self.requests.iter().filter(|(_, asked)| **asked == peer);
                let unanswered: Vec<u64> = to_peer.map(|(request, _)| *request).collect();
                for request in unanswered {
                    self.fail(request).await?;
                }
            }
            Inbound::Packet { peer, packet } => self.on_packet(peer, packet).await?,
            Inbound::Room { peer } => self.fill(peer),
            Inbound::Alarm(Alarm::Heartbeat) => self.on_heartbeat(),
            Inbound::Alarm(Alarm::Timeout { request }) => self.fail(request).await?,
            Inbound::Alarm(Alarm::Status) => {
                for peer in self.connected.clone() {
                    self.send_status(peer, false);
                }
                self.forget_old();
                self.network
                    .set_alarm(self.number, STATUS_INTERVAL, Alarm::Status);
            }
        }
        Ok(())
    }

    async fn on_packet(&mut self, peer: usize, packet: Packet) -> Result<(), Stopped> {
        if !self.connected.contains(&peer) {
            // It was meant for an earlier life of this node.
            return Ok(());
        }
        match packet {
            // From an adversary, which has no mesh.
            Packet::Gossip(gossip) if self.mesh.is_some() => {
                self.on_rpc(peer, Rpc::Message(gossip)).await?;
            }
            Packet::Gossip(gossip) => self.on_gossip(peer, gossip).await?,
            Packet::Rpc(rpc) => self.on_rpc(peer, rpc).await?,
            Packet::Status { status, answer } => {
                if !answer {
                    self.send_status(peer, true);
                }
                let peer = name(peer);
                self.chain
                    .send(ChainMessage::Status { peer, status })
                    .await?;
            }
            Packet::BlocksRequest { request, roots } => self.serve(peer, request, &roots),
            Packet::RangeRequest {
                request,
                start_slot,
                count,
            } => {
                if self.network.serves_ranges(self.number) {
                    let roots = self.reader.canonical_roots(start_slot, count);
                    self.serve(peer, request, &roots);
                } else {
                    self.send(peer, Packet::Unsupported { request })
                }
            }
            Packet::Unsupported { request } => {
                if self.requests.get(&request) == Some(&peer) {
                    self.requests.remove(&request);
                    let unsupported = Err(RequestError::Unsupported);
                    self.answer(request, unsupported).await?;
                }
            }
            Packet::BlocksResponse { request, blocks } => {
                if self.requests.get(&request) == Some(&peer) {
                    self.requests.remove(&request);
                    for block in &blocks {
                        self.take_note(&Item::Block(block.clone()), Verdict::Accept);
                    }
                    self.answer(request, Ok(blocks)).await?;
                }
            }
        }
        Ok(())
    }

    async fn request(
        &mut self,
        request: u64,
        peer: &PeerName,
        packet: Packet,
    ) -> Result<(), Stopped> {
        let Some(peer) = number(peer).filter(|peer| self.connected.contains(peer)) else {
            return self.answer(request, Err(RequestError::NoAnswer)).await;
        };
        self.requests.insert(request, peer);
        self.send(peer, packet);
        let timeout = Alarm::Timeout { request };
        self.network
            .set_alarm(self.number, REQUEST_TIMEOUT, timeout);
        Ok(())
    }

    fn serve(&self, peer: usize, request: u64, roots: &[Root]) {
        let found = roots
            .iter()
            .filter_map(|root| self.reader.block(*root).ok()?);
        // The genesis block is not signed, and everybody has it.
        let served = found.filter(|block| !block.signature.is_empty());
        let blocks = served.take(RESPONSE).collect();
        self.send(peer, Packet::BlocksResponse { request, blocks });
    }

    async fn on_gossip(&mut self, sender: usize, gossip: Arc<Gossip>) -> Result<(), Stopped> {
        if self.seen.insert(gossip.id, self.network.now()).is_some() {
            return Ok(());
        }
        self.ask_chain(sender, gossip).await
    }

    /// Shows the chain what is new.
    pub(super) async fn ask_chain(
        &mut self,
        sender: usize,
        gossip: Arc<Gossip>,
    ) -> Result<(), Stopped> {
        let (verdict, outcome) = oneshot::channel();
        let peer = name(sender);
        match &gossip.item {
            Item::Block(block) => {
                let block = block.clone();
                let message = ChainMessage::Block {
                    block,
                    peer,
                    verdict,
                };
                self.chain.send(message).await?;
            }
            Item::Attestation(signed) => self.chain.attestation(GossipAttestation {
                attestation: signed.as_ref().clone(),
                peer,
                verdict,
            }),
        }
        if self.verdicts.len() < VERDICTS {
            let judged = outcome.map(move |verdict| Judged {
                gossip,
                sender,
                verdict: verdict.unwrap_or(Verdict::Ignore),
            });
            self.verdicts.push(judged.boxed());
        }
        Ok(())
    }

    fn on_verdict(&mut self, judged: Judged) {
        let Judged {
            gossip,
            sender,
            verdict,
        } = judged;
        self.network
            .observe(|observer, _| observer.judged(self.number, sender, verdict));
        self.take_note(&gossip.item, verdict);
        if self.forward_to_mesh(&gossip, verdict) {
            return;
        }
        if verdict == Verdict::Accept {
            self.flood(&gossip, Some(sender));
        }
    }

    fn publish(&mut self, gossip: Arc<Gossip>) {
        self.take_note(&gossip.item, Verdict::Accept);
        if self.publish_to_mesh(&gossip) {
            return;
        }
        self.seen.insert(gossip.id, self.network.now());
        self.flood(&gossip, None);
    }

    fn flood(&self, gossip: &Arc<Gossip>, sender: Option<usize>) {
        for peer in self.connected.iter().filter(|peer| Some(**peer) != sender) {
            self.send(*peer, Packet::Gossip(gossip.clone()));
        }
    }

    fn send_status(&self, peer: usize, answer: bool) {
        let status = self.reader.chain().read().status();
        self.send(peer, Packet::Status { status, answer });
    }

    fn send(&self, peer: usize, packet: Packet) {
        self.network.send(self.number, peer, packet);
    }

    async fn fail(&mut self, request: u64) -> Result<(), Stopped> {
        match self.requests.remove(&request) {
            Some(_) => self.answer(request, Err(RequestError::NoAnswer)).await,
            None => Ok(()),
        }
    }

    async fn answer(
        &mut self,
        request: u64,
        result: Result<Vec<Arc<SignedBlockWithAttestation>>, RequestError>,
    ) -> Result<(), Stopped> {
        let message = ChainMessage::RequestedBlocks { request, result };
        self.chain.send(message).await
    }

    fn forget_old(&mut self) {
        let now = self.network.now();
        self.seen
            .retain(|_, since| now.saturating_sub(*since) < SEEN);
    }
}
