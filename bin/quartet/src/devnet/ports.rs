//! Ports on the loopback address: free ones of the system's choice, or given ones.

use std::{
    fmt,
    io::{self, ErrorKind},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket},
};

use serde::{Deserialize, Serialize};

/// The address at which all nodes listen: nothing of a devnet is reached from outside.
pub(super) const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Between the ports of one kind and those of the next; more than there are nodes.
const KINDS_APART: u16 = 100;
/// The first port of all that may be asked for: lower ones are the system's.
pub(super) const LOWEST_BASE: u16 = 1024;
/// The highest base, so that all ports above it are valid.
pub(super) const HIGHEST_BASE: u16 = u16::MAX - 4 * KINDS_APART;

/// The ports of one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct NodePorts {
    /// UDP, for QUIC.
    pub(super) quic: u16,
    /// TCP, for JSON-RPC and HTTP.
    pub(super) http: u16,
    /// TCP, for metrics.
    pub(super) metrics: u16,
}

impl NodePorts {
    /// Those of the node with this number, where the first port of all is `base`: `base` + number for QUIC, 100 above
    /// that for HTTP, 200 above it for metrics.
    pub(super) fn from_base(base: u16, index: u16) -> Self {
        let quic = base.saturating_add(index);
        Self {
            quic,
            http: quic.saturating_add(KINDS_APART),
            metrics: quic.saturating_add(2 * KINDS_APART),
        }
    }

    /// The port of the page that shows all nodes, where these are the first node's and begin at somebody's `base`: 300 above it.
    pub(super) fn page(&self) -> Option<u16> {
        let is_stable = *self == Self::from_base(self.quic, 0) && self.quic <= HIGHEST_BASE;
        is_stable.then(|| self.quic + 3 * KINDS_APART)
    }
}

/// A wanted port that is taken.
#[derive(Debug)]
pub(super) struct Unavailable {
    /// The node's number.
    pub(super) node: usize,
    what: &'static str,
    port: u16,
    error: io::Error,
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            what, port, error, ..
        } = self;
        match error.kind() {
            ErrorKind::AddrInUse => write!(f, "{what} port {port} is taken by another program"),
            _ => write!(f, "{what} port {port} cannot be used: {error}"),
        }
    }
}

/// Ports that are free, and stay so for as long as this lives.
///
/// The nodes' records must hold their ports before a node runs, so ports are chosen here and let go just
/// before the start. Another program may take one in between.
#[derive(Debug)]
pub(super) struct ReservedPorts {
    nodes: Vec<(UdpSocket, [TcpListener; 2])>,
}

impl ReservedPorts {
    /// Reserves ports of the system's choice for `count` nodes.
    ///
    /// # Errors
    /// When the system has none left, or allows no more open files.
    pub(super) fn any(count: usize) -> io::Result<Self> {
        let listen = || TcpListener::bind((LOOPBACK, 0));
        let node = |_| Ok((UdpSocket::bind((LOOPBACK, 0))?, [listen()?, listen()?]));
        let nodes = (0..count).map(node).collect::<io::Result<_>>()?;
        Ok(Self { nodes })
    }

    /// Reserves these.
    ///
    /// # Errors
    /// The first one that cannot be had.
    pub(super) fn these(ports: &[NodePorts]) -> Result<Self, Unavailable> {
        let unavailable = |node, what, port| {
            move |error| Unavailable {
                node,
                what,
                port,
                error,
            }
        };
        let listen = |node, what, port| {
            let address = SocketAddr::new(LOOPBACK, port);
            TcpListener::bind(address).map_err(unavailable(node, what, port))
        };
        let node = |(index, ports): (usize, &NodePorts)| {
            let quic = UdpSocket::bind((LOOPBACK, ports.quic));
            Ok((
                quic.map_err(unavailable(index, "QUIC (UDP)", ports.quic))?,
                [
                    listen(index, "HTTP (TCP)", ports.http)?,
                    listen(index, "metrics (TCP)", ports.metrics)?,
                ],
            ))
        };
        let nodes = ports.iter().enumerate().map(node).collect::<Result<_, _>>();
        nodes.map(|nodes| Self { nodes })
    }

    /// The ports' numbers, node by node.
    ///
    /// # Errors
    /// When the system does not say them.
    pub(super) fn numbers(&self) -> io::Result<Vec<NodePorts>> {
        let numbers = |(quic, [http, metrics]): &(UdpSocket, [TcpListener; 2])| {
            Ok(NodePorts {
                quic: quic.local_addr()?.port(),
                http: http.local_addr()?.port(),
                metrics: metrics.local_addr()?.port(),
            })
        };
        self.nodes.iter().map(numbers).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_port_is_given_twice_and_all_are_held() {
        let reserved = ReservedPorts::any(8).unwrap();
        let numbers = reserved.numbers().unwrap();
        let tcp: HashSet<_> = numbers.iter().flat_map(|n| [n.http, n.metrics]).collect();
        let udp: HashSet<_> = numbers.iter().map(|n| n.quic).collect();
        assert_eq!((tcp.len(), udp.len()), (16, 8));
        assert!(UdpSocket::bind((LOOPBACK, numbers[0].quic)).is_err());
        assert!(TcpListener::bind((LOOPBACK, numbers[0].http)).is_err());
    }

    #[test]
    fn wanted_ports_are_reserved_or_the_taken_one_is_named() {
        let wanted = ReservedPorts::any(3).unwrap().numbers().unwrap();
        let reserved = ReservedPorts::these(&wanted).unwrap();
        assert_eq!(reserved.numbers().unwrap(), wanted);
        drop(reserved);
        let _taken = TcpListener::bind((LOOPBACK, wanted[1].metrics)).unwrap();
        let taken = ReservedPorts::these(&wanted).unwrap_err();
        assert_eq!(taken.node, 1);
        let port = wanted[1].metrics;
        assert_eq!(
            taken.to_string(),
            format!("metrics (TCP) port {port} is taken by another program")
        );
    }

    #[test]
    fn ports_from_a_base_are_all_different_and_fit() {
        for base in [LOWEST_BASE, 9_000, HIGHEST_BASE] {
            let nodes = (0..64).map(|index| NodePorts::from_base(base, index));
            let all: HashSet<_> = nodes.flat_map(|n| [n.quic, n.http, n.metrics]).collect();
            assert_eq!(all.len(), 3 * 64);
        }
        let second = NodePorts::from_base(9_000, 1);
        assert_eq!(
            (second.quic, second.http, second.metrics),
            (9_001, 9_101, 9_201)
        );
    }
}
