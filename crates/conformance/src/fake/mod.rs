//! A node that is none: it makes up a chain and keeps the rules, but for the one that a test lets it break. It shows that cases
//! can fail.

mod tests;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::{AsyncReadExt as _, AsyncWriteExt as _, StreamExt as _, channel::oneshot};
use libp2p::{
    PeerId, Stream, StreamProtocol, Swarm, SwarmBuilder, identify,
    identity::Keypair,
    swarm::{NetworkBehaviour, NotifyHandler, SwarmEvent},
};
use quartet_types::{
    Checkpoint, Root, Signature, SignedAttestation, SignedBlockWithAttestation, Slot, Status,
};
use sha2::{Digest as _, Sha256};
use ssz::{Decode as _, Encode as _};
use tokio::{
    sync::{Notify, mpsc},
    task::JoinHandle,
};
use tree_hash::TreeHash as _;

use crate::{
    frames::{self, read_payload, read_varint, varint},
    gossip::message_id,
    gossip_log::rpc::{Message, Rpc},
    options::Address,
    peer::{BLOCKS_BY_ROOT, MESHSUB, STATUS, Streams, Wanted},
};

/// Slots are short, so that tests are.
const SLOT: Duration = Duration::from_millis(400);
/// RPCs that may wait for a listener.
const QUEUE: usize = 1024;
const VERSION: &str = "eth2/1.0.0;slot-ms=400";

/// The rule that is broken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Fault {
    #[default]
    None,
    /// The finalized slot is after the head's.
    FinalityAhead,
    /// It announces the compressed length.
    CompressedLength,
    /// It serves the parent of the requested block.
    WrongBlock,
    /// It answers for 1,025 roots.
    TooManyRoots,
    /// It answers whatever it is asked, by its head.
    AnswersAnything,
    /// A root that comes twice is served twice.
    ServesTwice,
    /// Ids are computed with the topic's length the other way round.
    OtherIds,
    /// Messages have an author and a number.
    Authored,
    /// It passes messages on before it checks them.
    PassesOnUnseen,
    /// It sends each message twice.
    Repeats,
    /// Its head stands still.
    StandsStill,
    /// It sends messages to peers that have unsubscribed.
    Deaf,
    /// It serves a root that comes twice twice, and is gone.
    Dies,
    /// It does not close the streams of its answers.
    LeavesOpen,
}

#[derive(NetworkBehaviour)]
struct Behaviour {
    identify: identify::Behaviour,
    streams: Streams,
}

/// What all streams share.
struct World {
    fault: Fault,
    blocks: HashMap<Root, SignedBlockWithAttestation>,
    head: Checkpoint,
    has_died: Arc<Notify>,
    messages: HashMap<Vec<u8>, Message>,
    /// The subscribers and their topics.
    listeners: HashMap<PeerId, (mpsc::Sender<Rpc>, bool)>,
}

/// The node; dropped, it is gone.
pub(super) struct Fake {
    pub(super) address: Address,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Fake {
    /// Starts one with a fault.
    pub(super) async fn start(fault: Fault) -> Self {
        let mut swarm = swarm();
        swarm
            .listen_on("/ip4/127.0.0.1/udp/0/quic-v1".parse().unwrap())
            .unwrap();
        let address = loop {
            if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
                break address.to_string().parse().unwrap();
            }
        };
        let mut world = World {
            fault,
            blocks: HashMap::new(),
            head: Checkpoint::default(),
            has_died: Arc::default(),
            messages: HashMap::new(),
            listeners: HashMap::new(),
        };
        (0..5).for_each(|_| drop(world.propose()));
        let world = Arc::new(Mutex::new(world));
        let tasks = vec![
            tokio::spawn(serve(swarm, world.clone())),
            tokio::spawn(make_chain(world)),
        ];
        Self { address, tasks }
    }
}

fn swarm() -> Swarm<Behaviour> {
    let key = Keypair::generate_secp256k1();
    let identify = identify::Config::new(VERSION.into(), key.public());
    let mut accepts = MESHSUB.to_vec();
    accepts.extend([STATUS, BLOCKS_BY_ROOT]);
    let behaviour = Behaviour {
        identify: identify::Behaviour::new(identify),
        streams: Streams::new(&accepts),
    };
    SwarmBuilder::with_existing_identity(key)
        .with_tokio()
        .with_quic()
        .with_behaviour(|_| behaviour)
        .unwrap()
        .with_swarm_config(|swarm| swarm.with_idle_connection_timeout(Duration::from_secs(60)))
        .build()
}

/// A block and a vote in each slot.
async fn make_chain(world: Arc<Mutex<World>>) {
    let mut slots = tokio::time::interval(SLOT);
    loop {
        slots.tick().await;
        let mut world = world.lock().unwrap();
        if world.fault != Fault::StandsStill {
            let messages = world.propose();
            world.publish(messages);
        }
    }
}

