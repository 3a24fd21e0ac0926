//! Gossipsub as our node sets it (`crates/network/src/gossip`), as a state machine of one node: `(state, event) → messages to peers`.
//!
//! Modelled after libp2p-gossipsub 0.50, with all scores zero, as honest peers have them: meshes by topic, eager push to the mesh after
//! a verdict, own messages to everybody, IHAVE and IWANT, IDONTWANT, a queue for each peer that drops what does not fit and what has
//! waited for too long. Random choices are drawn from a seed.

mod heartbeat;
mod known;
mod queue;
mod settings;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, fmt, hash::Hash, ops::AddAssign};

use rand::{SeedableRng as _, rngs::StdRng, seq::SliceRandom as _};

use crate::{
    bandwidth::{Nanos, SECOND},
    wire,
};
use known::{Arrived, Known};
use queue::Queue;
pub use settings::GossipSettings;

/// Most peers of a node: their sets are the bits of a word. As many places as our node has by default.
pub(crate) const MAX_PEERS: usize = 64;
/// How long a message of our own, and one of others, may wait for a peer.
const PUBLISHED_WAITS: Nanos = 5 * SECOND;
const FORWARDED_WAITS: Nanos = SECOND;
/// How long a peer that has announced a message has to deliver it before another one is asked.
const PROMISE: Nanos = 3 * SECOND;
/// Announcements of a peer that are listened to between two heartbeats, and ids asked of it.
const MAX_IHAVES: u32 = 10;
const MAX_ASKED: usize = 5_000;
/// Messages from this size on are followed by an IDONTWANT.
const LARGE: u64 = 1_000;

/// What messages are about; each topic has a mesh of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Topic {
    Block = 0,
    Vote = 1,
}

impl Topic {
    pub(crate) const ALL: [Self; 2] = [Self::Block, Self::Vote];
}

/// A message that is gossiped. Clones are made for each peer, so they have to be cheap.
pub(crate) trait Gossiped: Clone + fmt::Debug {
    type Id: Copy + Eq + Hash + Ord + fmt::Debug;
    fn id(&self) -> Self::Id;
    fn topic(&self) -> Topic;
    /// With all framing but QUIC's.
    fn bytes(&self) -> u64;
}

/// What peers send each other.
#[derive(Clone, Debug)]
pub(crate) enum Rpc<M: Gossiped> {
    Message(M),
    IHave(Topic, Vec<M::Id>),
    IWant(Vec<M::Id>),
    IDontWant(M::Id),
    Graft(Topic),
    Prune(Topic),
}

/// What has been counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Messages that came first, and again.
    pub(crate) first: u64,
    pub(crate) again: u64,
    /// Messages that found a peer's queue full, and that had waited in it for too long.
    pub(crate) crowded_out: u64,
    pub(crate) expired: u64,
    /// Messages in a queue that an IDONTWANT has removed.
    pub(crate) unwanted: u64,
    /// Messages that were asked for with an IWANT.
    pub(crate) asked: u64,
    /// Control messages that are too long for the other side, so that it refused them.
    pub(crate) too_long: u64,
    /// Verdicts that came when the message was no longer kept.
    pub(crate) late_verdicts: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.first += other.first;
        self.again += other.again;
        self.crowded_out += other.crowded_out;
        self.expired += other.expired;
        self.unwanted += other.unwanted;
        self.asked += other.asked;
        self.too_long += other.too_long;
        self.late_verdicts += other.late_verdicts;
    }
}

/// A node's gossip.
#[derive(Debug)]
pub(crate) struct Mesh<M: Gossiped> {
    settings: GossipSettings,
    random: StdRng,
    places: BTreeMap<usize, usize>,
    peers: Vec<Option<Peer<M>>>,
    /// The peers of each topic's mesh.
    meshes: [u64; 2],
    known: Known<M>,
    /// Peers that something has been queued for.
    active: u64,
    counts: Counts,
}

#[derive(Debug)]
struct Peer<M: Gossiped> {
    node: usize,
    /// Whether we opened the connection.
    dialled: bool,
    queue: Queue<M>,
    /// Until when it is not to be in a topic's mesh.
    backoff: [Nanos; 2],
    ihaves: u32,
    asked: usize,
}

