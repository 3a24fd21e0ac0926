//! The network: all nodes and the lines between them, and what goes from one to the other.

use quartet_chain::LeanChain;
use quartet_types::{
    INTERVALS_PER_SLOT, PublicKey, Root, SECONDS_PER_SLOT, Signature, Slot, State, ValidatorIndex,
};

use super::{
    Scale, ScaleReport, SlotReport,
    event_queue::{Event, EventQueue},
    messages::{MessageRef, Messages, Packet},
    node::Node,
    tally::Tally,
    topology,
};
use crate::{
    SimulationError,
    bandwidth::{Bandwidth, Line, Nanos, Outcome, SECOND, Stream},
    mesh::{Mesh, Topic},
    stall::scheme::public_key,
    validators::GENESIS_TIME,
};

/// How long before slot 0 the nodes are there, so that their meshes are made: as many heartbeats as it takes and some more.
pub(super) const WARM_UP: Nanos = 12 * SECOND;
pub(super) const INTERVAL: Nanos = SLOT / INTERVALS_PER_SLOT;
pub(super) const SLOT: Nanos = SECONDS_PER_SLOT * SECOND;
const MILLISECOND: Nanos = SECOND / 1_000;

/// When a slot begins.
pub(super) fn start_of(slot: Slot) -> Nanos {
    WARM_UP + slot * SLOT
}

pub(super) struct Model<'a> {
    pub(super) scale: &'a Scale,
    pub(super) nodes: Vec<Node>,
    pub(super) lines: Bandwidth<Packet>,
    pub(super) messages: Messages,
    pub(super) events: EventQueue,
    pub(super) tally: Tally,
    /// In the place of every signature.
    pub(super) signature: Signature,
    pub(super) now: Nanos,
}

impl<'a> Model<'a> {
    pub(super) fn new(scale: &'a Scale) -> Result<Self, SimulationError> {
        let keys: Vec<PublicKey> = (0..scale.registered() as ValidatorIndex)
            .map(public_key)
            .collect();
        let genesis = State::genesis(GENESIS_TIME, &keys)?;
        let line = Line {
            turn: scale.turn_bytes,
            message: scale.costs.message,
            kibibyte: scale.costs.kibibyte,
            ..Line::of(scale.bits_per_second)
        };
        let mut model = Self {
            scale,
            nodes: (0..scale.nodes)
                .map(|node| new_node(scale, node, &genesis))
                .collect(),
            lines: Bandwidth::new(line, scale.gossip.window),
            messages: Messages::new(scale.block_bytes),
            events: EventQueue::default(),
            tally: Tally::new(scale.nodes),
            signature: Signature::from([0; quartet_types::SIGNATURE_BYTES]),
            now: 0,
        };
        model.connect();
        Ok(model)
    }

    fn connect(&mut self) {
        let one_way = self.scale.rtt_ms * MILLISECOND / 2;
        for (dialler, other) in topology::draw(self.scale.seed, self.scale.nodes, self.scale.peers)
        {
            self.lines.connect(dialler, other, one_way);
            self.nodes[dialler].mesh.connect(other, true);
            self.nodes[other].mesh.connect(dialler, false);
        }
        let heartbeat = self.scale.gossip.heartbeat;
        for node in 0..self.scale.nodes {
            // Nodes are not started at once.
            let phase = heartbeat * node as u64 / self.scale.nodes as u64;
            self.events.push(phase, Event::Heartbeat(node));
        }
        self.events
            .push(start_of(1), Event::Interval(INTERVALS_PER_SLOT));
    }

    /// Plays as many slots as are to be reported, and two more in which the last of them can come to an end.
    pub(super) fn play(
        mut self,
        mut tell: impl FnMut(&SlotReport),
    ) -> Result<ScaleReport, SimulationError> {
        let mut slots = Vec::new();
        for slot in 1..=self.scale.slots + 2 {
            self.play_until(start_of(slot + 1) - 1)?;
            let nodes = &mut self.nodes;
            self.tally.end_slot(slot, nodes, &mut self.lines);
            // What is late in a slot still comes in the next two.
            if slot > 2 {
                let report = self.tally.report(slot - 2);
                tell(&report);
                slots.push(report);
            }
        }
        let degrees = self.nodes.iter().map(|node| node.mesh.degree(Topic::Vote));
        let degree = f64::from(degrees.sum::<u32>()) / self.scale.nodes.max(1) as f64;
        Ok(ScaleReport::new(self.scale, slots, degree))
    }