impl World {
    fn propose(&mut self) -> Vec<Message> {
        let slot = self.head.slot + 1;
        let mut block = SignedBlockWithAttestation::default();
        block.message.block.slot = slot;
        block.message.block.parent_root = self.head.root;
        block.signature = vec![Signature::default()].try_into().unwrap();
        let root = block.block().tree_hash_root();
        self.head = Checkpoint { root, slot };
        let vote = self.vote(slot);
        let message = |word: &str, ssz: Vec<u8>| {
            let topic = format!("/leanconsensus/devnet0/{word}/ssz_snappy");
            let mut message = Message::new(&topic, frames::block(&ssz));
            if self.fault == Fault::Authored {
                message.from = Some(vec![1; 38]);
                message.seqno = Some(vec![0; 8]);
            }
            message
        };
        let messages = vec![
            message("block", block.as_ssz_bytes()),
            message("attestation", vote.as_ssz_bytes()),
        ];
        self.blocks.insert(root, block);
        messages
    }

    fn vote(&self, slot: Slot) -> SignedAttestation {
        let mut message = quartet_types::Attestation::default();
        message.data.slot = slot;
        message.data.head = self.head;
        SignedAttestation {
            message,
            signature: Signature::default(),
        }
    }

    fn id(&self, message: &Message) -> Vec<u8> {
        if self.fault != Fault::OtherIds {
            return message_id(&message.topic, &message.data);
        }
        let mut hasher = Sha256::new();
        hasher.update([1, 0, 0, 0]);
        hasher.update((message.topic.len() as u64).to_be_bytes());
        hasher.update(message.topic.as_bytes());
        hasher.update(frames::unblock(&message.data).unwrap_or_default());
        hasher.finalize()[..20].to_vec()
    }

    fn publish(&mut self, messages: Vec<Message>) {
        for message in &messages {
            self.messages.insert(self.id(message), message.clone());
        }
        let times = if self.fault == Fault::Repeats { 2 } else { 1 };
        #[expect(clippy::iter_over_hash_type, reason = "each has a queue of its own")]
        for (listener, subscribed) in self.listeners.values() {
            for _ in 0..times {
                if *subscribed || self.fault == Fault::Deaf {
                    let publish = messages.clone();
                    let _ = listener.try_send(Rpc {
                        publish,
                        ..Rpc::default()
                    });
                }
            }
        }
    }

    /// Takes an RPC of this peer.
    fn hear(&mut self, peer: PeerId, rpc: Rpc) {
        let of_ours = |(_, topic): &&(bool, String)| topic.contains("devnet0");
        let last = rpc.subscriptions.iter().rfind(of_ours);
        if let (Some((on, _)), Some((_, subscribed))) = (last, self.listeners.get_mut(&peer)) {
            *subscribed = *on;
        }
        let publish: Vec<_> = rpc
            .iwant
            .iter()
            .filter_map(|id| self.messages.get(id).cloned())
            .collect();
        if let (false, Some((listener, _))) = (publish.is_empty(), self.listeners.get(&peer)) {
            let _ = listener.try_send(Rpc {
                publish,
                ..Rpc::default()
            });
        }
        if self.fault == Fault::PassesOnUnseen && !rpc.publish.is_empty() {
            let others = self.listeners.iter().filter(|(other, _)| **other != peer);
            for (_, (listener, _)) in others {
                let publish = rpc.publish.clone();
                let _ = listener.try_send(Rpc {
                    publish,
                    ..Rpc::default()
                });
            }
        }
    }

    fn status(&self) -> Vec<u8> {
        let mut finalized = Checkpoint::default();
        if self.fault == Fault::FinalityAhead {
            finalized.slot = self.head.slot + 1;
        }
        let head = self.head;
        let ssz = Status { finalized, head }.as_ssz_bytes();
        match self.fault {
            Fault::CompressedLength => {
                let framed = frames::framed(&ssz);
                [vec![0], varint(framed.len() as u64), framed].concat()
            }
            _ => frames::answer(0, &ssz),
        }
    }

    fn answer(&self, request: Option<Vec<u8>>) -> Vec<u8> {
        let roots = request.and_then(|ssz| Vec::<Root>::from_ssz_bytes(&ssz).ok());
        let roots = match (roots, self.fault) {
            (None, Fault::AnswersAnything) => vec![self.head.root],
            (None, _) => return frames::answer(1, b"malformed"),
            (Some(roots), _) => roots,
        };
        let mut seen = std::collections::HashSet::new();
        let once = roots.into_iter().filter(|root| {
            let twice = matches!(self.fault, Fault::ServesTwice | Fault::Dies);
            seen.insert(*root) || twice
        });
        let blocks = once.filter_map(|root| {
            let block = self.blocks.get(&root)?;
            match self.fault {
                Fault::WrongBlock => self.blocks.get(&block.block().parent_root),
                _ => Some(block),
            }
        });
        blocks
            .flat_map(|block| frames::answer(0, &block.as_ssz_bytes()))
            .collect()
    }
}

