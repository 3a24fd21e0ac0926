//! An identity that speaks: says whatever an attack wants said, to all nodes at once.

use std::{collections::HashSet, net::SocketAddr, sync::Arc, time::Duration};

use futures::StreamExt as _;
use libp2p::{
    Swarm, gossipsub,
    request_response::{Event, Message},
    swarm::SwarmEvent,
};
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
    swarm::{self, Behaviour, BehaviourEvent, MessageIds, Requests},
};

/// How long a speaker waits for the nodes to let it in and to tell what they take.
const INTRODUCTION: Duration = Duration::from_secs(2);

/// Messages that may wait to be sent.
const QUEUE: usize = 64;

/// What is to be said.
#[derive(Debug)]
enum Line {
    /// SSZ, as gossip.
    Gossip(Topic, Vec<u8>),
    /// A status request, as it is on the wire.
    Status(Vec<u8>),
}

/// One identity, connected with the nodes. Dropped, it leaves.
#[derive(Debug)]
pub(crate) struct Speaker {
    lines: mpsc::Sender<Line>,
    task: JoinHandle<()>,
}

impl Drop for Speaker {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Speaker {
    /// Connects a fresh identity with the nodes.
    pub(super) async fn connect(nodes: &[SocketAddr], knowledge: Arc<Knowledge>) -> Self {
        let (lines, said) = mpsc::channel(QUEUE);
        let (ready, is_ready) = oneshot::channel();
        let nodes = nodes.to_vec();
        let task = tokio::spawn(async move {
            if let Ok(swarm) = swarm::build(MessageIds::Unique, Requests::Answered) {
                speak(swarm, &nodes, said, ready, &knowledge).await;
            }
        });
        // Those that have let it in by then are the ones it speaks to.
        let _ = timeout(INTRODUCTION, is_ready).await;
        Self { lines, task }
    }

    /// Sends SSZ as gossip to all nodes that take it from this identity.
    pub(crate) async fn say(&self, topic: Topic, ssz: Vec<u8>) {
        // The receiver lives as long as this does, unless the swarm could not be built.
        let _ = self.lines.send(Line::Gossip(topic, ssz)).await;
    }

    /// Tells all nodes this status.
    pub(crate) async fn tell(&self, status: &Status) {
        if let Ok(payload) = wire::encode_payload(&status.as_ssz_bytes()) {
            let _ = self.lines.send(Line::Status(payload)).await;
        }
    }

    /// Waits until everything that was said is on its way, and a moment longer.
    pub(crate) async fn leave(self) {
        let empty = async {
            while self.lines.capacity() < QUEUE {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let _ = timeout(INTRODUCTION, empty).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

async fn speak(
    mut swarm: Swarm<Behaviour>,
    nodes: &[SocketAddr],
    mut said: mpsc::Receiver<Line>,
    ready: oneshot::Sender<()>,
    knowledge: &Knowledge,
) {
    for node in nodes {
        // A node that does not answer is not spoken to.
        let _ = swarm.dial(swarm::dial_address(*node));
    }
    let mut ready = Some(ready);
    let mut subscribed = HashSet::new();
    loop {
        tokio::select! {
            event = swarm.select_next_some() => {
                match event {
                    SwarmEvent::Behaviour(BehaviourEvent::Gossip(
                        gossipsub::Event::Subscribed { peer_id, topic },
                    )) => {
                        subscribed.insert((peer_id, topic));
                    }
                    SwarmEvent::Behaviour(BehaviourEvent::Blocks(Event::Message {
                        message: Message::Request { request, channel, .. },
                        ..
                    })) => {
                        let answer = knowledge.claim().blocks(&request);
                        // Whoever asked may have gone.
                        let _ = swarm.behaviour_mut().blocks.send_response(channel, answer);
                    }
                    SwarmEvent::Behaviour(BehaviourEvent::Status(Event::Message {
                        message: Message::Request { channel, .. },
                        ..
                    })) => {
                        if let Some(answer) = knowledge.claim().status_chunk() {
                            let _ = swarm.behaviour_mut().status.send_response(channel, answer);
                        }
                    }
                    SwarmEvent::ConnectionClosed { .. } => {
                        *knowledge.deeds().counts.entry("shown_out").or_default() += 1;
                    }
                    _ => {}
                }
                if subscribed.len() >= nodes.len() * Topic::ALL.len()
                    && let Some(ready) = ready.take()
                {
                    // Nobody waits any more when it took too long.
                    let _ = ready.send(());
                }
            }
            Some(line) = said.recv() => {
                let sent = match line {
                    Line::Gossip(topic, ssz) => publish(&mut swarm, topic, &ssz),
                    Line::Status(payload) => tell_all(&mut swarm, &payload),
                };
                let mut deeds = knowledge.deeds();
                match sent {
                    true => deeds.sent += 1,
                    false => deeds.unsent += 1,
                }
            }
        }
    }
}

/// Gossips SSZ; false when nobody takes it.
fn publish(swarm: &mut Swarm<Behaviour>, topic: Topic, ssz: &[u8]) -> bool {
    let topic = gossipsub::TopicHash::from_raw(swarm::topic_name(topic));
    let Ok(data) = wire::compress(ssz) else {
        return false;
    };
    swarm.behaviour_mut().gossip.publish(topic, data).is_ok()
}

/// Tells all nodes a status; false when there are none.
fn tell_all(swarm: &mut Swarm<Behaviour>, payload: &[u8]) -> bool {
    let peers: Vec<_> = swarm.connected_peers().copied().collect();
    for peer in &peers {
        let status = &mut swarm.behaviour_mut().status;
        status.send_request(peer, payload.to_vec());
    }
    !peers.is_empty()
}
