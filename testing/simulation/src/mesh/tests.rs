use std::collections::VecDeque;

use super::*;
use crate::bandwidth::{Bandwidth, Line, Outcome, Stream};

const LATENCY: Nanos = 40_000_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Letter(u32);

impl Gossiped for Letter {
    type Id = u32;

    fn id(&self) -> u32 {
        self.0
    }

    fn topic(&self) -> Topic {
        Topic::Vote
    }

    fn bytes(&self) -> u64 {
        3_300
    }
}

struct Party {
    meshes: Vec<Mesh<Letter>>,
    lines: Bandwidth<Rpc<Letter>>,
    /// What has come first, where and when.
    arrivals: Vec<(usize, u32, Nanos)>,
}

impl Party {
    fn new(
        nodes: usize,
        settings: GossipSettings,
        up: Option<u64>,
        connected: impl Fn(usize, usize) -> bool,
    ) -> Self {
        let line = Line::of(up);
        let mut lines = Bandwidth::new(line, settings.window);
        let mut meshes: Vec<_> = (0..nodes)
            .map(|node| Mesh::new(settings, 7, node))
            .collect();
        for one in 0..nodes {
            for other in (0..one).filter(|other| connected(one, *other)) {
                lines.connect(one, other, LATENCY);
                meshes[one].connect(other, true);
                meshes[other].connect(one, false);
            }
        }
        Self {
            meshes,
            lines,
            arrivals: Vec::new(),
        }
    }

    fn send_queued(&mut self, node: usize) {
        for to in self.meshes[node].take_active().collect::<Vec<_>>() {
            self.fill(node, to);
        }
    }

    fn fill(&mut self, node: usize, to: usize) {
        let now = self.lines.now();
        while self.meshes[node].has_queued(to) && self.lines.has_room(now, node, to) {
            let Some(rpc) = self.meshes[node].next(now, to) else {
                return;
            };
            self.lines
                .send(now, (node, to), Stream::Gossip, rpc.bytes(), rpc);
        }
    }

    fn settle(&mut self) {
        while let Some(outcome) = self.lines.step(Nanos::MAX) {
            let (from, to, cargo) = match outcome {
                Outcome::Delivered { from, to, cargo } => (from, to, cargo),
                Outcome::Room { from, to } => {
                    self.fill(from, to);
                    continue;
                }
            };
            let now = self.lines.now();
            if let Some(letter) = self.meshes[to].receive(now, from, cargo) {
                self.arrivals.push((to, letter.0, now));
                self.meshes[to].judged(now, letter.0, true);
            }
            self.send_queued(to);
        }
    }

    fn heartbeat(&mut self) {
        for node in 0..self.meshes.len() {
            let now = self.lines.now();
            self.meshes[node].heartbeat(now);
            self.send_queued(node);
        }
        self.settle();
    }

    fn publish(&mut self, node: usize, letter: Letter) {
        let now = self.lines.now();
        self.meshes[node].publish(now, &letter);
        self.send_queued(node);
    }

    fn counts(&self) -> Counts {
        let mut sum = Counts::default();
        self.meshes.iter().for_each(|mesh| sum += mesh.counts());
        sum
    }

    /// How many mesh links each node is away from one.
    fn distances(&self, from: usize) -> Vec<Option<u64>> {
        let mut distances = vec![None; self.meshes.len()];
        distances[from] = Some(0);
        let mut next = VecDeque::from([from]);
        while let Some(node) = next.pop_front() {
            let mesh = &self.meshes[node];
            for place in places(mesh.meshes[Topic::Vote as usize]) {
                let other = mesh.peers[place].as_ref().unwrap().node;
                if distances[other].is_none() {
                    distances[other] = distances[node].map(|distance| distance + 1);
                    next.push_back(other);
                }
            }
        }
        distances
    }
}

/// Everybody is connected with those at most 16 places away.
fn ring(nodes: usize) -> impl Fn(usize, usize) -> bool {
    move |one, other| {
        let apart = one.abs_diff(other);
        apart.min(nodes - apart) <= 16
    }
}

fn to_mesh_alone() -> GossipSettings {
    GossipSettings {
        flood_publish: false,
        ..GossipSettings::default()
    }
}

#[test]
fn meshes_come_to_their_size_and_are_mutual() {
    let mut party = Party::new(100, GossipSettings::default(), None, ring(100));
    (0..8).for_each(|_| party.heartbeat());
    for (node, mesh) in party.meshes.iter().enumerate() {
        for topic in Topic::ALL {
            let degree = mesh.degree(topic) as usize;
            assert!(
                (6..12).contains(&degree),
                "node {node} has {degree} peers of {topic:?}"
            );
        }
        for place in places(mesh.meshes[Topic::Vote as usize]) {
            let other = mesh.peers[place].as_ref().unwrap().node;
            let back = party.meshes[other].places[&node];
            assert_ne!(
                party.meshes[other].meshes[Topic::Vote as usize] & bit(back),
                0
            );
        }
    }
}

