//! Gossipsub behind a meter, which tells the transform who sent a message, drops messages over the budget before any work
//! is done for them, and reports what no honest node sends.

use std::task::{Context, Poll};

use libp2p::{
    Multiaddr, PeerId,
    core::{Endpoint, transport::PortUse},
    gossipsub::Event,
    swarm::{
        ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent,
        THandlerOutEvent, ToSwarm,
    },
};

use super::{
    Gossip,
    meter::{Faults, Meters},
};

/// What gossip tells the service.
#[derive(Debug)]
pub(crate) enum GossipEvent {
    /// Gossipsub's own.
    Gossip(Event),
    /// A peer has done what no honest node does.
    Faults(Faults),
}

/// Gossipsub and the meters of its peers.
pub(crate) struct MeteredGossip {
    pub(crate) gossip: Gossip,
    pub(crate) meters: Meters,
}

impl NetworkBehaviour for MeteredGossip {
    type ConnectionHandler = <Gossip as NetworkBehaviour>::ConnectionHandler;
    type ToSwarm = GossipEvent;

    fn handle_pending_inbound_connection(
        &mut self,
        id: ConnectionId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        (self.gossip).handle_pending_inbound_connection(id, local, remote)
    }

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        (self.gossip).handle_established_inbound_connection(id, peer, local, remote)
    }

    fn handle_pending_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: Option<PeerId>,
        addresses: &[Multiaddr],
        role: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        (self.gossip).handle_pending_outbound_connection(id, peer, addresses, role)
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        port: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        (self.gossip).handle_established_outbound_connection(id, peer, address, role, port)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match &event {
            FromSwarm::ConnectionEstablished(opened) => self.meters.greet(opened.peer_id),
            FromSwarm::ConnectionClosed(closed) if closed.remaining_established == 0 => {
                self.meters.forget(&closed.peer_id);
            }
            _ => {}
        }
        self.gossip.on_swarm_event(event);
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        if self.meters.begin(peer) {
            (self.gossip).on_connection_handler_event(peer, connection, event);
            self.meters.end();
        }
    }

    fn poll(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        // First, so that a peer that floods us is disconnected before more of its messages are handled. The swarm polls
        // after each event of a connection.
        if let Some(faults) = self.meters.next_faults() {
            return Poll::Ready(ToSwarm::GenerateEvent(GossipEvent::Faults(faults)));
        }
        let event = self.gossip.poll(context);
        event.map(|event| event.map_out(GossipEvent::Gossip))
    }
}
