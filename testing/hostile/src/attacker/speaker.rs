//! An identity that speaks: says whatever an attack wants said, to all nodes at once.

use std::{
    collections::{HashMap, HashSet},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use futures::StreamExt as _;
use libp2p::{
    Multiaddr, Swarm, gossipsub,
    multiaddr::Protocol,
    request_response::{Event, Message},
    swarm::{ConnectionId, SwarmEvent, dial_opts::DialOpts},
};
use parking_lot::MutexGuard;
use quartet_network::wire::{self, Topic};
use quartet_types::Status;
use ssz::Encode as _;
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::timeout,
};

use super::{
    Knowledge,
    claim::Claim,
    identity_config::IdentityConfig,
    swarm::{self, Behaviour, BehaviourEvent},
};

/// How long a speaker waits for the nodes to let it in and to send their subscriptions.
const INTRODUCTION: Duration = Duration::from_secs(2);

/// How long a speaker waits before it dials those again that did not let it in.
const REDIAL: Duration = Duration::from_secs(2);

/// Messages that may wait to be sent.
const QUEUE: usize = 64;

/// A line that has left the queue still lies in the connections' buffers, which nothing lets us look into: on
/// loopback they are empty this much later. Who hung up earlier would take the last words along.
const LINGER: Duration = Duration::from_millis(300);

/// Requests of nodes that are kept without an answer; beyond, the oldest is dropped.
const MAX_WITHHELD: usize = 256;

/// A message to send.
#[derive(Debug)]
enum Line {
    /// SSZ, as gossip.
    Gossip(Topic, Vec<u8>),
    /// Gossip as it is on the wire.
    Bytes(Topic, Vec<u8>),
    /// A status request, as it is on the wire.
    Status(Vec<u8>),
    /// A request for blocks, as it is on the wire.
    Ask(Vec<u8>),
    /// Another topic that is listened to.
    Subscribe(String),
}

/// One identity, connected with the nodes. Dropped, it leaves.
#[derive(Debug)]
pub(crate) struct Speaker {
    number: u64,
    lines: mpsc::Sender<Line>,
    task: JoinHandle<()>,
    knowledge: Arc<Knowledge>,
}

impl Drop for Speaker {
    fn drop(&mut self) {
        self.task.abort();
        self.knowledge.deeds().tolerated_times.left(self.number);
    }
}

impl Speaker {
    /// Connects an identity with the nodes.
    pub(super) async fn connect(
        nodes: &[SocketAddr],
        knowledge: Arc<Knowledge>,
        identity_config: IdentityConfig,
    ) -> Self {
        let (lines, said) = mpsc::channel(QUEUE);
        let (ready, is_ready) = oneshot::channel();
        let number = {
            let mut deeds = knowledge.deeds();
            deeds.identities += 1;
            deeds.identities
        };
        let speech = Speech {
            number,
            nodes: nodes.to_vec(),
            identity_config,
            knowledge: knowledge.clone(),
            dialled: HashMap::new(),
            refused: Vec::new(),
            withheld: Vec::new(),
        };
        let task = tokio::spawn(async move {
            if let Ok(swarm) = swarm::build(&speech.identity_config) {
                speech.deliver(swarm, said, ready).await;
            }
        });
        // It also leaves when the receiver was dropped.
        let speaker = Self {
            number,
            lines,
            task,
            knowledge,
        };
        // Those that have let it in by then are the ones it speaks to.
        let _ = timeout(INTRODUCTION, is_ready).await;
        speaker
    }

    /// Sends SSZ as gossip to all nodes that take it from this identity.
    pub(crate) async fn say(&self, topic: Topic, ssz: Vec<u8>) {
        self.send(Line::Gossip(topic, ssz)).await;
    }

    /// Sends bytes as gossip, just as they are.
    pub(crate) async fn utter(&self, topic: Topic, bytes: Vec<u8>) {
        self.send(Line::Bytes(topic, bytes)).await;
    }

    /// Tells all nodes this status.
    pub(crate) async fn tell(&self, status: &Status) {
        if let Ok(payload) = wire::encode_payload(&status.as_ssz_bytes()) {
            self.send(Line::Status(payload)).await;
        }
    }

    /// Asks all nodes for blocks, with a request that is already as it is on the wire.
    pub(crate) async fn ask(&self, request: Vec<u8>) {
        self.send(Line::Ask(request)).await;
    }

    /// Tells all nodes that it listens to another topic.
    pub(crate) async fn subscribe(&self, topic: String) {
        self.send(Line::Subscribe(topic)).await;
    }

    /// Whether any node has let it in, now or before.
    pub(crate) fn is_let_in(&self) -> bool {
        self.knowledge.deeds().tolerated_times.has_come(self.number)
    }

    /// Whether no node is connected with it any more, though one was.
    pub(crate) fn is_shown_out(&self) -> bool {
        self.knowledge
            .deeds()
            .tolerated_times
            .is_shown_out(self.number)
    }

    /// Waits until everything that was said is on its way, and a moment longer.
    pub(crate) async fn leave(self) {
        // All places of the queue are free when nothing is left in it.
        let _ = timeout(INTRODUCTION, self.lines.reserve_many(QUEUE)).await;
        tokio::time::sleep(LINGER).await;
    }

    async fn send(&self, line: Line) {
        self.knowledge.deeds().tolerated_times.offended(self.number);
        // The receiver lives as long as this does, unless the swarm could not be built.
        let _ = self.lines.send(line).await;
    }
}

/// The state of a speaker's task.
struct Speech {
    number: u64,
    nodes: Vec<SocketAddr>,
    identity_config: IdentityConfig,
    knowledge: Arc<Knowledge>,
    /// Nodes that are being dialled.
    dialled: HashMap<ConnectionId, SocketAddr>,
    /// Nodes that have not let it in so far.
    refused: Vec<SocketAddr>,
    /// Where answers would go that never come.
    withheld: Vec<libp2p::request_response::ResponseChannel<Vec<u8>>>,
}

