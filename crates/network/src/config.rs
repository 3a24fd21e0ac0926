//! What the service is started with: our identity, the address we listen at, the peers we dial.

use crate::wire::MAX_MESSAGE_BYTES;
use std::{collections::BTreeMap, fmt, net::SocketAddr, str::FromStr};

use libp2p::{
    Multiaddr, PeerId,
    identity::{Keypair, PublicKey, secp256k1},
    multiaddr::Protocol,
};
use quartet_chain::PeerName;

/// Peers that are accepted unless the configuration says otherwise.
pub const DEFAULT_MAX_PEERS: usize = 64;
/// Peers of one public address: a household or a small laboratory.
pub const DEFAULT_PEERS_PER_ADDRESS: usize = 8;

/// Peers that have names of their own in metrics, each a series of its own: more than any devnet has had.
pub const MAX_NAMED_PEERS: usize = 256;

/// What the service is started with.
#[derive(Clone, Debug)]
pub struct NetworkConfig {
    /// Our identity.
    pub identity: Identity,
    /// Where we listen for QUIC; port 0 is any free port.
    pub listen_address: SocketAddr,
    /// The network's name in gossip topics; nodes of other names hear nothing of us.
    pub fork_name: String,
    /// Peers that we dial, and dial again when they are disconnected.
    pub static_peers: Vec<StaticPeer>,
    /// Slots for peers that are not static; static peers have slots of their own. When all are taken, the peer that has not been
    /// useful for the longest time is disconnected for a new one.
    pub max_peers: usize,
    /// Most bytes of SSZ that a block from gossip may have; [`MAX_MESSAGE_BYTES`] at most. What is larger is not read, so that
    /// it need not be held while it comes.
    pub max_block_bytes: usize,
    /// Validators of the network: queues have room for their votes.
    pub validators: usize,
    /// Limits for the peers of one address; `None` for none.
    pub address_limits: Option<AddressLimits>,
    /// What peers are called in metrics, such as `zeam_0`; at most [`MAX_NAMED_PEERS`]. Others are called after the client that
    /// they say they are.
    pub peer_labels: BTreeMap<PeerName, String>,
}

/// How many peers may come from one IPv4 address, or one /64 of IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressLimits {
    /// Most peers, without static ones.
    pub peers: usize,
    /// Whether that holds for addresses that are not public as well, which several nodes often share.
    pub private_too: bool,
}

impl Default for AddressLimits {
    fn default() -> Self {
        Self {
            peers: DEFAULT_PEERS_PER_ADDRESS,
            private_too: false,
        }
    }
}

impl NetworkConfig {
    /// A configuration without static peers.
    pub fn new(
        identity: Identity,
        listen_address: SocketAddr,
        fork_name: impl Into<String>,
    ) -> Self {
        Self {
            identity,
            listen_address,
            fork_name: fork_name.into(),
            static_peers: Vec::new(),
            max_peers: DEFAULT_MAX_PEERS,
            max_block_bytes: MAX_MESSAGE_BYTES,
            validators: 0,
            address_limits: Some(AddressLimits::default()),
            peer_labels: BTreeMap::new(),
        }
    }
}

/// A node's secp256k1 identity. Never shows its secret.
#[derive(Clone)]
pub struct Identity(pub(crate) Keypair);

/// The bytes are not a secp256k1 secret key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the node key is no secp256k1 secret: it is zero or not below the order of the group")]
pub struct InvalidSecret;

impl Identity {
    /// The identity with this secret key.
    ///
    /// # Errors
    /// When it is zero or not below the order of the group.
    pub fn from_secret(secret: &[u8; 32]) -> Result<Self, InvalidSecret> {
        // Wiped by the function that takes it.
        let mut copy = *secret;
        let key = secp256k1::SecretKey::try_from_bytes(&mut copy).map_err(|_| InvalidSecret)?;
        Ok(Self(secp256k1::Keypair::from(key).into()))
    }

    /// The name that other nodes know us by.
    pub fn name(&self) -> PeerName {
        name_of(&self.peer_id())
    }

    pub(crate) fn peer_id(&self) -> PeerId {
        self.0.public().to_peer_id()
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", self.peer_id())
    }
}

/// The name that the rest of the node knows a peer by.
pub(crate) fn name_of(peer: &PeerId) -> PeerName {
    PeerName::new(peer.to_base58())
}

/// A peer to dial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaticPeer {
    /// The peer there; learnt from the first connection when not given.
    pub(crate) peer: Option<PeerId>,
    /// Where, without the identity.
    pub(crate) address: Multiaddr,
}

/// Not a peer that can be dialled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidStaticPeer {
    /// Not a multiaddr.
    #[error("{found:?} is not a multiaddr: {reason}")]
    NotAMultiaddr {
        /// What was given.
        found: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A multiaddr over another transport.
    #[error("{found} is not /ip4|ip6/<address>/udp/<port>/quic-v1[/p2p/<peer>]")]
    NotQuic {
        /// What was given.
        found: Multiaddr,
    },
    /// The key of a node record is not a point of the curve.
    #[error("the public key of the node at {address} is not a secp256k1 key")]
    PublicKey {
        /// Where the node is.
        address: SocketAddr,
    },
}