#[test]
fn a_message_takes_as_many_latencies_as_the_mesh_has_links() {
    let mut party = Party::new(100, to_mesh_alone(), None, ring(100));
    (0..8).for_each(|_| party.heartbeat());
    let (start, distances) = (party.lines.now(), party.distances(3));
    party.publish(3, Letter(1));
    party.settle();
    assert_eq!(party.arrivals.len(), 99);
    for (node, _, time) in &party.arrivals {
        assert_eq!(
            (time - start) / LATENCY,
            distances[*node].unwrap(),
            "node {node}"
        );
    }
    // Each link carries it in both directions, but not back to the peer it came from first, nor where it crosses with another.
    let links: u32 = party
        .meshes
        .iter()
        .map(|mesh| mesh.degree(Topic::Vote))
        .sum();
    let Counts { first, again, .. } = party.counts();
    assert_eq!(first, 99);
    assert!(
        again <= u64::from(links) - first,
        "{again} copies over {links} ends of links"
    );
}

#[test]
fn messages_of_our_own_go_to_everybody_where_that_is_set() {
    let mut party = Party::new(30, GossipSettings::default(), None, |_, _| true);
    (0..3).for_each(|_| party.heartbeat());
    let start = party.lines.now();
    party.publish(0, Letter(1));
    party.settle();
    assert!(
        party
            .arrivals
            .iter()
            .all(|(.., time)| *time == start + LATENCY)
    );
    assert_eq!(party.arrivals.len(), 29);
}

#[test]
fn a_node_without_a_mesh_hears_of_a_message_and_asks_for_it() {
    let lonely = GossipSettings {
        mesh: 0,
        mesh_low: 0,
        mesh_dialled: 0,
        ..to_mesh_alone()
    };
    let mut party = Party::new(2, lonely, None, |_, _| true);
    party.publish(0, Letter(1));
    party.settle();
    assert_eq!(party.arrivals, []);
    party.heartbeat();
    assert_eq!(party.arrivals.len(), 1);
    assert_eq!(party.counts().asked, 1);
}

#[test]
fn announcements_longer_than_a_control_message_may_be_are_lost() {
    let lonely = GossipSettings {
        mesh: 0,
        mesh_low: 0,
        mesh_dialled: 0,
        ..to_mesh_alone()
    };
    for (max_ids, refused, arrived) in [(5_000, 1, 0), (700, 0, 700)] {
        let settings = GossipSettings { max_ids, ..lonely };
        let mut party = Party::new(2, settings, None, |_, _| true);
        (0..800).for_each(|number| party.publish(0, Letter(number)));
        party.heartbeat();
        assert_eq!(
            (party.counts().too_long, party.arrivals.len()),
            (refused, arrived)
        );
    }
}

#[test]
fn a_message_that_is_there_already_is_not_sent_where_peers_say_so() {
    let mut copies = Vec::new();
    for idontwant in [false, true] {
        let settings = GossipSettings {
            idontwant,
            window: 16 << 10,
            ..to_mesh_alone()
        };
        let mut party = Party::new(60, settings, Some(5_000_000), ring(60));
        (0..8).for_each(|_| party.heartbeat());
        let before = party.counts().again;
        (0..60).for_each(|node| party.publish(node, Letter(node as u32)));
        party.settle();
        assert_eq!(party.arrivals.len(), 60 * 59);
        copies.push(party.counts().again - before);
    }
    assert!(copies[1] * 10 < copies[0] * 9, "{copies:?}");
}

#[test]
fn a_queue_drops_what_does_not_fit_and_what_waits_for_too_long() {
    let settings = GossipSettings {
        queue: 4,
        ..GossipSettings::default()
    };
    let mut mesh = Mesh::new(settings, 7, 0);
    mesh.connect(1, true);
    (0..6).for_each(|number| mesh.publish(0, &Letter(number)));
    assert_eq!(mesh.counts().crowded_out, 2);
    assert!(matches!(mesh.next(0, 1), Some(Rpc::Message(Letter(0)))));
    // Of those that wait, the peer does not want one; another can take its place.
    mesh.receive(0, 1, Rpc::IDontWant(2));
    assert_eq!(mesh.counts().unwanted, 1);
    mesh.publish(0, &Letter(9));
    assert!(matches!(mesh.next(0, 1), Some(Rpc::Message(Letter(1)))));
    assert!(matches!(mesh.next(0, 1), Some(Rpc::Message(Letter(3)))));
    assert!(mesh.next(PUBLISHED_WAITS + 1, 1).is_none());
    assert_eq!(mesh.counts().expired, 1);
}

#[test]
fn a_verdict_that_comes_too_late_forwards_nothing() {
    let mut mesh: Mesh<Letter> = Mesh::new(GossipSettings::default(), 7, 0);
    mesh.connect(1, true);
    mesh.connect(2, true);
    mesh.heartbeat(0);
    assert!(mesh.receive(0, 1, Rpc::Message(Letter(1))).is_some());
    (0..6).for_each(|_| mesh.heartbeat(0));
    mesh.judged(0, 1, true);
    assert_eq!(mesh.counts().late_verdicts, 1);
    assert!(
        mesh.receive(0, 2, Rpc::Message(Letter(1))).is_none(),
        "it is recognised all the same"
    );
}

#[test]
fn a_peer_slot_that_is_used_again_begins_without_promises() {
    let mut mesh = Mesh::new(GossipSettings::default(), 7, 0);
    mesh.connect(1, true);
    mesh.receive(0, 1, Rpc::IDontWant(5));
    mesh.disconnect(1);
    mesh.connect(2, true);
    mesh.publish(0, &Letter(5));
    assert!(matches!(mesh.next(0, 2), Some(Rpc::Message(Letter(5)))));
    assert!(mesh.next(0, 1).is_none());
}
