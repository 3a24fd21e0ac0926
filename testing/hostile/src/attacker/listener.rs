//! The identity that listens: hears blocks and votes, and asks by root for blocks that it lacks.

use std::{collections::HashMap, net::SocketAddr, sync::Arc, time::Duration};

use futures::StreamExt as _;
use libp2p::{
    Multiaddr, PeerId, Swarm, gossipsub,
    request_response::{Event, Message},
    swarm::SwarmEvent,
};
use quartet_network::wire::{self, ResultCode, Topic};
use quartet_types::{Root, SignedAttestation, SignedBlockWithAttestation};
use ssz::{Decode as _, Encode as _};
use tree_hash::TreeHash as _;

use super::{
    Knowledge,
    swarm::{self, Behaviour, BehaviourEvent},
};
use crate::chain::Envelope;

/// How long it waits before it dials a node again that let it go.
const REDIAL: Duration = Duration::from_millis(500);

/// Listens to these nodes, for ever.
pub(super) async fn listen(nodes: Vec<SocketAddr>, knowledge: Arc<Knowledge>) {
    let Ok(mut swarm) = swarm::build_listener() else {
        return;
    };
    for topic in Topic::ALL {
        let topic = gossipsub::IdentTopic::new(swarm::topic_name(topic));
        let _ = swarm.behaviour_mut().gossip.subscribe(&topic);
    }
    let addresses: Vec<_> = nodes.into_iter().map(swarm::dial_address).collect();
    let mut listener = Listener {
        swarm,
        addresses,
        connected: HashMap::new(),
        knowledge,
    };
    listener.dial_missing();
    let mut redial = tokio::time::interval(REDIAL);
    loop {
        tokio::select! {
            event = listener.swarm.select_next_some() => listener.on_event(event),
            _ = redial.tick() => listener.dial_missing(),
        }
    }
}

struct Listener {
    swarm: Swarm<Behaviour>,
    addresses: Vec<Multiaddr>,
    connected: HashMap<PeerId, Multiaddr>,
    knowledge: Arc<Knowledge>,
}

impl Listener {
    fn dial_missing(&mut self) {
        for address in &self.addresses {
            if !self
                .connected
                .values()
                .any(|connected| connected == address)
            {
                // It is tried again when it fails.
                let _ = self.swarm.dial(address.clone());
            }
        }
    }

    fn on_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::ConnectionEstablished {
                peer_id, endpoint, ..
            } => {
                let mut address = endpoint.get_remote_address().clone();
                if let Some(libp2p::multiaddr::Protocol::P2p(_)) = address.iter().last() {
                    address.pop();
                }
                self.connected.insert(peer_id, address);
            }
            SwarmEvent::ConnectionClosed {
                peer_id,
                num_established: 0,
                ..
            } => {
                self.connected.remove(&peer_id);
            }
            SwarmEvent::Behaviour(BehaviourEvent::Gossip(gossipsub::Event::Message {
                message,
                ..
            })) => self.on_gossip(&message),
            SwarmEvent::Behaviour(BehaviourEvent::Blocks(Event::Message {
                message: Message::Response { response, .. },
                ..
            })) => self.on_answer(&response),
            _ => {}
        }
        let count = self.connected.len();
        let changes = |heard: &mut usize| std::mem::replace(heard, count) != count;
        self.knowledge.heard_nodes.send_if_modified(changes);
    }

    fn on_gossip(&mut self, message: &gossipsub::Message) {
        let topic = swarm::topic_of(message.topic.as_str());
        let Ok(ssz) = wire::decompress(&message.data, wire::MAX_MESSAGE_BYTES) else {
            return;
        };
        match topic {
            Some(Topic::Block) => {
                if let Ok(block) = SignedBlockWithAttestation::from_ssz_bytes(&ssz) {
                    self.on_block(Arc::new(block));
                }
            }
            Some(Topic::Attestation) => {
                if let Ok(vote) = SignedAttestation::from_ssz_bytes(&ssz) {
                    self.knowledge.chain().hear_vote(vote);
                }
            }
            None => {}
        }
    }

    fn on_answer(&mut self, response: &[u8]) {
        if let Ok(chunk) = wire::decode_chunk(response)
            && chunk.code == ResultCode::Success
            && let Ok(block) = SignedBlockWithAttestation::from_ssz_bytes(&chunk.payload)
        {
            self.on_block(Arc::new(block));
        }
    }

    fn on_block(&mut self, block: Envelope) {
        // Hashed before the lock is taken: a block may be large.
        let root = block.block().tree_hash_root();
        let (missing, newest) = {
            let mut chain = self.knowledge.chain();
            let missing = chain.hear_block(root, block);
            (missing, chain.newest().map(|newest| newest.block().slot))
        };
        if let Some(root) = missing {
            self.ask(root);
        }
        let newest = newest.unwrap_or_default();
        self.knowledge.newest_slot.send_if_modified(|slot| {
            let is_newer = newest > *slot;
            *slot = newest.max(*slot);
            is_newer
        });
    }

    fn ask(&mut self, root: Root) {
        let Ok(request) = wire::encode_payload(&vec![root].as_ssz_bytes()) else {
            return;
        };
        if let Some(peer) = self.connected.keys().next() {
            let blocks = &mut self.swarm.behaviour_mut().blocks;
            blocks.send_request(peer, request);
        }
    }
}
