//! Which addresses may connect: limits and bans by address.

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    fmt,
    task::{Context, Poll},
};

use libp2p::{
    Multiaddr, PeerId,
    core::{Endpoint, transport::PortUse},
    swarm::{
        ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent,
        THandlerOutEvent, ToSwarm, dummy,
    },
};

use crate::{
    address::{AddressGroup, ip_of, is_public},
    config::AddressLimits,
};

/// An address is over a limit, or banned.
#[derive(Debug)]
pub(crate) struct AddressDenied(&'static str);

impl fmt::Display for AddressDenied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl std::error::Error for AddressDenied {}

/// Counts connections by address. Everything here is bounded by the limits of connections.
pub(crate) struct AddressLimiter {
    limits: Option<AddressLimits>,
    established: BTreeMap<ConnectionId, (PeerId, AddressGroup)>,
    /// Peers that we are told to be connected with, and those of their addresses.
    exempt: BTreeSet<PeerId>,
    banned: BTreeSet<AddressGroup>,
}

/// What an address counts as, if it is one that limits apply to.
pub(crate) fn limited_group(
    limits: Option<AddressLimits>,
    address: &Multiaddr,
) -> Option<AddressGroup> {
    let (limits, ip) = (limits?, ip_of(address)?);
    (is_public(ip) || limits.private_too).then(|| AddressGroup::of(ip))
}

impl AddressLimiter {
    pub(crate) fn new(limits: Option<AddressLimits>) -> Self {
        Self {
            limits,
            established: BTreeMap::new(),
            exempt: BTreeSet::new(),
            banned: BTreeSet::new(),
        }
    }

    /// What an address counts as, if it is one that limits apply to.
    pub(crate) fn group(&self, address: &Multiaddr) -> Option<AddressGroup> {
        limited_group(self.limits, address)
    }

    /// Limits do not apply to this peer.
    pub(crate) fn exempt(&mut self, peer: PeerId) {
        self.exempt.insert(peer);
    }

    /// Denies all further connections from these addresses.
    pub(crate) fn ban(&mut self, group: AddressGroup) {
        self.banned.insert(group);
    }

    pub(crate) fn unban(&mut self, group: AddressGroup) {
        self.banned.remove(&group);
    }

    fn check_established(&self, peer: PeerId, group: AddressGroup) -> Result<(), AddressDenied> {
        let most = self.limits.map_or(usize::MAX, |limits| limits.peers);
        let established = self.established.values();
        let others: BTreeSet<_> = established
            .filter(|(id, of)| *of == group && *id != peer && !self.exempt.contains(id))
            .map(|(id, _)| *id)
            .collect();
        if self.exempt.contains(&peer) || others.len() < most {
            Ok(())
        } else {
            Err(AddressDenied("too many peers at this address"))
        }
    }
}

impl NetworkBehaviour for AddressLimiter {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_pending_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        let group = self.group(remote);
        // A peer that is exempt is known by its identity only, later.
        if group.is_some_and(|group| self.banned.contains(&group)) {
            let denied = AddressDenied("the address is banned");
            return Err(ConnectionDenied::new(denied));
        }
        Ok(())
    }

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        if let Some(group) = self.group(remote) {
            (self.check_established(peer, group)).map_err(ConnectionDenied::new)?;
        }
        Ok(dummy::ConnectionHandler)
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        // Peers that we dial are wanted.
        Ok(dummy::ConnectionHandler)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(opened) => {
                let address = opened.endpoint.get_remote_address();
                if let Some(group) = self.group(address) {
                    let established = (opened.peer_id, group);
                    self.established.insert(opened.connection_id, established);
                }
            }
            FromSwarm::ConnectionClosed(closed) => {
                self.established.remove(&closed.connection_id);
            }
            _ => {}
        }
    }

    fn on_connection_handler_event(
        &mut self,
        _: PeerId,
        _: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Infallible, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(host: &str) -> Multiaddr {
        format!("/ip4/{host}/udp/9/quic-v1").parse().unwrap()
    }

    fn connect(limiter: &mut AddressLimiter, number: usize, peer: PeerId, host: &str) -> bool {
        let (id, address) = (ConnectionId::new_unchecked(number), address(host));
        if limiter
            .handle_pending_inbound_connection(id, &address, &address)
            .is_err()
        {
            return false;
        }
        let denied = limiter
            .handle_established_inbound_connection(id, peer, &address, &address)
            .is_err();
        if let (false, Some(group)) = (denied, limiter.group(&address)) {
            limiter.established.insert(id, (peer, group));
        }
        !denied
    }

    fn limits(private_too: bool) -> Option<AddressLimits> {
        let peers = 2;
        Some(AddressLimits { peers, private_too })
    }

    #[test]
    fn a_public_address_has_a_limit_of_peers_and_a_private_one_has_none() {
        let cases = [
            (limits(false), "8.8.8.8", 2),
            (limits(false), "127.0.0.1", 64),
            (limits(true), "127.0.0.1", 2),
            (None, "8.8.8.8", 64),
        ];
        for (limits, host, expected) in cases {
            let mut limiter = AddressLimiter::new(limits);
            let come = |number| connect(&mut limiter, number, PeerId::random(), host);
            assert_eq!((0..64).map(come).filter(|came| *came).count(), expected);
        }
    }

    #[test]
    fn a_static_peer_is_admitted_beyond_the_limit_of_its_address() {
        let mut limiter = AddressLimiter::new(limits(false));
        let wanted = PeerId::random();
        limiter.exempt(wanted);
        for (number, expected) in [(0, true), (1, true), (2, false)] {
            let came = connect(&mut limiter, number, PeerId::random(), "8.8.8.8");
            assert_eq!(came, expected);
        }
        assert!(connect(&mut limiter, 3, wanted, "8.8.8.8"));
        assert!(connect(&mut limiter, 4, PeerId::random(), "8.8.8.9"));
    }

    #[test]
    fn a_banned_address_gets_no_handshake() {
        let mut limiter = AddressLimiter::new(limits(false));
        let group = limiter.group(&address("8.8.8.8")).unwrap();
        limiter.ban(group);
        assert!(!connect(&mut limiter, 1, PeerId::random(), "8.8.8.8"));
        limiter.unban(group);
        assert!(connect(&mut limiter, 1, PeerId::random(), "8.8.8.8"));
    }
}