async fn serve(mut swarm: Swarm<Behaviour>, world: Arc<Mutex<World>>) {
    let has_died = world.lock().unwrap().has_died.clone();
    loop {
        let event = tokio::select! {
            biased;
            () = has_died.notified() => return,
            event = swarm.select_next_some() => event,
        };
        match event {
            SwarmEvent::Behaviour(BehaviourEvent::Streams(arrived)) => {
                match arrived.protocol.as_ref() {
                    STATUS => drop(tokio::spawn(tell(arrived.stream, world.clone()))),
                    BLOCKS_BY_ROOT => drop(tokio::spawn(give(arrived.stream, world.clone()))),
                    _ => drop(tokio::spawn(listen(
                        arrived.peer,
                        arrived.stream,
                        world.clone(),
                    ))),
                }
            }
            SwarmEvent::ConnectionEstablished { peer_id, .. } => {
                let (opened, stream) = oneshot::channel();
                let protocol = StreamProtocol::new(MESHSUB[0]);
                let streams = &mut swarm.behaviour_mut().streams;
                streams.open(peer_id, NotifyHandler::Any, Wanted { protocol, opened });
                tokio::spawn(speak(peer_id, stream, world.clone()));
            }
            // A peer that came back is a listener by its new connection.
            SwarmEvent::ConnectionClosed {
                peer_id,
                num_established: 0,
                ..
            } => {
                world.lock().unwrap().listeners.remove(&peer_id);
            }
            _ => {}
        }
    }
}

async fn tell(mut stream: Stream, world: Arc<Mutex<World>>) {
    let answer = match read_payload(&mut stream, 80).await {
        Ok(ssz) if ssz.len() == 80 => world.lock().unwrap().status(),
        _ => frames::answer(1, b"malformed"),
    };
    end(stream, &answer, &world).await;
}

/// Sends an answer and closes the stream.
async fn end(mut stream: Stream, answer: &[u8], world: &Mutex<World>) {
    let _ = stream.write_all(answer).await;
    if world.lock().unwrap().fault == Fault::LeavesOpen {
        let _ = stream.flush().await;
        std::future::pending::<()>().await;
    }
    let _ = stream.close().await;
}

async fn give(mut stream: Stream, world: Arc<Mutex<World>>) {
    let most = match world.lock().unwrap().fault {
        Fault::TooManyRoots => 2048,
        _ => 1024,
    };
    let request = read_payload(&mut stream, most * 32).await.ok();
    let is_twice =
        |ssz: &Vec<u8>| matches!(ssz.as_chunks::<32>().0, [first, second, ..] if first == second);
    let is_twice = request.as_ref().is_some_and(is_twice);
    let answer = world.lock().unwrap().answer(request);
    end(stream, &answer, &world).await;
    let world = world.lock().unwrap();
    if world.fault == Fault::Dies && is_twice {
        world.has_died.notify_one();
    }
}

async fn listen(peer: PeerId, mut stream: Stream, world: Arc<Mutex<World>>) {
    while let Ok(length @ ..=20_000_000) = read_varint(&mut stream).await {
        let mut bytes = vec![0; length as usize];
        if stream.read_exact(&mut bytes).await.is_err() {
            return;
        }
        let Some(rpc) = Rpc::decode(&bytes) else {
            return;
        };
        world.lock().unwrap().hear(peer, rpc);
    }
}

async fn speak(
    peer: PeerId,
    stream: oneshot::Receiver<Result<Stream, crate::peer::OpenError>>,
    world: Arc<Mutex<World>>,
) {
    let (sender, mut orders) = mpsc::channel(QUEUE);
    let subscriptions = ["block", "attestation"]
        .map(|word| (true, format!("/leanconsensus/devnet0/{word}/ssz_snappy")));
    let _ = sender.try_send(Rpc {
        subscriptions: subscriptions.to_vec(),
        ..Rpc::default()
    });
    world
        .lock()
        .unwrap()
        .listeners
        .insert(peer, (sender, false));
    let Ok(Ok(mut stream)) = stream.await else {
        return;
    };
    while let Some(rpc) = orders.recv().await {
        let bytes = rpc.encode();
        let framed = [varint(bytes.len() as u64), bytes].concat();
        if stream.write_all(&framed).await.is_err() || stream.flush().await.is_err() {
            return;
        }
    }
}