impl Speech {
    async fn deliver(
        mut self,
        mut swarm: Swarm<Behaviour>,
        mut said: mpsc::Receiver<Line>,
        ready: oneshot::Sender<()>,
    ) {
        self.refused = self.nodes.clone();
        let mut redial = tokio::time::interval(REDIAL);
        let mut ready = Some(ready);
        let mut subscribed = HashSet::new();
        loop {
            tokio::select! {
                event = swarm.select_next_some() => {
                    if let SwarmEvent::Behaviour(BehaviourEvent::Gossip(
                        gossipsub::Event::Subscribed { peer_id, topic },
                    )) = event {
                        subscribed.insert((peer_id, topic));
                    } else {
                        self.on_event(&mut swarm, event);
                    }
                    if subscribed.len() >= self.nodes.len() * Topic::ALL.len()
                        && let Some(ready) = ready.take()
                    {
                        // The receiver may have timed out.
                        let _ = ready.send(());
                    }
                }
                _ = redial.tick() => self.dial_refused(&mut swarm),
                Some(line) = said.recv() => {
                    let is_sent = say(&mut swarm, line);
                    let mut deeds = self.knowledge.deeds();
                    if is_sent { deeds.sent += 1 } else { deeds.unsent += 1 }
                }
            }
        }
    }

    /// Dials the nodes that have not let it in. Nodes that have disconnected it are not dialled again.
    fn dial_refused(&mut self, swarm: &mut Swarm<Behaviour>) {
        for node in std::mem::take(&mut self.refused) {
            let address = swarm::dial_address(node);
            let options = DialOpts::unknown_peer_id().address(address).build();
            self.dialled.insert(options.connection_id(), node);
            // A node that cannot be dialled is not spoken to.
            let _ = swarm.dial(options);
        }
    }

    /// Its claim, or that of all identities.
    fn claim(&self) -> MutexGuard<'_, Claim> {
        match &self.identity_config.claim {
            Some(own) => own.lock(),
            None => self.knowledge.claim(),
        }
    }

    fn on_event(&mut self, swarm: &mut Swarm<Behaviour>, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(BehaviourEvent::Blocks(Event::Message {
                message:
                    Message::Request {
                        request, channel, ..
                    },
                ..
            })) => {
                let answer = self.claim().blocks(&request);
                if answer.is_empty() && self.identity_config.withholds {
                    if self.withheld.len() >= MAX_WITHHELD {
                        self.withheld.remove(0);
                    }
                    self.withheld.push(channel);
                    return;
                }
                // The peer may have gone.
                let _ = swarm.behaviour_mut().blocks.send_response(channel, answer);
            }
            SwarmEvent::Behaviour(BehaviourEvent::Status(Event::Message {
                message: Message::Request { channel, .. },
                ..
            })) => {
                let answer = self.claim().status_chunk();
                if let Some(answer) = answer {
                    let _ = swarm.behaviour_mut().status.send_response(channel, answer);
                }
            }
            SwarmEvent::ConnectionEstablished {
                connection_id,
                endpoint,
                ..
            } => {
                self.dialled.remove(&connection_id);
                let port = udp_port(endpoint.get_remote_address());
                let mut deeds = self.knowledge.deeds();
                let name = connection(connection_id);
                deeds.tolerated_times.came(self.number, name, port);
            }
            SwarmEvent::ConnectionClosed { connection_id, .. } => {
                let mut deeds = self.knowledge.deeds();
                *deeds.counts.entry("shown_out").or_default() += 1;
                deeds
                    .tolerated_times
                    .gone(self.number, connection(connection_id));
            }
            SwarmEvent::OutgoingConnectionError { connection_id, .. } => {
                self.refused.extend(self.dialled.remove(&connection_id));
                let mut deeds = self.knowledge.deeds();
                *deeds.counts.entry("not_let_in").or_default() += 1;
            }
            _ => {}
        }
    }
}

/// A number for a connection, unique within this process.
fn connection(id: ConnectionId) -> String {
    id.to_string()
}

/// The UDP port of an address; 0 where it has none.
fn udp_port(address: &Multiaddr) -> u16 {
    let udp = address.iter().find_map(|part| match part {
        Protocol::Udp(port) => Some(port),
        _ => None,
    });
    udp.unwrap_or_default()
}

/// Sends a message; false when no node takes it.
fn say(swarm: &mut Swarm<Behaviour>, line: Line) -> bool {
    let peers: Vec<_> = swarm.connected_peers().copied().collect();
    let behaviour = swarm.behaviour_mut();
    match line {
        Line::Gossip(topic, ssz) => {
            let data = wire::compress(&ssz);
            data.is_ok_and(|data| publish(&mut behaviour.gossip, topic, data))
        }
        Line::Bytes(topic, data) => publish(&mut behaviour.gossip, topic, data),
        Line::Status(payload) => {
            for peer in &peers {
                behaviour.status.send_request(peer, payload.clone());
            }
            !peers.is_empty()
        }
        Line::Ask(payload) => {
            for peer in &peers {
                behaviour.blocks.send_request(peer, payload.clone());
            }
            !peers.is_empty()
        }
        Line::Subscribe(topic) => {
            let topic = gossipsub::IdentTopic::new(topic);
            behaviour.gossip.subscribe(&topic).is_ok()
        }
    }
}

fn publish(gossip: &mut gossipsub::Behaviour, topic: Topic, data: Vec<u8>) -> bool {
    let topic = gossipsub::TopicHash::from_raw(swarm::topic_name(topic));
    gossip.publish(topic, data).is_ok()
}