impl StaticPeer {
    /// The peer with this compressed secp256k1 public key that listens for QUIC at `address`, as a node
    /// record (ENR) has them.
    ///
    /// # Errors
    /// When the key is not on the curve.
    pub fn new(address: SocketAddr, public_key: &[u8; 33]) -> Result<Self, InvalidStaticPeer> {
        let key = secp256k1::PublicKey::try_from_bytes(public_key)
            .map_err(|_| InvalidStaticPeer::PublicKey { address })?;
        Ok(Self {
            peer: Some(PublicKey::from(key).to_peer_id()),
            address: quic_address(address),
        })
    }

    /// The peer's name, when it is known before the first connection.
    pub fn name(&self) -> Option<PeerName> {
        self.peer.as_ref().map(name_of)
    }
}

impl FromStr for StaticPeer {
    type Err = InvalidStaticPeer;

    /// Takes a multiaddr, `/ip4/…/udp/…/quic-v1` with or without `/p2p/…`.
    fn from_str(text: &str) -> Result<Self, InvalidStaticPeer> {
        let given: Multiaddr = (text.parse()).map_err(|error: libp2p::multiaddr::Error| {
            InvalidStaticPeer::NotAMultiaddr {
                found: text.to_owned(),
                reason: error.to_string(),
            }
        })?;
        let mut address = given.clone();
        let peer = match address.iter().last() {
            Some(Protocol::P2p(peer)) => {
                address.pop();
                Some(peer)
            }
            _ => None,
        };
        let parts: Vec<_> = address.iter().collect();
        match parts[..] {
            [
                Protocol::Ip4(_) | Protocol::Ip6(_),
                Protocol::Udp(1..),
                Protocol::QuicV1,
            ] => Ok(Self { peer, address }),
            _ => Err(InvalidStaticPeer::NotQuic { found: given }),
        }
    }
}

impl fmt::Display for StaticPeer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.peer {
            Some(peer) => write!(f, "{}/p2p/{peer}", self.address),
            None => write!(f, "{}", self.address),
        }
    }
}

/// The multiaddr of QUIC at a UDP address.
pub(crate) fn quic_address(address: SocketAddr) -> Multiaddr {
    Multiaddr::from(address.ip())
        .with(Protocol::Udp(address.port()))
        .with(Protocol::QuicV1)
}

/// The UDP address of a QUIC multiaddr.
pub(crate) fn udp_address(address: &Multiaddr) -> Option<SocketAddr> {
    let mut parts = address.iter();
    let ip = match parts.next()? {
        Protocol::Ip4(ip) => ip.into(),
        Protocol::Ip6(ip) => ip.into(),
        _ => return None,
    };
    match parts.next()? {
        Protocol::Udp(port) => Some(SocketAddr::new(ip, port)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_multiaddr_is_a_static_peer_with_or_without_a_name() {
        let name = Identity::from_secret(&[7; 32]).unwrap().name();
        let address = "/ip4/127.0.0.1/udp/9000/quic-v1";
        let nameless: StaticPeer = address.parse().unwrap();
        assert_eq!(
            (nameless.name(), nameless.to_string()),
            (None, address.into())
        );
        let text = format!("{address}/p2p/{name}");
        let named: StaticPeer = text.parse().unwrap();
        assert_eq!((named.name(), named.to_string()), (Some(name), text));
        assert!("/ip6/::1/udp/1/quic-v1".parse::<StaticPeer>().is_ok());
    }

    #[test]
    fn other_transports_and_nonsense_are_refused_by_name() {
        for wrong in [
            "/ip4/1.2.3.4/tcp/9000",
            "/dns4/a.b/udp/9/quic-v1",
            "/ip4/1.2.3.4/udp/0/quic-v1",
        ] {
            let error = wrong.parse::<StaticPeer>().unwrap_err();
            assert!(
                matches!(error, InvalidStaticPeer::NotQuic { .. }),
                "{error}"
            );
            assert!(error.to_string().contains(wrong));
        }
        let error = "enr:-abc".parse::<StaticPeer>().unwrap_err();
        assert!(error.to_string().contains("enr:-abc"), "{error}");
    }

    #[test]
    fn a_public_key_names_its_node() {
        let identity = Identity::from_secret(&[9; 32]).unwrap();
        let key = identity.0.public().try_into_secp256k1().unwrap().to_bytes();
        let address = "127.0.0.1:9000".parse().unwrap();
        let peer = StaticPeer::new(address, &key).unwrap();
        assert_eq!(peer.name(), Some(identity.name()));
        assert_eq!(udp_address(&peer.address), Some(address));
        assert!(StaticPeer::new(address, &[0; 33]).is_err());
    }

    #[test]
    fn zero_is_no_secret_and_no_secret_is_shown() {
        assert_eq!(Identity::from_secret(&[0; 32]).unwrap_err(), InvalidSecret);
        let shown = format!("{:?}", Identity::from_secret(&[0xab; 32]).unwrap());
        assert!(!shown.contains("171") && !shown.contains("ab, "), "{shown}");
    }
}
