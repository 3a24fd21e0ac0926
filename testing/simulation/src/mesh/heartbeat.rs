//! What a node does to its meshes: at each heartbeat, and when peers ask to be in them.

use rand::seq::{IndexedRandom as _, SliceRandom as _};

use super::{Gossiped, Mesh, Nanos, Rpc, Topic, bit, places};
use crate::bandwidth::SECOND;

/// How long a peer that was sent away is not asked back.
const BACKOFF: Nanos = 60 * SECOND;
/// The share of the peers outside a mesh to which messages are announced, as in gossipsub.
const GOSSIP_FACTOR: usize = 4;

impl<M: Gossiped> Mesh<M> {
    /// Keeps the size of the meshes, and announces messages to some peers outside them.
    pub(crate) fn heartbeat(&mut self, now: Nanos) {
        for peer in self.peers.iter_mut().flatten() {
            (peer.ihaves, peer.asked) = (0, 0);
        }
        for topic in Topic::ALL {
            self.fill(now, topic);
            self.thin(now, topic);
            self.dial_into(now, topic);
        }
        for topic in Topic::ALL {
            self.announce(topic);
        }
        self.known.shift();
    }

    pub(super) fn on_graft(&mut self, now: Nanos, place: usize, topic: Topic) {
        let mesh = self.meshes[topic as usize];
        let Some(peer) = &self.peers[place] else {
            return;
        };
        let is_full = mesh.count_ones() as usize >= self.settings.mesh_high && !peer.dialled;
        if mesh & bit(place) != 0 {
            return;
        }
        if is_full || peer.backoff[topic as usize] > now {
            self.send_away(now, place, topic)
        } else {
            self.meshes[topic as usize] |= bit(place)
        }
    }

    pub(super) fn on_prune(&mut self, now: Nanos, place: usize, topic: Topic) {
        self.meshes[topic as usize] &= !bit(place);
        if let Some(peer) = &mut self.peers[place] {
            peer.backoff[topic as usize] = now + BACKOFF;
        }
    }

    /// Chooses this many peers of a set at random.
    pub(super) fn choose(&mut self, of: u64, most: usize) -> u64 {
        let of: Vec<usize> = places(of).collect();
        of.sample(&mut self.random, most)
            .fold(0, |chosen, place| chosen | bit(*place))
    }

    fn send_away(&mut self, now: Nanos, place: usize, topic: Topic) {
        self.meshes[topic as usize] &= !bit(place);
        if let Some(peer) = &mut self.peers[place] {
            peer.backoff[topic as usize] = now + BACKOFF;
        }
        self.send_control(place, Rpc::Prune(topic));
    }

    /// The peers that may be asked into a mesh.
    fn candidates(&self, now: Nanos, topic: Topic) -> u64 {
        let free = self.all_peers() & !self.meshes[topic as usize];
        places(free)
            .filter(|place| {
                let peer = self.peers[*place].as_ref();
                peer.is_some_and(|peer| peer.backoff[topic as usize] <= now)
            })
            .fold(0, |all, place| all | bit(place))
    }

    fn dialled(&self, set: u64) -> u64 {
        let is_dialled =
            |place: &usize| self.peers[*place].as_ref().is_some_and(|peer| peer.dialled);
        places(set)
            .filter(is_dialled)
            .fold(0, |all, place| all | bit(place))
    }

    fn graft(&mut self, topic: Topic, new: u64) {
        self.meshes[topic as usize] |= new;
        for place in places(new) {
            self.send_control(place, Rpc::Graft(topic));
        }
    }

    fn fill(&mut self, now: Nanos, topic: Topic) {
        let degree = self.degree(topic) as usize;
        if degree < self.settings.mesh_low {
            let new = self.choose(self.candidates(now, topic), self.settings.mesh - degree);
            self.graft(topic, new);
        }
    }

    fn thin(&mut self, now: Nanos, topic: Topic) {
        let mesh = self.meshes[topic as usize];
        let degree = mesh.count_ones() as usize;
        if degree < self.settings.mesh_high {
            return;
        }
        let mut excess = degree - self.settings.mesh;
        let mut dialled = self.dialled(mesh).count_ones() as usize;
        let mut shuffled: Vec<usize> = places(mesh).collect();
        shuffled.shuffle(&mut self.random);
        for place in shuffled {
            if excess == 0 {
                return;
            }
            if self.dialled(bit(place)) != 0 {
                if dialled <= self.settings.mesh_dialled {
                    continue;
                }
                dialled -= 1;
            }
            self.send_away(now, place, topic);
            excess -= 1;
        }
    }

    /// A mesh that others alone have chosen could be one stranger's.
    fn dial_into(&mut self, now: Nanos, topic: Topic) {
        let mesh = self.meshes[topic as usize];
        let dialled = self.dialled(mesh).count_ones() as usize;
        if mesh.count_ones() as usize >= self.settings.mesh_low
            && dialled < self.settings.mesh_dialled
        {
            let candidates = self.dialled(self.candidates(now, topic));
            let new = self.choose(candidates, self.settings.mesh_dialled - dialled);
            self.graft(topic, new);
        }
    }

    fn announce(&mut self, topic: Topic) {
        let ids = self
            .known
            .announced(topic, self.settings.announced_heartbeats);
        let others = self.all_peers() & !self.meshes[topic as usize];
        if ids.is_empty() || others == 0 {
            return;
        }
        let number = self
            .settings
            .lazy
            .max(others.count_ones() as usize / GOSSIP_FACTOR);
        for place in places(self.choose(others, number)) {
            let mut ids = ids.clone();
            ids.shuffle(&mut self.random);
            ids.truncate(self.settings.max_ids);
            self.queue(place, Rpc::IHave(topic, ids), Nanos::MAX);
        }
    }
}
