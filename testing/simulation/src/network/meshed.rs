//! A node's gossip where the run is wired: through its mesh.

use std::{sync::Arc, time::Duration};

use quartet_chain::{Stopped, Verdict};

use super::{Alarm, Gossip, Item, Network, Packet, SimulatedPeer};
use crate::{
    arrivals::Awaited,
    mesh::{Mesh, Rpc},
};

/// The mesh of a node, where the run is wired. Its heart starts to beat at once.
pub(super) fn mesh_of(network: &Network, node: usize) -> Option<Mesh<Arc<Gossip>>> {
    let settings = network.wiring()?.gossip;
    network.set_alarm(
        node,
        Duration::from_nanos(settings.heartbeat),
        Alarm::Heartbeat,
    );
    Some(Mesh::new(settings, network.seed(), node))
}

impl SimulatedPeer {
    pub(super) async fn on_rpc(
        &mut self,
        peer: usize,
        rpc: Rpc<Arc<Gossip>>,
    ) -> Result<(), Stopped> {
        let now = self.network.nanos();
        let new = self
            .mesh
            .as_mut()
            .and_then(|mesh| mesh.receive(now, peer, rpc));
        if let Some(gossip) = new {
            self.ask_chain(peer, gossip).await?;
        }
        self.send_queued();
        Ok(())
    }

    /// Where the run is wired, the observer hears what has got here and when: a vote when it has been looked at, a block when it
    /// has been imported. A vote that a block has brought before is ignored, and has got here all the same.
    pub(super) fn take_note(&self, item: &Item, verdict: Verdict) {
        let (awaited, slot) = match item {
            Item::Block(block) => (Awaited::Block, block.block().slot),
            Item::Attestation(signed) => (Awaited::Votes, signed.message.data.slot),
        };
        let is_repeated = awaited == Awaited::Votes && verdict == Verdict::Ignore;
        if self.mesh.is_some() && (is_repeated || verdict == Verdict::Accept) {
            let node = self.number;
            self.network
                .observe(|observer, time| observer.arrivals.add(slot, awaited, node, time));
        }
    }

    pub(super) fn on_heartbeat(&mut self) {
        let Some(wiring) = self.network.wiring() else {
            return;
        };
        if let Some(mesh) = &mut self.mesh {
            mesh.heartbeat(self.network.nanos());
        }
        self.send_queued();
        let after = Duration::from_nanos(wiring.gossip.heartbeat);
        self.network.set_alarm(self.number, after, Alarm::Heartbeat);
    }

    /// Sends to the mesh what is our own; `false` where there is none.
    pub(super) fn publish_to_mesh(&mut self, gossip: &Arc<Gossip>) -> bool {
        let now = self.network.nanos();
        let Some(mesh) = &mut self.mesh else {
            return false;
        };
        mesh.publish(now, gossip);
        self.send_queued();
        true
    }

    /// Forwards to the mesh what was accepted; `false` where there is none.
    pub(super) fn forward_to_mesh(&mut self, gossip: &Arc<Gossip>, verdict: Verdict) -> bool {
        let now = self.network.nanos();
        let Some(mesh) = &mut self.mesh else {
            return false;
        };
        mesh.judged(now, gossip.id, verdict == Verdict::Accept);
        self.send_queued();
        true
    }

    fn send_queued(&mut self) {
        let active = self.mesh.as_mut().map(Mesh::take_active);
        for peer in active.into_iter().flatten() {
            self.fill(peer);
        }
    }

    /// Sends a peer what waits for it, as far as there is room.
    pub(super) fn fill(&mut self, peer: usize) {
        let now = self.network.nanos();
        let Some(mesh) = &mut self.mesh else {
            return;
        };
        while mesh.has_queued(peer) && self.network.has_room(self.number, peer) {
            let Some(rpc) = mesh.next(now, peer) else {
                return;
            };
            self.network.send(self.number, peer, Packet::Rpc(rpc));
        }
    }
}
