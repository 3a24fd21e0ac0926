//! Free ports on the loopback address.

use std::{
    io,
    net::{TcpListener, UdpSocket},
};

use super::layout::LOOPBACK;

/// The ports of one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NodePorts {
    /// UDP, for QUIC.
    pub(super) quic: u16,
    /// TCP, for JSON-RPC and HTTP.
    pub(super) http: u16,
    /// TCP, for metrics.
    pub(super) metrics: u16,
}

/// Ports that are free, and stay so for as long as this lives.
///
/// The nodes' records must hold their ports before a node runs, so ports are chosen here and let go just
/// before the start. Somebody else may take one in between: then the devnet starts again with others.
#[derive(Debug)]
pub(super) struct ReservedPorts {
    nodes: Vec<(UdpSocket, [TcpListener; 2])>,
}

impl ReservedPorts {
    /// Reserves ports for `count` nodes.
    ///
    /// # Errors
    /// When the system has none left, or allows no more open files.
    pub(super) fn for_nodes(count: usize) -> io::Result<Self> {
        let listen = || TcpListener::bind((LOOPBACK, 0));
        let node = |_| Ok((UdpSocket::bind((LOOPBACK, 0))?, [listen()?, listen()?]));
        let nodes = (0..count).map(node).collect::<io::Result<_>>()?;
        Ok(Self { nodes })
    }

    /// The ports' numbers, node by node.
    ///
    /// # Errors
    /// When the system does not tell them.
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
        let reserved = ReservedPorts::for_nodes(8).unwrap();
        let numbers = reserved.numbers().unwrap();
        let tcp: HashSet<_> = numbers.iter().flat_map(|n| [n.http, n.metrics]).collect();
        let udp: HashSet<_> = numbers.iter().map(|n| n.quic).collect();
        assert_eq!((tcp.len(), udp.len()), (16, 8));
        assert!(UdpSocket::bind((LOOPBACK, numbers[0].quic)).is_err());
        assert!(TcpListener::bind((LOOPBACK, numbers[0].http)).is_err());
    }
}