impl<M: Gossiped> Rpc<M> {
    /// Bytes without QUIC's.
    pub(crate) fn bytes(&self) -> u64 {
        match self {
            Self::Message(message) => message.bytes(),
            Self::IHave(_, ids) => wire::ids_of_topic(ids.len()),
            Self::IWant(ids) => wire::ids(ids.len()),
            Self::IDontWant(_) => wire::ids(1),
            Self::Graft(_) | Self::Prune(_) => wire::small(),
        }
    }
}

fn bit(place: usize) -> u64 {
    1 << place
}

/// The places in a set, in ascending order.
fn places(mut set: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let place = set.trailing_zeros() as usize;
        (set != 0).then(|| {
            set &= set - 1;
            place
        })
    })
}

impl<M: Gossiped> Mesh<M> {
    pub(crate) fn new(settings: GossipSettings, seed: u64, node: usize) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..16].copy_from_slice(&(node as u64).to_le_bytes());
        key[16..20].copy_from_slice(b"mesh");
        Self {
            settings,
            random: StdRng::from_seed(key),
            places: BTreeMap::new(),
            peers: Vec::new(),
            meshes: [0; 2],
            known: Known::new(settings.kept_heartbeats),
            active: 0,
            counts: Counts::default(),
        }
    }

    /// A peer is there; one beyond [`MAX_PEERS`] takes no part.
    pub(crate) fn connect(&mut self, node: usize, dialled: bool) {
        let free = self.peers.iter().position(Option::is_none);
        let place = free.unwrap_or(self.peers.len());
        if place >= MAX_PEERS || self.places.contains_key(&node) {
            return;
        }
        let peer = Peer {
            node,
            dialled,
            queue: Queue::default(),
            backoff: [0; 2],
            ihaves: 0,
            asked: 0,
        };
        match self.peers.get_mut(place) {
            Some(slot) => *slot = Some(peer),
            None => self.peers.push(Some(peer)),
        }
        self.places.insert(node, place);
    }

    /// A peer is gone.
    pub(crate) fn disconnect(&mut self, node: usize) {
        let Some(place) = self.places.remove(&node) else {
            return;
        };
        self.peers[place] = None;
        let others = !bit(place);
        self.active &= others;
        self.meshes.iter_mut().for_each(|mesh| *mesh &= others);
        self.known.forget_peer(place);
    }

    /// Something has come from a peer. What is returned is new, and waits for a verdict.
    pub(crate) fn receive(&mut self, now: Nanos, from: usize, rpc: Rpc<M>) -> Option<M> {
        let place = *self.places.get(&from)?;
        if rpc.bytes() > self.settings.max_control_bytes && !matches!(rpc, Rpc::Message(_)) {
            self.counts.too_long += 1;
            return None;
        }
        match rpc {
            Rpc::Message(message) => return self.on_message(place, message),
            Rpc::IHave(topic, ids) => self.on_ihave(now, place, topic, &ids),
            Rpc::IWant(ids) => self.on_iwant(now, place, &ids),
            Rpc::IDontWant(id) => {
                if self.known.unwanted(id, place) {
                    self.counts.unwanted += 1;
                    if let Some(peer) = &mut self.peers[place] {
                        peer.queue.cancelled();
                    }
                }
            }
            Rpc::Graft(topic) => self.on_graft(now, place, topic),
            Rpc::Prune(topic) => self.on_prune(now, place, topic),
        }
        None
    }

    /// Sends a message of our own.
    pub(crate) fn publish(&mut self, now: Nanos, message: &M) {
        if !self.known.publish(message) {
            return;
        }
        let all = self.all_peers();
        let to = if self.settings.flood_publish {
            all
        } else {
            let mesh = self.meshes[message.topic() as usize];
            let missing = self
                .settings
                .mesh
                .saturating_sub(mesh.count_ones() as usize);
            mesh | self.choose(all & !mesh, missing)
        };
        self.send_message(now + PUBLISHED_WAITS, message, to);
    }

    /// What has become of a message that [`Self::receive`] returned.
    pub(crate) fn judged(&mut self, now: Nanos, id: M::Id, is_accepted: bool) {
        let Some((message, not_to)) = self.known.judged(id, is_accepted) else {
            self.counts.late_verdicts += 1;
            return;
        };
        if is_accepted {
            let to = self.meshes[message.topic() as usize] & !not_to;
            self.send_message(now + FORWARDED_WAITS, &message, to);
        }
    }

    /// The nodes that something has been queued for since this was last asked.
    pub(crate) fn take_active(&mut self) -> impl Iterator<Item = usize> + use<M> {
        let active = std::mem::take(&mut self.active);
        let nodes: Vec<usize> = places(active)
            .filter_map(|place| Some(self.peers[place].as_ref()?.node))
            .collect();
        nodes.into_iter()
    }

    /// The next thing to send to a peer.
    pub(crate) fn next(&mut self, now: Nanos, to: usize) -> Option<Rpc<M>> {
        let place = *self.places.get(&to)?;
        let known = &mut self.known;
        let queue = &mut self.peers[place].as_mut()?.queue;
        queue.pop(now, &mut self.counts, |id| known.leaves_queue(id, place))
    }

    /// Whether anything waits for a peer.
    pub(crate) fn has_queued(&self, to: usize) -> bool {
        let place = self.places.get(&to);
        let peer = place.and_then(|place| self.peers[*place].as_ref());
        peer.is_some_and(|peer| !peer.queue.is_empty())
    }

    /// Messages that wait for the peer that most wait for, at most since this was last asked.
    pub(crate) fn take_longest_queue(&mut self) -> usize {
        let queues = self.peers.iter_mut().flatten();
        queues
            .map(|peer| peer.queue.take_longest())
            .max()
            .unwrap_or(0)
    }

    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }

    /// How many peers a topic's mesh has.
    pub(crate) fn degree(&self, topic: Topic) -> u32 {
        self.meshes[topic as usize].count_ones()
    }

    fn all_peers(&self) -> u64 {
        let taken = self
            .peers
            .iter()
            .enumerate()
            .filter(|(_, peer)| peer.is_some());
        taken.fold(0, |all, (place, _)| all | bit(place))
    }

    fn on_message(&mut self, place: usize, message: M) -> Option<M> {
        match self.known.arrive(&message, place) {
            Arrived::Again => {
                self.counts.again += 1;
                None
            }
            Arrived::First { promised } => {
                self.counts.first += 1;
                if self.settings.idontwant && message.bytes() > LARGE {
                    let to = (self.meshes[message.topic() as usize] | promised) & !bit(place);
                    for place in places(to) {
                        self.send_control(place, Rpc::IDontWant(message.id()));
                    }
                }
                Some(message)
            }
        }
    }

    fn on_ihave(&mut self, now: Nanos, place: usize, _: Topic, ids: &[M::Id]) {
        let Some(peer) = &mut self.peers[place] else {
            return;
        };
        peer.ihaves += 1;
        if peer.ihaves > MAX_IHAVES || peer.asked >= self.settings.max_ids.min(MAX_ASKED) {
            return;
        }
        let most = self.settings.max_ids.min(MAX_ASKED) - peer.asked;
        let mut wanted: Vec<M::Id> = ids
            .iter()
            .copied()
            .filter(|id| self.known.is_missing(*id, now))
            .collect();
        wanted.shuffle(&mut self.random);
        wanted.truncate(most);
        if wanted.is_empty() {
            return;
        }
        peer.asked += wanted.len();
        for id in &wanted {
            self.known.promised(*id, place, now + PROMISE);
        }
        self.counts.asked += wanted.len() as u64;
        self.queue(place, Rpc::IWant(wanted), Nanos::MAX);
    }

    fn on_iwant(&mut self, now: Nanos, place: usize, ids: &[M::Id]) {
        for id in ids {
            if let Some(message) = self.known.fetch(*id, place) {
                self.send_message(now + FORWARDED_WAITS, &message, bit(place));
            }
        }
    }

    /// Queues a message for peers, except for those that do not want it or have it queued already.
    fn send_message(&mut self, until: Nanos, message: &M, to: u64) {
        let to = to & !self.known.enters_queues(message.id(), to);
        for place in places(to) {
            if !self.queue(place, Rpc::Message(message.clone()), until) {
                self.known.leaves_queue(message.id(), place);
            }
        }
    }

    fn queue(&mut self, place: usize, rpc: Rpc<M>, until: Nanos) -> bool {
        let Some(peer) = &mut self.peers[place] else {
            return false;
        };
        self.active |= bit(place);
        let fits = peer.queue.push(rpc, until, self.settings.queue);
        self.counts.crowded_out += u64::from(!fits);
        fits
    }

    fn send_control(&mut self, place: usize, rpc: Rpc<M>) {
        if let Some(peer) = &mut self.peers[place] {
            self.active |= bit(place);
            peer.queue.push_control(rpc);
        }
    }
}
