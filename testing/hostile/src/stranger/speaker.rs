//! An identity that speaks: says whatever an attack wants said, to all nodes at once.

use std::{collections::HashSet, net::SocketAddr, sync::Arc, time::Duration};

use futures::StreamExt as _;
use libp2p::{Swarm, gossipsub, swarm::SwarmEvent};
use quartet_network::wire::{self, Topic};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::timeout,
};

use super::{
    Knowledge,
    swarm::{self, Behaviour, BehaviourEvent, MessageIds},
};

/// How long a speaker waits for the nodes to let it in and to tell what they take.
const INTRODUCTION: Duration = Duration::from_secs(2);

/// Messages that may wait to be sent.
const QUEUE: usize = 64;

/// One identity, connected with the nodes. Dropped, it leaves.
#[derive(Debug)]
pub(crate) struct Speaker {
    lines: mpsc::Sender<(Topic, Vec<u8>)>,
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
            if let Ok(swarm) = swarm::build(MessageIds::Unique) {
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
        let _ = self.lines.send((topic, ssz)).await;
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
    mut said: mpsc::Receiver<(Topic, Vec<u8>)>,
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
                if let SwarmEvent::Behaviour(BehaviourEvent::Gossip(
                    gossipsub::Event::Subscribed { peer_id, topic },
                )) = event
                {
                    subscribed.insert((peer_id, topic));
                }
                if subscribed.len() >= nodes.len() * Topic::ALL.len()
                    && let Some(ready) = ready.take()
                {
                    // Nobody waits any more when it took too long.
                    let _ = ready.send(());
                }
            }
            Some((topic, ssz)) = said.recv() => {
                let Ok(data) = wire::compress(&ssz) else {
                    continue;
                };
                let topic = gossipsub::TopicHash::from_raw(swarm::topic_name(topic));
                let published = swarm.behaviour_mut().gossip.publish(topic, data);
                let mut deeds = knowledge.deeds();
                match published {
                    Ok(_) => deeds.sent += 1,
                    Err(_) => deeds.unsent += 1,
                }
            }
        }
    }
}
