//! Who may connect: limits of connections and of addresses, and bans by address. Libp2p's own limits count static peers among the
//! others, and remember every peer for ever.

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

/// A connection is over a limit, or its address is banned.
#[derive(Debug)]
pub(crate) struct Denied(&'static str);

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl std::error::Error for Denied {}

/// Most connections.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConnectionLimits {
    /// That others have begun and that are not established.
    pub(crate) pending: usize,
    /// Of all strangers.
    pub(crate) strangers: usize,
    /// Of one stranger.
    pub(crate) stranger: usize,
    /// Those of an address.
    pub(crate) addresses: Option<AddressLimits>,
}

/// Counts connections. Everything here is bounded by the limits.
pub(crate) struct ConnectionLimiter {
    limits: ConnectionLimits,
    pending: BTreeSet<ConnectionId>,
    established: BTreeMap<ConnectionId, (PeerId, Option<AddressGroup>)>,
    /// Peers that we are told to be connected with.
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

impl ConnectionLimiter {
    pub(crate) fn new(limits: ConnectionLimits) -> Self {
        Self {
            limits,
            pending: BTreeSet::new(),
            established: BTreeMap::new(),
            exempt: BTreeSet::new(),
            banned: BTreeSet::new(),
        }
    }

    /// What an address counts as, if it is one that limits apply to.
    pub(crate) fn group(&self, address: &Multiaddr) -> Option<AddressGroup> {
        limited_group(self.limits.addresses, address)
    }

    /// Limits do not apply to this peer.
    pub(crate) fn exempt(&mut self, peer: PeerId) {
        self.exempt.insert(peer);
    }

    /// Limits apply to this peer again.
    pub(crate) fn no_longer_exempt(&mut self, peer: &PeerId) {
        self.exempt.remove(peer);
    }

    /// Denies all further connections from these addresses.
    pub(crate) fn ban(&mut self, group: AddressGroup) {
        self.banned.insert(group);
    }

    pub(crate) fn unban(&mut self, group: AddressGroup) {
        self.banned.remove(&group);
    }

    fn check_pending(&self, address: &Multiaddr) -> Result<(), Denied> {
        // A peer that is exempt is known by its identity only, later.
        if (self.group(address)).is_some_and(|group| self.banned.contains(&group)) {
            return Err(Denied("the address is banned"));
        }
        if self.pending.len() >= self.limits.pending {
            return Err(Denied("too many handshakes"));
        }
        Ok(())
    }

    fn check_established(&self, peer: PeerId, address: &Multiaddr) -> Result<(), Denied> {
        if self.exempt.contains(&peer) {
            return Ok(());
        }
        let established = self.established.values();
        let strangers = established.filter(|(id, _)| !self.exempt.contains(id));
        let (own, others): (Vec<_>, Vec<_>) = strangers.partition(|(id, _)| *id == peer);
        if own.len() >= self.limits.stranger {
            return Err(Denied("too many connections of this peer"));
        }
        if own.len() + others.len() >= self.limits.strangers {
            return Err(Denied("too many connections"));
        }
        let Some((group, limits)) = self.group(address).zip(self.limits.addresses) else {
            return Ok(());
        };
        let neighbours = others.iter().filter(|(_, of)| *of == Some(group));
        let neighbours: BTreeSet<PeerId> = neighbours.map(|(id, _)| *id).collect();
        if neighbours.len() >= limits.peers {
            return Err(Denied("too many peers at this address"));
        }
        Ok(())
    }
}

impl NetworkBehaviour for ConnectionLimiter {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_pending_inbound_connection(
        &mut self,
        id: ConnectionId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        self.check_pending(remote).map_err(ConnectionDenied::new)?;
        self.pending.insert(id);
        Ok(())
    }

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.pending.remove(&id);
        (self.check_established(peer, remote)).map_err(ConnectionDenied::new)?;
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
                let group = self.group(opened.endpoint.get_remote_address());
                let established = (opened.peer_id, group);
                self.established.insert(opened.connection_id, established);
            }
            FromSwarm::ConnectionClosed(closed) => {
                self.established.remove(&closed.connection_id);
            }
            FromSwarm::ListenFailure(failure) => {
                self.pending.remove(&failure.connection_id);
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
    use libp2p::{
        core::ConnectedPoint,
        swarm::{
            ListenError,
            behaviour::{ConnectionClosed, ConnectionEstablished, ListenFailure},
        },
    };

    use super::*;

    fn address(host: &str) -> Multiaddr {
        format!("/ip4/{host}/udp/9/quic-v1").parse().unwrap()
    }

    fn connect(limiter: &mut ConnectionLimiter, number: usize, peer: PeerId, host: &str) -> bool {
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
        if !denied {
            let group = limiter.group(&address);
            limiter.established.insert(id, (peer, group));
        }
        !denied
    }

    fn limits(private_too: bool) -> Option<AddressLimits> {
        let peers = 2;
        Some(AddressLimits { peers, private_too })
    }

    fn limiter(addresses: Option<AddressLimits>) -> ConnectionLimiter {
        ConnectionLimiter::new(ConnectionLimits {
            pending: 3,
            strangers: 64,
            stranger: 2,
            addresses,
        })
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
            let mut limiter = limiter(limits);
            let come = |number| connect(&mut limiter, number, PeerId::random(), host);
            assert_eq!((0..64).map(come).filter(|came| *came).count(), expected);
        }
    }