    fn play_until(&mut self, until: Nanos) -> Result<(), SimulationError> {
        loop {
            let next = self
                .events
                .next_time()
                .map_or(until, |time| time.min(until));
            if let Some(outcome) = self.lines.step(next) {
                self.now = self.lines.now();
                self.on_outcome(outcome);
                continue;
            }
            if self.events.next_time().is_none_or(|time| time > until) {
                return Ok(());
            }
            if let Some((time, event)) = self.events.pop() {
                self.now = time;
                self.on_event(event)?;
            }
        }
    }

    fn on_outcome(&mut self, outcome: Outcome<Packet>) {
        match outcome {
            Outcome::Room { from, to } => self.fill(from, to),
            Outcome::Delivered { from, to, cargo } => match cargo {
                Packet::Gossip(rpc) => {
                    if let Some(reference) = self.nodes[to].mesh.receive(self.now, from, rpc) {
                        self.take_in(to, (reference, from));
                    }
                    self.send_queued(to);
                }
                Packet::Block(reference) => self.take_in(to, (reference, from)),
                Packet::Nothing(root) => self.nodes[to].not_found(&root),
                Packet::Request(root) => self.answer(to, from, root),
            },
        }
    }

    fn on_event(&mut self, event: Event) -> Result<(), SimulationError> {
        match event {
            Event::Interval(interval) => {
                self.events
                    .push(self.now + INTERVAL, Event::Interval(interval + 1));
                self.on_interval(interval)?;
            }
            Event::Heartbeat(node) => {
                self.nodes[node].mesh.heartbeat(self.now);
                self.send_queued(node);
                self.events.push(
                    self.now + self.scale.gossip.heartbeat,
                    Event::Heartbeat(node),
                );
            }
            Event::Done(node) => self.on_done(node),
            Event::Publish(node, notes) => {
                for reference in notes {
                    self.tally.published(&self.messages, reference);
                    self.known(node, reference);
                    self.nodes[node].mesh.publish(self.now, &reference);
                    self.send_queued(node);
                }
            }
        }
        Ok(())
    }

    fn take_in(&mut self, node: usize, brought: (MessageRef, usize)) {
        self.nodes[node].lay_up(brought, &self.messages);
        self.begin_work(node);
    }

    fn begin_work(&mut self, node: usize) {
        if let Some(cost) = self.nodes[node].begin(&self.scale.costs, &self.messages) {
            self.events.push(self.now + cost, Event::Done(node));
        }
    }

    fn on_done(&mut self, node: usize) {
        let finished = self.nodes[node].end(&self.messages);
        for reference in finished.counted.into_iter().chain(finished.imported) {
            self.known(node, reference);
        }
        for (reference, is_accepted) in finished.judged {
            self.nodes[node]
                .mesh
                .judged(self.now, reference.number, is_accepted);
        }
        for (root, has_it) in finished.wanted {
            if self.nodes[node].asks_for(root, self.now) {
                self.send_request(node, has_it, Packet::Request(root));
            }
        }
        self.send_queued(node);
        self.begin_work(node);
    }

    fn known(&mut self, node: usize, reference: MessageRef) {
        self.tally.known(&self.messages, self.now, reference, node);
    }

    fn answer(&mut self, node: usize, peer: usize, root: Root) {
        let has_it = self.nodes[node].chain.contains(&root);
        let answer = match self.messages.block(&root).filter(|_| has_it) {
            Some(reference) => Packet::Block(reference),
            None => Packet::Nothing(root),
        };
        self.send_request(node, peer, answer);
    }

    fn send_request(&mut self, from: usize, to: usize, packet: Packet) {
        self.tally.requests += u64::from(matches!(packet, Packet::Block(_)));
        self.lines.send(
            self.now,
            (from, to),
            Stream::Requests,
            packet.bytes(),
            packet,
        );
    }

    /// Hands what a node's gossip has queued to the lines, as far as there is room.
    fn send_queued(&mut self, node: usize) {
        for to in self.nodes[node].mesh.take_active() {
            self.fill(node, to);
        }
    }

    fn fill(&mut self, from: usize, to: usize) {
        while self.nodes[from].mesh.has_queued(to) && self.lines.has_room(self.now, from, to) {
            let Some(rpc) = self.nodes[from].mesh.next(self.now, to) else {
                return;
            };
            let packet = Packet::Gossip(rpc);
            self.lines
                .send(self.now, (from, to), Stream::Gossip, packet.bytes(), packet);
        }
    }
}

fn new_node(scale: &Scale, node: usize, genesis: &State) -> Node {
    let chain = LeanChain::from_genesis(genesis.clone());
    Node::new(chain, Mesh::new(scale.gossip, scale.seed, node))
}