    #[test]
    fn a_static_peer_is_admitted_beyond_the_limit_of_its_address() {
        let mut limiter = limiter(limits(false));
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
        let mut limiter = limiter(limits(false));
        let group = limiter.group(&address("8.8.8.8")).unwrap();
        limiter.ban(group);
        assert!(!connect(&mut limiter, 1, PeerId::random(), "8.8.8.8"));
        limiter.unban(group);
        assert!(connect(&mut limiter, 1, PeerId::random(), "8.8.8.8"));
    }

    #[test]
    fn a_stranger_may_have_two_connections_and_all_strangers_some_and_static_peers_any() {
        let mut limiter = limiter(None);
        let (wanted, stranger) = (PeerId::random(), PeerId::random());
        limiter.exempt(wanted);
        let mut come = |number, peer| connect(&mut limiter, number, peer, "8.8.8.8");
        assert!((0..100).all(|number| come(number, wanted)));
        assert_eq!(
            [100, 101, 102].map(|number| come(number, stranger)),
            [true, true, false]
        );
        let others = (200..300).filter(|number| come(*number, PeerId::random()));
        assert_eq!(others.count(), 62);
        assert!(come(300, wanted));
    }

    #[test]
    fn what_has_been_refused_or_has_failed_or_is_closed_counts_no_longer() {
        let mut limiter = limiter(None);
        limiter.limits.strangers = 1;
        let address = address("8.8.8.8");
        let begin = |limiter: &mut ConnectionLimiter, number| {
            let id = ConnectionId::new_unchecked(number);
            (limiter.handle_pending_inbound_connection(id, &address, &address)).is_ok()
        };
        for round in 0..3 {
            let numbers = [1, 2, 3, 4].map(|number| 10 * round + number);
            let begun = numbers.map(|number| begin(&mut limiter, number));
            assert_eq!(begun, [true, true, true, false]);
            let [opened, refused, failed] =
                [0, 1, 2].map(|which| ConnectionId::new_unchecked(numbers[which]));
            limiter.on_swarm_event(FromSwarm::ListenFailure(ListenFailure {
                local_addr: &address,
                send_back_addr: &address,
                error: &ListenError::Aborted,
                connection_id: failed,
                peer_id: None,
            }));
            let peer = PeerId::random();
            let come = |limiter: &mut ConnectionLimiter, id, peer| {
                (limiter.handle_established_inbound_connection(id, peer, &address, &address))
                    .is_ok()
            };
            assert!(come(&mut limiter, opened, peer));
            let endpoint = ConnectedPoint::Listener {
                local_addr: address.clone(),
                send_back_addr: address.clone(),
            };
            limiter.on_swarm_event(FromSwarm::ConnectionEstablished(ConnectionEstablished {
                peer_id: peer,
                connection_id: opened,
                endpoint: &endpoint,
                failed_addresses: &[],
                other_established: 0,
            }));
            assert!(!come(&mut limiter, refused, PeerId::random()));
            limiter.on_swarm_event(FromSwarm::ConnectionClosed(ConnectionClosed {
                peer_id: peer,
                connection_id: opened,
                endpoint: &endpoint,
                cause: None,
                remaining_established: 0,
            }));
            assert!(limiter.pending.is_empty() && limiter.established.is_empty());
        }
    }

    #[test]
    fn who_is_exempt_no_longer_counts_like_others() {
        let mut limiter = limiter(limits(false));
        let peers = [(); 3].map(|()| PeerId::random());
        for peer in peers {
            limiter.exempt(peer);
        }
        limiter.no_longer_exempt(&peers[2]);
        assert!((0..9).all(|number| connect(&mut limiter, number, peers[0], "8.8.8.8")));
        let come = [10, 11, 12].map(|number| connect(&mut limiter, number, peers[2], "8.8.8.8"));
        assert_eq!(come, [true, true, false]);
    }
}
